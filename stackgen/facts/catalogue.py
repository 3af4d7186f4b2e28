"""Cards and models: what they are called, how large they are, who says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from stackgen.facts.files import rows


@dataclass(frozen=True, kw_only=True)
class Card:
    """A kind of GPU. `visible_gib` is what CUDA reports, less than the label says."""

    id: str
    name: str
    vendor: str
    visible_gib: float
    compute_capability: float | None
    source: str


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """Geometry of a model whose layers all attend alike. Sizes in GiB are for the native weights."""

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

    @property
    def is_estimate(self) -> bool:
        """Whether the weights were computed from the number of parameters instead of read or logged."""
        return not self.weights_evidence.startswith("logged")


@cache
def cards() -> Mapping[str, Card]:
    """Every known card by id."""
    return MappingProxyType(
        {
            row["id"]: Card(
                id=row["id"],
                name=row["name"],
                vendor=row["vendor"],
                visible_gib=float(row["visible_gib"]),
                compute_capability=float(row["compute_capability"]) if row["compute_capability"] else None,
                source=row["source"],
            )
            for row in rows("cards.csv")
        }
    )


@cache
def models() -> Mapping[str, ModelFacts]:
    """Every known model by hub id."""
    numbers = ("layers", "hidden_size", "intermediate_size", "attention_heads", "kv_heads", "head_dim", "experts_per_token",
               "moe_intermediate_size", "vocabulary_size", "longest_context")  # fmt: skip
    return MappingProxyType(
        {
            row["source"]: ModelFacts(
                source=row["source"],
                kind=row["kind"],
                weights_gib=float(row["weights_gib"]),
                weights_evidence=row["weights_evidence"],
                tool_parser=row["tool_parser"],
                reasoning_parser=row["reasoning_parser"],
                evidence=row["evidence"],
                **{name: int(row[name] or 0) for name in numbers},
            )
            for row in rows("models.csv")
        }
    )
