"""Asks two servers the same and tells in what their answers differ: form, not values."""

from __future__ import annotations

import http.client
import itertools
import json
import re
import socket
from dataclasses import dataclass, field
from typing import Any

KEY = "sk-honest"
_HEADERS = ("allow", "www-authenticate", "location", "transfer-encoding")
"""Beside the content type, what an answer tells in its head."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One request. Without a body where neither `body` nor `raw` is given."""

    name: str
    method: str = "POST"
    path: str
    body: Any = None
    raw: bytes | None = None
    content_type: str = "application/json"
    key: str | None = KEY
    authorization: str = ""
    """The whole header, in the place of one with the key."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    content_type: str
    headers: dict[str, str] = field(default_factory=dict)
    text: str = ""

    def shape(self) -> list[Any]:
        """The fields of a JSON answer with the types of their values, or of each event of a stream; equal neighbours once."""
        if "event-stream" not in self.content_type:
            return [_shape(self.text)]
        return [shape for shape, _ in itertools.groupby(map(_event_shape, self.text.split("\n\n")))]

    def message(self) -> str:
        """What a refusal says, whole; empty where this is none, or one that is no JSON."""
        return self.text if self.status >= 400 and "json" in self.content_type else ""


def send(port: int, ask: Ask) -> Answer:
    """Ask a server on this machine."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    shown = ask.authorization or (f"Bearer {ask.key}" if ask.key else "")
    headers = {"Authorization": shown} if shown else {}
    content = ask.raw if ask.body is None else json.dumps(ask.body).encode()
    if content is not None and ask.content_type:
        headers["Content-Type"] = ask.content_type
    try:
        connection.request(ask.method, ask.path, content, headers)
        reply = connection.getresponse()
        told = {name: (reply.getheader(name) or "").replace(f":{port}/", ":PORT/") for name in _HEADERS}
        text = reply.read().decode("utf-8", "replace")
        return Answer(status=reply.status, content_type=reply.getheader("Content-Type") or "", headers=told, text=text)
    finally:
        connection.close()


def send_plain(port: int, head: bytes) -> tuple[str, str]:
    """Send what may be no request at all: the status and the body of the answer, read until the server hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(head)
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode("latin-1")
    return answer.partition("\r\n")[0], answer.partition("\r\n\r\n")[2]


def send_twice(port: int, first: Ask, second: Ask) -> list[int]:
    """The statuses of two requests on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    statuses = []
    try:
        for ask in (first, second):
            content = None if ask.body is None else json.dumps(ask.body).encode()
            connection.request(ask.method, ask.path, content, {"Content-Type": ask.content_type})
            reply = connection.getresponse()
            reply.read()
            statuses.append(reply.status)
    finally:
        connection.close()
    return statuses


def difference(real: Answer, stand_in: Answer) -> str:
    """In what two answers differ; empty: in nothing that is compared."""
    found = []
    if real.status != stand_in.status:
        return f"status {real.status}, not {stand_in.status}"
    if real.content_type != stand_in.content_type:
        found.append(f"content type {real.content_type!r}, not {stand_in.content_type!r}")
    pairs = ((name, real.headers[name], stand_in.headers[name]) for name in _HEADERS)
    found += [f"header {name} {one!r}, not {other!r}" for name, one, other in pairs if one != other]
    ours, theirs = stand_in.shape(), real.shape()
    if len(ours) == len(theirs) == 1:
        found += [f"lacks {path}" for path in sorted(theirs[0] - ours[0])]
        found += [f"adds {path}" for path in sorted(ours[0] - theirs[0])]
    elif ours != theirs:
        found.append(f"another sequence of events: {_sequence(theirs)}, not {_sequence(ours)}")
    if not found and real.message() != stand_in.message():
        found.append("other words")
    return "; ".join(found)


def _sequence(shapes: list[frozenset[str]]) -> str:
    whole = sorted(set().union(*shapes))
    return " | ".join(" ".join(path for path in whole if path in shape and "delta" in path) or "-" for shape in shapes)


def _event_shape(event: str) -> frozenset[str]:
    """Of one event of a stream, with what stands before its data."""
    frame, data, text = event.partition("data: ")
    return _shape(text) | {f"framed by {frame + data!r}"}


def _shape(text: str) -> frozenset[str]:
    try:
        data = json.loads(text)
    except ValueError:
        return frozenset({text.strip() if text.strip() in {"", "[DONE]"} else "text"})
    return frozenset(_paths(data, ""))


def _paths(value: Any, path: str) -> list[str]:
    if isinstance(value, dict):
        return [inner for name, one in value.items() for inner in _paths(one, f"{path}.{name}")] or [f"{path}: empty"]
    if isinstance(value, list):
        return [inner for one in value for inner in _paths(one, f"{path}[]")] or [f"{path}: empty list"]
    return [f"{path}: {type(value).__name__}"]


def families(metrics: str) -> dict[str, str]:
    """The type of each family of series that a Prometheus page tells."""
    heads = (line.split() for line in metrics.splitlines() if line.startswith("# TYPE "))
    return {name: kind for _, _, name, kind in heads}


def telling_line(stderr: str) -> str:
    """The last line of a refused start, without frames and quotes, which differ between releases of the parsers."""
    lines = [line.strip("│╭╰─╮╯ ") for line in stderr.splitlines()]
    lines = [line for line in lines if line and line != "Error"]
    last = lines[-1] if lines else ""
    joined = f"{lines[-2]} {last}" if len(lines) > 1 and lines[-2].startswith("Invalid value") else last
    return joined.replace("'", "")


def labels(metrics: str, family: str) -> set[tuple[str, ...]]:
    """The names of labels that series of a family have."""
    lines = (line for line in metrics.splitlines() if line.startswith((f"{family}{{", f"{family} ")))
    return {tuple(sorted(re.findall(r"[{,](\w+)=", line.rpartition(" ")[0]))) for line in lines}
