"""The stand-in for Ollama: its own API and a part of OpenAI's beside it; no key, many models, each to be pulled first.

A model is fetched in STAND_IN_PULL_SECONDS (0.5); one whose name holds `missing` or `gone` is in no registry.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..door import Answer, Door, Handler, Request
from ..language import tokens
from . import admin, openai, unplayed
from .bodies import body_of, images_of, messages_of
from .models import Store
from .server import Server
from .talk import Message, Said, as_json, as_line, now, refuse

OUT_OF_MEMORY = (
    "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 5532.43 MiB on device 0: cudaMalloc failed: out of memory\n"
    "alloc_tensor_range: failed to allocate CUDA0 buffer of size 5801171968\n"
    "Error: llama runner process has terminated: cudaMalloc failed: out of memory"
)
_STOPPED = (
    "model runner has unexpectedly stopped, this may be due to resource limitations or an internal error, "
    "check ollama server logs for details"
)
_PORT = 11434


def door(words: Sequence[str], environment: Mapping[str, str], version: str) -> Door:
    """What the server answers.

    Args:
        words: command line of the image; `serve` or nothing.
        environment: OLLAMA_HOST, OLLAMA_MODELS and the rest.
        version: of the real server.
    """
    if list(words) not in ([], ["serve"]):
        print(f'Error: unknown command "{words[0]}" for "ollama"', file=sys.stderr, flush=True)
        raise SystemExit(1)
    home = Path(environment.get("HOME") or "/root")
    folder = Path(environment.get("OLLAMA_MODELS") or home / ".ollama" / "models")
    try:
        store = Store(folder, float(environment.get("STAND_IN_PULL_SECONDS") or 0.5))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        print(f"Error: mkdir {error.filename or folder}: {reason}", file=sys.stderr, flush=True)
        raise SystemExit(1) from None
    server = Server(store, environment)
    working = {**_working(server), **openai.working(server), **unplayed.working(server)}
    telling = {**admin.information(server, version), **openai.information(server)}
    routes = {**telling, **admin.changing(server), **working}
    return Door(
        port=_port(environment.get("OLLAMA_HOST", "")),
        routes=routes,
        not_found=lambda request: _not_found(request, routes),
        wrong_method=lambda _: Answer.text("405 method not allowed", 405, "text/plain"),
        failure=_failure,
        works=frozenset(working),
        server="",
    )


def _port(host: str) -> int:
    """The port of OLLAMA_HOST: `[scheme://]address[:port][/path]`."""
    address = host.rpartition("://")[2].partition("/")[0]
    port = address.rpartition(":")[2] if ":" in address else ""
    return int(port) if port.isdecimal() else _PORT


def _not_found(request: Request, routes: Mapping[str, Handler]) -> Answer:
    """Its router leads to the path without a slash at the end, where there is one."""
    bare = request.path.rstrip("/")
    if request.path.endswith("/") and f"{request.method} {bare}" in routes:
        status = 301 if request.method == "GET" else 307
        return Answer(status=status, content_type="", headers={"Location": bare})
    return Answer.text("404 page not found", 404, "text/plain")


def _failure(request: Request) -> Answer:
    error = refuse(_STOPPED, 500)
    return (openai.refused(error) if request.path.startswith("/v1/") else error).answer


def _working(server: Server) -> dict[str, Handler]:
    """What makes a model work."""
    return {
        "POST /api/chat": partial(_chat, server),
        "POST /api/generate": partial(_generate, server),
        "POST /api/embed": lambda request: as_json(server.embedded(body_of(request, "EmbedRequest"))),
        "POST /api/embeddings": partial(_embeddings, server),
    }


def _chat(server: Server, request: Request) -> Answer:
    body = body_of(request, "ChatRequest")
    model = server.model(body.get("model") or "")
    head = {"model": body["model"]}
    messages = messages_of(body.get("messages") or [])
    if not messages:
        return as_json({**head, "created_at": now(), **_as_message({"content": ""}), **server.idle(model, body)})
    said = server.answer(model, body, messages, "chat")
    return _spelled(said, head, _as_message, {}, body.get("stream") is not False)


def _generate(server: Server, request: Request) -> Answer:
    body = body_of(request, "GenerateRequest")
    model = server.model(body.get("model") or "")
    head = {"model": body["model"]}
    prompt = body.get("prompt") or ""
    if not prompt:
        return as_json({**head, "created_at": now(), "response": "", **server.idle(model, body)})
    system = (Message(role="system", content=body["system"]),) if body.get("system") else ()
    asked = Message(role="user", content=prompt, images=images_of(body.get("images") or ()))
    said = server.answer(model, body, (*system, asked), "generate")
    context = [zlib.crc32(token.encode()) % 150_000 for token in tokens(prompt + said.content)]
    return _spelled(said, head, _as_response, {"context": context}, body.get("stream") is not False)


def _embeddings(server: Server, request: Request) -> Answer:
    body = body_of(request, "EmbeddingRequest")
    name = body.get("model") or ""
    if name and server.store.find(name) is None:
        raise refuse(f'model "{name}" not found, try pulling it first', 404)
    vectors = server.embedded({**body, "input": body.get("prompt") or ""})["embeddings"]
    return as_json({"embedding": vectors[0] if vectors else []})


def _as_message(piece: Mapping[str, Any]) -> dict[str, Any]:
    return {"message": {"role": "assistant", **piece}}


def _as_response(piece: Mapping[str, Any]) -> dict[str, Any]:
    thinking = {"thinking": piece["thinking"]} if piece.get("thinking") else {}
    return {"response": piece["content"], **thinking}


def _spelled(
    said: Said,
    head: Mapping[str, Any],
    form: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    end: Mapping[str, Any],
    stream: bool,  # noqa: FBT001 - what the request says
) -> Answer:
    """An answer as one object, or a line for each piece and a last one with the counts."""
    tail = {"done": True, "done_reason": said.reason, **end}
    if not stream:
        return as_json({**head, "created_at": now(), **form(said.message), **tail, **said.metrics})

    def lines() -> Iterator[bytes]:
        for piece in said.pieces():
            yield as_line({**head, "created_at": now(), **form(piece), "done": False})
        yield as_line({**head, "created_at": now(), **form({"content": ""}), **tail, **said.metrics})

    return Answer(content_type="application/x-ndjson", pieces=lines())
