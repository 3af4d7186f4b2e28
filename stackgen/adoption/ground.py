"""What proposals start from: the plan, the spec as it is said by now, and the edited files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stackgen.adoption.edits import Text
from stackgen.errors import SpecError
from stackgen.parts import Instance
from stackgen.plan import Plan
from stackgen.records import dataclass
from stackgen.sources.changes import MAPS_BY_ID, Change, LeftOut
from stackgen.sources.document import value_of
from stackgen.sources.layers import value_at


@dataclass(frozen=True)
class Proposal:
    """Changes of a spec that may make an edit permanent."""

    changes: tuple[Change, ...]
    last_resort: bool = False
    """Whether it takes more out of stackgen's hands than was edited."""


@dataclass(frozen=True)
class Ground:
    """Where a proposal is made."""

    plan: Plan
    data: Mapping[str, Any]
    """The spec alone, without profiles, with what was proposed so far."""
    edited: Mapping[str, Text]

    def instance(self, service: str) -> Instance | None:
        """The instance whose own service it is."""
        return next((found for found in self.plan.instances if found.name == service), None)

    def says(self, path: tuple[str | int, ...]) -> bool:
        """Whether the spec itself says something there."""
        return value_at(self.data, path) is not None

    def put(self, path: tuple[str, ...], value: Any) -> Change:
        """A value at a path; an entry that is not there yet is written whole."""
        if len(path) > 2 and path[0] in MAPS_BY_ID and not self.says(path[:2]):  # noqa: PLR2004 - a section and an id
            for key in reversed(path[2:]):
                value = {key: value}
            return Change(path[:2], value)
        return Change(path, value)

    def drop(self, path: tuple[str, ...]) -> Change | None:
        """The key left out, where the spec says it."""
        return Change(path, LeftOut()) if self.says(path) else None


def typed(text: str) -> Any:
    """A word as YAML reads it: a number, true or false, else text."""
    try:
        value = value_of(text, "")
    except SpecError:
        return text
    return value if isinstance(value, int | float | bool) else text
