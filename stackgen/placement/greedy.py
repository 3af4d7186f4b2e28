"""Lay one item after another: the first answers, and what is left over where they fail."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from heapq import nsmallest

from stackgen.placement.board import Board
from stackgen.placement.puzzle import NOBODY, Item, Puzzle

Rule = Callable[[Board, int, int], tuple[int, ...]]
"""How much an item wants a slot, given the slot and what would be left on it: the smallest wins."""


def _tight(board: Board, slot: int, room: int) -> tuple[int, ...]:
    """Where least is left; a new slot as small as possible."""
    return (not board.held[slot], room)


def _tight_large(board: Board, slot: int, room: int) -> tuple[int, ...]:
    """Where least is left; a new slot as large as possible."""
    return (0, room) if board.held[slot] else (1, -room)


def _grows_least(board: Board, slot: int, room: int) -> tuple[int, ...]:
    """Where the load grows least: beside alternates; a new slot as large as possible."""
    return (0, board.room(slot) - room, room) if board.held[slot] else (1, -room, 0)


def _roomy(board: Board, slot: int, room: int) -> tuple[int, ...]:
    """Where most is left, on a slot in use; a new slot as large as possible."""
    return (not board.held[slot], -room)


def _spread(_board: Board, _slot: int, room: int) -> tuple[int, ...]:
    """Where most is left, in use or not."""
    return (-room,)


RULES: tuple[Rule, ...] = (_tight_large, _tight, _grows_least, _roomy, _spread)


def orders(puzzle: Puzzle) -> Iterator[list[int]]:
    """Sequences of the items that are not fixed and have a way, each with the hardest first by another measure."""
    free = [item for item in puzzle.items if item.ways and not item.fixed]
    keys: tuple[Callable[[Item], tuple[float, ...]], ...] = (
        lambda item: (-_gang(item), -_size(item)),
        lambda item: (_choice(item), -_size(item)),
        lambda item: (-_gang(item) * _size(item),),
        lambda item: (item.exclusion == NOBODY, -_gang(item) * _size(item)),
        lambda item: (-_size(item), -_gang(item)),
        lambda item: (item.apart == NOBODY, -_gang(item), -_size(item)),
    )
    for key in keys:
        yield [item.index for item in sorted(free, key=key)]  # stable: what is equal stays in the order of the puzzle


def fill(board: Board, order: list[int], rule: Rule, closed: Collection[int] = ()) -> list[int]:
    """Lay the items where the rule wants them, not on closed slots; returns those that fit nowhere."""
    left = []
    for item in order:
        places = best_places(board, board.puzzle.items[item], rule, closed)
        if places is None:
            left.append(item)
        else:
            board.put(item, places)
    return left


def best_places(board: Board, item: Item, rule: Rule, closed: Collection[int] = ()) -> dict[int, int] | None:
    """The slots that the rule wants for an item that is not on the board; None where it fits nowhere."""
    best: tuple[tuple[int, ...], dict[int, int]] | None = None
    for way in item.ways:
        fitting = []
        for slot, size in way.units.items():
            if slot in closed:
                continue
            room = board.room_if(slot, item.index, size)
            if room >= 0:
                fitting.append((rule(board, slot, room), slot))
        if len(fitting) < way.wanted:
            continue
        chosen = nsmallest(way.wanted, fitting) if way.wanted > 1 else [min(fitting)]
        worth = tuple(map(sum, zip(*(wish for wish, _ in chosen), strict=True)))
        if best is None or worth < best[0]:
            best = (worth, {slot: way.units[slot] for _, slot in chosen})
    return best[1] if best else None


def squeeze(board: Board, item: Item, closed: Collection[int] = ()) -> bool:
    """Lay an item where it over-commits slots least; False where the closed slots leave it no way."""
    best: tuple[int, dict[int, int]] | None = None
    for way in item.ways:
        costs = sorted(
            (max(0, -board.room_if(slot, item.index, size)) - max(0, -board.room(slot)), slot)
            for slot, size in way.units.items()
            if slot not in closed
        )[: way.wanted]
        cost = sum(cost for cost, _ in costs)
        if len(costs) == way.wanted and (best is None or cost < best[0]):
            best = (cost, {slot: way.units[slot] for _, slot in costs})
    if best:
        board.put(item.index, best[1])
    return best is not None


def _gang(item: Item) -> int:
    return min(way.wanted for way in item.ways)


def _size(item: Item) -> int:
    return min(way.least for way in item.ways)


def _choice(item: Item) -> float:
    """How many ways there are to place it, roughly."""
    return sum(len(way.units) / way.wanted for way in item.ways)
