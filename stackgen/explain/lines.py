"""Answers about a line of a file: which values stand there, and what is answered about a line of the spec."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import takewhile
from typing import Any

from stackgen.errors import StackError
from stackgen.explain.answers import Answer, rows
from stackgen.explain.asking import Asked
from stackgen.explain.rendered import dotted
from stackgen.records import dataclass
from stackgen.sources import Document, Path, printable, value_at

WRONG = "it does not count: something is wrong with it, or with what it stands in"


@dataclass(frozen=True, kw_only=True)
class LineAnswer:
    """What stands behind one line."""

    file: str
    line: int
    shown: str = ""
    """What the line says, as it may be seen."""
    rule: str = ""
    """What stackgen keeps to there."""
    notes: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()

    def lines(self, folder: str) -> Iterator[str]:
        """For people; `folder` is where the rendered files are."""
        yield printable(f"{self.file}:{self.line}  {self.shown}".rstrip())
        yield from rows("rule", [self.rule])
        yield from rows("note", self.notes)
        for answer in self.answers:
            yield ""
            yield from answer.lines(folder)

    def as_json(self, folder: str) -> dict[str, Any]:
        """For programs."""
        return {
            "file": self.file,
            "line": self.line,
            "shown": self.shown or None,
            "rule": self.rule or None,
            "notes": list(self.notes),
            "answers": [answer.as_json(folder) for answer in self.answers],
        }


@dataclass(frozen=True)
class Text:
    """A file as it is read by people: by lines."""

    file: str
    text: str

    @cached_property
    def lines(self) -> list[str]:
        """Its lines, as editors count them."""
        found = self.text.replace("\r\n", "\n").split("\n")
        return found if found[-1] else found[:-1]

    def require(self, line: int) -> None:
        """Refuse a line that the file does not have.

        Raises:
            StackError: it has none.
        """
        count = len(self.lines)
        if not 1 <= line <= count:
            raise StackError(f"{self.file} has {count} line{'' if count == 1 else 's'}, and no line {line}")


@dataclass(frozen=True)
class At:
    """What a line is about."""

    paths: tuple[Path, ...] = ()
    """The deepest that begin there, or around it."""
    notes: tuple[str, ...] = ()

    @property
    def one(self) -> tuple[Path, ...]:
        """At most one path: of several what holds all of them."""
        shared = takewhile(lambda parts: len(set(parts)) == 1, zip(*self.paths, strict=False))
        return (tuple(parts[0] for parts in shared),) if self.paths else ()


def at_line(document: Document, text: Text, line: int) -> At:
    """What a line of YAML is about: what begins there; of a comment what follows it, else what it belongs to.

    Raises:
        StackError: the file has no such line.
    """
    text.require(line)
    begins = _begins(document)
    if line in begins:
        return At(_deepest(document, begins[line]))
    above = max((at for at in begins if at < line), default=0)
    words = text.lines[line - 1].strip()
    if words.startswith("#") and not _holds(document, begins.get(above, ()), words):
        end = next((at for at in range(line, len(text.lines)) if not text.lines[at].strip().startswith("#")), -1) + 1
        if end not in begins:
            return At(notes=("a comment; no value stands on this line",))
        return At(_deepest(document, begins[end]), (f"a comment; what follows it is on line {end}",))
    if not above:
        return At(notes=("no value stands on this line, nor above it",))
    said = "nothing begins on this line" if words else "an empty line"
    return At(_deepest(document, begins[above]), (f"{said}; the nearest above it is line {above}",))


def of_spec(asked: Asked, text: Text, line: int) -> LineAnswer:
    """Behind a line of the spec.

    Raises:
        StackError: it has no such line.
    """
    document = asked.loaded.document
    at = at_line(document, text, line)
    answers = tuple(_answer(asked, document, path) for path in at.paths)
    return LineAnswer(file=document.file, line=line, notes=at.notes, answers=answers)


def _answer(asked: Asked, document: Document, path: Path) -> Answer:
    """About a path of the spec; what was wrong with it is no part of what counts."""
    if path in asked.loaded.merged.origins:
        return asked.about(path)
    value = asked.mask.of_spec(value_at(document.data, path), path)
    where = f"{document.file}:{document.place(path, of_key=True).line}"
    return Answer(path=dotted(path), kind="spec", value=value, said_by=where, notes=(WRONG,))


def _begins(document: Document) -> dict[int, list[Path]]:
    """The paths that begin on each line: by their keys, or where items of a list stand."""
    found: dict[int, list[Path]] = {}
    places = {path: place for path, place in document.values.items() if path and isinstance(path[-1], int)}
    for path, place in (places | document.keys).items():
        if place.file == document.file:
            found.setdefault(place.line, []).append(path)
    return found


def _deepest(document: Document, here: list[Path]) -> tuple[Path, ...]:
    """Of paths on one line those that hold no other; a list of plain items beside its key is one value."""
    there = set(here)
    whole = {
        path[:-1] for path in here if isinstance(path[-1], int) and path[:-1] in there and _is_plain(document, path)
    }
    kept = [path for path in here if path[:-1] not in whole]
    inner = {path[:end] for path in kept for end in range(1, len(path))}
    return tuple(path for path in kept if path not in inner)


def _is_plain(document: Document, path: Path) -> bool:
    return not isinstance(value_at(document.data, path), dict | list)


def _holds(document: Document, paths: list[Path] | tuple[Path, ...], words: str) -> bool:
    """Whether what looks like a comment is a part of a text of several lines."""
    found = (value_at(document.data, path) for path in paths)
    return any(isinstance(value, str) and words in value for value in found)
