"""What config.json and the list of files say together, wherever a model is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stackgen.errors import StackError
from stackgen.lookup.config import kind_of, numbers_of
from stackgen.lookup.found import GIB, Found, by_hand, require_whole
from stackgen.lookup.weights import weight_bytes
from stackgen.records import dataclass

CONFIG = "config.json"
_SENTENCES = "modules.json"
"""What sentence-transformers keeps beside an embedding model."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder, or a repository of the hub."""

    model: str
    """Its source, as a spec writes it."""
    shown: str
    """Where it is, for people; with the revision."""
    sizes: Mapping[str, int]
    """Bytes of each file by its path."""
    read_json: Callable[[str], Any]
    parameters: Callable[[], Mapping[str, int]]
    """How many numbers of each type the weights hold, as safetensors calls them: {"BF16": 8190735360}; empty: not known."""
    pipeline: str = ""
    """Its task at the hub."""
    gated: bool = False
    built_from: str = ""
    """Of a quantised build: the model that it was made of."""


def found_at(place: Place, kind: str = "") -> Found:
    """The numbers of a model.

    Args:
        place: where it is kept.
        kind: what it is; read where left out.

    Raises:
        StackError: what it is or one of its numbers cannot be told.
    """
    config = place.read_json(CONFIG) if CONFIG in place.sizes else {}
    if not isinstance(config, dict):
        raise StackError(f"{CONFIG} of {place.model} holds no keys and values", where=place.shown)
    kind = kind or kind_of(config, place.pipeline, sentences=_SENTENCES in place.sizes)
    if not kind:
        message = f"what {place.model} is cannot be told from its files"
        raise StackError(message, where=place.shown, hint="say it: --kind llm, vlm, embedding, reranker, stt or tts")
    numbers, notes = numbers_of(config) if config else ({}, ())
    total = weight_bytes(place.sizes, place.read_json, place.shown)
    if not total:
        raise StackError(f"{place.model} has no weights", where=place.shown, hint=by_hand(place.model, kind, numbers))
    numbers |= {**_weights(total, place.parameters(), numbers), "gated": place.gated, "built_from": place.built_from}
    found = Found(model=place.model, kind=kind, numbers=numbers, source=place.shown, notes=tuple(notes))
    return require_whole(found)


def _weights(total_bytes: int, parameters: Mapping[str, int], numbers: Mapping[str, Any]) -> dict[str, Any]:
    """How large the weights are in memory: engines load 32-bit numbers as 16-bit ones."""
    wide = parameters.get("F32", 0)
    is_wide = 4 * wide > total_bytes / 2 if parameters else numbers.get("native_dtype") == "fp32"
    evidence = "read: bytes of its files"
    if is_wide:
        total_bytes -= 2 * wide or total_bytes // 2
        evidence += ", 32-bit numbers as the 16-bit ones that engines load"
    count = 0 if numbers.get("quantization") else sum(parameters.values())
    billions = round(count / 1e9, 3)
    return {"weights_gib": round(total_bytes / GIB, 6), "weights_evidence": evidence, "parameters_billions": billions}
