"""What is known about the world, as data with sources: cards, models, flags per release, images, texts of failures.

Data files lie beside this module; nothing here decides.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

_FOLDER = Path(__file__).resolve().parent


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
    kv_heads: int
    head_dim: int
    experts_per_token: int
    moe_intermediate_size: int
    vocabulary_size: int
    longest_context: int
    evidence: str

    @property
    def is_estimate(self) -> bool:
        """Whether the weights were computed from the number of parameters instead of read or logged."""
        return not self.weights_evidence.startswith("logged")


@dataclass(frozen=True, kw_only=True)
class Flag:
    """One flag of an engine's command line in one release."""

    name: str
    type: str
    choices: tuple[str, ...] = ()
    takes_many: bool = False

    @property
    def takes_value(self) -> bool:
        """Whether a word may follow it."""
        return self.type not in {"bool", "switch"}


@dataclass(frozen=True, kw_only=True)
class FlagTable:
    """Every spelling that the parser of one release accepts, and what became of removed ones."""

    version: str
    flags: Mapping[str, Flag]
    removed: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class DockerFailure:
    """A text of Docker, what it means and what to do."""

    text: str
    cause: str
    message: str
    hint: str


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
            for row in _rows("cards.csv")
        }
    )


@cache
def models() -> Mapping[str, ModelFacts]:
    """Every known model by hub id."""
    numbers = ("layers", "hidden_size", "intermediate_size", "kv_heads", "head_dim", "experts_per_token",
               "moe_intermediate_size", "vocabulary_size", "longest_context")  # fmt: skip
    return MappingProxyType(
        {
            row["source"]: ModelFacts(
                source=row["source"],
                kind=row["kind"],
                weights_gib=float(row["weights_gib"]),
                weights_evidence=row["weights_evidence"],
                evidence=row["evidence"],
                **{name: int(row[name] or 0) for name in numbers},
            )
            for row in _rows("models.csv")
        }
    )


@cache
def flag_table(engine: str, version: str) -> FlagTable | None:
    """The flags of an engine's release; None where that release (or engine) was not read."""
    file = _FOLDER / f"{engine}_flags.json"
    if not file.is_file():
        return None
    data = _json(file.name)
    if version not in data["versions"]:
        return None
    position = data["versions"].index(version)
    flags: dict[str, Flag] = {}
    for name, forms in data["flags"].items():
        for form in forms:
            if data["versions"].index(form["since"]) <= position <= data["versions"].index(form["until"]):
                flag = Flag(
                    name=name,
                    type=form["type"],
                    choices=tuple(str(choice) for choice in form.get("choices", ())),
                    takes_many=form.get("nargs") == "+",
                )
                negatives = {spelling: Flag(name=spelling, type="switch") for spelling in form.get("negative", ())}
                flags |= dict.fromkeys((name, *form.get("aliases", ())), flag) | negatives
    removed = {name: entry["instead"] for name, entry in data["removed"].items()}
    return FlagTable(version=version, flags=MappingProxyType(flags), removed=MappingProxyType(removed))


@cache
def flag_versions(engine: str) -> tuple[str, ...]:
    """The releases of an engine whose flags are known, oldest first."""
    return tuple(_json(f"{engine}_flags.json")["versions"])


@cache
def programs(family: str) -> frozenset[str]:
    """Programs that an image family certainly has; health commands may use no other."""
    return frozenset(_json("images.json")[family]["programs"])


@cache
def gateway_path(provider: str, modality: str) -> str | None:
    """What the gateway appends to a base URL for a provider and a modality; None where that pair does not work."""
    path = _json("gateway.json")["appends"].get(provider, {}).get(modality)
    return None if path is None else str(path)


@cache
def gateway_mode(modality: str) -> str:
    """The gateway's word for a modality."""
    return str(_json("gateway.json")["modes"][modality])


@cache
def docker_failures() -> tuple[DockerFailure, ...]:
    """Known refusals of Docker, most telling first."""
    return tuple(DockerFailure(**entry) for entry in _json("docker_failures.json")["failures"])


def _rows(name: str) -> list[dict[str, str]]:
    with (_FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def _json(name: str) -> Any:
    return json.loads((_FOLDER / name).read_text(encoding="utf-8"))
