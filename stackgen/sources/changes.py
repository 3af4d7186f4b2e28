"""Changes of a spec that are tried and not written: `models.chat.context=65536`, `gpus=2xh100-80gb`."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from stackgen.errors import SpecError, StackError
from stackgen.records import dataclass
from stackgen.sources.document import Document, describe, value_of
from stackgen.sources.wording import nearest

_PART = r"""(?:[^."'=]+|"[^"]*"|'[^']*')"""
_PATH = re.compile(rf"{_PART}(?:\.{_PART})*")
_PARTS = re.compile(_PART)
_DEEPEST_PATH = 20
_CARDS = re.compile(r"([0-9]{1,4})x([A-Za-z0-9][A-Za-z0-9.-]*)")
_MOST_CARDS = 64
"""Their `index` goes to 63."""
MAPS_BY_ID = frozenset({"models", "gpus", "endpoints", "services", "groups", "storage", "secrets", "overrides"})
"""Keys of a spec below which ids stand; only a whole entry may be new there."""
_FORM = "write PATH=VALUE, as models.chat.context=65536; a name with dots in quotes, as gateway.aliases.'gpt-4.1'=chat"


@dataclass(frozen=True)
class Change:
    """A value in the place of another one, by its path in the spec."""

    path: tuple[str, ...]
    value: Any


@dataclass(frozen=True)
class _Cards:
    """A kind for each card, in their order."""

    kinds: tuple[str, ...]


class LeftOut:
    """Stands for a key that is to be left out."""


def path_of(text: str) -> tuple[str, ...]:
    """The keys of a path; a key that has dots stands in quotes.

    Raises:
        StackError: it is none.
    """
    parts = [part.strip("\"'") for part in _PARTS.findall(text)]
    if not _PATH.fullmatch(text) or not all(parts):
        raise StackError(f"{describe(text)} is no path of a spec", hint="write keys with dots, as models.chat.context")
    if len(parts) > _DEEPEST_PATH:
        message = f"{describe(text)} has {len(parts)} keys, and a path has at most {_DEEPEST_PATH}"
        raise StackError(message, hint="write less, as models.chat.context")
    return tuple(parts)


def change_of(text: str) -> Change:
    """Read PATH=VALUE; the value is YAML, of `gpus` also a list such as 2xh100-80gb,1xl4, and nothing leaves the key out.

    Raises:
        StackError: it has another form.
    """
    found = _PATH.match(text)
    if found is None or text[found.end() : found.end() + 1] != "=":
        raise StackError(f"{describe(text)} is no change of a spec", hint=_FORM)
    path, written = path_of(found[0]), text[found.end() + 1 :]
    if not written.strip():
        return Change(path, LeftOut())
    try:
        value = value_of(written, "--what-if")
    except SpecError as error:
        raise StackError(f"{describe(written)} is no value: {error.problems[0].message}", hint=_FORM) from None
    return Change(path, value if path != ("gpus",) or isinstance(value, dict) else _Cards(kinds_of(written)))


def changed(document: Document, changes: Iterable[Change]) -> Document:
    """A document with changes, in their order; positions stay those of what was written.

    Raises:
        StackError: a path leads to an entry that is not there.
    """
    data = copy.deepcopy(document.data)
    for change in changes:
        if isinstance(change.value, _Cards):
            data["gpus"] = _inventory(change.value.kinds, data.get("gpus"))
        else:
            _put(data, change)
    return replace(document, data=data)


def kinds_of(written: str) -> tuple[str, ...]:
    """The kind of each card of a list such as 2xh100-80gb,1xl4.

    Raises:
        StackError: it is no such list, or these are too many or none.
    """
    hint = "write NUMBERxKIND, as gpus=2xl40s or gpus=2xh100-80gb,1xl4; gpus= for none"
    counts = [_CARDS.fullmatch(part.strip()) for part in written.split(",")]
    if not all(counts):
        raise StackError(f"{describe(written)} is no list of cards", hint=hint)
    numbers = [(int(count[1]), count[2]) for count in counts if count]
    total = sum(number for number, _ in numbers)
    if not all(number for number, _ in numbers) or total > _MOST_CARDS:
        message = (
            f"{describe(written)} is {total} card{'' if total == 1 else 's'}, and a machine has 1 to {_MOST_CARDS}"
        )
        raise StackError(message, hint=hint)
    return tuple(kind for number, kind in numbers for _ in range(number))


def _put(data: dict[str, Any], change: Change) -> None:
    parent: Any = data
    for depth, part in enumerate(change.path[:-1]):
        there = parent.get(part)
        if there is None and (depth != 1 or change.path[0] not in MAPS_BY_ID):
            there = parent[part] = {}
        if not isinstance(there, dict):
            raise _no_way(change.path[: depth + 1], there, parent)
        parent = there
    last = change.path[-1]
    if not isinstance(change.value, LeftOut):
        parent[last] = copy.deepcopy(change.value)
    elif last in parent:
        del parent[last]
    else:
        raise _no_way(change.path, None, parent)


def _no_way(path: tuple[str, ...], there: object, parent: Mapping[str, Any]) -> StackError:
    """Why nothing can be changed below a path."""
    shown = describe(".".join(path))
    if there is None:
        return StackError(f"the spec has no {shown} to change", hint=nearest(path[-1], parent))
    return StackError(f"{shown} is {describe(there)} and has no keys", hint=f"write it whole: {'.'.join(path)}=VALUE")


def _inventory(kinds: tuple[str, ...], now: object) -> dict[str, Any]:
    """Cards by kind; the first ones keep the ids of those that were there, so that names still mean something."""
    names = list(now) if isinstance(now, Mapping) else []
    names += [name for position in range(len(kinds)) if (name := f"g{position}") not in names]
    return {
        name: {"card": kind, "index": position} for position, (name, kind) in enumerate(zip(names, kinds, strict=False))
    }
