"""The attention cache in blocks, as vLLM cuts it: uniform, latent, sliding-window and linear-attention models.

Source of all of it: vllm/v1/core/kv_cache_utils.py and kv_cache_interface.py. A model's layers are put into groups of
equally many layers; a block is one page of every layer of a group; all pages have the same size.
"""

from __future__ import annotations

import math

from stackgen.facts import ModelFacts
from stackgen.memory.units import GIB
from stackgen.records import dataclass

_BLOCK_TOKENS = 16
_LATENT_BLOCK_TOKENS = 64
"""What the kernels of latent attention work on (logged: 715,072 tokens of Kimi-K2 are whole blocks of 64)."""
_NEARLY_AS_MANY = 1.5
"""Kinds of layers whose numbers differ by less share one group size: padding costs less than a second group."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How the cache of a model is cut on each card."""

    block_bytes: int
    """One block: a page of each layer of a group."""
    full_groups: int
    full_block_tokens: int
    window_groups: int = 0
    window_block_tokens: int = _BLOCK_TOKENS
    window_tokens: int = 0
    state_groups: int = 0

    @property
    def groups(self) -> int:
        """Groups of layers, each with blocks of its own."""
        return self.full_groups + self.window_groups + self.state_groups

    @property
    def counts_tokens(self) -> bool:
        """Whether a number of tokens says what the cache holds: where all layers attend alike."""
        return self.groups == 1

    @property
    def smallest_block_tokens(self) -> int:
        """Tokens of the smallest block of any group."""
        return min(self.full_block_tokens, self.window_block_tokens) if self.window_groups else self.full_block_tokens


def token_bytes(model: ModelFacts, number_bytes: float, cards: int) -> float:
    """Key and value of one token in one full layer on each card.

    Heads are split among the cards and repeated where there are more cards than heads. The compressed pair of latent
    attention has no heads: every card holds all of it.
    """
    if model.kv_lora_rank:
        return (model.kv_lora_rank + model.rope_head_dim) * number_bytes
    heads = model.global_kv_heads or model.kv_heads
    return _pair_bytes(heads, model.global_head_dim or model.head_dim, number_bytes, cards)


def layout(model: ModelFacts, number_bytes: float, cards: int, *, hybrid: bool = True) -> Layout:
    """How the cache of a model is cut.

    Args:
        model: a model that `has_cache`.
        number_bytes: bytes of one number in the cache.
        cards: cards that share each layer.
        hybrid: whether this release frees what a sliding window has left behind; else all layers keep every token.
    """
    full = model.full_layers or model.layers
    own = token_bytes(model, number_bytes, cards)
    if model.linear_layers:
        return _with_states(model, own, full, cards)
    if model.window_layers:
        return _with_windows(model, own, full, number_bytes, cards, hybrid=hybrid)
    tokens = _LATENT_BLOCK_TOKENS if model.kv_lora_rank else _BLOCK_TOKENS
    return Layout(block_bytes=round(tokens * own * full), full_groups=1, full_block_tokens=tokens)


def request_blocks(cut: Layout, tokens: int, batched_tokens: int, states: int) -> int:
    """Blocks that one request of so many tokens holds at most.

    A window layer keeps what it sees and what one step adds, and one block more because neither starts on a block's
    edge. A linear layer keeps `states` of its states: one, two with prefix caching.
    """
    kept = min(cut.window_tokens - 1 + batched_tokens, tokens)
    return (
        cut.full_groups * math.ceil(tokens / cut.full_block_tokens)
        + cut.window_groups * (math.ceil(kept / cut.window_block_tokens) + 1)
        + cut.state_groups * states
    )


def blocks_in(cut: Layout, cache_gib: float) -> int:
    """Whole blocks that a cache of a size has; none in a negative one."""
    return max(0, int(cache_gib * GIB // cut.block_bytes))


def _pair_bytes(heads: int, head_dim: int, number_bytes: float, cards: int) -> float:
    return 2 * max(1, heads // cards) * head_dim * number_bytes


def _group_size(one: int, other: int) -> int:
    few, many = sorted((one, other))
    return many if many < _NEARLY_AS_MANY * few else few


def _with_states(model: ModelFacts, own: float, full: int, cards: int) -> Layout:
    """A page must hold a state: so many tokens, in steps of 16, as fill one (logged: 544, 784, 1568, 2096)."""
    tokens = math.ceil(model.linear_state_bytes / cards / own / _BLOCK_TOKENS) * _BLOCK_TOKENS
    size = _group_size(full, model.linear_layers)
    return Layout(
        block_bytes=round(tokens * own * size),
        full_groups=math.ceil(full / size),
        full_block_tokens=tokens,
        state_groups=math.ceil(model.linear_layers / size),
    )


def _with_windows(model: ModelFacts, own: float, full: int, number_bytes: float, cards: int, *, hybrid: bool) -> Layout:
    """Pages are made equal: layers with fewer bytes for a token put more tokens into a block."""
    narrow = _pair_bytes(model.kv_heads, model.head_dim, number_bytes, cards)
    if not hybrid:
        every = full * own + model.window_layers * narrow
        return Layout(block_bytes=round(_BLOCK_TOKENS * every), full_groups=1, full_block_tokens=_BLOCK_TOKENS)
    widest = max(own, narrow)
    size = _group_size(full, model.window_layers)
    return Layout(
        block_bytes=round(_BLOCK_TOKENS * widest * size),
        full_groups=math.ceil(full / size),
        full_block_tokens=int(_BLOCK_TOKENS * widest / own),
        window_groups=math.ceil(model.window_layers / size),
        window_block_tokens=int(_BLOCK_TOKENS * widest / narrow),
        window_tokens=model.sliding_window,
    )
