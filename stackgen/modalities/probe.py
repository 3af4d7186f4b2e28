"""The types that modalities are written in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from stackgen.sources import printable

_BODY_SHOWN = 300


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a server answered; `error` is set where there was no answer."""

    status: int = 0
    content_type: str = ""
    body: str = ""
    error: str = ""
    seconds: float = 0.0

    def json(self) -> Any:
        """The body as JSON, or None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def refusal(self) -> str | None:
        """Why this is no success at all: no answer, or a status other than 200."""
        if self.error:
            return self.error
        if self.status != 200:  # noqa: PLR2004 - HTTP
            return f"HTTP {self.status}: {_message(self)}"
        return None


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One small real request, and the judgement of its reply."""

    name: str
    body: Mapping[str, Any]
    """Body without `model`, which the runner adds."""
    complaint: Callable[[Reply], str | None]
    """None: the reply is good; else what is wrong with it."""
    good: tuple[Reply, ...]
    """Replies recorded from real engines and gateways."""
    bad: tuple[Reply, ...]

    def judge(self, reply: Reply) -> str | None:
        """The complaint; a reply whose parts are of other types than anybody expects is a complaint too."""
        try:
            return self.complaint(reply)
        except (AttributeError, KeyError, TypeError) as error:
            return f"the reply has another shape than its modality: {printable(str(error))}"


@dataclass(frozen=True, kw_only=True)
class Modality:
    """A kind of request that clients send."""

    name: str
    path: str
    """Path at the gateway."""
    probes: tuple[Probe, ...]


def _message(reply: Reply) -> str:
    """The sentence inside an error body."""
    data = reply.json()
    inner = data.get("error", data.get("detail", data)) if isinstance(data, dict) else data
    text = inner.get("message", inner) if isinstance(inner, dict) else inner
    plain = printable(" ".join(str(text if text is not None else reply.body).split()))
    return plain if len(plain) <= _BODY_SHOWN else f"{plain[:_BODY_SHOWN]}…"
