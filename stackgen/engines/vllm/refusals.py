"""What keeps vLLM from running a model on cards of a kind, whatever their memory."""

from __future__ import annotations

from collections.abc import Iterator

from stackgen import facts
from stackgen.facts import Card, ModelFacts
from stackgen.parts import Instance, ServedModel

_PUBLISHED = "vllm/vllm-openai:"
_WHOLE_EXPERTS = "--enable-expert-parallel"
_PADS_BLOCKS = 10
"""Compute capability, before the point, of cards whose kernels pad what is no whole block (vllm#55867)."""


def refusal(instance: Instance, card: Card, tensor_parallel: int) -> str | None:
    """Why cards of a kind cannot run the model: kernels and number formats that they lack, layers that cannot be shared."""
    return next(_reasons(instance, card, tensor_parallel), None)


def can_share(known: ModelFacts, cards: int) -> bool:
    """Heads are split evenly; those of keys and values may also be repeated evenly (vLLM's own rule)."""
    kept = 0 if known.kv_lora_rank else known.kv_heads
    return known.attention_heads % cards == 0 and (not kept or kept % cards == 0 or cards % kept == 0)


def is_in_32_bits(served: ServedModel, card: Card) -> bool:
    """Whether a model is computed in float32: where that is written, or where a card has nothing better for it."""
    dtype = served.value("options.dtype")
    if dtype not in (None, "auto"):
        return bool(dtype == "float32")
    lacks = facts.refused_dtype(card, "bfloat16") is not None
    return lacks and facts.is_unstable_in_float16(served.known.base if served.known else served.model.source)


def _reasons(instance: Instance, card: Card, cards: int) -> Iterator[str]:
    served = instance.models[0]
    known, source = served.known, served.model.source
    yield from _kernels(instance, card)
    dtype, kept = str(served.value("options.dtype")), str(served.value("options.kv_cache_dtype"))
    form = facts.format_of_method(str(served.value("options.quantization") or (known.quantization if known else "")))
    yield from filter(None, (facts.refused_dtype(card, dtype), facts.refused_weights(card, form)))
    yield from filter(None, (facts.refused_cache(card, kept),))
    if dtype == "float16" and facts.is_unstable_in_float16(known.base if known else source):
        yield f"{source} cannot be computed in float16"
    if known and known.quantization and is_in_32_bits(served, card):
        yield f"{card.name} would compute {source} in float32, and weights in {form} are not"
    if kept == "fp8_e5m2" and form == "fp8":
        yield f"a cache in fp8_e5m2 is not for weights in fp8, and those of {source} are"
    if known and not can_share(known, cards):
        yield f"{cards} cards cannot share the attention heads of {source} evenly"
    if known and known.experts and _WHOLE_EXPERTS not in served.flags_given:
        yield from _blocks(known, form, card, cards)


def _kernels(instance: Instance, card: Card) -> Iterator[str]:
    """What the published image was built for; nobody knows it of one that was built elsewhere."""
    has = card.compute_capability
    if has is None or _PUBLISHED not in instance.image.reference:
        return
    release = instance.image.release
    said = facts.vllm_memory("least_compute_capability")
    least = [entry["value"] for entry in said if release >= facts.release_of(entry["since"])][-1]
    if has < least:
        version = instance.image.version
        yield f"the image of vLLM {version} asks for compute capability {least:g}, and {card.name} has {has:g}"


def _blocks(known: ModelFacts, form: str, card: Card, cards: int) -> Iterator[str]:
    size = facts.block_size(form, known.source)
    pads = card.compute_capability is not None and int(card.compute_capability) == _PADS_BLOCKS
    if size and not pads and cards > 1 and known.moe_intermediate_size % (cards * size):
        yield (
            f"{cards} cards cannot share the experts of {known.source}: {known.moe_intermediate_size} / {cards} is no whole "
            f"number of blocks of {size} (`extra_args: [{_WHOLE_EXPERTS}]` leaves experts whole)"
        )
