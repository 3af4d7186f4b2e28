"""The one writer of YAML: from data, never from text.

Every string is double-quoted, so no reader of YAML 1.1 or 1.2 takes it for something else and no value can become a key.
Numbers, booleans and well-behaved keys stay plain.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stackgen.records import dataclass

if TYPE_CHECKING:
    from stackgen.sources import Path

_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")
"""What JSON leaves as it is but some reader of YAML refuses or folds."""
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_PLAIN_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*(:[A-Za-z0-9_./-]+)*")
_WIDTH = 120
_LONGEST_KEY = 1000
"""Readers take a key of up to 1,024 characters without `?` before it."""
_spelled = json.JSONEncoder(ensure_ascii=False).encode
_SPECIAL_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


@dataclass(frozen=True)
class Note:
    """A value with a comment behind it (or, for a map or list, above it)."""

    value: Any
    comment: str


def laid_over(rendered: Any, raw: Any, word: Callable[[Any], Any]) -> Any:
    """Raw keys over rendered data: maps by key, everything else replaces.

    Args:
        rendered: data with notes.
        raw: what a spec lays over it.
        word: spells a leaf of `raw` in the dialect.
    """
    if isinstance(raw, Mapping):
        below = rendered.value if isinstance(rendered, Note) else rendered
        base = dict(below) if isinstance(below, Mapping) else {}
        return base | {key: laid_over(base.get(key), value, word) for key, value in raw.items()}
    if isinstance(raw, list):
        return [laid_over(None, item, word) for item in raw]
    return word(raw)


def quoted(text: str) -> str:
    """A string as a double-quoted scalar."""
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", _spelled(text))


def key(text: str) -> str:
    """A key: plain where no reader can mistake it, else quoted."""
    return text if _PLAIN_KEY.fullmatch(text) and text.lower() not in _SPECIAL_WORDS else quoted(text)


def word(text: str) -> str:
    """A string as people write it: plain where no reader can mistake it, inside of `[]` and `{}` too, else quoted."""
    return text if _PLAIN_WORD.fullmatch(text) and text.lower() not in _SPECIAL_WORDS else quoted(text)


def comment(text: str) -> str:
    """A comment on one line: a line break inside it would begin a real key."""
    if not text.isprintable():
        text = "".join(character if character.isprintable() else " " for character in text)
    return f"# {' '.join(text.split())}"


@dataclass(frozen=True)
class Written:
    """A document, and where everything in it stands."""

    data: Mapping[str, Any]
    """With its notes."""
    text: str
    lines: Mapping[Path, int]
    """By path in the data: the line on which a key, or an item of a list, begins."""


def dump(data: Mapping[str, Any], header: Iterable[str] = (), spaced: int = 1) -> str:
    """A document.

    Args:
        data: maps, lists, strings, integers, floats, booleans; any of them inside a Note.
        header: lines of comment at the top.
        spaced: depth of maps down to which an empty line stands between entries.
    """
    return written(data, header, spaced).text


def written(data: Mapping[str, Any], header: Iterable[str] = (), spaced: int = 1) -> Written:
    """The same, with the line of everything in it: who looks for one need not read the text again."""
    writer = _Writer([comment(line) for line in header])
    if not data:
        writer.lines.append("{}")
    for name, value in data.items():
        if writer.lines:
            writer.lines.append("")
        writer.entry((name,), value, 0, spaced - 1)
    return Written(data, "\n".join(writer.lines) + "\n", writer.begins)


def plain(value: Any) -> Any:
    """Data without notes."""
    if isinstance(value, Note):
        value = value.value
    if isinstance(value, str | int):  # most are, as below
        return value
    if isinstance(value, Mapping):
        return {name: plain(inner) for name, inner in value.items()}
    return [plain(item) for item in value] if isinstance(value, Sequence) else value


class _Writer:
    """Lines that grow, and where what they hold begins."""

    def __init__(self, header: list[str]) -> None:
        self.lines = header
        self.begins: dict[Path, int] = {}

    def entry(self, path: Path, value: Any, indent: int, spaced: int) -> None:
        """A key of a map, the last part of the path, with its value."""
        value, note = (value.value, value.comment) if isinstance(value, Note) else (value, "")
        name, pad, lines = key(str(path[-1])), " " * indent, self.lines
        flow = _flow(value)
        begin = f"{pad}{name}:"
        if flow and len(begin) + len(flow) + 1 <= _WIDTH:
            lines.append(f"{begin} {flow}{_behind(note)}")
            self.begins |= dict.fromkeys([path, *((*path, position) for position in range(len(value)))], len(lines))
            return
        is_block = _is_block(value)
        if note and is_block:
            lines.append(f"{pad}{comment(note)}")
        self.begins[path] = len(lines) + 1
        if len(begin) > _LONGEST_KEY:
            lines.append(f"{pad}? {name}")
            begin = f"{pad}:"
        lines.append(begin if is_block else f"{begin} {scalar(value)}{_behind(note)}")
        if is_block:
            self._block(path, value, indent + 2, spaced)

    def _block(self, path: Path, value: Any, indent: int, spaced: int) -> None:
        if isinstance(value, Mapping):
            for position, (name, inner) in enumerate(value.items()):
                if spaced > 0 and position:
                    self.lines.append("")
                self.entry((*path, name), inner, indent, spaced - 1)
            return
        for position, item in enumerate(value):
            self._item((*path, position), item, indent)

    def _item(self, path: Path, item: Any, indent: int) -> None:
        item, note = (item.value, item.comment) if isinstance(item, Note) else (item, "")
        pad, lines = " " * indent, self.lines
        is_block = _is_block(item)
        if note and is_block:
            lines.append(f"{pad}{comment(note)}")
        first = len(lines)
        self.begins[path] = first + 1
        if not is_block:
            lines.append(f"{pad}- {scalar(item)}{_behind(note)}")
            return
        self._block(path, item, indent + 2, 0)
        text = lines[first].lstrip()
        self.begins[path] += text.startswith("#")  # a comment above the first of a list or map comes before either
        lines[first] = f"{pad}- {text}"


def _flow(value: Any) -> str:
    """A list of scalars without comments on one line; empty where it is something else."""
    if (
        not _is_block(value)
        or isinstance(value, Mapping)
        or any(isinstance(item, Note) or _is_block(item) for item in value)
    ):
        return ""
    return f"[{', '.join(scalar(item) for item in value)}]"


def _is_block(value: Any) -> bool:
    if isinstance(value, str | int):  # most are; a look at what is abstract takes ten times as long
        return False
    return isinstance(value, Mapping | Sequence) and bool(value)


def scalar(value: Any) -> str:
    """A value on one line, text in double quotes; every reader of YAML gets it back as it is.

    Raises:
        TypeError: it is nothing that YAML has a form for.
    """
    match value:
        case str():
            return quoted(value)
        case None | bool():
            return json.dumps(value)
        case int():
            return repr(value)
        case float():
            return _number(value)
        case Mapping() | Sequence():
            return "{}" if isinstance(value, Mapping) else "[]"
    raise TypeError(f"{type(value).__name__} has no form in YAML")


def _number(value: float) -> str:
    """A float as YAML 1.1 and 1.2 read it: with a point, also before an exponent."""
    if not math.isfinite(value):
        raise ValueError(f"{value} has no form that every reader of YAML knows")
    mantissa, letter, exponent = repr(value).partition("e")
    return f"{mantissa if '.' in mantissa else f'{mantissa}.0'}{letter}{exponent}"


def _behind(note: str) -> str:
    return f"  {comment(note)}" if note else ""
