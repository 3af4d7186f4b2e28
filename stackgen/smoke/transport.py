"""Ways for requests: from this host, or from inside the stack's network."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from importlib import resources
from typing import Any

from stackgen import trace
from stackgen.errors import StackError
from stackgen.modalities import Reply, Upload
from stackgen.records import dataclass
from stackgen.smoke.caller import NOT_ASKED, call_all

TIMEOUT_SECONDS = 120.0
REQUEST_SECONDS = 60.0
"""What a model may take for one small answer; an engine that hangs is told after it."""
_SCRIPT_SECONDS = 30.0
"""What Python may take to start and to end inside a busy container, beside the requests."""


@dataclass(frozen=True, kw_only=True)
class File:
    """A file in a form; its bytes in base64."""

    field: str
    name: str
    content_type: str
    data: str

    @classmethod
    def of(cls, upload: Upload | None) -> File | None:
        """What a probe uploads; its bytes are made anew on each call."""
        if upload is None:
            return None
        data = base64.b64encode(upload.content()).decode()
        return cls(field=upload.field, name=upload.name, content_type=upload.content_type, data=data)


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request with JSON, or with a form where there is an upload; a GET has neither."""

    url: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    upload: File | None = None
    method: str = "POST"
    timeout_seconds: float = REQUEST_SECONDS
    within_seconds: float = TIMEOUT_SECONDS
    """When it must be done, counted from the first request of those that are sent together."""


Transport = Callable[[Sequence[Request]], list[Reply]]
"""Sends requests from somewhere: from this host, or from inside the stack's network."""


def from_this_host(requests: Sequence[Request], timeout_seconds: float = TIMEOUT_SECONDS) -> list[Reply]:
    """Transport: HTTP from the machine that stackgen runs on."""
    replies = [Reply(**reply) for reply in call_all([asdict(request) for request in requests], timeout_seconds)]
    _tell(requests, replies, "this host")
    return replies


def _tell(requests: Sequence[Request], replies: Sequence[Reply], place: str) -> None:
    for request, reply in zip(requests, replies, strict=False):
        trace.tell(f"{request.method} {request.url} from {place}: {reply.status or 'no answer'}")


def by_script(run: Callable[[str, bytes, float], tuple[int, bytes, bytes]]) -> Transport:
    """Transport: a script that runs inside a container of the stack.

    Args:
        run: runs a Python program (text, standard input, longest time in seconds) there; gives exit code, output, error
            output. Keys travel by standard input, so that no process list shows them.
    """
    program = resources.files("stackgen.smoke").joinpath("caller.py").read_text(encoding="utf-8")

    def send(requests: Sequence[Request]) -> list[Reply]:
        job = {"timeout_seconds": TIMEOUT_SECONDS, "requests": [asdict(request) for request in requests]}
        longest = max(request.within_seconds for request in requests) + _SCRIPT_SECONDS
        try:
            exit_code, output, errors = run(program, json.dumps(job).encode(), longest)
        except StackError as error:
            return [Reply(error=f"the script inside the network cannot run: {error.message}")] * len(requests)
        if exit_code != 0:
            last = errors.decode(errors="replace").strip().splitlines()[-1:]
            return [
                Reply(error=f"the script inside the network failed (exit code {exit_code}): {''.join(last)}")
            ] * len(requests)
        replies = [Reply(**reply) for reply in json.loads(output)]
        _tell(requests, replies, "inside the network")
        return replies

    return send


def masked(transport: Transport, mask: Callable[[str], str]) -> Transport:
    """The same transport, with secrets taken out of what comes back before anybody shortens or shows it."""

    def hidden(reply: Reply) -> Reply:
        headers = {name: mask(value) for name, value in reply.headers.items()}
        return replace(reply, body=mask(reply.body), error=mask(reply.error), headers=headers)

    return lambda requests: [hidden(reply) for reply in transport(requests)]


def unreachable(reason: str) -> Transport:
    """Transport for a container that is not there."""
    return lambda requests: [Reply(error=f"{NOT_ASKED}: {reason}")] * len(requests)
