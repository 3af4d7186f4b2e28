"""Arithmetic of memory that engines share: of cards, all results GiB on one card, and of the host.

The formulas and constants are those with which logged vLLM starts were recomputed; each names its evidence.
"""

from __future__ import annotations

import math

from stackgen import facts as known
from stackgen.facts import ModelFacts
from stackgen.parts import Instance, Limits

GIB = 2**30

_COPIES_ON_CARDS = 2
_COPIES_ON_PROCESSOR = 4
_UNKNOWN_GIB = 512.0


def weights_gib(facts: ModelFacts, tensor_parallel: int) -> float:
    """Weights on each of the cards that share them."""
    return facts.weights_gib / tensor_parallel


def attention_cache_gib(facts: ModelFacts, tokens: int, bytes_per_number: float, tensor_parallel: int) -> float:
    """Keys and values of `tokens` tokens where all layers attend alike.

    Two numbers (key, value) per layer, head and dimension; heads are repeated where there are more cards than heads.
    """
    heads = max(1, facts.kv_heads // tensor_parallel)
    return 2 * facts.layers * heads * facts.head_dim * bytes_per_number * tokens / GIB


def forward_gib(facts: ModelFacts, batched_tokens: int, tensor_parallel: int) -> float:
    """Peak of activations in one forward pass, 16-bit numbers: hidden states and the widest layer between them."""
    if facts.experts_per_token:
        width = 4 * facts.hidden_size + facts.experts_per_token * (
            facts.hidden_size + 3 * facts.moe_intermediate_size / tensor_parallel
        )
    else:
        width = 4 * facts.hidden_size + 3 * facts.intermediate_size / tensor_parallel
    return 2 * batched_tokens * width / GIB


def encoder_activation_gib(facts: ModelFacts, batched_tokens: int) -> float:
    """Peak of activations of an encoder.

    133 bytes per token and hidden unit: derived from bge-m3 (hidden 1024), 2.6 GiB in all for one input of 8,192
    tokens, less 1.06 GiB of weights and 0.5 GiB of CUDA context. One row, so an estimate.
    """
    return 133 * batched_tokens * facts.hidden_size / GIB


def host_limits(instance: Instance, reserved_gib: float | None = 0.0) -> Limits:
    """What an engine may take of its host. A limit kills, so each figure is far above what a healthy engine was seen with.

    Memory is the figure of the image family, more for each further card, and copies of the weights: two on cards (the
    file in the page cache, and what is torn open on its way), four on the processor (32-bit numbers where the file has
    16, and both kinds while one becomes the other). Weights that the catalogue lacks count as all memory of the cards,
    where they must fit; on the processor nothing bounds them but a fixed figure. There is no memory limit where flags
    move weights or cache to the host, and no limit of processors: it would slow down the engine that the host is for.

    Args:
        instance: the engine's process group.
        reserved_gib: what it sets aside beside that: shared memory, the cache on the processor; None where the host's
            own size decides.
    """
    locks = known.locks(instance.image.family)
    given = {flag for served in instance.models for flag in served.flags_given}
    if reserved_gib is None or given & locks.host_memory_flags:
        return Limits(memory_gib=None, pids=locks.pids)
    further = max(0, len(instance.gpus) - 1) * locks.memory_gib_each_further_card
    total = locks.memory_gib + further + _weights_on_host_gib(instance) + reserved_gib
    return Limits(memory_gib=math.ceil(total), pids=locks.pids)


def _weights_on_host_gib(instance: Instance) -> float:
    catalogue = known.models()
    models = [catalogue.get(served.model.source) for served in instance.models]
    if None in models:
        return _COPIES_ON_CARDS * sum(gpu.card.visible_gib for gpu in instance.gpus) or _UNKNOWN_GIB
    copies = _COPIES_ON_CARDS if instance.on_gpu else _COPIES_ON_PROCESSOR
    return copies * sum(model.weights_gib for model in models if model)
