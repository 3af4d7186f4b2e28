"""Branch and bound: every placement that could be better, in order, as far as the budget goes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from stackgen.placement.board import CLASH, Answer, Board
from stackgen.placement.bounds import least_volume
from stackgen.placement.puzzle import NOBODY, Item, Puzzle, Way

_MOST_CHOICES = 3000
"""So many choices for one item are drawn: a gang of eight of many slots has millions."""


class Search:
    """One search for the best answer.

    Args:
        puzzle: the slots and the items.
        order: the items that are not fixed, the hardest first.
        best: the best answer so far; only better ones are looked for.
        looks: how often it may ask what is left on a slot.

    Attributes:
        best: the best answer that is known.
        complete: whether nothing better is left to find.
    """

    def __init__(self, puzzle: Puzzle, order: list[int], best: Answer | None, looks: int) -> None:
        self.puzzle = puzzle
        self.order = order
        self.best = best
        self.complete = True
        self._looks = looks
        self._board = Board(puzzle)
        for item in puzzle.items:
            if item.fixed:
                self._board.put(item.index, item.ways[0].units)
        volumes = [_certain_volume(puzzle.items[item]) for item in reversed(order)]
        self._volume_from = [*reversed(list(accumulate(volumes, initial=0)))]
        backwards = [_range(puzzle.items[item]) for item in reversed(order)]
        self._smallest_from = [*reversed(list(accumulate((least for least, _ in backwards), min, initial=CLASH)))]
        self._largest_from = [*reversed(list(accumulate((most for _, most in backwards), max, initial=0)))]
        self._largest_first = sorted(range(len(puzzle.slots)), key=lambda slot: (-puzzle.rooms[slot][0], slot))
        self._before = _alike_before(puzzle, order)

    def run(self) -> None:
        """Look at placements until none is left that could be better, or the looks are spent."""
        self._from(0)

    def _from(self, depth: int) -> None:
        board = self._board
        if not self._promising(depth):
            return
        if depth == len(self.order):
            answer = board.answer()
            if answer.better_than(self.best):
                self.best = answer
            return
        item = self.puzzle.items[self.order[depth]]
        for places in list(self._choices(item)):
            board.put(item.index, places)
            self._from(depth + 1)
            board.take(item.index)
            if board.looks >= self._looks:
                self.complete = False
                return

    def _promising(self, depth: int) -> bool:
        """Whether the items that lie could be part of a better answer."""
        count = self._slots_needed(depth, 0)
        if count is None or self.best is None:
            return count is not None
        if count == self.best.used:
            count = self._slots_needed(depth, 1 - self.best.lacking)
        return count is not None and count <= self.best.used

    def _slots_needed(self, depth: int, margin: int) -> int | None:
        """How many slots a full answer uses at least, with a margin left on each; None where there is none."""
        board, smallest, largest = self._board, self._smallest_from[depth], self._largest_from[depth]
        missing, count = self._volume_from[depth], 0
        for slot, held in enumerate(board.held):
            if held:
                count += 1
                room = board.room(slot) - margin
                if room < 0:
                    return None
                if room >= smallest:
                    missing -= room
        for slot in self._largest_first:
            if missing <= 0:
                return count
            if not board.held[slot]:
                alone, together = self.puzzle.rooms[slot]
                missing -= max(0, max(together, min(alone, largest)) - margin)
                count += 1
        return count if missing <= 0 else None

    def _choices(self, item: Item) -> Iterator[dict[int, int]]:
        """The places that differ for an item, the tightest first."""
        after = self._before.get(item.index)
        least = tuple(sorted(self._board.at[after])) if after is not None else ()
        found = []
        for way in item.ways:
            fitting = {}
            for slot, size in way.units.items():
                room = self._board.room_if(slot, item.index, size)
                if room >= 0:
                    fitting[slot] = room
            for slots in self._draws(way, fitting):
                if after is None or slots >= least:
                    fresh = sum(1 for slot in slots if not self._board.held[slot])
                    found.append((fresh, sum(fitting[slot] for slot in slots), slots, way))
                if len(found) >= _MOST_CHOICES:
                    self.complete = False
                    break
        for _, _, slots, way in sorted(found, key=lambda choice: choice[:3]):
            yield {slot: way.units[slot] for slot in slots}

    def _draws(self, way: Way, fitting: dict[int, int]) -> Iterator[tuple[int, ...]]:
        """Which slots of a way to take: of empty slots that are the same to all, the first ones."""
        packs: dict[int, list[int]] = {}
        for slot in fitting:
            alone = self._board.held[slot]
            packs.setdefault(-1 - slot if alone else self.puzzle.twins[slot], []).append(slot)
        yield from (tuple(sorted(draw)) for draw in _draw(list(packs.values()), way.wanted))


def _draw(packs: list[list[int]], count: int) -> Iterator[list[int]]:
    """Every way to take so many slots from packs, of each pack the first ones."""
    if count == 0:
        yield []
    elif packs and sum(map(len, packs)) >= count:
        first, rest = packs[0], packs[1:]
        for taken in range(min(count, len(first)), -1, -1):
            yield from (first[:taken] + more for more in _draw(rest, count - taken))


def _alike_before(puzzle: Puzzle, order: list[int]) -> dict[int, int]:
    """For an item the one before it in the order that it could change places with, where there is one."""
    latest: dict[object, int] = {}
    before = {}
    for item in order:
        likeness = puzzle.items[item].likeness
        if likeness in latest:
            before[item] = latest[likeness]
        latest[likeness] = item
    return before


def _certain_volume(item: Item) -> int:
    """What the item adds to the load of all slots, at least: an alternate may add nothing."""
    return least_volume(item) if item.exclusion == NOBODY else 0


def _range(item: Item) -> tuple[int, int]:
    """The least and the most that the item adds to the load of one slot."""
    sizes = [size for way in item.ways for size in way.units.values()]
    return (min(sizes) if item.exclusion == NOBODY else 0, max(sizes))
