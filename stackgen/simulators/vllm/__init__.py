"""Stand-in for vLLM: one model that says again what it was told, behind the door of the real server.

Recorded from 0.32.0; older and newer releases take their own flags, and answer in the same form but for the names of thoughts.
"""

from __future__ import annotations

import secrets
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .. import bodies
from ..bodies import Field
from ..door import Answer, Door, Handler, Request
from ..language import tokens
from ..metrics import CONTENT_TYPE
from . import command, requests
from .command import Command
from .generation import CACHE_SERIES, Generation
from .memory import Memory, memory
from .requests import refusal

OUT_OF_MEMORY = (
    "ValueError: Free memory on device cuda:0 (2.61/23.52 GiB) on startup is less than desired GPU memory utilization "
    "(0.9, 21.17 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.\n"
    "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}"
)
_DEAD = "EngineCore encountered an issue. See stack trace (above) for the root cause."
_GUARDED = ("/v1", "/v2", "/inference", "/cohere")
_PAGE = '<!DOCTYPE html><html><head><title>FastAPI - Swagger UI</title></head><body><div id="swagger-ui"></div></body></html>'
_PERMISSION: Mapping[str, Any] = {
    "allow_create_engine": False,
    "allow_sampling": True,
    "allow_logprobs": True,
    "allow_search_indices": False,
    "allow_view": True,
    "allow_fine_tuning": False,
    "organization": "*",
    "group": None,
    "is_blocking": False,
}
_PAGES = ("docs", "docs/oauth2-redirect", "redoc")
_SCALE_OUT = (
    "/v1/chat/completions/render",
    "/v1/messages/render",
    "/v1/completions/render",
    "/v1/responses/render",
    "/v1/chat/completions/derender",
    "/v1/completions/derender",
    "/inference/v1/generate",
    "/inference/v1/abort_requests",
)
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "/v1/responses": ("input",),
    "/v1/messages": ("model", "messages", "max_tokens"),
    "/v1/messages/count_tokens": ("model", "messages"),
    "/v1/systemone": ("state", "questions"),
    "/v1/chat/completions/batch": ("messages",),
    "/generative_scoring": ("query", "items", "label_token_ids"),
}
"""Routes that are there and check their bodies, and behind which nothing works: the fields they need."""


def door(words: Sequence[str], environment: Mapping[str, str], version: str) -> Door:
    """What vLLM answers, started with this command line and environment; SystemExit where it would refuse them."""
    given = command.read(words, environment, version)
    return _Vllm(given, memory(given, environment), version.removeprefix("v")).door()


class _Vllm:
    def __init__(self, command: Command, memory: Memory, version: str) -> None:
        self.command = command
        self.memory = memory
        self.version = version
        self.model = Generation(command, version)
        self.model.metrics.add(CACHE_SERIES, 1, **memory.labels())

    def door(self) -> Door:
        works = self._works()
        routes: dict[str, Handler] = {
            **works,
            **{route: _plain(answer) for route, answer in self._told().items()},
            "POST /tokenize": self._tokenize,
            "POST /detokenize": self._detokenize,
            "POST /scale_elastic_ep": self._scale,
            "GET /v1/responses/{response_id}": _no_response,
            "POST /v1/responses/{response_id}/cancel": _no_response,
        }
        description = {"openapi": "3.1.0", "info": {"title": "FastAPI", "version": "0.1.0"}, "paths": _paths(routes)}
        pages = {**dict.fromkeys(_PAGES, _page), "openapi.json": _plain(lambda: Answer.json(description))}
        routes |= {f"POST {path}": _scale_out for path in _SCALE_OUT}
        routes |= {f"{method} /{name}": page for name, page in pages.items() for method in ("GET", "HEAD")}
        return Door(
            port=self.command.port,
            routes=routes,
            guard=self._guard,
            failure=lambda _: refusal(_DEAD, None, 500, "InternalServerError").answer,
            works=frozenset(works),
            mends_slashes=True,
            log=tuple(self.memory.lines()),
        )

    def _works(self) -> dict[str, Handler]:
        return {
            "POST /v1/chat/completions": self.model.chat,
            "POST /v1/completions": self.model.completion,
            "POST /invocations": self._invocation,
            **{f"POST {path}": self._nothing_behind(names) for path, names in _NEEDED.items()},
        }

    def _told(self) -> dict[str, Callable[[], Answer]]:
        """What is answered without looking at the request."""
        return {
            "GET /health": _empty,
            "GET /ping": _empty,
            "POST /ping": _empty,
            "GET /version": lambda: Answer.json({"version": self.version}),
            "GET /load": lambda: Answer.json({"server_load": 0}),
            "GET /metrics": self._metrics,
            "GET /kv_event_sources": lambda: Answer.json({}),
            "GET /v1/models": self._models,
            "POST /is_scaling_elastic_ep": lambda: Answer.json({"is_scaling_elastic_ep": False}),
        }

    def _guard(self, request: Request, _known: bool) -> Answer | None:  # noqa: FBT001 - the server calls it
        guarded = self.command.keys and request.method != "OPTIONS" and request.path.startswith(_GUARDED)
        if guarded and request.bearer not in self.command.keys:
            return Answer.json({"error": "Unauthorized"}, 401)
        return None

    def _metrics(self) -> Answer:
        told = self.model.metrics.text() if self.command.tells_metrics else ""
        return Answer.text(told, content_type=CONTENT_TYPE)

    def _models(self) -> Answer:
        now = int(time.time())
        permission = {"object": "model_permission", "created": now, **_PERMISSION}
        data = [
            {
                "id": name,
                "object": "model",
                "created": now,
                "owned_by": "vllm",
                "root": self.command.source,
                "parent": None,
                "max_model_len": self.command.longest,
                "permission": [{"id": f"modelperm-{secrets.token_hex(8)}", **permission}],
            }
            for name in self.command.names
        ]
        return Answer.json({"object": "list", "data": data})

    def _invocation(self, request: Request) -> Answer:
        """SageMaker's route: the body says which other one is meant."""
        body = requests.read(request, {"messages": Field(check=bodies.anything)})
        return self.model.chat(request) if body["messages"] is not None else self.model.completion(request)

    def _tokenize(self, request: Request) -> Answer:
        texts = {name: Field(check=bodies.text) for name in ("model", "prompt")}
        values = requests.read(request, {**texts, "messages": Field(check=bodies.several(bodies.mapping))})
        if values["prompt"] is None and values["messages"] is None:
            either = {name: Field(check=bodies.anything, required=True) for name in ("prompt", "messages")}
            requests.read(request, either)
        self.model.name(values)
        if values["prompt"] is None:
            numbers = list(range(requests.count_prompt(values["messages"], None)))
        else:
            numbers = [_number(piece) for piece in tokens(values["prompt"])]
        told = {"count": len(numbers), "max_model_len": self.command.longest, "tokens": numbers, "token_strs": None}
        return Answer.json(told)

    def _detokenize(self, request: Request) -> Answer:
        known = {"model": Field(check=bodies.text), "tokens": Field(check=bodies.several(bodies.whole), required=True)}
        values = requests.read(request, known)
        self.model.name(values)
        return Answer.json({"prompt": "".join(f"<{number}>" for number in values["tokens"])})

    def _scale(self, request: Request) -> Answer:
        wanted = "new_data_parallel_size"
        if requests.read(request, {wanted: Field(check=bodies.anything)})[wanted] is None:
            raise refusal("new_data_parallel_size is required", kind="Bad Request")
        return _nothing(request.path)

    def _nothing_behind(self, needed: Sequence[str]) -> Handler:
        fields = {name: Field(check=bodies.anything, required=True) for name in needed}

        def handle(request: Request) -> Answer:
            values = requests.read(request, {**fields, "model": fields.get("model", Field(check=bodies.text))})
            self.model.name(values)
            return _nothing(request.path)

        return handle


def _number(piece: str) -> int:
    """A number for a word, the same each time."""
    return zlib.crc32(piece.encode()) % 32000


def _plain(answer: Callable[[], Answer]) -> Handler:
    return lambda _: answer()


def _page(_: Request) -> Answer:
    return Answer.text(_PAGE, content_type="text/html; charset=utf-8")


def _empty() -> Answer:
    return Answer(content_type="")


def _scale_out(_: Request) -> Answer:
    message = "Scale-out endpoints are disabled. Restart vllm serve with --enable-scale-out to enable them."
    raise refusal(message, None, 403, "PermissionDeniedError")


def _no_response(request: Request) -> Answer:
    message = f"Response with id '{request.parts['response_id']}' not found."
    raise refusal(message, "response_id", 404, "invalid_request_error")


def _nothing(path: str) -> Answer:
    raise refusal(f"A stand-in does no work at {path}", None, 501, "NotImplementedError")


def _paths(routes: Mapping[str, Handler]) -> dict[str, Any]:
    """A short form of what the real server describes at length."""
    paths: dict[str, Any] = {}
    for route in routes:
        method, _, path = route.partition(" ")
        paths.setdefault(path, {})[method.lower()] = {}
    return paths
