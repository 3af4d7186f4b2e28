"""Answers about a line of a rendered file, as it is on disk, or as it would be written; and of files that stand beside."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from stackgen.errors import SpecError, StackError
from stackgen.explain.answers import Answer
from stackgen.explain.asking import Asked, of_entries
from stackgen.explain.lines import LineAnswer, Text, at_line
from stackgen.explain.rendered import YAML_FILES, Entry, dotted, shown
from stackgen.facts.explaining import rendered_file, rendered_key
from stackgen.records import dataclass
from stackgen.sources import Document, Path, describe, value_at
from stackgen.sources.document import parsed

_VARIABLE = re.compile(r"^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=")


@dataclass(frozen=True, kw_only=True)
class OnDisk:
    """A rendered file as it is on disk."""

    text: str | None
    """None where it is not written yet."""
    by_hand: bool = False
    """Whether it is not what stackgen wrote there."""


def of_rendered(asked: Asked, file: str, line: int, disk: OnDisk) -> LineAnswer:
    """Behind a line of a rendered file, as it is on disk, or as it would be written.

    Raises:
        StackError: the file is not there, or has no such line.
    """
    wanted = next((one.text for one in asked.files if one.path == file), None)
    text = disk.text if disk.text is not None else wanted
    if text is None:
        raise StackError(f"{file} is not there", hint="stackgen render writes the files")
    read, notes = Text(file, text), tuple(_state(disk, wanted))
    read.require(line)
    if file not in YAML_FILES:
        answers = tuple(_mounted(asked, file))
        return LineAnswer(file=file, line=line, rule=rendered_file(file), notes=notes, answers=answers)
    try:
        document = asked.index.documents[file] if text == wanted else parsed(text, file)[0]
    except SpecError as error:
        reason = error.problems[0].message
        return LineAnswer(file=file, line=line, notes=(*notes, asked.mask.text(reason)), rule=rendered_file(file))
    return _of_yaml(asked, document, read, line, notes)


def of_variables(asked: Asked, file: str, line: int, text: str) -> LineAnswer:
    """Behind a line of a list of variables: the secret by its name; no value is looked at.

    Raises:
        StackError: the file has no such line.
    """
    read = Text(file, text)
    read.require(line)
    here = _VARIABLE.match(read.lines[line - 1])
    following = (_VARIABLE.match(words) for words in read.lines[line - 1 :])
    name = next((match[1] for match in following if match), None)
    is_known = name and asked.plan and any(secret.name == name for secret in asked.plan.secrets)
    notes = [] if not here or is_known or asked.plan is None else [_nobody_reads(here[1])]
    answers = [asked.about(("secrets", name))] if name and is_known else []
    return LineAnswer(file=file, line=line, rule=rendered_file(file), notes=tuple(notes), answers=tuple(answers))


def of_another(file: str, line: int, text: str, rule: str) -> LineAnswer:
    """Behind a line of a file that stands beside the spec and follows from none of its values.

    Raises:
        StackError: the file has no such line.
    """
    Text(file, text).require(line)
    return LineAnswer(file=file, line=line, rule=rule)


def of_named(asked: Asked, file: str, line: int, text: str, paths: list[Path]) -> LineAnswer:
    """Behind a line of a file that the spec itself names: who names it.

    Raises:
        StackError: the file has no such line.
    """
    Text(file, text).require(line)
    rule = "a file of yours that the spec names"
    return LineAnswer(file=file, line=line, rule=rule, answers=tuple(asked.about(path) for path in paths))


def _nobody_reads(name: str) -> str:
    return f"{describe(name)} is no secret of this stack: no file that stackgen writes asks for it"


def _state(disk: OnDisk, wanted: str | None) -> Iterator[str]:
    if disk.text is None:
        yield "it is not written yet: `stackgen render` would write this"
    elif disk.by_hand:
        yield "the file was edited by hand: `stackgen render --adopt` shows what makes it permanent"
    elif wanted is not None and disk.text != wanted:
        yield "the spec has changed since: `stackgen render` writes the file anew"


def _of_yaml(asked: Asked, document: Document, text: Text, line: int, notes: tuple[str, ...]) -> LineAnswer:
    at = at_line(document, text, line)
    if not at.paths:
        return LineAnswer(file=document.file, line=line, rule=rendered_file(document.file), notes=(*notes, *at.notes))
    path = at.paths[0]
    entries = asked.index.at(document.file, path)
    rule = rendered_key(document.file, path)
    said = asked.mask.text(shown(document.file, document.data, path, asked.mask))
    return LineAnswer(
        file=document.file,
        line=line,
        shown=said if _is_short(document, path) else dotted(path),
        rule=rule.says if rule else "",
        notes=(*notes, *at.notes, *_differs(asked, path, entries, said)),
        answers=tuple(_behind(asked, document.file, path, entries)) if entries else (),
    )


def _is_short(document: Document, path: Path) -> bool:
    """Whether a value can be shown in the line: no map, and no list but one of plain items."""
    value = value_at(document.data, path)
    items = value if isinstance(value, list) else [value]
    return not any(isinstance(item, dict | list) and item for item in items)


def _differs(asked: Asked, path: Path, entries: list[Entry], said: str) -> Iterator[str]:
    if asked.plan is None:
        yield "who said it is known once the spec has no problems"
    elif not entries:
        yield "stackgen writes nothing here: somebody added it"
    elif entries[0].path == path and entries[0].shown != said:
        yield f"stackgen would write {entries[0].shown}"


def _behind(asked: Asked, file: str, path: Path, entries: list[Entry]) -> Iterator[Answer]:
    """Who is behind a place of a rendered file; of what is a map there, what it consists of."""
    if not _is_one_value(path, entries):
        yield replace(asked.rendered(file, path), meaning="")
        return
    reasons = dict.fromkeys(said for entry in entries for said in entry.reason.said)
    for said in reasons:
        try:
            yield asked.about(said)
        except StackError:  # the plan names it, but neither the spec nor the planner says a value of its own
            yield replace(of_entries(dotted(said), entries), meaning="")
    if not reasons:
        yield replace(of_entries(dotted(path), entries), meaning="", parts=())


def _is_one_value(path: Path, entries: list[Entry]) -> bool:
    """Whether it is a plain value, or a list of plain items on one line."""
    return all(
        entry.path == path
        or (entry.path[:-1] == path and isinstance(entry.path[-1], int) and entry.line == entries[0].line)
        for entry in entries
    )


def _mounted(asked: Asked, file: str) -> Iterator[Answer]:
    """Of a file that was mounted, who mounts it."""
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
