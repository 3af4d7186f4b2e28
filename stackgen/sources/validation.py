"""Checking data against a class, and once more without what was wrong, so that one run finds every mistake."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path as FilePath
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from stackgen.errors import Place, Problem, SpecError
from stackgen.sources.document import Document, Path, read
from stackgen.sources.layers import value_at
from stackgen.sources.wording import sentence

_REPAIRS = 5
_PLACEHOLDERS: Mapping[str | int, Any] = {
    "about": "-",
    "name": "unnamed",
    "profiles": ["unnamed"],
    "source": "unnamed",
    "version": 1,
}
"""Stand for keys that are missing, so that what is around them can be looked at."""
_Checked = TypeVar("_Checked", bound=BaseModel)


class Placer(Protocol):
    """Finds the position of a value, or of its key."""

    def __call__(self, path: Path, *, of_key: bool) -> Place:
        """The position of what stands at `path`."""


def findings(cls: type[_Checked], data: Any, at: Path, place: Placer) -> tuple[_Checked | None, list[Problem]]:
    """Validate a part of a document against a class that spec.py does not know (an engine's options).

    Args:
        cls: the class.
        data: the part.
        at: its path in the document.
        place: finds positions in the document.

    Returns:
        The object, or None and the problems with their places.
    """
    try:
        return cls.model_validate(data), []
    except ValidationError as error:

        def below(path: Path, *, of_key: bool) -> Place:
            return place((*at, *path), of_key=of_key)

        return None, problems_of(error.errors(), cls, below)


def read_as(
    cls: type[_Checked], path: FilePath, shown: str, problems: list[Problem]
) -> tuple[_Checked, Document, dict[str, Any]] | None:
    """Read a file that stands beside a spec; what is wrong with it is added to the problems.

    Args:
        cls: what it holds.
        path: the file.
        shown: its name in messages and comments.
        problems: gets what is wrong.

    Returns:
        The object, the file, and what of its data is sound; None when too little is left.
    """
    try:
        document, mistakes = read(path, shown)
    except SpecError as error:
        problems += error.problems
        return None
    found, rest, errors = checked(cls, document.data)
    problems += mistakes
    problems += problems_of(errors, cls, document.place)
    return None if found is None else (found, document, rest)


def checked(
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
    parent = value_at(data, path[:-1])
    if error["type"] == "missing" and (len(path) == 1 or path[-1] in _PLACEHOLDERS):
        if isinstance(parent, dict):  # else an earlier error took it away with the list that it is in
            parent[path[-1]] = _PLACEHOLDERS.get(path[-1], {})
        return
    if error["type"] == "missing":
        path = path[:-1]
    while path and isinstance(path[-1], int):
        path = path[:-1]
    parent = value_at(data, path[:-1])
    if isinstance(parent, dict) and path:
        parent.pop(path[-1], None)


def problems_of(errors: Iterable[ErrorDetails], cls: type[BaseModel], place: Placer) -> list[Problem]:
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
