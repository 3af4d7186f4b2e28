"""Memory that vLLM takes, on its cards and of its host."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from stackgen import facts
from stackgen.engines.vllm.refusals import is_in_32_bits
from stackgen.facts import Card, ModelFacts
from stackgen.memory import GIB, KIB, cache
from stackgen.memory import vllm as accounts
from stackgen.memory.weights import quantised_gib, weights_gib
from stackgen.parts import Held, Instance, Need, ServedModel

_CACHE_STEPS_PER_GIB = 1024
_TEXT_ONLY = frozenset({"--language-model-only"})
_DRAFTS = frozenset({"--speculative-config", "--speculative-model"})
_ADAPTERS = frozenset({"--enable-lora", "--lora-modules"})
_OFFLOAD = "--cpu-offload-gb"
_WIDE_BYTES = 4


def need(instance: Instance, card: Card, tensor_parallel: int) -> Need | None:
    """Memory on each card: weights, the cache of one request of full length, and what a step takes beside them.

    Returns:
        None where the catalogue does not know enough of the model.
    """
    start = start_of(instance, card, tensor_parallel)
    if start is None:
        return None
    found = accounts.account(start)
    served = instance.models[0]
    written = served.value("options.kv_cache_memory_bytes")
    wanted = accounts.requests_gib(start, max(1, served.model.concurrency or 1))
    return Need(
        weights_gib=found.weights_gib,
        cache_gib=found.one_request_gib,
        cache_wanted_gib=wanted,
        cache_written_gib=None if written is None else written / GIB,
        overhead_gib=found.overhead_gib,
        outside_gib=found.outside_gib,
        why=_why(start),
        estimates=_estimates(instance, start.model),
    )


def holds(instance: Instance, card: Card, tensor_parallel: int, cache_gib: float) -> Held | None:
    """Tokens and requests of full length that a cache of so many GiB on each card holds."""
    start = start_of(instance, card, tensor_parallel)
    if start is None:
        return None
    found = accounts.capacity(start, cache_gib)
    return Held(tokens=found.tokens, requests=found.requests)


def budget(instance: Instance, share: float, cache_gib: float | None) -> Mapping[str, Any]:
    """The share of the cards and, beside neighbours, the size of the cache: measuring at start is misled by them.

    The cache is written where the release can be told (vllm-project/vllm#55827 is what happens without).
    """
    table = facts.flag_table("vllm", instance.image.version)
    options: dict[str, Any] = {"gpu_memory_utilization": share}
    if cache_gib is not None and table is not None and "--kv-cache-memory-bytes" in table.flags:
        options["kv_cache_memory_bytes"] = int(cache_gib * _CACHE_STEPS_PER_GIB) * GIB // _CACHE_STEPS_PER_GIB
    return options


def usual(instance: Instance, card: Card) -> Mapping[str, Any]:
    """Tokens of one step: releases and cards differ in them, and they decide the memory of a step."""
    start = start_of(instance, card, instance.tensor_parallel)
    return {"max_num_batched_tokens": start.batched_tokens} if start else {}


def start_of(instance: Instance, card: Card, tensor_parallel: int) -> accounts.Start | None:
    """The start that an instance makes on cards of a kind; None where the catalogue does not know enough of the model."""
    served = instance.models[0]
    known = served.known
    if known is None or not known.has_cache or not (served.model.context or known.longest_context):
        return None
    release, context = instance.image.release, served.model.context or known.longest_context
    sees = known.sees and not (served.flags_given & _TEXT_ONLY)
    wide = is_in_32_bits(served, card)
    kept = str(served.value("options.kv_cache_dtype") or "auto")
    usual = accounts.defaults(release, card, card.visible_gib, context, sees=sees)
    return accounts.Start(
        model=known,
        visible_gib=card.visible_gib,
        release=release,
        context=context,
        utilisation=served.value("options.gpu_memory_utilization") or usual.utilisation,
        sequences=served.model.concurrency or usual.sequences,
        batched_tokens=served.value("options.max_num_batched_tokens") or usual.batched_tokens,
        tensor_parallel=tensor_parallel,
        number_bytes=_WIDE_BYTES if wide and kept == "auto" else facts.cache_number_bytes(kept) or 2,
        weights_gib=_weights_gib(instance, known, tensor_parallel, wide=wide),
        first_engine=accounts.is_first_engine(release, card.compute_capability),
        eager=bool(served.value("options.enforce_eager")),
        sees=sees,
        prefix_caching=served.value("options.enable_prefix_caching") is not False,
        amd=card.vendor == "amd",
        nvlink=card.nvlink,
    )


def _weights_gib(instance: Instance, known: ModelFacts, cards: int, *, wide: bool) -> float:
    """Weights on each card, less what is left in the host's memory.

    They are twice the files where those are widened to 32 bits, and what FP8 makes of them where vLLM does that itself.
    """
    served = instance.models[0]
    own = weights_gib(known, cards)
    if wide and not known.quantization:
        own *= 2
    elif _is_quantised_here(instance, known):
        own = min(own, (quantised_gib(known, "fp8") or known.weights_gib) / cards)
    return max(0.0, own - _number_given(served, _OFFLOAD))


def _is_quantised_here(instance: Instance, known: ModelFacts) -> bool:
    """Whether files of 16 bits become FP8 as they are loaded; what a tower for pictures would be is not known."""
    method = str(instance.models[0].value("options.quantization"))
    since = facts.vllm_release("quantises_as_it_loads_since")
    into_fp8 = facts.format_of_method(method) == "fp8" and not known.quantization and not known.sees
    return into_fp8 and instance.image.release >= since


def _number_given(served: ServedModel, flag: str) -> float:
    """The number that `extra_args` give to a flag, 0 where they do not; what is no number is told elsewhere."""
    words = served.model.extra_args
    said = [value for word in words for name, _, value in [word.partition("=")] if name == flag and value]
    said += [after for word, after in pairwise(words) if word == flag]
    return next((float(value) for value in said if value.replace(".", "", 1).isdigit()), 0.0)


def reserved_gib(instance: Instance) -> float | None:
    """Host memory for shared memory and, on the CPU, the cache; without a size for it vLLM takes a share of the host."""
    served = instance.models[0]
    cache = 0 if instance.on_gpu else _cache_on_processor_gib(served)
    if cache is None or "VLLM_CPU_KVCACHE_SPACE" in served.model.environment:
        return None
    return cache + float(shared_memory_gib(instance) or 0)


def _cache_on_processor_gib(served: ServedModel) -> float | None:
    """The larger of two sizes that may both be said; None where neither is."""
    written = served.value("options.kv_cache_memory_bytes")
    sizes = (served.value("options.cpu_cache_gib"), written and written / GIB)
    return max((size for size in sizes if size), default=None)


def shared_memory_gib(instance: Instance) -> int | None:
    """Workers that share layers talk through /dev/shm; so do the processes of the CPU build.

    10 GiB is what vLLM's own documentation gives for any number of cards of one machine; no logged figure grows with that
    number (NCCL's segments are of 9.2 MiB each: sgl-project/sglang#4259). One worker alone needs no more than Docker gives.
    """
    if not instance.on_gpu:
        return 4
    return 10 if instance.tensor_parallel > 1 else None


def _why(start: accounts.Start) -> str:
    """What the figures stand for, and what makes more cards help less than they promise."""
    said = f"one request of {start.context} tokens: {cost_of_token(start)}"
    heads = start.model.kv_heads
    if start.model.kv_lora_rank and start.tensor_parallel > 1:
        return f"{said}; every card keeps the whole cache"
    if start.tensor_parallel > heads:
        return f"{said}; each of the {heads} key-value heads is kept on {start.tensor_parallel // heads} cards"
    return said


def cost_of_token(start: accounts.Start) -> str:
    """What one token costs on each card, as a sum that a reader can do again."""
    model, cards, width = start.model, start.tensor_parallel, start.number_bytes
    full = model.full_layers or model.layers
    if model.kv_lora_rank:
        numbers = f"({model.kv_lora_rank} + {model.rope_head_dim})"
    else:
        heads = max(1, (model.global_kv_heads or model.kv_heads) // cards)
        numbers = f"2 x {heads} {'head' if heads == 1 else 'heads'} x {model.global_head_dim or model.head_dim}"
    kib = full * cache.token_bytes(model, width, cards) / KIB
    said = f"{full} layers x {numbers} x {width:g} bytes = {kib:g} KiB a token"
    if model.window_layers:
        said += f", and {model.window_layers} layers that keep {model.sliding_window} tokens"
    if model.linear_layers:
        said += f", and {model.linear_layers} layers that keep one state of {model.linear_state_bytes / cards / KIB:.0f} KiB"
    return said


def _estimates(instance: Instance, known: ModelFacts) -> tuple[str, ...]:
    served = instance.models[0]
    made = (f"weights of {known.source} in FP8: parameters x bits",) if _is_quantised_here(instance, known) else ()
    drafts = ("draft model: its weights and cache are not counted",) if served.flags_given & _DRAFTS else ()
    adapters = ("adapters: their memory is not counted",) if served.flags_given & _ADAPTERS else ()
    return known.estimates + made + drafts + adapters
