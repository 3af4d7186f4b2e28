"""A spec before it is written: what stands in it, and what is told beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from stackgen.facts import Card
from stackgen.records import dataclass


@dataclass(frozen=True, kw_only=True)
class DraftCard:
    """A card of the machine, as a spec names it: by its uuid, by its number, or neither where it is the only one."""

    id: str
    card: Card
    uuid: str = ""
    index: int | None = None


@dataclass(frozen=True, kw_only=True)
class DraftModel:
    """A model with the keys that a spec says of it, and why it was chosen."""

    id: str
    keys: Mapping[str, Any]
    why: str


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A whole spec."""

    name: str
    profiles: tuple[str, ...]
    cards: tuple[DraftCard, ...]
    models: tuple[DraftModel, ...]


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """The cards that a spec is written for."""

    cards: tuple[DraftCard, ...]
    new: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Kinds of cards that nobody knew, as a facts file says them, by id."""
    notes: tuple[str, ...] = ()
