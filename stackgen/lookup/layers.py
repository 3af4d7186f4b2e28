"""How many layers of a model see everything, how many see a window, how many keep a state of fixed size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from stackgen.lookup.foreign import count_of, list_of

FULL, WINDOW, LINEAR = "full_layers", "window_layers", "linear_layers"


def layers_of(
    config: Mapping[str, Any], family: Mapping[str, Any], table: Mapping[str, Any], count: int
) -> dict[str, int]:
    """Layers by what they see; empty where config.json says nothing about it, so that all of them see everything.

    Args:
        config: the part of config.json that is about text.
        family: what the table says of its model_type.
        table: facts/config_keys.json.
        count: layers in all.
    """
    types, letters = list_of(config.get("layer_types")), config.get("hybrid_override_pattern")
    if types:
        return _counted(types, table["layer_types"])
    if isinstance(letters, str):
        return _counted(letters, table["layer_letters"])
    interval = _first(config, table["interval_keys"])
    if interval:
        return {FULL: count // interval, LINEAR: count - count // interval}
    if not count_of(config.get("sliding_window")) or config.get("use_sliding_window") is False:
        return {}
    pattern = _first(config, table["pattern_keys"]) or family.get("pattern")
    if pattern:
        return {FULL: count // pattern, WINDOW: count - count // pattern}
    return {WINDOW: count} if family.get("every_layer_has_the_window") else {}


def _counted(types: Iterable[Any], meaning: Mapping[str, str]) -> dict[str, int]:
    return dict(Counter(meaning[kind] for kind in map(str, types) if kind in meaning))


def _first(config: Mapping[str, Any], keys: list[str]) -> int:
    return next((count for key in keys if (count := count_of(config.get(key)))), 0)


def linear_state_bytes(config: Mapping[str, Any]) -> int:
    """The state that one linear layer keeps for one request; 0 where config.json does not say its parts.

    The last tokens of the convolution, in 16 bits, and the state itself: heads x key x value of a gated delta net, heads x
    width x state of Mamba 2. So the shipped figures of Qwen3-Next, Qwen3.5 and Nemotron-3 come about.
    """
    wide = any("32" in str(config.get(key)) for key in ("mamba_ssm_dtype", "mamba_ssm_cache_dtype"))
    number_bytes = 4 if wide else 2
    key_heads, key, value_heads, value = (
        count_of(config.get(f"linear_{part}"))
        for part in ("num_key_heads", "key_head_dim", "num_value_heads", "value_head_dim")
    )
    if key_heads and key and value_heads and value:
        kept_tokens = max(0, count_of(config.get("linear_conv_kernel_dim")) - 1)
        return 2 * kept_tokens * (2 * key_heads * key + value_heads * value) + number_bytes * value_heads * key * value
    heads, width, groups, state = (
        count_of(config.get(part)) for part in ("mamba_num_heads", "mamba_head_dim", "n_groups", "ssm_state_size")
    )
    if not (heads and width and state):
        return 0
    kept_tokens = max(0, count_of(config.get("conv_kernel")) - 1)
    return 2 * kept_tokens * (heads * width + 2 * groups * state) + number_bytes * heads * width * state
