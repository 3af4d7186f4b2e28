"""The door that all stand-ins share: requests, routes, keys, whole and streamed answers; `listening.py` puts it on a port."""

from __future__ import annotations

import email
import email.policy
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

_WRONG_METHOD = 405


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A file of a form."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in small letters."""
    query: str = ""
    """What follows the question mark, as it was written."""
    content: bytes = b""
    parts: Mapping[str, str] = field(default_factory=dict)
    """What stands in the place of `{name}` in the route's path."""

    @property
    def bearer(self) -> str:
        """The key that was shown; empty where none was."""
        scheme, _, key = self.headers.get("authorization", "").partition(" ")
        return key if scheme.lower() == "bearer" else ""

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: it is none.
        """
        return json.loads(self.content)

    def form(self) -> dict[str, str | Upload]:
        """The fields of a form; the last of one name counts."""
        return dict(self.fields())

    def fields(self) -> list[tuple[str, str | Upload]]:
        """The fields of a form with files (RFC 7578), in their order. Empty where it is no form."""
        kind = self.headers.get("content-type", "")
        if not kind.startswith("multipart/form-data"):
            return []
        whole = email.message_from_bytes(
            f"Content-Type: {kind}\r\n\r\n".encode() + self.content, policy=email.policy.HTTP
        )
        fields: list[tuple[str, str | Upload]] = []
        for part in whole.iter_parts():
            place = part["Content-Disposition"].params
            payload = part.get_payload(decode=True)
            content = payload if isinstance(payload, bytes) else b""
            value = (
                Upload(name=place["filename"], content_type=part.get_content_type(), content=content)
                if "filename" in place
                else content.decode()
            )
            fields.append((place["name"], value))
        return fields


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer: a body, or pieces that are sent one by one."""

    status: int = 200
    content_type: str = "application/json"
    body: bytes = b""
    pieces: Iterable[bytes] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, data: Any, status: int = 200) -> Answer:
        """JSON as the engines write it: no blanks, no escapes but the needed ones."""
        body = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
        return cls(status=status, body=body)

    @classmethod
    def text(cls, text: str, status: int = 200, content_type: str = "text/plain; charset=utf-8") -> Answer:
        """Plain text."""
        return cls(status=status, content_type=content_type, body=text.encode())


class RefusalError(Exception):
    """The engine's own refusal; handlers raise it from wherever they are."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


Handler = Callable[[Request], Answer]


@dataclass(frozen=True, kw_only=True)
class Door:
    """What one stand-in answers."""

    port: int
    routes: Mapping[str, Handler]
    """By `METHOD /path`; `{name}` stands for one part of a path, `{name:path}` for several."""
    guard: Callable[[Request, bool], Answer | None] = lambda _request, _known: None
    """The refusal of whoever shows no key; is told whether the route exists."""
    not_found: Callable[[Request], Answer] = lambda _: Answer.json({"detail": "Not Found"}, 404)
    wrong_method: Callable[[Request], Answer] = lambda _: Answer.json({"detail": "Method Not Allowed"}, 405)
    failure: Callable[[Request], Answer] = lambda _: Answer.text("Internal Server Error", 500)
    """What is said where the engine behind the door failed; else as Starlette says it."""
    works: frozenset[str] = frozenset()
    """Routes that make a model work: those that faults strike."""
    mends_slashes: bool = False
    """Whether a path with a slash too many or too few at its end is sent on to the right one."""
    observe: Callable[[Request, str | None, Answer], None] = lambda _request, _route, _answer: None
    """Is told of every answer and the route that gave it."""
    log: tuple[str, ...] = ()
    """What it logs while it starts."""
    server: str = "uvicorn"
    """What it calls itself in the header `Server`; empty: nothing."""

    def answer(self, request: Request) -> Answer:
        """The answer to one request, refusals included."""
        route, parts = self.route_of(request)
        given = self.guard(request, route is not None) or self._answer(request, route, parts)
        self.observe(request, route, given)
        return given

    def _answer(self, request: Request, route: str | None, parts: Mapping[str, str]) -> Answer:
        if route is None:
            return self._astray(request)
        try:
            return self.routes[route](replace(request, parts=parts))
        except RefusalError as refused:
            return refused.answer

    def _astray(self, request: Request) -> Answer:
        """What is said where no route fits."""
        methods = self._methods_at(request.path)
        if methods:
            refusal = self.wrong_method(request)
            return (
                replace(refusal, headers={**refusal.headers, "Allow": methods[0]})
                if refusal.status == _WRONG_METHOD
                else refusal
            )
        other = request.path.removesuffix("/") if request.path.endswith("/") else f"{request.path}/"
        if self.mends_slashes and self._methods_at(other):
            place = f"http://{request.headers.get('host', '')}{other}"
            return Answer(status=307, content_type="", headers={"Location": place})
        return self.not_found(request)

    def _methods_at(self, path: str) -> list[str]:
        """Methods that a path is served with."""
        split = (known.partition(" ") for known in self.routes)
        return [method for method, _, pattern in split if _match(pattern, path) is not None]

    def route_of(self, request: Request) -> tuple[str | None, Mapping[str, str]]:
        """The route of a request, and what stands in the place of its names."""
        for route in self.routes:
            method, _, pattern = route.partition(" ")
            parts = _match(pattern, request.path) if method == request.method else None
            if parts is not None:
                return route, parts
        return None, {}


def _match(pattern: str, path: str) -> dict[str, str] | None:
    words = re.split(r"\{(\w+)(:path)?\}", pattern)
    expression = re.escape(words[0])
    for name, several, text in zip(words[1::3], words[2::3], words[3::3], strict=True):
        expression += f"(?P<{name}>{'.+' if several else '[^/]+'})" + re.escape(text)
    found = re.fullmatch(expression, path)
    return found.groupdict() if found else None
