"""What is said of rendered keys that nobody wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any

from stackgen.facts.files import document
from stackgen.records import dataclass

_ANY = "*"


@dataclass(frozen=True, kw_only=True)
class RenderedKey:
    """A rule of stackgen's about a key of a rendered file."""

    says: str
    said_by: str = ""
    """Path of the spec behind it, where one word of the spec decides; `{entry}` stands for the model or endpoint."""


def rendered_key(file: str, path: Sequence[str | int]) -> RenderedKey | None:
    """The rule about a key of a rendered file, or about the nearest thing around it that has one; None where none does."""
    known = _rules(file)
    for end in range(len(path), 0, -1):
        named = tuple(map(str, path[:end]))
        found = known.get(named) or known.get((*named[:1], _ANY, *named[2:]))
        if found:
            return found
    return None


def rendered_file(path: str) -> str:
    """What a rendered file is for; empty where nobody says."""
    return str(document("rendered_keys.json")["files"].get(path, ""))


def unsaid_key(path: Sequence[str | int]) -> str:
    """What counts where nobody says a key of the spec; empty where the schema's default tells it."""
    known = document("unsaid_keys.json")["keys"]
    return next((text for pattern, text in known.items() if _fits(pattern.split("."), path)), "")


def settings_after(path: Sequence[str | int]) -> tuple[str, ...]:
    """The settings of a model that follow from a key of a facts file where nobody says them; of a whole entry, all."""
    return tuple(_nearest(document("follows.json")["settings"], path) or ())


def switches_of(path: Sequence[str | int]) -> tuple[str, ...]:
    """The settings of a model by which somebody asks for what a key of a facts file says."""
    return tuple(_nearest(document("follows.json")["switches"], path) or ())


def note_on_fact(path: Sequence[str | int]) -> str:
    """What is to be said of a key of a facts file from which no setting follows; empty of all others."""
    return str(_nearest(document("follows.json")["notes"], path) or "")


def beside(name: str) -> str:
    """What a file is for that stands beside a spec and is not rendered; empty where nobody says."""
    return str(document("rendered_keys.json")["beside"].get(name, ""))


def _nearest(known: Mapping[str, Any], path: Sequence[str | int]) -> Any:
    """What is known of a path, or of the nearest thing around it."""
    for end in range(len(path), 0, -1):
        for pattern, said in known.items():
            if _fits(pattern.split("."), path[:end]):
                return said
    return None


@cache
def _rules(file: str) -> Mapping[tuple[str, ...], RenderedKey]:
    """The rules about a file by path; of a path only the second key may be any."""
    return MappingProxyType(
        {
            tuple(pattern.split(".")): RenderedKey(says=rule["says"], said_by=rule.get("from", ""))
            for pattern, rule in document("rendered_keys.json").get(file, {}).items()
        }
    )


def _fits(pattern: Sequence[str], path: Sequence[str | int]) -> bool:
    return len(pattern) == len(path) and all(word in (_ANY, part) for word, part in zip(pattern, path, strict=True))
