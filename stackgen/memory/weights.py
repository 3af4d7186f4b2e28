"""Weights: how much of a model each card holds, and what it would be in another number format."""

from __future__ import annotations

from stackgen.facts import ModelFacts, weight_bits
from stackgen.memory.units import GIB
from stackgen.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Build:
    """A model in one number format, as a suggestion names it."""

    quantization: str
    weights_gib: float
    evidence: str
    source: str
    """Hub id; empty where no build is known by name."""

    @property
    def is_estimate(self) -> bool:
        """Whether its size was computed from the number of parameters."""
        return not self.evidence.startswith(("logged", "read", "measured"))


def weights_gib(model: ModelFacts, cards: int) -> float:
    """Weights on each of the cards that share them. Norms and small repeated parts are below a hundredth."""
    return model.weights_gib / cards


def embedding_parameters(model: ModelFacts) -> float:
    """Parameters that stay at 16 bits in a quantised build: the embedding, twice where the output has its own.

    Whether it has follows from the number of parameters: what the layers do not explain is one table or two. Experts
    make that difference too small to tell, so their models count as having two.
    """
    table = float(model.vocabulary_size * model.hidden_size)
    if model.experts:
        return 2 * table
    heads = 2 * (model.attention_heads + model.kv_heads) * model.head_dim
    layers = model.layers * model.hidden_size * (heads + 3 * model.intermediate_size)
    return 2 * table if model.parameters_billions * 1e9 - layers > 1.5 * table else table


def quantised_gib(model: ModelFacts, quantization: str) -> float | None:
    """Size of a build by the bits of its format; an estimate.

    Checked: Qwen2.5-7B AWQ 5.2 (logged 5.29), Qwen3-8B AWQ 5.7 (5.71), Mistral-7B GPTQ 3.9 (3.88), granite-4.0-micro FP8
    3.4 (3.42). Vision towers and per-layer embeddings stay wide, so models with those come out too small.

    Returns:
        None where the format or the number of parameters is not known.
    """
    bits = weight_bits(quantization)
    if bits is None or not model.parameters_billions:
        return None
    whole = model.parameters_billions * 1e9
    wide = min(embedding_parameters(model), whole)
    return (2 * wide + (whole - wide) * bits / 8) / GIB


def builds(model: ModelFacts) -> tuple[Build, ...]:
    """Quantised builds of a model, the smallest first: those whose size is known, then what AWQ and FP8 would be.

    An estimate is offered only for models whose own files are 16 bits wide and for a format of which no size is known.
    """
    known = [
        Build(
            quantization=variant.quantization,
            weights_gib=variant.weights_gib,
            evidence=variant.weights_evidence,
            source=variant.source,
        )
        for variant in model.variants
    ]
    said = {build.quantization for build in known}
    if not model.quantization:
        for quantization in {"awq4", "fp8"} - said:
            size = quantised_gib(model, quantization)
            if size is not None:
                evidence = "estimate: parameters x bits"
                known.append(Build(quantization=quantization, weights_gib=size, evidence=evidence, source=""))
    smaller = [build for build in known if build.weights_gib < model.weights_gib]
    return tuple(sorted(smaller, key=lambda build: (build.weights_gib, build.quantization)))
