"""Memory that vLLM takes, on its cards and of its host."""

from __future__ import annotations

from stackgen import facts
from stackgen.engines import memory
from stackgen.facts import Card
from stackgen.parts import Instance, Need

_DEFAULT_BATCHED_TOKENS = 2048
_DEFAULT_SEQUENCES = 256
_GRAPHS_INSIDE_BUDGET_SINCE = (0, 21)
_LEAN_SAMPLER_SINCE = (0, 25)


def need(instance: Instance, _card: Card, tensor_parallel: int) -> Need | None:
    """Memory on each card: weights, the cache of one request of full length, and what a step takes beside them.

    Overhead = max(activations, sampler) + non-torch + CUDA graphs. Sampler: 8 copies of the logits up to 0.24 (fits about
    six logged starts), 3 from 0.25 on (one). Non-torch: 0.25 GiB on one card, up to 1.6 GiB with NVLink (logged 1.38 to
    1.84). Graphs: 0.5 GiB counted inside the budget from 0.21 on (logged 0.58 to 1.94).

    Returns:
        None where the catalogue does not know the model.
    """
    served = instance.models[0]
    known = facts.models().get(served.model.source)
    if known is None or not known.kv_heads:
        return None
    version = instance.image.release
    tokens = served.model.context or known.longest_context
    number_bytes = 1 if str(served.value("options.kv_cache_dtype")).startswith(("fp8", "int8")) else 2
    forward = memory.forward_gib(
        known, served.value("options.max_num_batched_tokens") or _DEFAULT_BATCHED_TOKENS, tensor_parallel
    )
    copies = 3 if version >= _LEAN_SAMPLER_SINCE else 8
    sampler = copies * 4 * (served.model.concurrency or _DEFAULT_SEQUENCES) * known.vocabulary_size / memory.GIB
    graphs = 0.5 if version >= _GRAPHS_INSIDE_BUDGET_SINCE and not served.value("options.enforce_eager") else 0.0
    return Need(
        weights_gib=memory.weights_gib(known, tensor_parallel),
        cache_gib=memory.attention_cache_gib(known, tokens, number_bytes, tensor_parallel),
        overhead_gib=max(forward, sampler) + (0.25 if tensor_parallel == 1 else 1.6) + graphs,
        why=f"one request of {tokens} tokens{'; weights are an estimate' if known.is_estimate else ''}",
    )


def reserved_gib(instance: Instance) -> float | None:
    """Host memory for shared memory and, on the CPU, the cache; without a size for it vLLM takes a share of the host."""
    served = instance.models[0]
    cache = 0 if instance.on_gpu else served.value("options.cpu_cache_gib")
    if cache is None or "VLLM_CPU_KVCACHE_SPACE" in served.model.environment:
        return None
    return float(cache + (shared_memory_gib(instance) or 0))


def shared_memory_gib(instance: Instance) -> int | None:
    """Workers that share layers talk through /dev/shm; so do the processes of the CPU build."""
    if not instance.on_gpu:
        return 4
    return 10 if instance.tensor_parallel > 1 else None
