"""Stand-in for a server that stackgen does not run: OpenAI's routes for text and vectors below one path, one key, one model.

Words: --served-model-name NAME --root-path PATH; STAND_IN_KEY is its key. It answers as vLLM and Infinity do, for pictures too.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from . import infinity, vllm
from .door import Answer, Door, Request

OUT_OF_MEMORY = "a server outside has no card of ours"
_PORT = 8000
_VLLM, _INFINITY = "0.32.0", "0.0.77"
_UNKNOWN, _LONGEST = "outside/model", "131072"
_EMBEDS, _RANKS = "sentence-transformers/all-MiniLM-L6-v2", "BAAI/bge-reranker-v2-m3"

_FAILURE = Answer.json(
    {
        "error": {
            "message": "The server had an error while processing your request. Sorry about that!",
            "type": "server_error",
            "param": None,
            "code": None,
        }
    },
    500,
)


def door(words: Sequence[str], environment: Mapping[str, str], _version: str) -> Door:
    """What the server answers."""
    parser = argparse.ArgumentParser(prog="openai")
    parser.add_argument("--served-model-name", required=True)
    parser.add_argument("--root-path", default="/v1")
    parser.add_argument("--port", type=int, default=_PORT)
    told = parser.parse_args(words)
    root = told.root_path.rstrip("/")
    parts = [
        (_chat(told.served_model_name), "/v1", ("/v1/chat/completions", "/v1/completions", "/v1/models")),
        (_vectors(_EMBEDS, told.served_model_name), "", ("/embeddings",)),
        (_vectors(_RANKS, told.served_model_name), "", ("/rerank",)),
    ]
    routes, works = {"GET /health": lambda _: Answer.json({})}, set[str]()
    for part, prefix, paths in parts:
        for route, handler in part.routes.items():
            method, _, path = route.partition(" ")
            if path in paths:
                own = f"{method} {root}{path.removeprefix(prefix)}"
                routes[own] = handler
                works |= {own} if route in part.works else set()
    key = environment.get("STAND_IN_KEY", "")

    def guard(request: Request, _known: bool) -> Answer | None:  # noqa: FBT001 - the server calls it
        if not key or request.path == "/health" or request.bearer == key:
            return None
        error = {"message": "Incorrect API key provided.", "type": "invalid_request_error", "param": None}
        return Answer.json({"error": {**error, "code": "invalid_api_key"}}, 401)

    return Door(port=told.port, routes=routes, guard=guard, failure=lambda _: _FAILURE, works=frozenset(works))


def _chat(name: str) -> Door:
    flags = ["--max-model-len", _LONGEST, "--enable-auto-tool-choice", "--tool-call-parser", "hermes"]
    return vllm.door([_UNKNOWN, "--served-model-name", name, *flags], {}, _VLLM)


def _vectors(source: str, name: str) -> Door:
    return infinity.door(["v2", "--model-id", source, "--served-model-name", name], {}, _INFINITY)
