"""Facts files beside a spec: every profiles/facts/*.yaml, laid over what came with stackgen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import TYPE_CHECKING

from stackgen import facts
from stackgen.errors import Place, Problem
from stackgen.facts import Card, Catalogue, Measured, ModelFacts, Variant
from stackgen.records import dataclass
from stackgen.sources.document import Document, describe, printable
from stackgen.sources.layers import value_at
from stackgen.sources.validation import read_as

if TYPE_CHECKING:
    from stackgen.spec.facts_file import CardEntry, FactsFile, ModelEntry

SUFFIX = ".yaml"
_INT4_SINCE, _BF16_SINCE, _FP8_SINCE, _FP4_SINCE = 7.5, 8.0, 8.9, 10.0
"""Compute capabilities; the shipped cards agree with them."""
_OTHER_SUFFIXES = frozenset({".yml", ".json"})


@dataclass(frozen=True)
class Declared:
    """What is known with the facts files of a spec, and where they say it."""

    catalogue: Catalogue
    places: Mapping[tuple[str, str], Place]
    """By ("cards" or "models", id)."""
    files: tuple[tuple[FactsFile, Document], ...] = ()


def declared(folder: FilePath, problems: list[Problem]) -> Declared:
    """The facts of a spec.

    Args:
        folder: the spec's.
        problems: gets what is wrong with the files; what is right of them counts all the same.
    """
    shipped = facts.shipped_catalogue()
    cards: dict[str, Card] = {}
    models: dict[str, ModelFacts] = {}
    measured: list[Measured] = []
    places: dict[tuple[str, str], Place] = {}
    files = tuple(_read(folder, problems))
    for file, document in files:
        problems += _told_twice(file, document, places)
        cards |= {identifier: card_of(identifier, entry) for identifier, entry in file.cards.items()}
        models |= {source: model_of(source, entry) for source, entry in file.models.items()}
        measured += measured_of(file)
        problems += _incomplete(file, document)
    if not (cards or models or measured):
        return Declared(shipped, places, files)
    catalogue = replace(
        shipped,
        cards=MappingProxyType({**shipped.cards, **cards}),
        models=MappingProxyType({**shipped.models, **models}),
        measured=tuple(measured),
    )
    return Declared(catalogue, places, files)


def card_of(identifier: str, entry: CardEntry) -> Card:
    """A card as the catalogue has it."""
    capability = entry.compute_capability or 0.0
    unpacks = "yes" if capability >= _BF16_SINCE else "int4" if capability >= _INT4_SINCE else "no"
    derived = {
        "bf16": capability >= _BF16_SINCE or entry.vendor == "amd",
        "fp8": capability >= _FP8_SINCE,
        "fp4": capability >= _FP4_SINCE,
        "weight_only": unpacks,
    }
    return Card(id=identifier, **{**derived, "compute_capability": None, **entry.model_dump(exclude_none=True)})


def model_of(source: str, entry: ModelEntry) -> ModelFacts:
    """A model as the catalogue has it; `source` of a file is who says so, and of the catalogue the model itself."""
    variants = tuple(Variant(**variant.model_dump()) for variant in entry.variants)
    said = entry.model_dump(exclude={"source", "variants"})
    return ModelFacts(source=source, evidence=entry.source, variants=variants, **said)


def measured_of(file: FactsFile) -> list[Measured]:
    """What engines told, in the order of the file."""
    return [Measured(**entry.model_dump()) for entry in file.measured]


def _read(folder: FilePath, problems: list[Problem]) -> Iterator[tuple[FactsFile, Document]]:
    """The sound part of every file, by name."""
    try:
        paths = sorted((folder / facts.FACTS_FOLDER).iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        place = Place(facts.FACTS_FOLDER, 1, 1)
        problems.append(Problem(place, f"the facts cannot be read: {error.strerror}", "it is a folder of YAML files"))
        return
    for path in paths:
        shown = f"{facts.FACTS_FOLDER}/{printable(path.name)}"
        if path.suffix in _OTHER_SUFFIXES:
            hint = f"rename it to {path.stem}{SUFFIX}"
            problems.append(Problem(Place(shown, 1, 1), f"facts files end in {SUFFIX}, and this one is not read", hint))
        if path.suffix != SUFFIX:
            continue
        from stackgen.spec.facts_file import FactsFile  # noqa: PLC0415 - most stacks have no such file

        found = read_as(FactsFile, path, shown, problems)
        if found:
            file, document, _ = found
            yield file, document


def _told_twice(file: FactsFile, document: Document, places: dict[tuple[str, str], Place]) -> Iterator[Problem]:
    """Ids that an earlier file says too; notes where this one says its own."""
    for group, word, entries in (("cards", "card", file.cards), ("models", "model", file.models)):
        for identifier in entries:
            place = document.place((group, identifier), of_key=True)
            first = places.setdefault((group, identifier), place)
            if first is not place:
                message = f"the {word} {describe(identifier)} is in {first.file}:{first.line} too"
                yield Problem(place, message, "keep one of the two")


def _incomplete(file: FactsFile, document: Document) -> Iterator[Problem]:
    """Models that say less than their kind needs: their memory could not be computed."""
    for source, entry in file.models.items():
        written = value_at(document.data, ("models", source)) or {}
        missing = facts.lacking(entry.kind, {**entry.model_dump(), **written})
        if missing:
            place = document.place(("models", source), of_key=True)
            keys = " and ".join(filter(None, (", ".join(map(describe, missing[:-1])), describe(missing[-1]))))
            message = f"{describe(source)} lacks {keys}: the memory of a model of kind {entry.kind} rests on it"
            yield Problem(place, message, f"config.json of the model says it; {facts.command_to_add(source)} reads it")
