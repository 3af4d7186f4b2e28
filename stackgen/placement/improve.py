"""From one answer to a better one: empty a slot, move to larger slots, even out what is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import product

from stackgen.placement.board import Answer, Board
from stackgen.placement.bounds import most_headroom
from stackgen.placement.greedy import RULES, fill, orders, squeeze
from stackgen.placement.mend import Mender, way_of
from stackgen.placement.puzzle import Puzzle

_HALVINGS = 8
"""How often the range of possible headroom is halved at most."""
_TRIES_IN_VAIN = 3
"""So often it is halved without success."""
_LONGER = 4
"""So many times longer is a set of slots tried in the next round."""
_MIXTURES = 60
"""So many mixtures of kinds are tried, the roomiest first."""
_MIXTURES_OF_A_LEAP = 4
"""So many where several slots are to be saved at once."""


def looks_for_one_try(puzzle: Puzzle) -> int:
    """Enough for some dozens of moves."""
    return 3000 + 4 * len(puzzle.items) * len(puzzle.slots)


def use_fewer(puzzle: Puzzle, answer: Answer, fewest: int, looks: int) -> Answer:
    """Try fewer slots until the bound is met or the looks are spent: in leaps, then one by one, then for longer."""
    patience = looks_for_one_try(puzzle)
    leap = max(1, (answer.used - fewest) // 2)
    while answer.used > fewest and looks > 0:
        better = None
        for open_slots in _fewer_slots(puzzle, answer, leap):
            board = Board(puzzle)
            closed = frozenset(range(len(puzzle.slots))) - open_slots
            laid = _crowd(board, answer, closed) if leap == 1 else _lay_anew(board, closed)
            if laid and Mender(board, closed).mend(min(looks, patience // leap)):
                better = board.answer()
            looks -= board.looks
            if better or looks <= 0:
                break
        patience *= 1 if better or leap > 1 else _LONGER
        answer = better or answer
        leap = max(1, min(leap if better else leap // 2, (answer.used - fewest) // 2))
    return answer


def even_out(puzzle: Puzzle, answer: Answer, looks: int) -> Answer:
    """Raise the smallest headroom over as many slots: ask for a margin, halving the range that is open."""
    highest = most_headroom(puzzle, answer.used)
    vain = 0
    for _ in range(_HALVINGS):
        answer = _on_larger_slots(puzzle, answer)
        lowest = -answer.lacking
        if highest <= lowest or looks <= 0 or vain == _TRIES_IN_VAIN:
            break
        margin = (lowest + highest + 1) // 2
        board = Board(puzzle, margin)
        board.lay_out(answer.at)
        unused = [slot for slot, held in enumerate(board.held) if not held]
        if Mender(board, unused).mend(min(looks, looks_for_one_try(puzzle))):
            answer = board.answer()
        else:
            highest = margin - 1
            vain += 1
        looks -= board.looks
    return answer


def _fewer_slots(puzzle: Puzzle, answer: Answer, fewer: int) -> Iterator[frozenset[int]]:
    """Sets of slots to try, so many fewer than the answer uses: the lightest closed, then mixtures of kinds."""
    board = Board(puzzle)
    board.lay_out(answer.at)
    fixed = {slot for item in puzzle.items if item.fixed for slot in item.ways[0].units}
    used = frozenset(slot for slot, held in enumerate(board.held) if held)
    lightest = sorted(used - fixed, key=lambda slot: (board.load[slot], slot))
    if fewer == 1:
        yield from (used - {slot} for slot in lightest)
    count = answer.used - fewer
    preferences = _preferences(puzzle, fixed)
    mixtures = {_first_of_each(of_kind, mixture) for mixture in _mixtures(puzzle, count) for of_kind in preferences}
    roomiest = sorted(mixtures, key=lambda slots: (-sum(puzzle.rooms[slot][1] for slot in slots), sorted(slots)))
    yield from (
        slots
        for slots in roomiest[: _MIXTURES if fewer == 1 else _MIXTURES_OF_A_LEAP]
        if len(slots) == count and fixed <= slots
    )


def _mixtures(puzzle: Puzzle, count: int) -> Iterator[Mapping[str, int]]:
    """Every way to share out that many slots over the kinds."""
    kinds = Counter(slot.kind for slot in puzzle.slots)
    *others, last = sorted(kinds, key=lambda kind: (kinds[kind], kind))
    for shares in product(*(range(kinds[kind] + 1) for kind in others)):
        rest = count - sum(shares)
        if 0 <= rest <= kinds[last]:
            yield {**dict(zip(others, shares, strict=True)), last: rest}


def _preferences(puzzle: Puzzle, fixed: set[int]) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """The slots of each kind in two orders: what holds most first, and what most items can take; fixed ones before."""
    takers = Counter(slot for item in puzzle.items for way in item.ways for slot in way.units)
    slots = range(len(puzzle.slots))
    largest = sorted(slots, key=lambda slot: (slot not in fixed, -puzzle.rooms[slot][1], slot))
    most_wanted = sorted(slots, key=lambda slot: (slot not in fixed, -takers[slot], -puzzle.rooms[slot][1], slot))
    return _by_kind(puzzle, largest), _by_kind(puzzle, most_wanted)


def _by_kind(puzzle: Puzzle, slots: list[int]) -> dict[str, list[int]]:
    return {
        kind: [slot for slot in slots if puzzle.slots[slot].kind == kind]
        for kind in {slot.kind for slot in puzzle.slots}
    }


def _first_of_each(of_kind: Mapping[str, list[int]], mixture: Mapping[str, int]) -> frozenset[int]:
    return frozenset(slot for kind, count in mixture.items() for slot in of_kind[kind][:count])


def _crowd(board: Board, answer: Answer, closed: frozenset[int]) -> bool:
    """Lay out the answer without these slots, over-committed where need be; False where an item has no way then."""
    homeless = []
    for item, places in enumerate(answer.at):
        if closed.isdisjoint(places):
            board.put(item, places)
        else:
            homeless.append(item)
    homeless.sort(key=lambda item: (-max(answer.at[item].values()), item))
    return all(squeeze(board, board.puzzle.items[item], closed) for item in homeless)


def _lay_anew(board: Board, closed: frozenset[int]) -> bool:
    """Lay everything on the slots that are not closed, over-committed where need be; False where an item has no way."""
    items = board.puzzle.items
    for item in items:
        if item.fixed:
            board.put(item.index, item.ways[0].units)
    left = fill(board, next(orders(board.puzzle)), RULES[0], closed)
    return all(squeeze(board, items[item], closed) for item in left)


def _on_larger_slots(puzzle: Puzzle, answer: Answer) -> Answer:
    """While it helps: move all that lies on the slot with least headroom to an unused slot where more is left."""
    board = Board(puzzle)
    board.lay_out(answer.at)
    while True:
        used = [slot for slot, held in enumerate(board.held) if held]
        worst = min(used, key=lambda slot: (board.room(slot), slot))
        unused = [slot for slot, held in enumerate(board.held) if not held]
        if not any(_moved(board, worst, target) for target in unused):
            return board.answer()


def _moved(board: Board, slot: int, target: int) -> bool:
    """Move all that lies on a slot to an empty one; where that leaves no more than before, it stays."""
    before = board.room(slot)
    sizes = dict(board.held[slot])
    new_sizes = {item: way_of(board, board.puzzle.items[item]).units.get(target) for item in sizes}
    if None in new_sizes.values():
        return False
    for item, size in new_sizes.items():
        board.shift(item, slot, target, size or 0)
    if board.room(target) > before:
        return True
    for item, size in sizes.items():
        board.shift(item, target, slot, size)
    return False
