"""Profiles and facts files around a spec, each read once: what is tried again and again reads them a single time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import Any

from stackgen.errors import Problem
from stackgen.facts import Card
from stackgen.records import dataclass
from stackgen.sources.document import Document
from stackgen.sources.facts_files import Declared, declared
from stackgen.sources.validation import read_as
from stackgen.spec import Profile

ReadProfile = tuple[Profile, Document, dict[str, Any]] | None
"""A profile, its file, and what of its data is sound; None where too little is left."""


@dataclass
class Shelf:
    """What stands in the folder of a spec beside it, as it was when it was first asked for."""

    folder: FilePath
    cards: Mapping[str, Card] = field(default_factory=dict)
    """Kinds of cards that no facts file says yet."""
    _profiles: dict[FilePath, tuple[ReadProfile, tuple[Problem, ...]]] = field(default_factory=dict)
    _facts: tuple[Declared, tuple[Problem, ...]] | None = None

    def profile(self, path: FilePath, shown: str, problems: list[Problem]) -> ReadProfile:
        """A profile.

        Args:
            path: its file.
            shown: its name in messages and comments.
            problems: gets what is wrong with it.
        """
        if path not in self._profiles:
            found: list[Problem] = []
            self._profiles[path] = (read_as(Profile, path, shown, found), tuple(found))
        profile, own = self._profiles[path]
        problems += own
        return profile

    def facts(self, problems: list[Problem]) -> Declared:
        """What is known with the facts files.

        Args:
            problems: gets what is wrong with them.
        """
        if self._facts is None:
            found: list[Problem] = []
            known = declared(self.folder, found)
            if self.cards:
                cards = MappingProxyType({**known.catalogue.cards, **self.cards})
                known = replace(known, catalogue=replace(known.catalogue, cards=cards))
            self._facts = (known, tuple(found))
        known, own = self._facts
        problems += own
        return known
