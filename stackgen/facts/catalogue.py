"""Cards and models: what they are called, how large they are, who says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from types import MappingProxyType
from typing import Any, cast

from stackgen.facts.files import rows
from stackgen.facts.measured import Measured
from stackgen.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Card:
    """A kind of GPU, or a MIG slice of one. `visible_gib` is what CUDA reports, less than the label says."""

    id: str
    name: str
    vendor: str
    visible_gib: float
    compute_capability: float | None
    source: str
    nvidia_smi_mib: int = 0
    """What nvidia-smi shows; 0 where nobody has seen it."""
    bf16: bool = True
    fp8: bool = False
    """Whether it multiplies 8-bit floats itself; the same for `fp4`."""
    fp4: bool = False
    weight_only: str = "no"
    """Quantised weights that it can unpack for 16-bit arithmetic: `yes`, `int4` (those alone) or `no`."""
    unified: bool = False
    """Whether it shares its memory with the processor."""
    nvlink: bool = False
    """Whether cards of this kind in one server are joined faster than by PCIe."""
    part_of: str = ""
    """Of a MIG slice: the id of the whole card."""
    memory_slices: int = 0
    """Of a MIG slice: how many eighths of the card's memory it has."""

    @property
    def is_slice(self) -> bool:
        """Whether it is a part of a card (MIG); parts do not join."""
        return bool(self.part_of) or "-mig-" in self.id

    @property
    def is_estimate(self) -> bool:
        """Whether the memory that CUDA sees was computed or recalled instead of read."""
        said = [part for part in self.source.split("; ") if "visible" in part or "memory" in part]
        return self.source == "recalled" or any("recalled" in part or "estimate" in part for part in said)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A build of a model in another number format."""

    quantization: str
    weights_gib: float
    weights_evidence: str
    source: str = ""
    """Hub id; empty where no build is known by name."""


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """Geometry and size of a model. Sizes in GiB are those of its own files; a number is 0 where no source says it."""

    source: str
    kind: str
    weights_gib: float
    weights_evidence: str
    layers: int
    hidden_size: int
    intermediate_size: int
    attention_heads: int
    """0 where the source does not say it."""
    kv_heads: int
    head_dim: int
    experts_per_token: int
    moe_intermediate_size: int
    vocabulary_size: int
    longest_context: int
    tool_parser: str
    reasoning_parser: str
    evidence: str
    parameters_billions: float = 0.0
    experts: int = 0
    native_dtype: str = "bf16"
    quantization: str = ""
    """Number format of the files where it is not a plain 16 or 32 bits."""
    kv_lora_rank: int = 0
    """Numbers of the compressed key and value of a token: latent attention (MLA)."""
    rope_head_dim: int = 0
    sliding_window: int = 0
    full_layers: int = 0
    """Layers with a cache that attend to everything; 0 stands for all of them."""
    window_layers: int = 0
    """Layers that see `sliding_window` tokens alone."""
    linear_layers: int = 0
    """Layers that keep one state for a request instead of tokens (linear attention, Mamba)."""
    global_kv_heads: int = 0
    """Heads of the full layers, where they differ from those of the window layers."""
    global_head_dim: int = 0
    linear_state_bytes: int = 0
    """State of one linear layer for one request."""
    cross_tokens: int = 0
    """Tokens of a picture that every request may attend to by cross-attention."""
    gated: bool = False
    """Whether the hub asks for consent and a token."""
    built_from: str = ""
    """Of a quantised build: the model that it was made of."""
    variants: tuple[Variant, ...] = ()

    @property
    def has_cache(self) -> bool:
        """Whether enough is known to count its attention cache."""
        tokens = self.kv_lora_rank or (self.kv_heads and self.head_dim)
        return bool(self.layers and tokens) and not (self.linear_layers and not self.linear_state_bytes)

    @property
    def sees(self) -> bool:
        """Whether it takes pictures."""
        return self.kind == "vlm"

    @property
    def base(self) -> str:
        """The model of which these are weights."""
        return self.built_from or self.source

    @property
    def is_estimate(self) -> bool:
        """Whether the weights were computed from the number of parameters instead of read or logged."""
        return not self.weights_evidence.startswith(("logged", "read", "measured"))

    @property
    def estimates(self) -> tuple[str, ...]:
        """What of it rests on an estimate, in words."""
        found = [f"weights of {self.source}: {self.weights_evidence}"] if self.is_estimate else []
        is_recalled = "recalled" in self.evidence and "confirmed" not in self.evidence.replace("not confirmed", "")
        if is_recalled or "(estimate:" in self.evidence:
            found.append(f"geometry of {self.source}: {self.evidence}")
        return tuple(found)


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """What one stack knows of cards and models: the shipped facts, and what its operator says beside them."""

    cards: Mapping[str, Card]
    models: Mapping[str, ModelFacts]
    measured: tuple[Measured, ...] = ()
    """What engines told on the cards of this host."""


@cache
def shipped_catalogue() -> Catalogue:
    """The facts that came with stackgen."""
    return Catalogue(cards=cards(), models=models())


@cache
def cards() -> Mapping[str, Card]:
    """Every known card by id."""
    return MappingProxyType({row["id"]: _card(row) for row in rows("cards.csv")})


@cache
def models() -> Mapping[str, ModelFacts]:
    """Every known model by hub id or Ollama's name."""
    variants: dict[str, list[Variant]] = {}
    for row in rows("model_variants.csv"):
        variant = Variant(
            quantization=row["quantization"],
            weights_gib=float(row["weights_gib"]),
            weights_evidence=row["weights_evidence"],
            source=row["source"],
        )
        variants.setdefault(row["base"], []).append(variant)
    return MappingProxyType(
        {row["source"]: _model(row, tuple(variants.get(row["source"], ()))) for row in rows("models.csv")}
    )


def _card(row: Mapping[str, str]) -> Card:
    return Card(
        id=row["id"],
        name=row["name"],
        vendor=row["vendor"],
        visible_gib=float(row["visible_gib"]),
        compute_capability=float(row["compute_capability"]) if row["compute_capability"] else None,
        source=row["source"],
        nvidia_smi_mib=int(row["nvidia_smi_mib"] or 0),
        weight_only=row["weight_only"],
        part_of=row["part_of"],
        memory_slices=int(row["memory_slices"] or 0),
        **{name: row[name] == "yes" for name in ("bf16", "fp8", "fp4", "unified", "nvlink")},
    )


def _model(row: Mapping[str, str], variants: tuple[Variant, ...]) -> ModelFacts:
    whole = (field.name for field in fields(ModelFacts) if field.type == "int")
    numbers: dict[str, Any] = {name: int(row[name] or 0) for name in whole}
    words = (
        "source",
        "kind",
        "built_from",
        "weights_evidence",
        "tool_parser",
        "reasoning_parser",
        "evidence",
        "quantization",
    )
    return ModelFacts(
        weights_gib=float(row["weights_gib"]),
        parameters_billions=float(row["parameters_billions"] or 0),
        native_dtype=row["native_dtype"],
        gated=row["gated"] == "yes",
        variants=variants,
        **numbers,
        **cast("dict[str, Any]", {name: row[name] for name in words}),
    )
