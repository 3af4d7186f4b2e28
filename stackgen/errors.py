"""What can go wrong, as types. This module imports nothing of ours.

    StackError            the user can mend it: message, where, hint (exit code 1)
    ├── SpecError         one or many problems in stack.yaml and profiles, each with its place
    ├── JoinedError       errors of several stacks in one run
    ├── DriftError        files on disk are not those that stackgen wrote
    ├── DockerError       the engine, Compose or an image is not there or refuses
    └── NotHealthyError   a service died or did not become healthy in time

Anything else that leaves a verb is a bug of ours (exit code 3).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple


class ExitCode(IntEnum):
    """Exit codes of every verb."""

    DONE = 0
    PROBLEM = 1
    USAGE = 2
    BUG = 3
    INTERRUPTED = 130


class Place(NamedTuple):
    """A position in a file; line and column count from 1, as editors do."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class StackError(Exception):
    """Something that the user can mend: what is wrong, where, and the exact next step."""

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}\n\nhint: {self.hint}" if self.hint else text


class Problem(NamedTuple):
    """One mistake in a spec or a profile."""

    place: Place
    message: str
    hint: str = ""


class SpecError(StackError):
    """Every problem of one run, sorted by file and line, without repetitions."""

    def __init__(self, problems: Iterable[Problem], *, outcome: str = "") -> None:
        """`outcome` says what was left undone, where the verb would have done something."""
        self.problems = tuple(sorted({(problem.place, problem.message): problem for problem in problems}.values()))
        files = ", ".join(dict.fromkeys(problem.place.file for problem in self.problems))
        count = len(self.problems)
        said = f"{count} problem{'s' if count > 1 else ''} in {files}"
        super().__init__(f"{said}; {outcome}" if outcome else said)


class JoinedError(StackError):
    """Errors of one run that are to be shown together."""

    def __init__(self, errors: Iterable[StackError]) -> None:
        self.errors = tuple(errors)
        super().__init__(f"{len(self.errors)} errors")


def joined(errors: Iterable[StackError]) -> StackError:
    """One error for all: one alone is itself, problems of several specs become those of one error."""
    found = tuple(errors)
    if len(found) == 1:
        return found[0]
    specs = [error for error in found if isinstance(error, SpecError)]
    if len(specs) == len(found):
        return SpecError(problem for error in specs for problem in error.problems)
    return JoinedError(found)


def with_outcome(error: StackError, outcome: str) -> StackError:
    """The same error; where it tells problems of specs, it says too what was left undone."""
    if isinstance(error, SpecError):
        return SpecError(error.problems, outcome=outcome)
    if isinstance(error, JoinedError):
        return JoinedError(with_outcome(each, outcome) for each in error.errors)
    return error


class DriftError(StackError):
    """Files on disk differ from what stackgen wrote there."""


class DockerError(StackError):
    """The engine, Compose or an image is missing or refuses."""


class NotHealthyError(StackError):
    """A service died or did not become healthy within its time."""
