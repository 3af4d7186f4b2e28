"""What the search found, in the words of the one who asked."""

from __future__ import annotations

from collections.abc import Mapping

from stackgen.placement.board import Board
from stackgen.placement.model import Barrier, Demand, Obstacle, Placement, Shape, Slot, Unplaced
from stackgen.placement.puzzle import NOBODY, UNITS_PER_GIB, Puzzle, may_use, units
from stackgen.placement.search import Found


def placement(puzzle: Puzzle, found: Found) -> Placement:
    """Where everything that was placed lies."""
    board = Board(puzzle)
    board.lay_out(found.answer.at)
    slots: dict[str, tuple[str, ...]] = {}
    shapes: dict[str, Shape] = {}
    for demand, places in zip(puzzle.demands, found.answer.at, strict=True):
        if places:
            slots[demand.id] = demand.pinned or tuple(puzzle.slots[slot].id for slot in sorted(places))
            shapes[demand.id] = _shape(puzzle, demand, places)
    used = [(slot, puzzle.slots[slot].id) for slot, held in enumerate(board.held) if held]
    return Placement(
        slots=slots,
        shapes=shapes,
        load_gib={identifier: board.load[slot] / UNITS_PER_GIB for slot, identifier in used},
        headroom_gib={identifier: board.room(slot) / UNITS_PER_GIB for slot, identifier in used},
        fewest=found.fewest,
        proven=found.proven,
    )


def unplaced(puzzle: Puzzle, found: Found) -> Unplaced:
    """What is left over, and what stands in its way on every slot."""
    board = Board(puzzle)
    board.lay_out(found.answer.at)
    demands = [puzzle.demands[item] for item in found.left]
    obstacles = [obstacle for item in found.left for obstacle in _obstacles(board, item)]
    return Unplaced(
        demands=tuple(demand.id for demand in demands),
        obstacles=tuple(obstacles),
        rest=placement(puzzle, found._replace(fewest=False, proven=False)),
        proven=found.proven,
    )


def _shape(puzzle: Puzzle, demand: Demand, places: Mapping[int, int]) -> Shape:
    """The shape that says these units on these slots."""
    return next(
        shape
        for shape in demand.shapes
        if shape.count == len(places)
        and all(units(shape.gib.get(puzzle.slots[slot].kind, NOBODY)) == size for slot, size in places.items())
    )


_NEAREST = (Barrier.COUNT, Barrier.FULL, Barrier.APART, Barrier.SIZE, Barrier.JOINS, Barrier.KIND, Barrier.ALLOWED)


def _obstacles(board: Board, item: int) -> list[Obstacle]:
    """For each slot the obstacle of the shape that comes nearest; the nearest slot first."""
    demand = board.puzzle.demands[item]
    nearest = [
        min((_obstacle(board, item, slot, shape) for shape in demand.shapes), key=_distance)
        for slot in range(len(board.puzzle.slots))
        if demand.shapes
    ]
    return sorted(nearest, key=_distance)


def _distance(obstacle: Obstacle) -> tuple[int, float, int, str]:
    return (_NEAREST.index(obstacle.barrier), obstacle.short_gib, obstacle.shape.count, obstacle.slot)


def _obstacle(board: Board, item: int, slot: int, shape: Shape) -> Obstacle:
    puzzle = board.puzzle
    demand, card = puzzle.demands[item], puzzle.slots[slot]
    barrier, short, others = _barrier(board, item, slot, shape)
    names = tuple(puzzle.demands[other].id for other in others)
    return Obstacle(demand.id, card.id, shape, barrier, short / UNITS_PER_GIB, names)


def _barrier(board: Board, item: int, slot: int, shape: Shape) -> tuple[Barrier, int, list[int]]:
    """Why a shape cannot take a slot, how many units are short, and who is in the way."""
    puzzle = board.puzzle
    demand, card, held = puzzle.demands[item], puzzle.slots[slot], board.held[slot]
    refused = _refused(demand, card, shape)
    if refused:
        return refused, 0, []
    size = units(shape.gib[card.kind])
    if size > puzzle.rooms[slot][0]:
        return Barrier.SIZE, size - puzzle.rooms[slot][0], []
    word = puzzle.items[item].apart
    parted = [other for other in held if word != NOBODY and puzzle.items[other].apart == word]
    if parted:
        return Barrier.APART, 0, parted
    room = board.room_if(slot, item, size)
    return (Barrier.FULL, -room, sorted(held)) if room < 0 else (Barrier.COUNT, 0, [])


def _refused(demand: Demand, slot: Slot, shape: Shape) -> Barrier | None:
    """The reason that has nothing to do with memory."""
    if not may_use(demand, slot):
        return Barrier.ALLOWED
    if slot.kind not in shape.gib:
        return Barrier.KIND
    if demand.pinned and shape.count != len(demand.pinned):
        return Barrier.COUNT
    return Barrier.JOINS if shape.count > 1 and not slot.joins else None
