"""A YAML file as plain data, with the position of every key and value beside it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from pathlib import Path as FilePath
from typing import Any

from stackgen import trace
from stackgen.errors import Place, Problem, SpecError
from stackgen.records import dataclass

Path = tuple[str | int, ...]
"""Where a value stands in a document: ("models", "chat", "gpus", 0)."""

_LARGEST_FILE_BYTES = 16 * 1024 * 1024
_MOST_NODES = 2_000_000
_DEEPEST = 100
_LONGEST_SHOWN = 60
_TERMINAL_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_DIRECTIVE = re.compile(r"^%(YAML|TAG)", re.MULTILINE)
_SPACES = "indent with spaces: YAML takes no tabs"
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class Document:
    """Plain data and, by path, where each value and each key begins."""

    file: str
    data: dict[str, Any]
    values: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)

    def place(self, path: Path, *, of_key: bool = False) -> Place:
        """The position of the value (or key) at `path`, or of the nearest thing around it."""
        return locate(path, self.values.get, self.keys, of_key=of_key) or Place(self.file, 1, 1)


def locate(
    path: Path, value_at: Callable[[Path], Place | None], keys: Mapping[Path, Place], *, of_key: bool
) -> Place | None:
    """The position of the value (or key) at `path`; for what is not there, the key of the nearest thing around it."""
    if not of_key or path not in keys:
        found = value_at(path) if path else None
        if found:
            return found
    around = (path[:end] for end in range(len(path), 0, -1))
    return next((place for path in around if (place := keys.get(path) or _item_at(path, value_at))), None)


def _item_at(path: Path, value_at: Callable[[Path], Place | None]) -> Place | None:
    """The position of an item of a list, which has no key."""
    return value_at(path) if isinstance(path[-1], int) else None


def read(path: FilePath, shown: str) -> tuple[Document, list[Problem]]:
    """Read a YAML file whose top is a map.

    Args:
        path: the file.
        shown: its name in messages and comments.

    Returns:
        The document, and the problems that leave the rest readable (duplicate keys, foreign tags, …).

    Raises:
        SpecError: nothing can be read: no file, no text, no YAML.
    """
    text = _text(path, shown)
    trace.tell(f"read {path}")
    return parsed(text, shown)


def parsed(text: str, shown: str) -> tuple[Document, list[Problem]]:
    """Read YAML whose top is a map.

    Args:
        text: the YAML.
        shown: the name of its file in messages and comments.

    Returns:
        The document, and the problems that leave the rest readable.

    Raises:
        SpecError: nothing can be read.
    """
    root = _root(text, shown)
    reader = _Reader(shown)
    data = reader.plain(root, ()) if root is not None else {}
    if not isinstance(data, dict):
        raise SpecError([Problem(Place(shown, 1, 1), f"the file holds {describe(data)}, not keys and values")])
    return Document(shown, data, reader.values, reader.keys), reader.problems


def value_of(text: str, shown: str) -> Any:
    """A piece of YAML as plain data.

    Raises:
        SpecError: it is none.
    """
    root = _root(text, shown)
    reader = _Reader(shown)
    value = reader.plain(root, ()) if root is not None else None
    if reader.problems:
        raise SpecError(reader.problems)
    return value


def describe(value: object) -> str:
    """A value as a reader of the file would name it."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    text = str(value)
    shown = text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"
    return f"`{printable(shown)}`"


def printable(text: str) -> str:
    """A text that does nothing to a terminal: no colours, and what cannot be printed stands as its number."""
    text = _TERMINAL_SEQUENCE.sub("", text).replace("\t", " ")
    return "".join(character if character.isprintable() else f"\\u{ord(character):04x}" for character in text)


def _there_instead(path: FilePath) -> str:
    """A file beside it that is meant where only the end of the name is another one."""
    for suffix in (".yaml", ".yml"):
        other = path.with_suffix(suffix)
        if path.suffix != suffix and other.is_file():
            return f"did you mean `{other.name}`?"
    return ""


def _text(path: FilePath, shown: str) -> str:
    start = Place(shown, 1, 1)
    try:
        if path.stat().st_size > _LARGEST_FILE_BYTES:
            raise SpecError([Problem(start, f"the file is larger than {_LARGEST_FILE_BYTES >> 20} MiB")])
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        hint = (
            _there_instead(path) or "name the file (`stackgen render path/to/stack.yaml`), or write one: stackgen init"
        )
        raise SpecError([Problem(start, "there is no such file", hint)]) from None
    except IsADirectoryError:
        raise SpecError([Problem(start, "this is a folder", "name the stack.yaml inside it")]) from None
    except PermissionError:
        raise SpecError([Problem(start, "the file may not be read", f"chmod u+r {shown}")]) from None
    except OSError as error:
        raise SpecError([Problem(start, f"the file cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise SpecError([Problem(Place(shown, line, 1), "this is not UTF-8 text", "save the file as UTF-8")]) from None


def _root(text: str, shown: str) -> Any:
    from ruamel.yaml import YAML  # noqa: PLC0415 - `--help` must not pay for it
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415 - likewise
    from ruamel.yaml.reader import ReaderError  # noqa: PLC0415 - likewise

    directive = _DIRECTIVE.search(text)
    if directive:
        place = Place(shown, text[: directive.start()].count("\n") + 1, 1)
        raise SpecError([Problem(place, "a %YAML or %TAG directive is not known here", "drop the line")])
    try:
        return YAML(typ="safe", pure=True).compose(text)
    except RecursionError:
        raise SpecError([Problem(Place(shown, 1, 1), "maps and lists are nested too deeply")]) from None
    except ReaderError as error:
        before = text[: error.position]
        place = Place(shown, before.count("\n") + 1, error.position - (before.rfind("\n") + 1) + 1)
        raise SpecError([Problem(place, f"control character U+{error.character:04X} is not allowed")]) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(shown, mark.line + 1, mark.column + 1) if mark else Place(shown, 1, 1)
        message = " ".join(part for part in (error.context, error.problem) if part) or "this is not YAML"
        hint = _SPACES if "'\\t'" in message else "mend this line, or one above it"
        raise SpecError([Problem(place, f"this is not YAML: {message}", hint)]) from None
    except YAMLError as error:
        raise SpecError([Problem(Place(shown, 1, 1), f"this is not YAML: {error}")]) from None


class _Reader:
    """Turns ruamel's node tree into plain data; YAML 1.2 rules, so `yes` and `12:30` are text."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.values: dict[Path, Place] = {}
        self.keys: dict[Path, Place] = {}
        self.problems: list[Problem] = []
        self._nodes = 0

    def plain(self, node: Any, path: Path) -> Any:
        self._nodes += 1
        if len(path) > _DEEPEST:
            raise SpecError([Problem(self._place(node), f"more than {_DEEPEST} levels; does an alias hold itself?")])
        if self._nodes > _MOST_NODES:
            raise SpecError(
                [Problem(self._place(node), f"more than {_MOST_NODES} values; do aliases repeat each other?")]
            )
        self.values[path] = self._place(node)
        kind = type(node).__name__
        if kind == "MappingNode":
            return self._mapping(node, path)
        if kind == "SequenceNode":
            return [self.plain(item, (*path, position)) for position, item in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: Any, path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        own: set[str] = set()
        for key_node, value_node in self._pairs(node):
            key, place = str(key_node.value), self._place(key_node)
            inherited = value_node is not None and key_node.tag == f"{_TAG}merge"
            if inherited:
                for merged_key, merged_value in self._merged(value_node, path):
                    data.setdefault(merged_key, merged_value)
                continue
            if key_node.tag != f"{_TAG}str":
                self.problems.append(
                    Problem(place, f"the key {describe(key)} is not text", f'write "{printable(key)}"')
                )
                continue
            if key in own:
                first = self.keys[(*path, key)]
                self.problems.append(
                    Problem(place, f"the key {describe(key)} is here twice", f"the first one is on line {first.line}")
                )
                continue
            own.add(key)
            self.keys[(*path, key)] = place
            data[key] = self.plain(value_node, (*path, key))
        return data

    @staticmethod
    def _pairs(node: Any) -> Iterator[tuple[Any, Any]]:
        """Own keys first: they win over those that `<<` brings."""
        merges = [pair for pair in node.value if pair[0].tag == f"{_TAG}merge"]
        yield from (pair for pair in node.value if pair[0].tag != f"{_TAG}merge")
        yield from merges

    def _merged(self, node: Any, path: Path, depth: int = 0) -> Iterator[tuple[str, Any]]:
        if depth > _DEEPEST:
            raise SpecError([Problem(self._place(node), f"more than {_DEEPEST} levels; does an anchor merge itself?")])
        sources = node.value if type(node).__name__ == "SequenceNode" else [node]
        for source in sources:
            if type(source).__name__ != "MappingNode":
                self.problems.append(Problem(self._place(source), "`<<` takes a map", "point it at an anchor on a map"))
                continue
            for key_node, value_node in self._pairs(source):
                key = str(key_node.value)
                if key_node.tag == f"{_TAG}merge":
                    yield from self._merged(value_node, path, depth + 1)
                elif (*path, key) not in self.keys:
                    self.keys[(*path, key)] = self._place(key_node)
                    yield key, self.plain(value_node, (*path, key))

    def _scalar(self, node: Any) -> Any:
        """A scalar by its tag; text that is nothing of the kind stays text, and its field says what it wants."""
        text, tag = str(node.value), str(node.tag).removeprefix(_TAG)
        match tag:
            case "null":
                return None
            case "bool":
                return {"true": True, "false": False}.get(text.lower(), text)
            case "int":
                return _integer(text)
            case "float":
                return self._float(node, text)
            case "str" | "timestamp":
                return text
        self.problems.append(Problem(self._place(node), f"the tag {describe(node.tag)} is not known here", "drop it"))
        return text

    def _float(self, node: Any, text: str) -> Any:
        try:
            number = float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError:
            return text
        if not math.isfinite(number):
            self.problems.append(Problem(self._place(node), f"{describe(text)} is not a finite number"))
            return 0.0
        return number

    def _place(self, node: Any) -> Place:
        return Place(self.file, node.start_mark.line + 1, node.start_mark.column + 1)


def _integer(text: str) -> int | str:
    digits = text.replace("_", "")
    try:
        return int(digits, 0) if digits.lstrip("+-")[:2].lower() in {"0x", "0o", "0b"} else int(digits)
    except ValueError:
        return text
