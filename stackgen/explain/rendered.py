"""The rendered files as an index: every entry with its line, what it says, and who is behind it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from stackgen.errors import Place
from stackgen.explain.reasons import GATEWAY_FILE, Reason, Reasons
from stackgen.facts.explaining import rendered_key
from stackgen.masking import Mask
from stackgen.plan import Plan
from stackgen.records import dataclass
from stackgen.render import COMPOSE_FILE, File
from stackgen.render.compose import compose_file
from stackgen.render.litellm import gateway_file
from stackgen.render.yaml import Note, Written, plain
from stackgen.sources import Document, Path, value_at
from stackgen.sources.layers import Merged

_NEEDS_QUOTES = re.compile(r"[.\"'=]")
_WHOLE = 2
"""Keys on the way to a service of docker-compose.yml, and to an entry of the gateway's file."""
YAML_FILES = (COMPOSE_FILE, GATEWAY_FILE)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One value of a rendered file."""

    file: str
    path: Path
    """In the file."""
    line: int
    value: Any
    """As it may be seen."""
    shown: str
    """In one line: the service or the public name, the key and the value."""
    reason: Reason
    why: str
    """Of the plan, where nobody said the value; else empty."""
    rule: str
    """What stackgen keeps to here."""


@dataclass(frozen=True)
class _Dialect:
    """A file that is YAML, as it is rendered, and what knows who is behind its entries."""

    document: Document
    data: Mapping[str, Any]
    """With its notes."""
    reason_of: Callable[[Path], Reason]


@dataclass(frozen=True)
class Index:
    """Every entry of the files that are YAML, in their order. What nobody asks for is not looked at."""

    dialects: Mapping[str, _Dialect]
    mask: Mask

    @cached_property
    def documents(self) -> Mapping[str, Document]:
        """The files by their names."""
        return {file: dialect.document for file, dialect in self.dialects.items()}

    @property
    def entries(self) -> Iterator[Entry]:
        """All of them."""
        for file in self.dialects:
            yield from self.at(file, ())

    def behind(self, *paths: Path) -> list[Entry]:
        """The entries that paths of the spec, or what stands below them, become."""
        wanted, lengths = frozenset(paths), {len(path) for path in paths}
        return [
            self._entry(file, at, value, reason)
            for file, at, value, reason in self._reasons
            if not reason.inherited and any(said[:length] in wanted for said in reason.said for length in lengths)
        ]

    def at(self, file: str, path: Path) -> list[Entry]:
        """The entries at a path of a file and below it."""
        dialect = self.dialects.get(file)
        if dialect is None or (path and path not in dialect.document.keys):
            return []
        below = _leaves(value_at(dialect.document.data, path), path)
        return [self._entry(file, at, value, dialect.reason_of(at)) for at, value in below]

    @cached_property
    def _reasons(self) -> list[tuple[str, Path, Any, Reason]]:
        return [
            (file, path, value, dialect.reason_of(path))
            for file, dialect in self.dialects.items()
            for path, value in _leaves(dialect.document.data)
        ]

    def _entry(self, file: str, path: Path, value: Any, reason: Reason) -> Entry:
        dialect, mask = self.dialects[file], self.mask
        rule = rendered_key(file, path)
        return Entry(
            file=file,
            path=path,
            line=dialect.document.place(path).line,
            value=mask.rendered(value, path),
            shown=mask.text(shown(file, dialect.document.data, path, mask)),
            reason=reason,
            why=mask.text(reason.why or ("" if reason.said else _comment(dialect.data, path))),
            rule=rule.says if rule else "",
        )


def index(plan: Plan, merged: Merged, files: Sequence[File], spec_folder: str, mask: Mask) -> Index:
    """The index of a stack's files.

    Args:
        plan: the stack.
        merged: what its spec and profiles say.
        files: what is rendered.
        spec_folder: the spec's folder as seen from the files.
        mask: hides secrets.
    """
    digests = {file.path: file.digest for file in files}
    reasons = Reasons(plan, merged)
    made = {COMPOSE_FILE: _dialect(COMPOSE_FILE, compose_file(plan, digests, spec_folder), reasons.in_compose)}
    if GATEWAY_FILE in digests:
        made[GATEWAY_FILE] = _dialect(GATEWAY_FILE, gateway_file(plan), reasons.in_gateway)
    return Index(made, mask)


def _dialect(file: str, made: Written, reason_of: Callable[[Path], Reason]) -> _Dialect:
    places = {path: Place(file, line, 1) for path, line in made.lines.items()}
    return _Dialect(Document(file, plain(made.data), places, places), made.data, reason_of)


def shown(file: str, data: Mapping[str, Any], path: Path, mask: Mask) -> str:
    """One entry of a rendered file in one line."""
    if file == COMPOSE_FILE and path[0] == "services" and len(path) > 2:  # noqa: PLR2004 - services, its name, a key
        service, rest = path[1], path[2:]
        if rest[0] == "command" and len(rest) > 1:
            return f"{service}: {_words(mask.rendered(data['services'][service]['command'], path[:3]), int(rest[1]))}"
        value = in_line(mask.rendered(value_at(data, path), path))
        if rest[0] == "environment":
            return f"{service}: {dotted(rest[1:])}={value}"
        return f"{service}: {dotted(rest)}: {value}"
    value = in_line(mask.rendered(value_at(data, path), path))
    if file == GATEWAY_FILE and path[0] == "model_list" and len(path) > 2:  # noqa: PLR2004 - and a number
        name = value_at(data, (*path[:2], "model_name"))
        return f"{name}: {dotted(path[2:])}: {value}"
    return f"{dotted(path)}: {value}"


def dotted(path: Path) -> str:
    """A path as people write it; a key that would be taken for several stands in quotes."""
    return ".".join(_part(str(part)) for part in path)


def _part(key: str) -> str:
    if not _NEEDS_QUOTES.search(key):
        return key
    return f'"{key}"' if "'" in key else f"'{key}'"


def in_line(value: Any) -> str:
    """A value in one line, as YAML has it in its short form."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {in_line(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(in_line, value))}]"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else " ".join(str(value).split(" "))


def _words(command: Any, position: int) -> str:
    """A word of a command with the flag before it, or with the value behind it."""
    words = [str(word) for word in command]
    word = words[position]
    if word.startswith("-"):
        following = words[position + 1 : position + 2]
        return " ".join([word, *(next_word for next_word in following if not next_word.startswith("-"))])
    before = words[position - 1] if position else ""
    return f"{before} {word}" if before.startswith("-") else word


def _leaves(data: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if isinstance(data, dict) and data:
        for key, value in data.items():
            yield from _leaves(value, (*path, key))
    elif isinstance(data, list) and data:
        for position, value in enumerate(data):
            yield from _leaves(value, (*path, position))
    else:
        yield path, data


def _comment(tree: Any, path: Path) -> str:
    """The innermost note on the way to a value; that of a whole service or entry says nothing about one of its keys."""
    comment = ""
    for depth, part in enumerate((*path, None)):
        if isinstance(tree, Note):
            comment = comment if depth == _WHOLE and depth < len(path) else tree.comment or comment
            tree = tree.value
        if part is None:
            break
        tree = value_at(tree, (part,))
    return comment
