"""The state of the stand-in for Ollama: which models are loaded and until when, and what it lets them do."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from typing import Any

from ..language import tokens, vector
from .bodies import option
from .models import Model, Name, Store
from .talk import Message, Question, Said, refuse, speak

_CONTEXT = 4096
_KEEP_SECONDS = 300.0
_FOR_EVER_SECONDS = 290 * 365 * 86_400.0
_MOST_LOADED = 3
_VECTOR_SIZE = 768
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)")
_UNIT_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class Server:
    """One instance."""

    def __init__(self, store: Store, environment: Mapping[str, str]) -> None:
        self.store, self.environment = store, environment
        self._loaded: dict[str, tuple[Model, float, int]] = {}
        self._lock = threading.Lock()

    def model(self, text: str) -> Model:
        """The model of a name; raises RefusalError where it was not pulled."""
        if not text:
            raise refuse("model is required")
        if Name.of(text) is None:
            raise refuse("invalid model name")
        model = self.store.find(text)
        if model is None:
            raise refuse(f"model '{text}' not found", 404)
        return model

    def context(self, model: Model, options: Mapping[str, Any]) -> int:
        """Tokens that it takes in: what the request says, else the server's setting; never more than it was trained on."""
        wanted = option(options, "num_ctx") or int(self.environment.get("OLLAMA_CONTEXT_LENGTH") or _CONTEXT)
        longest = model.known.longest_context
        return max(4, min(wanted, longest or wanted))

    def answer(self, model: Model, body: Mapping[str, Any], messages: tuple[Message, ...], what: str) -> Said:
        """What a model says.

        Args:
            model: one that is here.
            body: the request in Ollama's own form.
            messages: at least one.
            what: `chat` or `generate`.

        Raises:
            RefusalError: it cannot do that.
        """
        name, options = body["model"], body.get("options") or {}
        if "completion" not in model.capabilities:
            raise refuse(f'"{name}" does not support {what}')
        think = body.get("think")
        if think and "thinking" not in model.capabilities:
            raise refuse(f'"{name}" does not support thinking')
        tools = body.get("tools") or ()
        if tools and "tools" not in model.capabilities:
            raise refuse(f"{model.name.whole} does not support tools")
        if not all(isinstance(tool, dict) and (tool.get("function") or {}).get("name") for tool in tools):
            raise refuse("json: cannot unmarshal a tool without a function's name into Go value of type api.Tool")
        context = self.context(model, options)
        self.load(model, body, context)
        question = Question(
            messages=messages,
            context=context,
            tools=tuple(tools),
            format=body.get("format"),
            think=think is not False,
            most_tokens=option(options, "num_predict"),
            stops=tuple(options.get("stop") or ()),
        )
        return speak(model, question)

    def embedded(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Vectors of texts, of the size that the catalogue knows, or of 768 numbers; raises RefusalError."""
        began_ns = time.monotonic_ns()
        given = body.get("input")
        texts = [given] if isinstance(given, str) and given else given or []
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise refuse("invalid input type")
        model = self.model(body.get("model") or "")
        context = self.context(model, body.get("options") or {})
        self.load(model, body, context)
        size = model.known.hidden_size or _VECTOR_SIZE
        size = min(body.get("dimensions") or size, size)
        words = [tokens(text) for text in texts]
        if body.get("truncate") is False and any(len(each) > context for each in words):
            raise refuse("the input length exceeds the context length")
        vectors = [vector("".join(each[:context]), size) for each in words]
        answer = {"model": body["model"], "embeddings": vectors}
        if not texts:
            return answer
        durations = {"total_duration": time.monotonic_ns() - began_ns, "load_duration": 1}
        return {**answer, **durations, "prompt_eval_count": sum(min(len(each), context) for each in words)}

    def idle(self, model: Model, body: Mapping[str, Any]) -> dict[str, Any]:
        """The end of an answer to a request without words: it only loads the model, or unloads it."""
        self.load(model, body, self.context(model, body.get("options") or {}))
        return {"done_reason": "load" if self._keep_seconds(body) else "unload", "done": True}

    def load(self, model: Model, body: Mapping[str, Any], context: int) -> None:
        """Keep it loaded as long as the request or the server says; the one that goes first makes room."""
        seconds = self._keep_seconds(body)
        most = int(self.environment.get("OLLAMA_MAX_LOADED_MODELS") or 0) or _MOST_LOADED
        with self._lock:
            self._loaded.pop(model.name.path, None)
            if seconds:
                while len(self._loaded) >= most:
                    del self._loaded[min(self._loaded, key=lambda path: self._loaded[path][1])]
                self._loaded[model.name.path] = (model, time.time() + seconds, context)

    def unload(self, model: Model) -> None:
        """It was deleted."""
        with self._lock:
            self._loaded.pop(model.name.path, None)

    def loaded(self) -> list[tuple[Model, float, int]]:
        """Models, the second since 1970 until when each stays, and its tokens of context; the longest first."""
        with self._lock:
            staying = [entry for entry in self._loaded.values() if entry[1] > time.time()]
        return sorted(staying, key=lambda entry: -entry[1])

    def _keep_seconds(self, body: Mapping[str, Any]) -> float:
        given = body.get("keep_alive")
        return _seconds(given if given is not None else self.environment.get("OLLAMA_KEEP_ALIVE") or _KEEP_SECONDS)


def _seconds(given: Any) -> float:
    """A duration as Go spells it, or seconds; what is below zero is for ever."""
    text = str(given).strip()
    if text.startswith("-"):
        return _FOR_EVER_SECONDS
    parts = _DURATION.findall(text)
    if parts and "".join(f"{number}{unit}" for number, unit in parts) == text:
        return sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)
    try:
        return float(text)
    except ValueError:
        raise refuse(f'time: invalid duration "{text}"') from None
