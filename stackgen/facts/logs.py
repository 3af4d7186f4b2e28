"""What lines in the logs of services mean: why a service died, and what it is doing while it starts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType

from stackgen.facts.files import document
from stackgen.records import dataclass


@dataclass(frozen=True, kw_only=True)
class LogFailure:
    """A text that a dying service writes, what it means and what to do."""

    pattern: re.Pattern[str]
    cause: str
    message: str
    hint: str
    """With {up}, {down}, {status} and {logs} in the place of our own verbs."""
    source: str


@dataclass(frozen=True, kw_only=True)
class LogPhases:
    """What an image family writes while it starts."""

    prefix: re.Pattern[str]
    """What stands before the words of a line: time, level, place in the source."""
    phases: tuple[tuple[re.Pattern[str], str], ...]

    def phase(self, lines: Iterable[str]) -> str:
        """What the last telling line says; empty where none does."""
        found = ""
        for line in lines:
            found = next((phase for pattern, phase in self.phases if pattern.search(line)), found)
        return found

    def words(self, line: str) -> str:
        """A line without what stands before its words."""
        return self.prefix.sub("", line).strip()


@cache
def log_failures() -> tuple[LogFailure, ...]:
    """Known last words of services, most telling first."""
    entries = document("log_failures.json")["failures"]
    return tuple(LogFailure(**entry | {"pattern": re.compile(entry["pattern"])}) for entry in entries)


@cache
def exit_codes() -> Mapping[int, str]:
    """What an exit code means, in words."""
    return MappingProxyType({int(code): words for code, words in document("log_failures.json")["exit_codes"].items()})


@cache
def log_phases(family: str) -> LogPhases:
    """What an image family writes while it starts; nothing for a family whose logs nobody has read."""
    entry = document("log_phases.json")["families"].get(family, {"prefix": r"(?!)", "phases": ()})
    phases = tuple((re.compile(found["pattern"]), str(found["phase"])) for found in entry["phases"])
    return LogPhases(prefix=re.compile(entry["prefix"]), phases=phases)
