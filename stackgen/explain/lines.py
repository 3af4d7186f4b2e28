"""Answers about a line of a file: of the spec, of a profile, of a rendered file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from stackgen.errors import SpecError, StackError
from stackgen.explain.answers import Answer, Part, rows
from stackgen.explain.asking import Asked, of_entries
from stackgen.explain.keys import key_at
from stackgen.explain.rendered import YAML_FILES, dotted, shown
from stackgen.facts.explaining import rendered_file, rendered_key
from stackgen.records import dataclass
from stackgen.sources import Document, Path, describe, printable, value_at
from stackgen.sources.document import parsed
from stackgen.spec import Profile

_VARIABLE = re.compile(r"^([A-Za-z_]\w*)=")


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


@dataclass(frozen=True, kw_only=True)
class OnDisk:
    """A rendered file as it is on disk."""

    text: str | None
    """None where it is not written yet."""
    by_hand: bool = False
    """Whether it is not what stackgen wrote there."""


def of_spec(asked: Asked, line: int) -> LineAnswer:
    """Behind a line of the spec.

    Raises:
        StackError: nothing stands at that line or above it.
    """
    document = asked.loaded.document
    paths, notes = _paths_at(document, line)
    return LineAnswer(
        file=document.file,
        line=line,
        notes=notes,
        answers=tuple(_answer(asked, document, path) for path in paths),
    )


def of_profile(asked: Asked, document: Document, line: int, *, applied: bool) -> LineAnswer:
    """Behind a line of a profile: what it says, and for which models it counts.

    Args:
        asked: the stack.
        document: the profile.
        line: the line.
        applied: whether the spec names the profile.

    Raises:
        StackError: nothing stands at that line or above it.
    """
    paths, notes = _paths_at(document, line)
    if not applied:
        notes = (*notes, f"{asked.loaded.file} does not name this profile")
    answers = tuple(_of_profile(asked, document, path) for path in paths)
    return LineAnswer(file=document.file, line=line, notes=notes, answers=answers)


def of_rendered(asked: Asked, file: str, line: int, disk: OnDisk) -> LineAnswer:
    """Behind a line of a rendered file, as it is on disk, or as it would be written.

    Raises:
        StackError: the file has no such line.
    """
    wanted = next((one.text for one in asked.files if one.path == file), None)
    text = disk.text if disk.text is not None else wanted
    if text is None:
        hint = "stackgen render writes the files" if asked.plan is None else ""
        raise StackError(f"{file} is not there", hint=hint)
    count = len(text.splitlines())
    if not 1 <= line <= count:
        raise StackError(f"{file} has {count} lines, and no line {line}")
    notes = tuple(_state(disk, wanted))
    if file in YAML_FILES:
        try:
            document = asked.index.documents[file] if text == wanted else parsed(text, file)[0]
        except SpecError as error:
            reason = error.problems[0].message
            return LineAnswer(file=file, line=line, notes=(*notes, asked.mask.text(reason)), rule=rendered_file(file))
        return _of_yaml(asked, document, line, notes)
    answers = tuple(_of_text(asked, file, text.splitlines(), line))
    return LineAnswer(file=file, line=line, rule=rendered_file(file), notes=notes, answers=answers)


def _state(disk: OnDisk, wanted: str | None) -> Iterator[str]:
    if disk.text is None:
        yield "it is not written yet: `stackgen render` would write this"
    elif disk.by_hand:
        yield "the file was edited by hand: `stackgen render --adopt` shows what makes it permanent"
    elif wanted is not None and disk.text != wanted:
        yield "the spec has changed since: `stackgen render` writes the file anew"


def _of_yaml(asked: Asked, document: Document, line: int, notes: tuple[str, ...]) -> LineAnswer:
    paths, more = _paths_at(document, line)
    path = paths[0]
    entries = asked.index.at(document.file, path)
    rule = rendered_key(document.file, path)
    said = asked.mask.text(shown(document.file, document.data, path, asked.mask))
    notes = (*notes, *more)
    if asked.plan is None:
        notes = (*notes, "who said it is known once the spec has no problems")
    elif not entries:
        notes = (*notes, "stackgen writes nothing here: somebody added it")
    elif entries[0].path == path and entries[0].shown != said:
        notes = (*notes, f"stackgen would write {entries[0].shown}")
    answers = tuple(_behind(asked, document.file, path)) if entries else ()
    return LineAnswer(
        file=document.file, line=line, shown=said, rule=rule.says if rule else "", notes=notes, answers=answers
    )


def _behind(asked: Asked, file: str, path: Path) -> Iterator[Answer]:
    """Who is behind a place of a rendered file; of a whole service, what it consists of."""
    entries = asked.index.at(file, path)
    if len(entries) > 1 or entries[0].path != path:
        yield replace(asked.about(path), meaning="")
        return
    entry = entries[0]
    for said in entry.reason.said:
        try:
            yield asked.about(said)
        except StackError:  # the plan names it, but neither the spec nor the planner says a value of its own
            yield replace(of_entries(dotted(said), entries), meaning="")
    if not entry.reason.said:
        yield replace(of_entries(dotted(path), entries), meaning="")


def _of_text(asked: Asked, file: str, lines: list[str], line: int) -> Iterator[Answer]:
    """Of a list of variables, the secret; of a file that was mounted, who mounts it."""
    if file in (".env", ".env.example"):
        following = (_VARIABLE.match(text) for text in lines[line - 1 :])
        variable = next((match[1] for match in following if match), None)
        if variable and asked.plan and any(secret.name == variable for secret in asked.plan.secrets):
            yield asked.about(("secrets", variable))
    mounted = [
        (*served.path, "mounts", config.target)
        for service in (asked.plan.services if asked.plan else ())
        for config in service.config_files
        if config.path == file
        for instance in (asked.plan.instances if asked.plan else ())
        if instance.name == service.name
        for served in instance.models
        if config.target in served.model.mounts
    ]
    yield from (asked.about(path) for path in mounted)


def _answer(asked: Asked, document: Document, path: Path) -> Answer:
    """About a path of the spec; what was wrong with it is no part of what counts."""
    try:
        return asked.about(path)
    except StackError:
        value = asked.mask.of_spec(value_at(document.data, path), path)
        where = f"{document.file}:{document.place(path, of_key=True).line}"
        note = "it does not count: something is wrong with it, or with what it stands in"
        return Answer(path=dotted(path), kind="spec", value=value, said_by=where, notes=(note,))


def _of_profile(asked: Asked, document: Document, path: Path) -> Answer:
    value = value_at(document.data, path)
    key = key_at(document.data, path, Profile)
    place = document.place(path, of_key=True)
    return Answer(
        path=dotted(path),
        kind="profile",
        value=asked.mask.of_spec(value, path),
        said_by=f"{place.file}:{place.line}",
        meaning=key.meaning if key else "",
        parts=tuple(_counts_for(asked, document, path)),
    )


def _counts_for(asked: Asked, document: Document, path: Path) -> Iterator[Part]:
    """The paths of the merged spec that a profile speaks about, and whether it has the last word there."""
    merged, targets = asked.loaded.merged, [path]
    if path[0] == "engines" and len(path) > 1:
        models: dict[str, Any] = merged.data.get("models", {})
        targets = [("models", name, *path[2:]) for name, one in models.items() if one.get("engine") == path[1]]
    place = document.place(path)
    for target in targets:
        origin = merged.origins.get(target)
        if origin is None or isinstance(value_at(merged.data, target), dict):
            continue
        counts = origin.place == place
        where = "counts here" if counts else f"beaten by {asked.loaded.shown(origin)}"
        yield Part(path=dotted(target), value=asked.mask.of_spec(value_at(merged.data, target), target), said_by=where)


def _paths_at(document: Document, line: int) -> tuple[list[Path], tuple[str, ...]]:
    """The deepest paths that begin on a line; where none does, the nearest one above, with a note.

    Raises:
        StackError: nothing begins on that line or above it.
    """
    begins = {path: place.line for path, place in document.keys.items() if place.file == document.file}
    begins |= {path: place.line for path, place in document.values.items() if path and isinstance(path[-1], int)}
    here = [path for path, at in begins.items() if at == line]
    notes: tuple[str, ...] = ()
    if not here:
        above = max((at for at in begins.values() if at < line), default=0)
        if not above:
            raise StackError(f"line {line} of {describe(document.file)} says nothing", hint="name a line with a key")
        here = [path for path, at in begins.items() if at == above]
        notes = (f"nothing begins on this line; the nearest above it is line {above}",)
    inner = {path[:end] for path in here for end in range(1, len(path))}
    return [path for path in here if path not in inner], notes
