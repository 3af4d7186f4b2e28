"""The types that modalities are written in."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from stackgen.parts import Quirks
from stackgen.records import dataclass
from stackgen.sources import printable

_BODY_SHOWN = 300
_NO_QUIRKS = Quirks()


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a server answered; `error` is set where there was no answer."""

    status: int = 0
    content_type: str = ""
    body: str = ""
    data: str = ""
    """The bytes of a reply that is no text, in base64; its `body` is empty."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """What the gateway says about itself: headers that begin with `x-litellm-`, by their names in small letters."""
    error: str = ""
    seconds: float = 0.0
    first_seconds: float | None = None
    """When the first event of a stream was there; None where nothing streamed."""

    def json(self) -> Any:
        """The body as JSON, or None where it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def content(self) -> bytes:
        """The bytes of a reply that is no text."""
        return base64.b64decode(self.data)

    def message(self) -> str:
        """The sentence inside an error body, or the body."""
        data = self.json()
        inner = data.get("error", data.get("detail", data)) if isinstance(data, dict) else data
        text = inner.get("message", inner) if isinstance(inner, dict) else inner
        return shortened(str(text if text is not None else self.body))

    def tokens(self) -> int:
        """What the server says that it read and wrote; 0 where it does not say it."""
        data = self.json()
        usage = data.get("usage") if isinstance(data, dict) else None
        found = usage.get("total_tokens") if isinstance(usage, dict) else None
        return found if isinstance(found, int) else 0

    def refusal(self) -> str | None:
        """Why this is no success at all: no answer, or a status other than 200."""
        if self.error:
            return self.error
        if self.status != 200:  # noqa: PLR2004 - HTTP
            return f"HTTP {self.status}: {self.message()}"
        return None


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A file that travels in a form."""

    field: str
    name: str
    content_type: str
    content: Callable[[], bytes]
    """The file; other bytes on each call, so that no cache knows it."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the judge of a reply must know about its request beyond the probe."""

    quirks: Quirks = _NO_QUIRKS
    said: str = ""
    """The text of the recording that was sent; empty where it was the probe's own."""
    language: str = "en"
    """The language of that text."""
    exact: bool = False
    """Whether every word must be heard, as stand-ins do."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One small real request, and the judgement of its reply."""

    name: str
    body: Callable[[Quirks], Mapping[str, Any]]
    """Body without `model`, which the runner adds: JSON, or the fields of a form where there is an upload."""
    complaint: Callable[[Reply], str | None]
    """None: the reply is good; else what is wrong with it."""
    good: tuple[Reply, ...]
    """Replies recorded from real engines and gateways, or spelled from their documents."""
    bad: tuple[Reply, ...]
    wanted: Callable[[Quirks], bool] = lambda _: True
    """Whether a model with these quirks can be asked this."""
    upload: Upload | None = None
    saved_as: str = ""
    """Name of the file that a client makes of the reply, where it is no text."""
    misfit: Callable[[Reply, Asked], str | None] = lambda _reply, _asked: None
    """What is wrong with a sound reply for just this model and request."""
    difference: Callable[[Reply, Reply], str | None] = lambda _gateway, _engine: None
    """What the gateway changed in a sound reply that must be the engine's own."""
    hears: str = ""
    """Another modality: a good recording that its model made on the same way is uploaded in place of the probe's own."""
    after: str = ""
    """Another probe of the modality, from whose good reply this one goes on."""
    onward: Callable[[Mapping[str, Any], Reply], Mapping[str, Any]] = lambda body, _: body
    """The body that goes on from that reply."""

    def judge(self, reply: Reply, asked: Asked = Asked()) -> str | None:  # noqa: B008 - frozen
        """The complaint; a reply whose parts are of other types than anybody expects is a complaint too."""
        try:
            return self.complaint(reply) or self.misfit(reply, asked)
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            return f"the reply has another shape than its modality: {printable(str(error))}"


@dataclass(frozen=True, kw_only=True)
class Modality:
    """A kind of request that clients send."""

    name: str
    kinds: frozenset[str]
    """Kinds of models, as the catalogue calls them, that serve it."""
    path: str
    """Path at the gateway."""
    probes: tuple[Probe, ...]
    """The first one fits every model."""
    call: str = ""
    """Method of the openai client of Python; empty where it has none and posts the body as it is."""
    answer: str = ""
    """Where in the answer of that client stands what people want to see; empty where the answer is a file."""

    def probes_for(self, quirks: Quirks) -> tuple[Probe, ...]:
        """What a model with these quirks is asked."""
        return tuple(probe for probe in self.probes if probe.wanted(quirks))


def same(body: Mapping[str, Any]) -> Callable[[Quirks], Mapping[str, Any]]:
    """A body that depends on no quirk."""
    return lambda _: body


def first_choice(reply: Reply) -> Mapping[str, Any] | None:
    """The first of the answers that a model which writes gives; None where there is none."""
    data = reply.json()
    choices = data.get("choices") if isinstance(data, dict) else None
    return choices[0] if isinstance(choices, list) and choices else None


def of_choice(judge: Callable[[Mapping[str, Any]], str | None]) -> Callable[[Reply], str | None]:
    """The complaint about a reply whose first choice is judged; without a success or a choice there is nothing to judge."""

    def complaint(reply: Reply) -> str | None:
        refusal = reply.refusal()
        if refusal:
            return refusal
        choice = first_choice(reply)
        return "the reply has no `choices`" if choice is None else judge(choice)

    return complaint


def shortened(text: str) -> str:
    """A text of a server on one line, without what plays with a terminal, and not too long."""
    plain = printable(" ".join(text.split()))
    return plain if len(plain) <= _BODY_SHOWN else f"{plain[:_BODY_SHOWN]}…"
