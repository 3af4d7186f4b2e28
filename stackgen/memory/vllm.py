"""The whole account of a vLLM start on one card: what it may take, what it takes, what that leaves for the cache.

It asks for its share of what CUDA sees, loads the weights, runs one step with as many tokens and sequences as it will ever
have, and gives the rest to the cache (vllm/v1/worker/gpu_worker.py, determine_available_memory). Before the releases that
count CUDA graphs, those come on top of the share.
"""

from __future__ import annotations

import math

from stackgen.facts import Card, ModelFacts, Release, vllm_memory, vllm_release
from stackgen.memory import cache, overhead
from stackgen.memory.units import GIB
from stackgen.memory.weights import weights_gib
from stackgen.records import dataclass

_FINEST = 1e-9


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What vLLM takes where nobody says it."""

    utilisation: float
    batched_tokens: int
    sequences: int


@dataclass(frozen=True, kw_only=True)
class Start:
    """Everything that decides a start; all figures are of one card."""

    model: ModelFacts
    visible_gib: float
    release: Release
    context: int
    utilisation: float
    sequences: int
    batched_tokens: int
    tensor_parallel: int = 1
    number_bytes: float = 2
    """Bytes of one number in the cache."""
    weights_gib: float | None = None
    """Weights on the card where a log says them; the catalogue's otherwise."""
    experts_over: int = 0
    """Cards that share the experts, where these are more than share a layer."""
    first_engine: bool = False
    """Whether it is V0."""
    eager: bool = False
    sees: bool = False
    """Whether pictures are let in."""
    prefix_caching: bool = True
    amd: bool = False
    nvlink: bool = False
    free_gib: float = math.inf
    """What others have left of the card when it starts."""

    @property
    def layout(self) -> cache.Layout:
        """How its cache is cut."""
        hybrid = self.release >= vllm_release("hybrid_cache_since") and not self.first_engine
        return cache.layout(self.model, self.number_bytes, self.tensor_parallel, hybrid=hybrid)

    @property
    def states(self) -> int:
        """States that a request keeps in a linear layer: one, and with prefix caching one more."""
        shared = self.prefix_caching and self.release >= vllm_release("two_states_since")
        return 1 + int(shared)


@dataclass(frozen=True, kw_only=True)
class Account:
    """What becomes of one card's memory, in GiB."""

    budget_gib: float
    weights_gib: float
    activation_gib: float
    non_torch_gib: float
    graphs_gib: float
    outside_gib: float
    """Graphs that the share does not count."""
    one_request_gib: float
    free_gib: float

    @property
    def overhead_gib(self) -> float:
        """What is neither weights nor cache, inside the share."""
        return self.activation_gib + self.non_torch_gib + self.graphs_gib

    @property
    def cache_gib(self) -> float:
        """What is left for the cache; below zero where the rest alone is too much."""
        return self.budget_gib - self.weights_gib - self.overhead_gib

    @property
    def starts(self) -> bool:
        """Whether the share is free and its cache holds one request of full length; vLLM refuses to start otherwise."""
        return self.free_gib >= self.budget_gib and self.cache_gib >= self.one_request_gib


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What a cache of some size holds."""

    blocks: int
    tokens: int | None
    """None where a number of tokens means nothing: layers that attend differently."""
    requests: float
    """Requests of full length, as vLLM's "Maximum concurrency" counts them."""
    printed_tokens: int
    """What the start log says as "GPU KV cache size"; for hybrids its meaning changed."""


def is_first_engine(release: Release, compute_capability: float | None) -> bool:
    """Whether a release runs the model in V0: all old ones, and on old cards those that brought V1."""
    if release < vllm_release("v1_since"):
        return True
    old_card = compute_capability is not None and compute_capability < 8.0  # noqa: PLR2004 - Ampere
    return old_card and release < vllm_release("v0_below_compute_8_until")


def defaults(
    release: Release, card: Card | None, visible_gib: float, context: int, *, sees: bool, offline: bool = False
) -> Defaults:
    """What `vllm serve` takes by itself, or the class LLM of a program (`offline`).

    V1 decides by the card: much memory, and not an A100, means long steps and many sequences. V0 works on whole prompts up
    to 32,768 tokens, so its step is the context; above that it cuts them.
    """
    share = [entry["value"] for entry in vllm_memory("utilisation") if release >= _numbers(entry["since"])][-1]
    if is_first_engine(release, card.compute_capability if card else None):
        sequences = vllm_memory("v0_sequences")
        cuts = context > vllm_memory("v0_chunked_prefill_above_tokens") and not sees
        whole = max(context, vllm_memory("v0_chunk_tokens"), vllm_memory("v0_multimodal_tokens") if sees else 0)
        step = vllm_memory("v0_chunk_tokens") if cuts else whole
        return Defaults(utilisation=share, batched_tokens=step, sequences=sequences)
    an_a100 = card is not None and card.id.startswith("a100") and release < vllm_release("a100_is_large_since")
    large = visible_gib >= vllm_memory("large_card_gib") and not an_a100
    by_card = vllm_memory("large_cards" if large else "small_cards")
    step = by_card["offline_batched_tokens" if offline else "batched_tokens"]
    return Defaults(utilisation=share, batched_tokens=step, sequences=by_card["sequences"])


def account(start: Start) -> Account:
    """What becomes of the card's memory."""
    weights = start.weights_gib
    if weights is None:
        weights = weights_gib(start.model, max(start.tensor_parallel, start.experts_over))
    graphs = 0.0 if start.eager else overhead.graphs_gib(start.model, start.sequences)
    inside = overhead.graphs_are_inside(start.model, start.release)
    return Account(
        budget_gib=start.utilisation * start.visible_gib,
        weights_gib=weights,
        activation_gib=overhead.activation_gib(
            start.model,
            start.sequences,
            start.batched_tokens,
            start.tensor_parallel,
            start.release,
            sees=start.sees,
            first=start.first_engine,
        ),
        non_torch_gib=overhead.non_torch_gib(
            start.release, start.tensor_parallel, amd=start.amd, nvlink=start.nvlink, first=start.first_engine
        ),
        graphs_gib=graphs if inside else 0.0,
        outside_gib=0.0 if inside else graphs,
        one_request_gib=requests_gib(start, 1),
        free_gib=start.free_gib,
    )


def requests_gib(start: Start, requests: float) -> float:
    """Cache that holds so many requests of full length."""
    cut = start.layout
    blocks = cache.request_blocks(cut, start.context, start.batched_tokens, start.states)
    return math.ceil(blocks * requests - _FINEST) * cut.block_bytes / GIB


def capacity(start: Start, cache_gib: float) -> Capacity:
    """What a cache of that size holds.

    The log's number of tokens was whole blocks of one group up to 0.20 and is the concurrency times the context since; for
    models whose layers all attend alike both are the same.
    """
    cut = start.layout
    blocks = cache.blocks_in(cut, cache_gib)
    requests = blocks / cache.request_blocks(cut, start.context, start.batched_tokens, start.states)
    by_blocks = blocks // cut.groups * cut.smallest_block_tokens
    by_requests = start.release >= vllm_release("tokens_printed_from_concurrency_since") and not cut.counts_tokens
    return Capacity(
        blocks=blocks,
        tokens=by_blocks if cut.counts_tokens else None,
        requests=requests,
        printed_tokens=int(requests * start.context) if by_requests else by_blocks,
    )


def _numbers(since: str) -> Release:
    return tuple(int(part) for part in since.split("."))
