"""Which cards run which number formats."""

from __future__ import annotations

from typing import Any

from stackgen.facts.catalogue import Card
from stackgen.facts.files import document


def format_of_method(method: str) -> str:
    """The format that a quantisation method loads; the method itself where nothing is known of it."""
    return str(document("number_formats.json")["methods"].get(method, method))


def refused_weights(card: Card, number_format: str) -> str | None:
    """Why a card cannot run weights of a format; None where it can, or nothing is known of the format."""
    return _refused(card, number_format, document("number_formats.json")["weights"].get(number_format), "weights")


def refused_dtype(card: Card, dtype: str) -> str | None:
    """Why a card cannot compute with numbers of a type."""
    return _refused(card, dtype, document("number_formats.json")["dtypes"].get(dtype), "numbers")


def is_unstable_in_float16(source: str) -> bool:
    """Whether a model is computed in 32 bits where a card has no bfloat16."""
    return source.startswith(tuple(document("number_formats.json")["never_float16"]["begin_with"]))


def block_size(number_format: str, source: str) -> int | None:
    """Rows and columns of weights that share one scale; None where a format has no blocks."""
    rule = document("number_formats.json")["blocks"].get(number_format)
    return int(rule["size"]) if rule and source.startswith(tuple(rule["begin_with"])) else None


def refused_cache(card: Card, number_format: str) -> str | None:
    """Why a card cannot keep a cache in a format."""
    return _refused(card, number_format, document("number_formats.json")["caches"].get(number_format), "a cache")


def _refused(card: Card, number_format: str, rule: dict[str, Any] | None, what: str) -> str | None:
    if rule is None:
        return None
    if card.compute_capability is not None and card.compute_capability < rule["least"]:
        least = f"compute capability {rule['least']:g}"
        return f"{what} in {number_format} asks for {least}, and {card.name} has {card.compute_capability:g}"
    if card.vendor != "nvidia" and rule["native"] and not getattr(card, rule["native"]):
        return f"{card.name} has no arithmetic for {what} in {number_format}"
    return None
