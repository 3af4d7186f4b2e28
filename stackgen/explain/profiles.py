"""The profiles there are, and every key of one: what it says, what it could say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

from stackgen.engines import ENGINES
from stackgen.errors import Problem
from stackgen.explain.keys import Key, key_at, keys_of
from stackgen.explain.rendered import dotted
from stackgen.facts.explaining import unsaid_key
from stackgen.masking import Mask
from stackgen.records import dataclass
from stackgen.resources import shipped
from stackgen.sources import DEFAULT_PROFILE, Document, Path, value_at
from stackgen.sources.validation import read_as
from stackgen.spec import GatewayDefaults, ModelDefaults, Pin, Profile

FOLDER = "profiles"


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A profile, with what is wrong with it."""

    name: str
    where: str
    """`shipped`, or the file beside the spec."""
    document: Document | None
    """None where it cannot be read."""
    about: str
    accelerator: str
    """Empty where it is for all."""
    problems: tuple[Problem, ...]


@dataclass(frozen=True, kw_only=True)
class Told:
    """One key of a profile."""

    path: str
    value: Any
    """What it says, or what counts where it says nothing."""
    where: str
    """File and line; empty where it says nothing."""
    kind: str
    meaning: str


def profiles(folder: FilePath) -> tuple[Listed, ...]:
    """Every profile that a spec in a folder may name, the one that always applies first.

    One beside the spec takes the place of a shipped one of its name.
    """
    own = {file.stem: file for file in sorted((folder / FOLDER).glob("*.yaml"))}
    with_us = {file.stem: file for file in sorted(shipped(FOLDER).glob("*.yaml"))}
    names = sorted({*own, *with_us}, key=lambda name: (name != DEFAULT_PROFILE, name))
    return tuple(_listed(name, own.get(name) or with_us[name], is_own=name in own) for name in names)


def told(listed: Listed) -> list[Told]:
    """What a profile says, in its own order."""
    if listed.document is None:
        return []
    data, mask = listed.document.data, Mask([listed.document.data])
    found = []
    for path, value in _said(data, ()):
        place = listed.document.place(path, of_key=True)
        key = key_at(data, path, Profile)
        found.append(
            Told(
                path=dotted(path),
                value=mask.of_spec(value, path),
                where=f"{place.file}:{place.line}",
                kind=key.kind if key else "",
                meaning=key.meaning if key else "",
            )
        )
    return found


def sayable(listed: Listed, default: Listed) -> list[Told]:
    """What a profile could say and does not: its own keys, those of the gateway, and those of every engine.

    Args:
        listed: the profile.
        default: the one that always applies: what it says counts where this one says nothing.
    """
    below = default.document.data if default.document else {}
    data = listed.document.data if listed.document else {}
    said = {path[:end] for path, _ in _said(data, ()) for end in range(1, len(path) + 1)}
    groups: list[tuple[Path, Any]] = [((), Profile), (("gateway",), GatewayDefaults)]
    groups += [(("images", name), Pin) for name in data.get("images") or {}]
    for name, engine in sorted(ENGINES.items()):
        groups += [(("engines", name), ModelDefaults), (("engines", name, "options"), engine.options)]
    found = []
    for path, group in groups:
        for key in keys_of(group):
            here: Path = (*path, key.name)
            if here not in said and key.name not in ("gateway", "options", "engines"):
                found.append(
                    Told(
                        path=dotted(here),
                        value=_left_out(key, here, below),
                        where="",
                        kind=key.kind,
                        meaning=key.meaning,
                    )
                )
    return found


def _left_out(key: Key, path: Path, below: dict[str, Any]) -> Any:
    """What counts where a profile does not say a key; None where nobody knows."""
    if key.default is not None:
        return key.default
    return value_at(below, path) if path[0] == "gateway" else unsaid_key(("models", "", *path[2:])) or None


def _listed(name: str, file: FilePath, *, is_own: bool) -> Listed:
    problems: list[Problem] = []
    shown = f"{FOLDER}/{file.name}"
    read = read_as(Profile, file, shown, problems)
    return Listed(
        name=name,
        where=shown if is_own else "shipped",
        document=read[1] if read else None,
        about=read[0].about if read else "",
        accelerator=(read[0].accelerator or "") if read else "",
        problems=tuple(problems),
    )


def _said(data: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Every key that says something, with its path; a list is one value."""
    if isinstance(data, dict) and data:
        for name, value in data.items():
            yield from _said(value, (*path, name))
    elif path:
        yield path, data
