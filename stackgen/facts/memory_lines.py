"""What engines print of their memory while they start, and tell at /metrics: patterns whose groups are quantities."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from stackgen.facts.files import document
from stackgen.records import dataclass

_FILE = "memory_lines.json"
_NUMBER = r"-?[\d,]*\d(?:\.\d+)?"
_SIZE = rf"{_NUMBER} ?(?:[KMGT]i?B|kB|bytes|B)\b"
_PLACE = re.compile(r"\{(?:(\w+):)?(size|number|worker)\}")


@dataclass(frozen=True, kw_only=True)
class MemoryLine:
    """A line that tells of memory. Groups of the pattern are named like the quantity; `worker` is who it is about."""

    pattern: re.Pattern[str]
    combine: str
    """What several lines of one worker mean: `last`, `sum` or `max`."""
    versions: str
    example: str
    reads: Mapping[str, float]
    """What stands in the example."""
    source: str


@dataclass(frozen=True, kw_only=True)
class MemoryLines:
    """How one engine tells of its memory."""

    start: re.Pattern[str]
    """First line of a start: nothing before the last one counts."""
    end: re.Pattern[str]
    """Line of a start after which nothing tells of memory."""
    worker: re.Pattern[str]
    """Where a line names the process that wrote it."""
    host: re.Pattern[str] | None
    """Names of workers that are memory of the host and not of a card; None where workers are processes."""
    lines: tuple[MemoryLine, ...]
    series: str
    """Series of /metrics; empty where there is none."""
    labels: Mapping[str, str]
    """Its labels, and the quantities that they tell."""
    settings: Mapping[str, str]
    """Options on which its memory rests: `batched_tokens`, `cache_dtype`, as the engine calls them."""


@cache
def memory_lines(engine: str) -> MemoryLines | None:
    """How an engine tells of its memory; None where nobody has read it."""
    entry = document(_FILE)["engines"].get(engine)
    if entry is None:
        return None
    return MemoryLines(
        start=re.compile(entry["start"]),
        end=re.compile(entry["end"]),
        worker=re.compile(entry["worker"]),
        host=re.compile(entry["host"]) if entry["host"] else None,
        lines=tuple(_line(found) for found in entry["lines"]),
        series=entry["series"]["name"],
        labels=MappingProxyType(entry["series"]["labels"]),
        settings=MappingProxyType(entry["settings"]),
    )


@cache
def engines_with_memory_lines() -> tuple[str, ...]:
    """Engines whose lines were read."""
    return tuple(document(_FILE)["engines"])


@cache
def tolerance_percent() -> Mapping[str, float]:
    """How far the plan may be off before somebody should know, by quantity."""
    return MappingProxyType(document(_FILE)["tolerance_percent"])


def _line(entry: Mapping[str, Any]) -> MemoryLine:
    return MemoryLine(
        pattern=re.compile(_PLACE.sub(_group, entry["pattern"])),
        combine=entry.get("combine", "last"),
        versions=entry["versions"],
        example=entry["example"],
        reads=MappingProxyType(entry["reads"]),
        source=entry["source"],
    )


def _group(found: re.Match[str]) -> str:
    """{weights_gib:size} is a group of that name; without a name it is no group."""
    name, kind = found.groups()
    if kind == "worker":
        return r"(?P<worker>\S+)"
    form = _SIZE if kind == "size" else _NUMBER
    return f"(?P<{name}>{form})" if name else f"(?:{form})"
