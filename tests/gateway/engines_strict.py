"""Servers that stand for engines: only the true routes, the right key and served names pass, and every call is recorded.

A server that answers anything proves nothing: a gateway that calls the wrong path would look right before it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
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
    status: int


class RefusedError(Exception):
    """The engine's own refusal."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status, body)
        self.status, self.body = status, body


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How one engine behaves at its door."""

    key_variable: str
    """Environment variable that tells the engine its key."""
    open_routes: frozenset[str]
    """`METHOD /path` that need no key."""
    guarded_routes: frozenset[str]
    answers: Mapping[str, Callable[[dict[str, Any], str], Reply]]
    """The guarded routes that probes may reach; the others exist, and refuse the body of a probe."""
    no_key: Any
    unknown_model: Callable[[str, list[str]], RefusedError]
    wrong_body: Callable[[str], RefusedError]


def _recorded(modality: str, probe: str) -> Reply:
    """What the real engine answered: the first good reply of a probe."""
    return next(known.good[0] for known in MODALITIES[modality].probes if known.name == probe)


def _json_reply(body: Any) -> Reply:
    return Reply(status=200, content_type="application/json", body=json.dumps(body))


def _chat(body: dict[str, Any], model: str) -> Reply:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ValueError("messages must be a list of messages")
    if not body.get("stream"):
        return _json_reply({**_recorded("chat", "chat").json(), "model": model})
    recorded = _recorded("chat", "chat stream")
    lines = [_whole_event(line, model) for line in recorded.body.splitlines()]
    return Reply(status=200, content_type=recorded.content_type, body="".join(f"{line}\n" for line in lines))


def _whole_event(line: str, model: str) -> str:
    """An event of the recorded stream with what was left out of the recording."""
    if not line.startswith("data: {"):
        return line
    head = {"id": "chatcmpl-80b4", "created": 1795228630, "model": model}
    return f"data: {json.dumps({**head, **json.loads(line[6:])})}"


def _embedding(body: dict[str, Any], model: str) -> Reply:
    texts = [body["input"]] if isinstance(body.get("input"), str) else body.get("input")
    if not _are_texts(texts):
        raise ValueError("input must be a text or a list of texts")
    if body.get("encoding_format", "float") != "float":
        raise ValueError("vectors are recorded as numbers only")
    recorded = _recorded("embedding", "embedding").json()
    known = recorded["data"]
    data = [{**known[at % len(known)], "index": at} for at in range(len(texts))]
    return _json_reply({**recorded, "data": data, "model": model})


def _rerank(body: dict[str, Any], model: str) -> Reply:
    documents = body.get("documents")
    if not isinstance(body.get("query"), str) or not _are_texts(documents):
        raise ValueError("query must be a text and documents a list of texts")
    recorded = _recorded("rerank", "rerank").json()
    known = recorded["results"][0]
    # the last document is the best one, so that an answer in the order of the documents is told apart
    results = [{**known, "index": at, "relevance_score": (at + 1) / 10} for at in reversed(range(len(documents)))]
    return _json_reply({**recorded, "results": results[: body.get("top_n") or None], "model": model})


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(text, str) for text in value)


def _vllm_error(status: int, kind: str, message: str) -> RefusedError:
    return RefusedError(status, {"error": {"message": message, "type": kind, "param": None, "code": status}})


_VLLM = Kind(  # the routes that the server of vLLM 0.32.0 has for a model that generates text
    key_variable="VLLM_API_KEY",
    open_routes=frozenset({"GET /health", "GET /metrics", "GET /version", "GET /load", "GET /ping", "POST /ping"}),
    guarded_routes=frozenset(
        {
            "GET /v1/models",
            "POST /v1/chat/completions",
            "POST /v1/completions",
            "POST /v1/messages",
            "POST /v1/messages/count_tokens",
            "POST /v1/responses",
        }
    ),
    answers={"POST /v1/chat/completions": _chat},
    no_key={"error": "Unauthorized"},
    unknown_model=lambda name, served: _vllm_error(
        404, "NotFoundError", f"The model `{name}` does not exist. Valid aliases: {', '.join(served)}."
    ),
    wrong_body=lambda message: _vllm_error(400, "BadRequestError", message),
)
_INFINITY = Kind(  # the routes that Infinity 0.0.77 has without a url prefix
    key_variable="INFINITY_API_KEY",
    open_routes=frozenset({"GET /health", "GET /metrics", "GET /docs", "GET /openapi.json"}),
    guarded_routes=frozenset(
        {
            "GET /models",
            "POST /embeddings",
            "POST /rerank",
            "POST /classify",
            "POST /embeddings_image",
            "POST /embeddings_audio",
        }
    ),
    answers={"POST /embeddings": _embedding, "POST /rerank": _rerank},
    no_key={"detail": "Unauthorized"},
    # stricter than Infinity, which takes any name where it serves one model alone
    unknown_model=lambda name, served: RefusedError(
        400, {"error": {"message": f"Invalid model: {name}; there are {served}", "code": 400}}
    ),
    wrong_body=lambda message: RefusedError(422, {"detail": message}),
)
KINDS: Mapping[str, Kind] = {"vllm": _VLLM, "infinity": _INFINITY}
"""By the name of the engine."""


@dataclass(kw_only=True)
class StrictEngine:
    """One instance of an engine."""

    service: str
    kind: Kind
    served_names: list[str]
    key: str
    record: Callable[[Call], None]
    port: int = field(default=0, init=False)

    def judge(self, method: str, path: str, authorization: str | None, body: Any) -> Reply:
        """The answer to one request."""
        route = f"{method} {path}"
        if route in self.kind.open_routes:
            return Reply(status=200, content_type="text/plain")
        if route not in self.kind.guarded_routes:
            raise RefusedError(404, {"detail": "Not Found"})
        if authorization != f"Bearer {self.key}":
            raise RefusedError(401, self.kind.no_key)
        if method == "GET":
            return _json_reply({"object": "list", "data": [{"id": name} for name in self.served_names]})
        if route not in self.kind.answers or not isinstance(body, dict):
            raise self.kind.wrong_body(f"{route} does not take this body")
        if body.get("model") not in self.served_names:
            raise self.kind.unknown_model(str(body.get("model")), self.served_names)
        try:
            return self.kind.answers[route](body, body["model"])
        except ValueError as error:
            raise self.kind.wrong_body(str(error)) from error

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


def _handler(engine: StrictEngine) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 20  # a client that connects and says nothing must not hold up the end of the test

        def serve(self) -> None:
            body = _parsed(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            authorization = self.headers.get("Authorization")
            try:
                reply = engine.judge(self.command, self.path, authorization, body)
            except RefusedError as refusal:
                reply = Reply(status=refusal.status, content_type="application/json", body=json.dumps(refusal.body))
            engine.record(
                Call(
                    service=engine.service,
                    method=self.command,
                    path=self.path,
                    model=body.get("model") if isinstance(body, dict) else None,
                    authorization=authorization,
                    body=body,
                    status=reply.status,
                )
            )
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.content_type)
            self.end_headers()  # HTTP/1.0: the end of the connection ends the body, a stream's too
            self.wfile.write(reply.body.encode())

        def log_message(self, *_: Any) -> None:
            pass

    for method in ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"):
        setattr(Handler, f"do_{method}", Handler.serve)
    return Handler


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None
