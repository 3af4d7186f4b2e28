"""Tabu search: shift, swap and reshape items until no slot is over-committed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from stackgen.placement.board import Board
from stackgen.placement.puzzle import NOBODY, Item, Way

_TENURE = 7
"""How many moves an item stays away from a slot that it left; a few more by turns, so that moves do not go in a circle."""


_TARGETS = 10
"""About so many slots are looked at as targets of one move, by turns."""


class _Move(NamedTuple):
    """A change of the board, by how much it raises what is over-committed."""

    cost: int
    turn: int  # breaks ties, differently in each round
    item: int
    slot: int
    target: int
    other: int  # the item that comes back from the target, or nobody
    places: tuple[tuple[int, int], ...]  # the new places of the item, where its shape changes


class Mender:
    """One search on one board.

    Args:
        board: everything lies on it; some slots hold too much.
        closed: slots that nothing may be moved to.
    """

    def __init__(self, board: Board, closed: Collection[int] = ()) -> None:
        self.board = board
        self.items = board.puzzle.items
        self.closed = frozenset(closed)
        self.round = 0
        self._tabu: dict[tuple[int, int], int] = {}
        self._over: list[int] = []
        self._stride = 1 + (len(board.held) - len(self.closed)) // _TARGETS

    def mend(self, looks: int) -> bool:
        """Move items until every slot holds what lies on it; False when that many looks did not do."""
        limit = self.board.looks + looks
        least = None
        while self.board.looks < limit:
            self._over = [max(0, -self.board.room(slot)) for slot in range(len(self.board.held))]
            lacking = sum(self._over)
            if not lacking:
                return True
            least = lacking if least is None else min(least, lacking)
            self.round += 1
            move = min(self._allowed(lacking, least), default=None)
            if move is not None:
                self._make(move)
            elif not self._tabu:
                return False
            self._tabu = {key: until for key, until in self._tabu.items() if until > self.round}
        return False

    def _allowed(self, lacking: int, least: int) -> Iterator[_Move]:
        """The moves off one over-committed slot; one that tabu forbids only where it leads lower than ever."""
        crowded = [slot for slot, over in enumerate(self._over) if over]
        slot = crowded[self.round % len(crowded)]
        for item in tuple(self.board.held[slot]):
            if self.items[item].fixed:
                continue
            for move in self._moves(self.items[item], slot):
                if lacking + move.cost < least or not self._forbidden(move):
                    yield move

    def _forbidden(self, move: _Move) -> bool:
        back = move.other != NOBODY and self._tabu.get((move.other, move.slot), 0) > self.round
        targets = [slot for slot, _ in move.places] if move.places else [move.target]
        return back or any(self._tabu.get((move.item, target), 0) > self.round for target in targets)

    def _moves(self, item: Item, slot: int) -> Iterator[_Move]:
        board, over = self.board, self._over
        way = way_of(board, item)
        gain = over[slot] - max(0, -board.room_if(slot, without=item.index))
        for target, size in way.units.items():
            unseen = (target + self.round) % self._stride
            if unseen or target in self.closed or target in board.at[item.index]:
                continue
            cost = max(0, -board.room_if(target, item.index, size)) - over[target] - gain
            yield self._move(cost, item.index, slot, target)
            yield from self._swaps(item, size, slot, target)
        for other in item.ways:
            if other is not way:
                yield from self._reshaped(item, other, slot)

    def _swaps(self, item: Item, size: int, slot: int, target: int) -> Iterator[_Move]:
        board, over = self.board, self._over
        for other in board.held[target]:
            back = way_of(board, self.items[other]).units.get(slot)
            if back is None or slot in board.at[other] or self.items[other].fixed:
                continue
            here = max(0, -board.room_if(slot, other, back, without=item.index)) - over[slot]
            if here >= 0:  # the slot would be no better: the item that comes is as large
                continue
            there = max(0, -board.room_if(target, item.index, size, without=other)) - over[target]
            yield self._move(here + there, item.index, slot, target, other)

    def _reshaped(self, item: Item, way: Way, slot: int) -> Iterator[_Move]:
        """The item taken off all its slots and laid in another way."""
        board, index = self.board, item.index
        off = {place: max(0, -board.room_if(place, without=index)) for place in board.at[index]}
        costs = []
        for target, size in way.units.items():
            if target not in self.closed:
                without = index if target in off else NOBODY
                before = off.get(target, self._over[target])
                costs.append((max(0, -board.room_if(target, index, size, without)) - before, target))
        costs = sorted(costs)[: way.wanted]
        if len(costs) == way.wanted:
            gain = sum(self._over[place] - after for place, after in off.items())
            places = tuple((target, way.units[target]) for _, target in costs)
            yield self._move(sum(cost for cost, _ in costs) - gain, index, slot, places[0][0], places=places)

    def _move(
        self,
        cost: int,
        item: int,
        slot: int,
        target: int,
        other: int = NOBODY,
        places: tuple[tuple[int, int], ...] = (),
    ) -> _Move:
        turn = (item * 7919 + target * 104729 + other * 31 + self.round * 6151) % 1009
        return _Move(cost, turn, item, slot, target, other, places)

    def _make(self, move: _Move) -> None:
        until = self.round + _TENURE + self.round * 5 % 11
        item = self.items[move.item]
        if move.places:
            self._tabu |= {(move.item, place): until for place in self.board.take(move.item)}
            self.board.put(move.item, dict(move.places))
            return
        size = way_of(self.board, item).units[move.target]
        self._tabu[move.item, move.slot] = until
        if move.other != NOBODY:
            back = way_of(self.board, self.items[move.other]).units[move.slot]
            self._tabu[move.other, move.target] = until
            self.board.shift(move.other, move.target, move.slot, back)
        self.board.shift(move.item, move.slot, move.target, size)


def way_of(board: Board, item: Item) -> Way:
    """The way in which an item lies on the board."""
    if len(item.ways) == 1:
        return item.ways[0]
    places = board.at[item.index]
    return next(way for way in item.ways if way.wanted == len(places) and all(slot in way.units for slot in places))
