"""The stand-in for Speaches: transcription and speech below /v1, models that its API fetches, one key for everything.

A model is fetched in STAND_IN_PULL_SECONDS (0.5); one whose name holds `missing` or `gone` is not on the hub.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from urllib.parse import parse_qsl

from ..bodies import Field, fields
from ..door import Answer, Door, Handler, Request
from . import speech, transcription
from .bodies import checking, literal, refusal
from .models import TASKS, Store, exists, kind_of, registry, voices_of

OUT_OF_MEMORY = "RuntimeError: CUDA failed with error out of memory"
_PORT = 8000
_OPEN_HEALTH_SINCE = (0, 9)
_QUERY = {"task": Field(check=literal(*TASKS.values()))}
_KEYLESS = frozenset({"/health", "/docs", "/openapi.json", "/redoc"})


def door(words: Sequence[str], environment: Mapping[str, str], version: str) -> Door:
    """What the server answers.

    Args:
        words: command line of the image: uvicorn and the name of the app, or nothing.
        environment: UVICORN_PORT, API_KEY, HF_HUB_CACHE, from 0.9 on PRELOAD_MODELS too.
        version: of the real server.
    """
    numbers = re.match(r"v?(\d+)\.(\d+)", version)
    is_new = numbers is None or (int(numbers[1]), int(numbers[2])) >= _OPEN_HEALTH_SINCE
    store = Store(environment)
    if is_new:
        _preload(store, environment.get("PRELOAD_MODELS", ""))
    working = {**transcription.working(store), **speech.working(store)}
    return Door(
        port=_port(words, environment),
        routes={**_information(store), **_changing(store), **working},
        guard=_guard(environment.get("API_KEY"), is_new=is_new),
        works=frozenset(working),
        mends_slashes=True,
    )


def _port(words: Sequence[str], environment: Mapping[str, str]) -> int:
    """The port of uvicorn's flag, else of its variable."""
    line = " ".join(words)
    found = re.search(r"--port[ =](\d+)", line)
    return int(found[1] if found else environment.get("UVICORN_PORT") or _PORT)


def _preload(store: Store, text: str) -> None:
    """Fetch what is wanted before the first request; whatever fails ends the program."""
    for model in json.loads(text) if text else ():
        if not exists(model):
            print(f"ValueError: Model '{model}' not found", file=sys.stderr, flush=True)
            print("Application startup failed. Exiting.", file=sys.stderr, flush=True)
            raise SystemExit(3)
        if model not in store.models():
            store.fetch(model)


def _guard(key: str | None, *, is_new: bool) -> Callable[[Request, bool], Answer | None]:
    """The refusal of a request without the key; up to 0.8 its health is behind the key too."""
    missing, wrong = ("Not authenticated", "Forbidden")
    if is_new:
        missing = "API key required. Please provide an API key using the Authorization header with Bearer scheme."
        wrong = "Invalid API key. The provided API key is incorrect."

    def guard(request: Request, known: bool) -> Answer | None:  # noqa: FBT001 - the server calls it
        is_open = not known or (is_new and request.path in _KEYLESS)
        if key is None or is_open or (key and request.bearer == key):
            return None
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        if shown and scheme.lower() != "bearer" and not is_new:
            return Answer.json({"detail": "Invalid authentication credentials"}, 403)
        return Answer.json({"detail": wrong if request.bearer else missing}, 403)

    return guard


def _information(store: Store) -> dict[str, Handler]:
    """What it tells about itself and its models."""

    def listed(models: Callable[[], Iterable[str]]) -> Handler:
        def answer(store: Store, request: Request) -> Answer:
            query = dict(parse_qsl(request.query, keep_blank_values=True))
            task = fields(query, _QUERY, ("query",))["task"]
            rows = [row for row in map(store.row, models()) if task in {None, row["task"]}]
            return Answer.json({"data": rows, "object": "list"})

        return checking(answer, store)

    def speaking() -> list[str]:
        return [model for model in store.models() if kind_of(model) == "tts"]

    def model(request: Request) -> Answer:
        name = request.parts["model"]
        if name not in store.models():
            raise refusal(f"Model '{name}' not found", 404)
        return Answer.json(store.row(name))

    def voices(_: Request) -> Answer:
        found = [voice.row for model in speaking() for voice in voices_of(model)]
        return Answer.json({"voices": found, "object": "list"})

    return {
        "GET /health": lambda _: Answer(content_type="", body=b"OK"),
        "GET /v1/models": listed(store.models),
        "GET /v1/audio/models": lambda _: Answer.json({"models": [*map(store.row, speaking())], "object": "list"}),
        "GET /v1/audio/voices": voices,
        "GET /v1/models/{model:path}": model,
        "GET /v1/registry": listed(registry),
    }


def _changing(store: Store) -> dict[str, Handler]:
    """What fetches and deletes models."""
    return {
        "POST /v1/models/{model:path}": partial(_fetch, store),
        "DELETE /v1/models/{model:path}": partial(_delete, store),
    }


def _fetch(store: Store, request: Request) -> Answer:
    """The answer comes once the model is here; it is text, and one that was here before is 201."""
    model = request.parts["model"]
    if model in store.models():
        return Answer(status=201, content_type="", body=f"Model '{model}' already exists".encode())
    if not exists(model):
        raise refusal(f"Model '{model}' not found", 404)
    try:
        store.fetch(model)
    except OSError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return Answer.text("Internal Server Error", 500)
    return Answer(content_type="", body=f"Model '{model}' downloaded".encode())


def _delete(store: Store, request: Request) -> Answer:
    model = request.parts["model"]
    if model not in store.models():
        raise refusal(f"Model '{model}' not found", 404)
    store.remove(model)
    return Answer.json({"detail": f"Model '{model}' deleted"})
