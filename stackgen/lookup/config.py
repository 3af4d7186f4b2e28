"""config.json of a model, read by the table facts/config_keys.json: which key of which family says what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from stackgen.facts.files import document
from stackgen.lookup.foreign import count_of, list_of, map_of
from stackgen.lookup.layers import LINEAR, WINDOW, layers_of, linear_state_bytes

TABLE = "config_keys.json"
_PLAIN_BITS = 16
_HOLE = re.compile(r"\{(bits|beside|algorithm)\}")
ESTIMATE = "estimate"
"""How a note begins that is about a number, not about what is missing."""


def table() -> Mapping[str, Any]:
    """Which key of which family says what."""
    found: Mapping[str, Any] = document(TABLE)
    return found


def numbers_of(config: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The geometry of a model by the keys of a facts file, and what is an estimate or missing, in words."""
    text, family_name = text_part(config)
    known = table()["families"]
    family = known.get(family_name, {})
    text = {**family.get("defaults", {}), **{key: value for key, value in text.items() if value is not None}}
    keys = {**table()["keys"], **family.get("keys", {})}
    said: dict[str, Any] = {name: _number(text, keys[name]) for name in family.get("only", keys)}
    notes = (
        []
        if family_name in known
        else [f"{ESTIMATE}: model_type {family_name or 'none'} is not known, the general rule was used"]
    )
    if "only" not in family:
        said |= _derived(said) | {"native_dtype": _dtype(config, text), "quantization": quantization_of(config)}
        said |= layers_of(text, family, table(), said["layers"])
        said["longest_context"] = _stretched(text) or said["longest_context"]
        if family.get("encoder"):
            said["longest_context"] -= family.get("reserved_positions", 0)
    if not said.get(WINDOW):
        said.pop("sliding_window", None)
    if said.get(LINEAR):
        said["linear_state_bytes"] = linear_state_bytes(text)
        if not said["linear_state_bytes"]:
            notes.append("linear_state_bytes cannot be told from config.json: without it the memory is not proven")
    return said, tuple(notes)


def text_part(config: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """The part that is about text, and its model_type: of a model that sees it lies deeper."""
    for key in table()["inside"]:
        inner = map_of(config.get(key))
        if inner:
            return inner, str(inner.get("model_type") or config.get("model_type") or "")
    return config, str(config.get("model_type") or "")


def kind_of(config: Mapping[str, Any], pipeline: str = "", *, sentences: bool = False) -> str:
    """What a model is: by its task at the hub, by its configuration, by its first architecture; empty where nothing says it.

    Args:
        config: config.json.
        pipeline: its task at the hub, such as text-ranking.
        sentences: whether it is laid out for sentence-transformers, as embedding models are.
    """
    family = table()["families"].get(text_part(config)[1], {})
    architecture = str(next(iter(list_of(config.get("architectures"))), ""))
    by_architecture = next(
        (kind for end, kind in table()["kind_by_architecture"].items() if architecture.endswith(end)), ""
    )
    by_key = next((kind for key, kind in table()["kind_by_key"].items() if key in config), "")
    by_pipeline = table()["kind_of_pipeline"].get(pipeline, "")
    if by_architecture == "reranker":
        return "reranker" if _labels(config) == 1 else ""
    if by_pipeline in {"embedding", "reranker"} or sentences:
        return by_pipeline or "embedding"
    of_family = family.get("kind") or ("embedding" if family.get("encoder") else "")
    return str(of_family or by_key or by_architecture or by_pipeline)


def quantization_of(config: Mapping[str, Any]) -> str:
    """How the weights are packed, such as fp8 or awq4; empty where they are not."""
    said = map_of(config.get("quantization_config"))
    if not said:
        return ""
    method = str(said.get("quant_method") or "")
    group = next(map(map_of, map_of(said.get("config_groups")).values()), {})
    weights, activations = map_of(group.get("weights")), map_of(group.get("input_activations"))
    bits = count_of(said.get("bits")) or count_of(weights.get("num_bits")) or 4
    if weights.get("type") == "float":
        return str(table()["float_formats"].get(str(bits), f"fp{bits}"))
    named = {
        "bits": str(bits),
        "beside": str(count_of(activations.get("num_bits")) or _PLAIN_BITS),
        "algorithm": str(said.get("quant_algo") or "fp8").lower(),
    }
    form = table()["quantizations"].get(method)
    return _HOLE.sub(lambda hole: named[hole[1]], form) if form else method


def _derived(said: Mapping[str, int]) -> dict[str, int]:
    """What a configuration need not say, for it follows from the rest."""
    heads = said["attention_heads"]
    derived = {
        "kv_heads": said["kv_heads"] or heads,
        "head_dim": said["head_dim"] or (said["hidden_size"] // heads if heads else 0),
    }
    if said["experts"]:
        derived["moe_intermediate_size"] = said["moe_intermediate_size"] or said["intermediate_size"]
    else:
        derived["experts_per_token"] = derived["moe_intermediate_size"] = 0
    return derived


def _stretched(text: Mapping[str, Any]) -> int:
    """Tokens by YaRN, which engines reckon from the length before it; 0 where the model has none."""
    said = map_of(text.get("rope_scaling")) or map_of(text.get("rope_parameters"))
    factor = said.get("factor")
    if "yarn" not in (said.get("rope_type"), said.get("type")) or not isinstance(factor, int | float):
        return 0
    return int(count_of(said.get("original_max_position_embeddings")) * factor)


def _number(config: Mapping[str, Any], keys: list[str]) -> int:
    return next((count for key in keys if (count := count_of(config.get(key)))), 0)


def _dtype(config: Mapping[str, Any], text: Mapping[str, Any]) -> str:
    word = next((str(part[key]) for part in (text, config) for key in ("dtype", "torch_dtype") if part.get(key)), "")
    return str(table()["dtypes"].get(word, ""))


def _labels(config: Mapping[str, Any]) -> int:
    return len(map_of(config.get("id2label"))) or count_of(config.get("num_labels")) or 2
