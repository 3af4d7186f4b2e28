"""What is answered about one value, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from stackgen.explain.rendered import Entry, in_line
from stackgen.records import dataclass
from stackgen.sources import printable

_WIDTH = 11
_MOST_BECOMES = 12
_MOST_NAMES = 8


@dataclass(frozen=True, kw_only=True)
class Beaten:
    """A value that did not count, and who said it."""

    where: str
    value: Any
    """None where `where` tells it in words."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A value inside a map."""

    path: str
    value: Any
    said_by: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Everything about one value; every value in it may be seen."""

    path: str
    kind: str
    """spec, profile, facts, planner, default, unsaid, service, rendered."""
    value: Any = None
    has_value: bool = True
    said_by: str = ""
    why: str = ""
    meaning: str = ""
    beats: tuple[Beaten, ...] = ()
    """The highest layer first."""
    sums: tuple[str, ...] = ()
    becomes: tuple[Entry, ...] = ()
    parts: tuple[Part, ...] = ()
    notes: tuple[str, ...] = ()

    def lines(self, folder: str) -> Iterator[str]:
        """For people.

        Args:
            folder: where the rendered files are, as it is shown; ends in a slash or is empty.
        """
        told_by_parts = self.parts and isinstance(self.value, Mapping)
        shown = in_line(self.value) if self.has_value and not told_by_parts else ""
        yield printable(f"{self.path} = {shown}" if shown else self.path)
        yield from rows("means", [self.meaning])
        yield from rows("said by", [self.said_by])
        yield from rows("why", [self.why])
        yield from rows("beats", (_beaten(one) for one in self.beats))
        yield from rows("reckoned", self.sums)
        yield from rows("becomes", self._becomes(folder))
        yield from rows("note", self.notes)
        width = max((len(f"{part.path} = {in_line(part.value)}") for part in self.parts), default=0)
        for part in self.parts:
            yield printable(f"  {f'{part.path} = {in_line(part.value)}':<{min(width, 60)}}  {part.said_by}".rstrip())

    def as_json(self, folder: str) -> dict[str, Any]:
        """For programs."""
        return {
            "path": self.path,
            "kind": self.kind,
            "value": self.value if self.has_value else None,
            "said_by": self.said_by or None,
            "why": self.why or None,
            "meaning": self.meaning or None,
            "beats": [{"where": one.where, "value": one.value} for one in self.beats],
            "reckoned": list(self.sums),
            "becomes": [
                {"file": f"{folder}{entry.file}", "line": entry.line, "path": list(entry.path), "value": entry.value}
                for entry in self.becomes
            ],
            "parts": [{"path": part.path, "value": part.value, "said_by": part.said_by} for part in self.parts],
            "notes": list(self.notes),
        }

    def _becomes(self, folder: str) -> Iterator[str]:
        for entry in self.becomes[:_MOST_BECOMES]:
            yield f"{entry.shown}  ({folder}{entry.file}:{entry.line})"
        if len(self.becomes) > _MOST_BECOMES:
            yield f"… and {len(self.becomes) - _MOST_BECOMES} more (--json lists them all)"


def _beaten(one: Beaten) -> str:
    return one.where if one.value is None else f"{one.where}  {in_line(one.value)}"


def rows(label: str, texts: Iterable[str]) -> Iterator[str]:
    """A line for each text that there is, below one label."""
    for text in texts:
        if text:
            yield printable(f"  {label:<{_WIDTH}}{text}")


def some(names: Iterable[str]) -> str:
    """Names in a sentence; of many the first ones and how many more there are."""
    known = list(names)
    shown = ", ".join(known[:_MOST_NAMES])
    return shown if len(known) <= _MOST_NAMES else f"{shown} and {len(known) - _MOST_NAMES} more"
