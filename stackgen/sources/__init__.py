"""stack.yaml and its profiles become one Spec, and every value keeps the place it came from.

Order of the layers, a later one wins: profiles/default.yaml, the spec's profiles in their order, the spec.
Maps are merged by key, lists are replaced.
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from pathlib import Path as FilePath
from typing import Any, Protocol, TypeVar, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from stackgen import facts
from stackgen.errors import Place, Problem, SpecError
from stackgen.resources import shipped
from stackgen.sources.document import Document, Path, describe, locate, read
from stackgen.sources.wording import fields_at, nearest, sentence
from stackgen.spec import Pin, Profile, Spec

__all__ = [
    "Document", "Layer", "Loaded", "Origin", "Path", "Pinned", "describe", "fields_at", "findings", "load", "nearest",
]  # fmt: skip

FILE_NAME = "stack.yaml"
DEFAULT_PROFILE = "default"
_REPAIRS = 5
_PROFILE_NAME = re.compile(r"[a-z][a-z0-9-]{0,40}")


class _Placer(Protocol):
    def __call__(self, path: Path, *, of_key: bool) -> Place: ...


_Checked = TypeVar("_Checked", bound=BaseModel)


class Layer(IntEnum):
    """Who said a value; a higher one wins."""

    DEFAULT = 0
    PROFILE = 1
    PLANNER = 2
    SPEC = 3


@dataclass(frozen=True)
class Origin:
    """Where a value came from."""

    layer: Layer
    place: Place

    def __str__(self) -> str:
        return f"{self.place.file}:{self.place.line}"


@dataclass(frozen=True)
class Pinned:
    """An image that a profile pins, with the line that does."""

    pin: Pin
    origin: Origin


@dataclass(frozen=True)
class Merged:
    """The layers laid over each other: plain data and, beside it, who said each value and where its key stands."""

    file: str
    data: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path, Origin] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)

    def place(self, path: Path, *, of_key: bool = False) -> Place:
        """Where the value (or key) at `path` was written, or the nearest thing around it."""
        return locate(path, self._value_place, self.keys, of_key=of_key) or Place(self.file, 1, 1)

    def lay(self, document: Document, layer: Layer, source: Path, target: Path) -> None:
        """Put what stands at `source` of a document over what is at `target`."""
        value = _at(document.data, source)
        parent: Any = _at(self.data, target[:-1])
        self.origins[target] = Origin(layer, document.place(source, of_key=isinstance(value, dict)))
        if source in document.keys:
            self.keys[target] = document.keys[source]
        if isinstance(value, dict):
            if target and not isinstance(parent.get(target[-1]), dict):
                parent[target[-1]] = {}
            for key in value:
                self.lay(document, layer, (*source, key), (*target, key))
            return
        if isinstance(parent.get(target[-1]), list | dict):
            for path in [path for path in self.origins if len(path) > len(target) and path[: len(target)] == target]:
                del self.origins[path]
        parent[target[-1]] = copy.deepcopy(value)
        for position in range(len(value) if isinstance(value, list) else 0):
            self.origins[(*target, position)] = Origin(layer, document.place((*source, position)))

    def _value_place(self, path: Path) -> Place | None:
        origin = self.origins.get(path)
        return origin.place if origin else None


@dataclass(frozen=True)
class Loaded:
    """What was read. `spec` holds what is sound; `None` when too little is left to go on."""

    folder: FilePath
    spec: Spec | None
    problems: tuple[Problem, ...]
    document: Document
    merged: Merged
    accelerators: Mapping[str, str]
    pins: Mapping[tuple[str | None, str], Pinned]
    shipped_files: frozenset[str]

    @property
    def file(self) -> str:
        """The spec's file name, as comments and messages show it."""
        return self.document.file

    def place(self, path: Path, *, of_key: bool = False) -> Place:
        """Where the value (or key) at `path` of the merged spec was written, or the nearest thing around it."""
        return self.merged.place(path, of_key=of_key)

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


def load(path: FilePath) -> Loaded:
    """Read a spec and its profiles.

    Args:
        path: stack.yaml, or the folder that holds one.

    Returns:
        The sound part of the spec and every problem found so far; the planner adds its own and raises them together.

    Raises:
        SpecError: the file cannot be read at all.
    """
    path = path / FILE_NAME if path.is_dir() else path
    folder = path.absolute().parent
    try:
        document, problems = read(path, path.name)
    except SpecError as error:
        shown = str(path)
        raise SpecError(item._replace(place=item.place._replace(file=shown)) for item in error.problems) from None
    profiles, shipped_files = _profiles(folder, document, problems)
    spec, rest, found = _checked(Spec, document.data, lambda data: _merge(replace(document, data=data), profiles).data)
    problems += _problems(found, Spec, _merge(document, profiles).place)
    merged = _merge(replace(document, data=rest), profiles)
    return Loaded(
        folder=folder,
        spec=spec,
        problems=tuple(problems),
        document=document,
        merged=merged,
        accelerators=_accelerators(document.data),
        pins=_pins(profiles),
        shipped_files=frozenset(shipped_files),
    )


def findings(cls: type[_Checked], data: Any, at: Path, loaded: Loaded) -> tuple[_Checked | None, list[Problem]]:
    """Validate a part of the merged spec against a class that spec.py does not know (an engine's options).

    Args:
        cls: the class.
        data: the part.
        at: its path in the merged spec.
        loaded: where its values came from.

    Returns:
        The object, or None and the problems with their places.
    """
    try:
        return cls.model_validate(data), []
    except ValidationError as error:
        return None, _problems(error.errors(), cls, lambda path, *, of_key: loaded.place((*at, *path), of_key=of_key))


def _problems(errors: Iterable[ErrorDetails], cls: type[BaseModel], place: _Placer) -> list[Problem]:
    """Pydantic's findings in our words, each at its place; a key is at fault where it is unknown or misspelt."""
    return [
        Problem(
            place(_path(error), of_key=error["type"] == "extra_forbidden" or "[key]" in error["loc"]),
            *sentence(error, cls),
        )
        for error in errors
    ]


def _path(error: ErrorDetails) -> Path:
    return tuple(part for part in error["loc"] if part != "[key]")


def _profiles(
    folder: FilePath, document: Document, problems: list[Problem]
) -> tuple[list[tuple[Profile, Document]], set[str]]:
    """The profiles in their order, the default one first, and the names of those that came with stackgen."""
    folders = [folder / "profiles", shipped("profiles")]
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
        try:
            text, mistakes = read(found, shown)
        except SpecError as error:
            problems += error.problems
            continue
        profile, rest, errors = _checked(Profile, text.data)
        problems += mistakes
        problems += _problems(errors, Profile, text.place)
        if profile is not None:
            profiles.append((profile, replace(text, data=rest)))
    return profiles, shipped_files


def _merge(document: Document, profiles: list[tuple[Profile, Document]]) -> Merged:
    merged = Merged(document.file, {"gateway": {}})
    for _, text in profiles:
        if isinstance(text.data.get("gateway"), dict):
            merged.lay(text, _layer(text), ("gateway",), ("gateway",))
    accelerators = _accelerators(document.data)
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


def _accelerators(data: Mapping[str, Any]) -> dict[str, str]:
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
        card = facts.cards().get(str(gpu.get("card"))) if isinstance(gpu, dict) else None
        found[identifier] = card.vendor if card else "nvidia"
    return found


def _pins(profiles: list[tuple[Profile, Document]]) -> dict[tuple[str | None, str], Pinned]:
    pins: dict[tuple[str | None, str], Pinned] = {}
    for profile, text in profiles:
        for family, pin in profile.images.items():
            origin = Origin(_layer(text), text.place(("images", family), of_key=True))
            pins[profile.accelerator, family] = Pinned(pin, origin)
    return pins


def _checked(
    cls: type[_Checked], data: dict[str, Any], compose: Callable[[dict[str, Any]], dict[str, Any]] = dict
) -> tuple[_Checked | None, dict[str, Any], list[ErrorDetails]]:
    """Validate, and validate again without what was wrong, so that the planner can look at the rest.

    Args:
        cls: the class.
        data: what a person wrote.
        compose: lays it over the layers below.

    Returns:
        The object (None when too little is left), the data that are left, and the errors of the first try.
    """
    first: list[ErrorDetails] = []
    rest = copy.deepcopy(data)
    for _ in range(_REPAIRS):
        try:
            return cls.model_validate(compose(rest)), rest, first
        except ValidationError as error:
            errors = error.errors()
            first = first or errors
            for item in errors:
                _drop(rest, item)
    return None, rest, first


def _drop(data: dict[str, Any], error: ErrorDetails) -> None:
    """Take a bad value out of the data; with a missing key goes the entry that lacks it."""
    path = _path(error)
    if error["type"] == "missing" and len(path) == 1:
        data[str(path[0])] = {"version": 1, "name": "unnamed", "profiles": ["unnamed"], "about": "-"}.get(
            str(path[0]), {}
        )
        return
    if error["type"] == "missing" and path[-1] == "source":
        cast("dict[str, Any]", _at(data, path[:-1]))["source"] = "unnamed"
        return
    if error["type"] == "missing":
        path = path[:-1]
    while path and isinstance(path[-1], int):
        path = path[:-1]
    parent = _at(data, path[:-1])
    if isinstance(parent, dict) and path:
        parent.pop(path[-1], None)


def _at(data: Any, path: Path) -> Any:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data
