"""Stand-in for Infinity: vectors and rankings of many models behind one door, from the words of the texts.

Recorded from 0.0.77: which routes need the key, what bodies are refused and how, and that a name is not looked at where
there is one model alone.
"""

from __future__ import annotations

import base64
import math
import struct
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from .. import bodies, catalogue
from ..bodies import BodyError, Complaint, Field, Place
from ..door import Answer, Door, Handler, RefusalError, Request
from ..language import overlap, vector
from ..metrics import CONTENT_TYPE, Metrics
from . import command
from .command import Command, Served

OUT_OF_MEMORY = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 978.00 MiB. GPU 0 has a total capacity of 23.52 GiB "
    "of which 312.44 MiB is free.\n\nERROR:    Application startup failed. Exiting."
)
_MOST_TEXTS = 2048
_DEFAULT_SIZE = 384
_UNNAMED = "default/not-specified"
_DOCS = '<!DOCTYPE html><html><head><title>Infinity - Swagger UI</title></head><body><div id="swagger-ui"></div></body></html>'

_TEXTS = bodies.several(bodies.text, least=1, most=_MOST_TEXTS)
_EMBEDDING: Mapping[str, Field] = {
    "input": Field(
        check=bodies.either(("list[constrained-str]", _TEXTS), ("constrained-str", bodies.text)),
        required=True,
        null=False,
    ),
    "model": Field(check=bodies.text, default=_UNNAMED, null=False),
    "encoding_format": Field(check=bodies.one_of("float", "base64"), default="float", null=False),
    "user": Field(check=bodies.text),
    "dimensions": Field(check=bodies.whole, default=0, null=False),
}
_RERANK: Mapping[str, Field] = {
    "query": Field(check=bodies.text, required=True),
    "documents": Field(check=_TEXTS, required=True),
    "return_documents": Field(check=bodies.truth, default=False, null=False),
    "raw_scores": Field(check=bodies.truth, default=False, null=False),
    "model": Field(check=bodies.text, default=_UNNAMED, null=False),
    "top_n": Field(check=bodies.more_than_zero),
}
_CLASSIFY: Mapping[str, Field] = {
    "input": Field(check=_TEXTS, required=True),
    "model": Field(check=bodies.text, default=_UNNAMED, null=False),
    "raw_scores": Field(check=bodies.truth, default=False, null=False),
}
_MEDIA: Mapping[str, Field] = {
    "input": Field(check=bodies.anything, required=True),
    "model": Field(check=bodies.text, default=_UNNAMED, null=False),
}


def door(words: Sequence[str], environment: Mapping[str, str], version: str) -> Door:
    """What Infinity answers, started with this command line and environment; SystemExit where it would refuse them."""
    return _Infinity(command.read(words, environment, version), version).door()


class _Infinity:
    def __init__(self, command: Command, version: str) -> None:
        self.command = command
        self.version = version
        self.metrics = Metrics(
            {"http_requests_total": ("counter", "Total number of requests by method, status and handler.")}
        )

    def door(self) -> Door:
        prefix = self.command.url_prefix
        work: dict[str, Handler] = {
            f"POST {prefix}/embeddings": self._read(_EMBEDDING, self._embed, "text"),
            f"POST {prefix}/rerank": self._read(_RERANK, self._rerank),
            f"POST {prefix}/classify": self._read(_CLASSIFY, lambda values: self._missing_ability(values, "classify")),
            f"POST {prefix}/embeddings_image": self._read(
                _MEDIA, lambda values: self._missing_ability(values, "image_embed")
            ),
            f"POST {prefix}/embeddings_audio": self._read(
                _MEDIA, lambda values: self._missing_ability(values, "audio_embed")
            ),
        }
        pages = {f"{prefix}/docs": _DOCS, "/redoc": _DOCS}
        free: dict[str, Handler] = {
            "GET /health": lambda _: Answer.json({"unix": time.time()}),
            "GET /metrics": lambda _: Answer.text(self.metrics.text(), content_type=CONTENT_TYPE),
            f"GET {prefix}/openapi.json": lambda _: Answer.json(self._description(work)),
        }
        for path, page in pages.items():
            free |= {f"{method} {path}": _page(page) for method in ("GET", "HEAD")}
        if self.command.redirect_slash:
            there = {"Location": self.command.redirect_slash}
            free["GET /"] = lambda _: Answer(status=307, content_type="", headers=there)
        routes = {**free, **work, f"GET {prefix}/models": self._models}
        return Door(
            port=self.command.port,
            routes=routes,
            failure=lambda _: _refusal("InternalServerError: a fault was asked for", 500).answer,
            works=frozenset(work),
            mends_slashes=True,
            observe=self._count,
        )

    def _count(self, request: Request, route: str | None, answer: Answer) -> None:
        handler = route.partition(" ")[2] if route else "none"
        status = f"{answer.status // 100}xx"
        self.metrics.add("http_requests_total", handler=handler, method=request.method, status=status)

    def _read(self, known: Mapping[str, Field], work: Callable[[dict[str, Any]], Answer], *inside: str) -> Handler:
        """First the body must be JSON, then the key is looked at, then the fields: so does Infinity's framework."""

        def handle(request: Request) -> Answer:
            try:
                body = bodies.parsed(request)
                self._let_in(request)
                if not request.content:
                    raise bodies.missing(("body",))
                kind = request.headers.get("content-type", "application/json").partition(";")[0]
                if not kind.endswith("json"):
                    body = request.content.decode(errors="replace")
                if inside:
                    _check_kind_of_input(body)
                return work(bodies.fields(body, known, ("body", *inside)))
            except BodyError as error:
                return Answer.json({"detail": [_detail(complaint) for complaint in error.complaints]}, 422)

        return handle

    def _let_in(self, request: Request) -> None:
        if self.command.key and request.bearer != self.command.key:
            refusal = Answer.json({"detail": "Unauthorized"}, 401)
            raise RefusalError(Answer(status=401, body=refusal.body, headers={"WWW-Authenticate": "Bearer"}))

    def _models(self, request: Request) -> Answer:
        self._let_in(request)
        data = [
            {
                "id": served.name,
                "stats": {
                    "queue_fraction": 0.0,
                    "queue_absolute": 0,
                    "results_pending": 0,
                    "batch_size": served.batch_size,
                },
                "object": "model",
                "owned_by": "infinity",
                "created": int(time.time()),
                "backend": served.backend,
                "capabilities": [_ability(served)],
            }
            for served in self.command.models
        ]
        return Answer.json({"data": data, "object": "list"})

    def _served(self, name: str, ability: str, reason: str = "") -> Served:
        """The model of a name that can do something; where there is one alone, its name is not looked at."""
        models = {served.name: served for served in self.command.models}
        served = next(iter(models.values())) if len(models) == 1 else models.get(name)
        if served is None:
            raise _refusal(
                f"Invalid model: Engine for model name `{name}` not found. Available model names are {list(models)}"
            )
        if _ability(served) != ability:
            raise _refusal(
                f"ModelNotDeployedError: model=`{name}` does not support `{ability}`{reason}. Reason: the loaded moded cannot "
                f"fullyfill `{ability}`. Options are {{'{_ability(served)}'}}."
            )
        return served

    def _missing_ability(self, values: dict[str, Any], ability: str) -> Answer:
        """No model of the catalogue can do it."""
        self._served(values["model"], ability)
        raise AssertionError(ability)

    def _embed(self, values: dict[str, Any]) -> Answer:
        served = self._served(values["model"], "embed", " for modality `text`")
        size = catalogue.find(served.source).hidden_size or _DEFAULT_SIZE
        wanted = values["dimensions"] or size
        if not 1 <= wanted <= size:
            raise _refusal(
                f"<class 'infinity_emb.primitives.MatryoshkaDimError'> -> matryoshka_dim={wanted} is not in a valid range. "
                f"Select between 1 and {size}."
            )
        texts = values["input"] if isinstance(values["input"], list) else [values["input"]]
        vectors = [vector(text, size)[:wanted] for text in texts]
        packed = values["encoding_format"] == "base64"
        data = [
            {"object": "embedding", "embedding": _packed(numbers) if packed else numbers, "index": at}
            for at, numbers in enumerate(vectors)
        ]
        return Answer.json({"object": "list", "data": data, "model": served.name, **_tail(sum(map(len, texts)))})

    def _rerank(self, values: dict[str, Any]) -> Answer:
        served = self._served(values["model"], "rerank")
        query, documents = values["query"], values["documents"]
        scores = [12 * overlap(query, document) - 6 for document in documents]
        if not values["raw_scores"]:
            scores = [1 / (1 + math.exp(-score)) for score in scores]
        order = sorted(range(len(documents)), key=lambda at: -scores[at])
        results = [
            {
                "relevance_score": scores[at],
                "index": at,
                "document": documents[at] if values["return_documents"] else None,
            }
            for at in order[: values["top_n"]]
        ]
        letters = sum(len(query) + len(document) for document in documents)
        return Answer.json({"object": "rerank", "results": results, "model": served.name, **_tail(letters)})

    def _description(self, work: Mapping[str, Handler]) -> dict[str, Any]:
        """A short form of what the real one describes at length."""
        paths: dict[str, Any] = {route.partition(" ")[2]: {"post": {}} for route in work}
        asked = ("/", "/health", "/metrics", f"{self.command.url_prefix}/models")
        known: dict[str, Any] = {path: {"get": {}} for path in asked if path != "/" or self.command.redirect_slash}
        info = {"title": "Infinity - Embedding Inference Server", "version": self.version}
        return {"openapi": "3.1.0", "info": info, "paths": {**known, **paths}}


def _check_kind_of_input(body: Any) -> None:
    """`modality` says which fields count; what is no text must be a place or data."""
    kind = body.get("modality", "text") if isinstance(body, Mapping) else "text"
    if kind not in {"audio", "image", "text"}:
        expected = "'text', 'audio', 'image'"
        message = f"Input tag '{kind}' found using get_modality() does not match any of the expected tags: {expected}"
        context = {"discriminator": "get_modality()", "tag": str(kind), "expected_tags": expected}
        raise BodyError(
            [Complaint(kind="union_tag_invalid", place=("body",), message=message, given=body, context=context)]
        )
    given = body.get("input") if kind != "text" else None
    if isinstance(given, str) and not given.startswith(("data:", "http://", "https://")):
        raise BodyError(_no_place(given, ("body", str(kind), "input")))


def _no_place(given: str, place: Place) -> list[Complaint]:
    inner = "list[union[function-after[validate(), str],function-wrap[wrap_val()]]]"
    relative = "relative URL without a base"
    return [
        Complaint(kind="list_type", place=(*place, inner), message="Input should be a valid list", given=given),
        Complaint(
            kind="value_error",
            place=(*place, "function-after[validate(), str]"),
            message=f"Value error, Not a valid data URI: DataURI({given})",
            given=given,
            context={"error": {}},
        ),
        Complaint(
            kind="url_parsing",
            place=(*place, "function-wrap[wrap_val()]"),
            message=f"Input should be a valid URL, {relative}",
            given=given,
            context={"error": relative},
        ),
    ]


def _detail(complaint: Complaint) -> dict[str, Any]:
    told = asdict(complaint)
    names = {"kind": "type", "place": "loc", "message": "msg", "given": "input", "context": "ctx"}
    return {names[name]: value for name, value in told.items() if name != "context" or value}


def _refusal(message: str, status: int = 400) -> RefusalError:
    error = {"message": message, "type": None, "param": None, "code": status}
    return RefusalError(Answer.json({"error": error}, status))


def _ability(served: Served) -> str:
    kind = catalogue.find(served.source).kind or ("reranker" if "rerank" in served.source.lower() else "embedding")
    return "rerank" if kind == "reranker" else "embed"


def _tail(letters: int) -> dict[str, Any]:
    """Infinity counts letters unless it is told to count tokens."""
    usage = {"prompt_tokens": letters, "total_tokens": letters}
    return {"usage": usage, "id": f"infinity-{uuid.uuid4()}", "created": int(time.time())}


def _packed(numbers: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def _page(page: str) -> Handler:
    return lambda _: Answer.text(page, content_type="text/html; charset=utf-8")
