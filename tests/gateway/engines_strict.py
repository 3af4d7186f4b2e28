"""Servers that stand for engines: only the true routes, the right key and served names pass, and every call is recorded.

A server that answers anything proves nothing: a gateway that calls the wrong path would look right before it.
How each engine behaves stands in engine_kinds.py and beside it.
"""

from __future__ import annotations

import base64
import email
import email.policy
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from stackgen.modalities import MODALITIES, Reply


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request as it arrived, and the status that it got."""

    service: str
    method: str
    path: str
    model: str | None
    authorization: str | None
    body: Any
    """Data of JSON, or fields of a form; a file is `{"name", "content_type", "data"}` with its bytes in base64."""
    asks_model: bool
    """Whether it wants work of a model, or would if its path were right; else it wants information."""
    status: int
    """Zero where the connection was broken."""


class RefusedError(Exception):
    """The engine's own refusal."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status, body)
        self.status, self.body = status, body


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How one engine behaves at its door."""

    key_variable: str
    """Environment variable that tells the engine its key; empty where it knows no keys."""
    open_routes: frozenset[str]
    """`METHOD /path` that need no key."""
    guarded_routes: frozenset[str]
    answers: Mapping[str, Callable[[StrictEngine, dict[str, Any]], Reply]]
    """The guarded routes that probes may reach; the others exist, and refuse the body of a probe."""
    no_key: tuple[int, Any]
    """Status and body of the refusal."""
    unknown_model: Callable[[str, Sequence[str]], RefusedError]
    wrong_body: Callable[[str], RefusedError]
    information: Mapping[str, Callable[[StrictEngine, Any], Reply]] = field(default_factory=dict)
    """Routes that tell about the engine and its models, where that is more than a list of names."""
    whole_name: Callable[[str], str] = str
    """The name that the engine makes of a shorter one."""


@dataclass(kw_only=True)
class StrictEngine:
    """One instance of an engine."""

    service: str
    kind: Kind
    served_names: list[str]
    key: str
    """Empty where it was told none and takes everybody."""
    record: Callable[[Call], None]
    words: tuple[str, ...] = ()
    """Its command line."""
    broken: bool = False
    """Whether it takes requests and breaks the connection, as a server does that is ending."""
    port: int = field(default=0, init=False)

    def reply(self, method: str, path: str, authorization: str | None, body: Any) -> Reply:
        """The answer to one request, refusals included."""
        try:
            return self.judge(method, path, authorization, body)
        except RefusedError as refusal:
            return Reply(status=refusal.status, content_type="application/json", body=json.dumps(refusal.body))

    def judge(self, method: str, path: str, authorization: str | None, body: Any) -> Reply:
        """The good answer to one request; RefusedError where there is none."""
        kind, route = self.kind, f"{method} {path}"
        if route not in kind.open_routes:
            if route not in kind.guarded_routes:
                raise RefusedError(404, {"detail": "Not Found"})
            if kind.key_variable and self.key and authorization != f"Bearer {self.key}":
                raise RefusedError(*kind.no_key)
        if route in kind.information:
            return kind.information[route](self, body)
        if route in kind.open_routes:
            return Reply(status=200, content_type="text/plain")
        if method == "GET":
            return json_reply({"object": "list", "data": [{"id": name} for name in self.served_names]})
        if route not in kind.answers or not isinstance(body, dict) or not isinstance(body.get("model"), str):
            raise kind.wrong_body(f"{route} does not take this body")
        if not self.serves(body["model"]):
            raise kind.unknown_model(body["model"], self.served_names)
        try:
            return kind.answers[route](self, body)
        except ValueError as error:
            raise kind.wrong_body(str(error)) from error

    def serves(self, name: str) -> bool:
        """Whether a model of that name is here."""
        whole = self.kind.whole_name
        return whole(name) in {whole(served) for served in self.served_names}

    def asks_model(self, method: str, path: str) -> bool:
        """Whether a request wants work of a model; one that goes astray does."""
        route = f"{method} {path}"
        return method == "POST" and route not in self.kind.open_routes and route not in self.kind.information

    @contextmanager
    def listening(self) -> Iterator[StrictEngine]:
        """The engine on a free port of this machine; every thread and socket is gone at the end."""
        with ThreadingHTTPServer(("127.0.0.1", 0), _handler(self)) as server:
            server.daemon_threads = False
            self.port = server.server_address[1]
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()


def json_reply(body: Any) -> Reply:
    """A good answer."""
    return Reply(status=200, content_type="application/json", body=json.dumps(body))


def recorded(modality: str, probe: str) -> Reply:
    """What the real engine answered: the first good reply of a probe."""
    return next(known.good[0] for known in MODALITIES[modality].probes if known.name == probe)


def are_texts(value: Any) -> bool:
    """Whether it is a list with texts and nothing else."""
    return isinstance(value, list) and bool(value) and all(isinstance(text, str) for text in value)


def _handler(engine: StrictEngine) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 20  # a client that connects and says nothing must not hold up the end of the test

        def serve(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = _parsed(self.headers.get("Content-Type") or "", content)
            authorization = self.headers.get("Authorization")
            reply = Reply() if engine.broken else engine.reply(self.command, self.path, authorization, body)
            engine.record(
                Call(
                    service=engine.service,
                    method=self.command,
                    path=self.path,
                    model=body.get("model") if isinstance(body, dict) else None,
                    authorization=authorization,
                    body=body,
                    asks_model=engine.asks_model(self.command, self.path),
                    status=reply.status,
                )
            )
            if engine.broken:
                return
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.content_type)
            self.end_headers()  # HTTP/1.0: the end of the connection ends the body, a stream's too
            self.wfile.write(reply.content() if reply.data else reply.body.encode())

        def log_message(self, *_: Any) -> None:
            pass

    for method in ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"):
        setattr(Handler, f"do_{method}", Handler.serve)
    return Handler


def _parsed(content_type: str, content: bytes) -> Any:
    if content_type.startswith("multipart/form-data"):
        return _form(content_type, content)
    try:
        return json.loads(content)
    except ValueError:
        return None


def _form(content_type: str, content: bytes) -> dict[str, Any]:
    """The fields; several of one name become a list."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    fields: dict[str, Any] = {}
    for part in email.message_from_bytes(head + content, policy=email.policy.HTTP).iter_parts():
        place = part["Content-Disposition"].params
        payload = part.get_payload(decode=True)
        value = (
            {
                "name": place["filename"],
                "content_type": part.get_content_type(),
                "data": base64.b64encode(payload).decode(),
            }
            if "filename" in place
            else payload.decode()
        )
        name = place["name"]
        fields[name] = [fields[name], value] if name in fields else value
    return fields
