"""The slots with what lies on them, and what is left on each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from stackgen.placement.puzzle import NOBODY, Puzzle

CLASH = 10**18
"""What is missing on a slot where two lie that must be apart: more than any memory."""


class Answer(NamedTuple):
    """Where everything lies: for each item its slots and units. Comparing two answers compares how good they are."""

    used: int
    lacking: int  # the smallest headroom over used slots, as a negative number
    at: tuple[Mapping[int, int], ...]

    def better_than(self, other: Answer | None) -> bool:
        """Whether it uses fewer slots, or as few with a larger smallest headroom."""
        return other is None or self[:2] < other[:2]


class Board:
    """Items on slots. A slot may be over-committed for a while: then its room is negative.

    Args:
        puzzle: the slots and the items.
        margin: units that have to stay free on every used slot.
    """

    def __init__(self, puzzle: Puzzle, margin: int = 0) -> None:
        self.puzzle = puzzle
        self.margin = margin
        self.held: list[dict[int, int]] = [{} for _ in puzzle.slots]
        self.at: list[dict[int, int]] = [{} for _ in puzzle.items]
        self.load = [0] * len(puzzle.slots)
        self.looks = 0  # how often a room was asked for: the clock of every budget
        self._rooms = puzzle.rooms
        self._apart = [item.apart for item in puzzle.items]
        self._alternate = [item.exclusion != NOBODY for item in puzzle.items]
        self._alternates = [0] * len(puzzle.slots)
        self._words: list[dict[int, int]] = [{} for _ in puzzle.slots]

    def put(self, item: int, places: Mapping[int, int]) -> None:
        """Lay an item on slots, so many units on each."""
        for slot, size in places.items():
            self._lay(slot, item, size)
        self.at[item].update(places)

    def take(self, item: int) -> dict[int, int]:
        """Take an item off all its slots; returns where it was."""
        places = self.at[item]
        for slot in places:
            self._lift(slot, item)
        self.at[item] = {}
        return places

    def shift(self, item: int, slot: int, target: int, size: int) -> None:
        """Move the part of an item that lies on one slot to another."""
        self._lift(slot, item)
        del self.at[item][slot]
        self._lay(target, item, size)
        self.at[item][target] = size

    def room(self, slot: int) -> int:
        """The units left on a slot beside its load, the margin, and the reserve where it is kept."""
        return self.room_if(slot)

    def room_if(self, slot: int, item: int = NOBODY, size: int = 0, without: int = NOBODY) -> int:
        """The units that would be left on a slot with one item more, without one of those there."""
        self.looks += 1
        held = self.held[slot]
        count = len(held)
        load = self.load[slot] + size
        if item != NOBODY:
            count += 1
        if without != NOBODY:
            count -= 1
            load -= held[without]
        if not count:
            return self._rooms[slot][0]
        together = count > 1
        if self._alternates[slot] or (item != NOBODY and self._alternate[item]):
            load, together = self._active({**held, item: size} if item != NOBODY else held, without)
        room = self._rooms[slot][together] - load - self.margin
        return room - CLASH * self._clashes(slot, item, without) if self._words[slot] else room

    def used(self) -> int:
        """How many slots hold something."""
        return sum(1 for held in self.held if held)

    def answer(self) -> Answer:
        """What lies where, to be kept."""
        least = min((self.room(slot) for slot, held in enumerate(self.held) if held), default=0) + self.margin
        return Answer(self.used(), -least, tuple(dict(places) for places in self.at))

    def lay_out(self, at: tuple[Mapping[int, int], ...]) -> None:
        """Clear the board and lay everything as an answer says."""
        for item, places in enumerate(at):
            if self.at[item] != places:
                self.take(item)
        for item, places in enumerate(at):
            if not self.at[item]:
                self.put(item, places)

    def _lay(self, slot: int, item: int, size: int) -> None:
        self.held[slot][item] = size
        self._alternates[slot] += self._alternate[item]
        self._count_word(slot, item, 1)
        self._weigh(slot)

    def _lift(self, slot: int, item: int) -> None:
        del self.held[slot][item]
        self._alternates[slot] -= self._alternate[item]
        self._count_word(slot, item, -1)
        self._weigh(slot)

    def _weigh(self, slot: int) -> None:
        held = self.held[slot]
        self.load[slot] = self._active(held)[0] if self._alternates[slot] else sum(held.values())

    def _active(self, held: Mapping[int, int], without: int = NOBODY) -> tuple[int, bool]:
        """The most that can be active at once of these items, and whether two of them can be."""
        self.looks += 2
        items = self.puzzle.items
        load = alone = 0
        groups: dict[int, int] = {}
        exclusions: dict[int, int] = {}
        for item, size in held.items():
            if item == without:
                continue
            one = items[item]
            alone += 1
            if one.exclusion == NOBODY:
                load += size
            else:
                group = groups[one.group] = groups.get(one.group, 0) + size
                exclusions[one.exclusion] = max(exclusions.get(one.exclusion, 0), group)
        alternates_only = len(groups) == alone and len(exclusions) == 1
        return load + sum(exclusions.values()), alone > 1 and not alternates_only

    def _count_word(self, slot: int, item: int, change: int) -> None:
        word, words = self._apart[item], self._words[slot]
        if word == NOBODY:
            return
        words[word] = words.get(word, 0) + change
        if not words[word]:
            del words[word]

    def _clashes(self, slot: int, item: int, without: int) -> int:
        """How many items would lie beside one that they must be apart from."""
        words = self._words[slot]
        clashes = sum(words.values()) - len(words)
        gone = self._apart[without] if without != NOBODY else NOBODY
        come = self._apart[item] if item != NOBODY else NOBODY
        if gone == come:
            return clashes
        if gone != NOBODY and words[gone] > 1:
            clashes -= 1
        return clashes + (come in words)
