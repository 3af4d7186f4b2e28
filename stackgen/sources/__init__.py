"""stack.yaml, its profiles and its facts files become one Spec and a catalogue, and every value keeps the place it came from.

Order of the layers, a later one wins: profiles/default.yaml, the spec's profiles in their order, the spec.
Maps are merged by key, lists are replaced.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any, cast

from stackgen import trace
from stackgen.errors import Place, Problem, SpecError
from stackgen.facts import Catalogue
from stackgen.records import dataclass
from stackgen.resources import shipped
from stackgen.sources.changes import Change, change_of, changed, kinds_of, path_of
from stackgen.sources.document import Document, Path, describe, parsed, printable, read
from stackgen.sources.facts_files import Declared, card_of, declared, measured_of
from stackgen.sources.layers import Layer, Merged, Origin, Said, value_at
from stackgen.sources.shelf import Shelf
from stackgen.sources.validation import checked, findings, problems_of
from stackgen.sources.wording import fields_at, nearest, type_at
from stackgen.spec import Pin, Profile, Spec

__all__ = [
    "DEFAULT_PROFILE", "Change", "Declared", "Document", "Layer", "Loaded", "Origin", "Path", "Pinned", "Said", "Shelf",
    "card_of", "change_of", "declared", "describe", "fields_at", "findings", "kinds_of", "load", "load_text",
    "measured_of", "nearest", "path_of", "printable", "type_at", "value_at",
]  # fmt: skip

FILE_NAME = "stack.yaml"
DEFAULT_PROFILE = "default"
ACCELERATOR_OF_VENDOR = {"amd": "rocm"}
"""Where the name of a card's maker is not that of its software."""
_PROFILE_NAME = re.compile(r"[a-z][a-z0-9-]{0,40}")


@dataclass(frozen=True)
class Pinned:
    """An image that a profile pins, with the line that does."""

    pin: Pin
    origin: Origin


@dataclass(frozen=True)
class Loaded:
    """What was read. `spec` holds what is sound; `None` when too little is left to go on."""

    folder: FilePath
    spec: Spec | None
    problems: tuple[Problem, ...]
    document: Document
    profiles: tuple[tuple[Profile, Document], ...]
    merged: Merged
    accelerators: Mapping[str, str]
    pins: Mapping[tuple[str | None, str], Pinned]
    facts: Declared
    shipped_files: frozenset[str]

    @property
    def catalogue(self) -> Catalogue:
        """What is known of cards and models."""
        return self.facts.catalogue

    @property
    def file(self) -> str:
        """The spec's file name, as comments and messages show it."""
        return self.document.file

    def place(self, path: Path, *, of_key: bool = False) -> Place:
        """Where the value (or key) at `path` of the merged spec was written, or the nearest thing around it."""
        return self.merged.place(path, of_key=of_key)

    def shown(self, origin: Origin) -> str:
        """File and line of a value, and whether the file came with stackgen."""
        return f"{origin}{' (shipped)' if origin.place.file in self.shipped_files else ''}"

    def pinned(self, family: str, accelerator: str) -> Pinned | None:
        """The image of an engine or service for an accelerator."""
        return self.pins.get((accelerator, family)) or self.pins.get((None, family))

    def failure(self, problems: Iterable[Problem]) -> SpecError:
        """The error to raise, with file names as seen from the working directory."""
        prefix = os.path.relpath(self.folder)
        prefix = "" if prefix == "." else prefix

        def seen(place: Place) -> Place:
            if place.file in self.shipped_files:
                return place._replace(file=f"{place.file} (shipped)")
            return place._replace(file=str(FilePath(prefix) / place.file))

        return SpecError(problem._replace(place=seen(problem.place)) for problem in problems)


@trace.timed("reading the spec, its profiles and its facts")
def load(path: FilePath, changes: Sequence[Change] = ()) -> Loaded:
    """Read a spec and its profiles.

    Args:
        path: stack.yaml, or the folder that holds one.
        changes: what is tried in the place of what the file says.

    Returns:
        The sound part of the spec and every problem found so far; the planner adds its own and raises them together.

    Raises:
        SpecError: the file cannot be read at all.
        StackError: a change leads to an entry that is not there.
    """
    try:
        path = path / FILE_NAME if path.is_dir() else path
        folder = path.absolute().parent
    except OSError as error:
        raise SpecError([Problem(Place(str(path), 1, 1), f"the file cannot be read: {error.strerror}")]) from None
    try:
        document, problems = read(path, path.name)
    except SpecError as error:
        shown = str(path)
        raise SpecError(item._replace(place=item.place._replace(file=shown)) for item in error.problems) from None
    return _loaded(Shelf(folder), changed(document, changes), problems)


def load_text(text: str, shelf: Shelf) -> Loaded:
    """Read a spec that is not written yet.

    Args:
        text: what stack.yaml is to hold.
        shelf: the folder where it is to stand; profiles and facts files there count.

    Returns:
        The same as `load`.

    Raises:
        SpecError: the text cannot be read at all.
    """
    document, problems = parsed(text, FILE_NAME)
    return _loaded(shelf, document, problems)


def _loaded(shelf: Shelf, document: Document, problems: list[Problem]) -> Loaded:
    folder = shelf.folder
    profiles, shipped_files = _profiles(shelf, document, problems)
    known = shelf.facts(problems)
    catalogue = known.catalogue
    accelerators = _accelerators(document.data, catalogue)

    def merge(data: dict[str, Any]) -> Merged:
        return _merge(replace(document, data=data), profiles, _accelerators(data, catalogue))

    spec, rest, found = checked(Spec, document.data, lambda data: merge(data).data)
    problems += problems_of(found, Spec, merge(document.data).place)
    trace.tell(f"profiles, a later one wins: {', '.join(text.file for _, text in profiles)}")
    return Loaded(
        folder=folder,
        spec=spec,
        problems=tuple(problems),
        document=document,
        profiles=tuple(profiles),
        merged=merge(rest),
        accelerators=accelerators,
        pins=_pins(profiles),
        facts=known,
        shipped_files=frozenset(shipped_files),
    )


def _profiles(
    shelf: Shelf, document: Document, problems: list[Problem]
) -> tuple[list[tuple[Profile, Document]], set[str]]:
    """The profiles in their order, the default one first, and the names of those that came with stackgen."""
    folders = [shelf.folder / "profiles", shipped("profiles")]
    listed = document.data.get("profiles")
    names = [(DEFAULT_PROFILE, ())] + [
        (name, ("profiles", position))
        for position, name in enumerate(listed if isinstance(listed, list) else [])
        if isinstance(name, str)
    ]
    profiles: list[tuple[Profile, Document]] = []
    shipped_files: set[str] = set()
    for name, path in cast("list[tuple[str, Path]]", names):
        candidates = [place / f"{name}.yaml" for place in folders] if _PROFILE_NAME.fullmatch(name) else []
        found = next((candidate for candidate in candidates if candidate.is_file()), None)
        if found is None:
            known = {file.stem for place in folders for file in place.glob("*.yaml")} - {DEFAULT_PROFILE}
            problems.append(
                Problem(document.place(path), f"there is no profile {describe(name)}", nearest(name, known))
            )
            continue
        shown = f"profiles/{found.name}"
        if found.parent == folders[1]:
            shipped_files.add(shown)
        read_profile = shelf.profile(found, shown, problems)
        if read_profile:
            profile, text, rest = read_profile
            profiles.append((profile, replace(text, data=rest)))
    return profiles, shipped_files


def _merge(document: Document, profiles: list[tuple[Profile, Document]], accelerators: Mapping[str, str]) -> Merged:
    merged = Merged(document.file, {"gateway": {}})
    for _, text in profiles:
        if isinstance(text.data.get("gateway"), dict):
            merged.lay(text, _layer(text), ("gateway",), ("gateway",))
    models = document.data.get("models")
    if isinstance(models, dict):
        merged.data["models"] = {}
        for identifier, entry in models.items():
            merged.data["models"][identifier] = {}
            engine = entry.get("engine") if isinstance(entry, dict) else None
            for profile, text in profiles:
                if engine in profile.engines and profile.accelerator in (None, accelerators[identifier]):
                    merged.lay(text, _layer(text), ("engines", engine), ("models", identifier))
    merged.lay(document, Layer.SPEC, (), ())
    return merged


def _layer(document: Document) -> Layer:
    return Layer.DEFAULT if FilePath(document.file).stem == DEFAULT_PROFILE else Layer.PROFILE


def _accelerators(data: Mapping[str, Any], catalogue: Catalogue) -> dict[str, str]:
    """Per model id: cpu, or the vendor of the card it will run on. Works on data that is not checked yet."""
    gpus = data.get("gpus") if isinstance(data.get("gpus"), dict) else {}
    models = data.get("models") if isinstance(data.get("models"), dict) else {}
    found: dict[str, str] = {}
    for identifier, entry in cast("dict[str, Any]", models).items():
        listed = entry.get("gpus") if isinstance(entry, dict) else None
        if not gpus or listed == []:
            found[identifier] = "cpu"
            continue
        first = listed[0] if isinstance(listed, list) else next(iter(gpus))
        gpu = gpus.get(first) if isinstance(first, str) else None
        card = catalogue.cards.get(str(gpu.get("card"))) if isinstance(gpu, dict) else None
        found[identifier] = ACCELERATOR_OF_VENDOR.get(card.vendor, card.vendor) if card else "nvidia"
    return found


def _pins(profiles: list[tuple[Profile, Document]]) -> dict[tuple[str | None, str], Pinned]:
    """By accelerator and family. A later profile wins, also where it pins for every accelerator."""
    pins: dict[tuple[str | None, str], Pinned] = {}
    for profile, text in profiles:
        for family, pin in profile.images.items():
            origin = Origin(_layer(text), text.place(("images", family), of_key=True))
            if profile.accelerator is None:
                pins = {key: pinned for key, pinned in pins.items() if key[1] != family}
            pins[profile.accelerator, family] = Pinned(pin, origin)
    return pins
