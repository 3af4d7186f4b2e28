"""What is known about the world, as data with sources: cards, models, flags per release, images, texts.

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


@dataclass(frozen=True, kw_only=True)
class Flag:
    """One flag of an engine's command line in one release."""

    name: str
    type: str
    choices: tuple[str, ...] = ()
    takes_many: bool = False
    value_is_optional: bool = False

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
class Scratch:
    """A path that lives in memory and dies with the container.

    Where the image has a folder at that path, its rights win over `mode` in older engines; its owner is root in all.
    """

    path: str
    mode: str = ""
    """Rights in octal digits; empty for those of the image's folder."""


@dataclass(frozen=True, kw_only=True)
class Locks:
    """How tightly containers of an image family can be locked without harm, and what they may take of their host."""

    capabilities: tuple[str, ...]
    """Rights of the root user that a start needs, with an empty volume or an old one."""
    writable_root: str
    """Why the root file system stays writable; empty where it need not."""
    scratch: tuple[Scratch, ...]
    """What must be writable beside the mounts while the root file system is not."""
    pids: int
    memory_gib: float
    """Beside what models take."""
    cpus: float | None
    """None where a limit would slow down what the host is for."""
    writable_root_on_cards: str = ""
    memory_gib_each_further_card: float = 0.0
    host_memory_flags: frozenset[str] = frozenset()
    """Flags with which an engine moves weights or cache into the memory of the host."""

    def read_only(self, *, on_cards: bool = False) -> bool:
        """Whether nothing stands against a root file system that cannot be written."""
        return not (self.writable_root or (on_cards and self.writable_root_on_cards))

    def writable(self, *, on_cards: bool = False) -> tuple[Scratch, ...]:
        """The scratch that goes with `read_only`."""
        return self.scratch if self.read_only(on_cards=on_cards) else ()


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
                    value_is_optional=form.get("nargs") == "?",
                )
                negatives = {spelling: Flag(name=spelling, type="switch") for spelling in form.get("negative", ())}
                flags |= dict.fromkeys((name, *form.get("aliases", ())), flag) | negatives
    removed = {name: entry["instead"] for name, entry in data["removed"].items()}
    return FlagTable(version=version, flags=MappingProxyType(flags), removed=MappingProxyType(removed))


@cache
def flag_versions(engine: str) -> tuple[str, ...]:
    """The releases of an engine whose flags are known, oldest first; none for an engine without flags."""
    file = f"{engine}_flags.json"
    return tuple(_json(file)["versions"]) if (_FOLDER / file).is_file() else ()


@cache
def locks(family: str) -> Locks:
    """How tightly containers of an image family can be locked."""
    entry = _json("images.json")[family]["locks"]
    plain: dict[str, Any] = {name: value for name, value in entry.items() if not isinstance(value, list)}
    plain.pop("source")
    return Locks(
        capabilities=tuple(entry["capabilities"]),
        scratch=tuple(Scratch(**found) for found in entry["scratch"]),
        host_memory_flags=frozenset(entry.get("host_memory_flags", ())),
        **plain,
    )


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
def gateway_paths(provider: str) -> Mapping[str, str]:
    """What the gateway appends to a base URL for a provider, by modality; empty for providers that were not tried."""
    return MappingProxyType(_json("gateway.json")["appends"].get(provider, {}))


@cache
def gateway_word(provider: str, setting: str) -> str | None:
    """The gateway's name for a setting of generation; None where it does not reach the servers of that provider."""
    return _json("gateway.json")["words"].get(provider, {}).get(setting, setting) or None


@cache
def gateway_mode(modality: str) -> str:
    """The gateway's word for a modality."""
    return str(_json("gateway.json")["modes"][modality])


@cache
def compose_service_keys() -> Mapping[str, Mapping[str, Any]]:
    """JSON schema of each key of a Compose service, references inside it resolvable; keys of Compose 5 alone left out."""
    definitions = _json("compose_service.json")["$defs"]
    parts = (definitions[name]["properties"] for name in ("container_spec", "workload_spec", "service"))
    only_newer = {"pre_start"}
    return MappingProxyType(
        {
            key: {**schema, "$defs": definitions}
            for properties in parts
            for key, schema in properties.items()
            if key not in only_newer
        }
    )


@cache
def speech_texts() -> Mapping[str, str]:
    """A sentence for voices by language, as two letters of ISO 639-1."""
    return MappingProxyType(dict(_json("speech_texts.json")["texts"]))


def speech_text(language: str) -> str:
    """What a voice of a language (`pt`, `pt-BR`) is given to say; digits, which every voice can read, for a strange one."""
    return speech_texts().get(language.replace("_", "-").partition("-")[0].lower(), "1 2 3 4 5")


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
