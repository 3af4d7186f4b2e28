"""What no placement can beat: how few slots, how much headroom."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import accumulate

from stackgen.placement.puzzle import NOBODY, Item, Puzzle, Way


def fewest_slots(puzzle: Puzzle) -> int:
    """No placement uses fewer slots; more than there are: there is no placement."""
    together = _active_together(puzzle)
    kinds = sorted({slot.kind for slot in puzzle.slots})
    by_kind = 0
    for kind in kinds:
        slots = frozenset(index for index, slot in enumerate(puzzle.slots) if slot.kind == kind)
        bound = _for_slots(puzzle, [item for item in together if _only_on(item, slots)], slots)
        if bound > len(slots):
            return len(puzzle.slots) + 1
        by_kind += bound
    every = frozenset(range(len(puzzle.slots)))
    return max(by_kind, _for_slots(puzzle, together, every), _apart(puzzle), _gangs(puzzle), _pinned(puzzle))


def most_headroom(puzzle: Puzzle, used: int) -> int:
    """No placement on so many slots leaves more on each of them."""
    alone = [
        max(puzzle.rooms[slot][0] - size for way in item.ways for slot, size in way.units.items())
        for item in puzzle.items
    ]
    if used == 0 or not alone:
        return 0
    together = _active_together(puzzle)
    volume = sum(least_volume(item) for item in together)
    largest = max((_most(item) for item in together), default=0)
    rooms = sorted((_useful(room, largest) for room in puzzle.rooms), reverse=True)[:used]
    return max(0, min([*alone, (sum(rooms) - volume) // used]))


def packing_bound(sizes: Iterable[int], room: int) -> int:
    """How many bins of one size these sizes need at least (Martello and Toth, L2); larger ones take a bin each."""
    sizes = sorted(sizes, reverse=True)
    if room <= 0:
        return len(sizes)
    best = 0
    for least in {0, *(size for size in sizes if 2 * size <= room)}:
        alone = sum(1 for size in sizes if size > room - least)
        large = [size for size in sizes if 2 * size > room and size <= room - least]
        small = sum(size for size in sizes if least <= size and 2 * size <= room)
        beside = len(large) * room - sum(large)
        best = max(best, alone + len(large) + max(0, -((beside - small) // room)))
    return best


def _for_slots(puzzle: Puzzle, items: list[Item], slots: Collection[int]) -> int:
    """How many of these slots the items need; more than there are where the items are too much for all."""
    if not items:
        return 0
    sizes = [size for item in items for size in _parts(item)]
    largest = max(_most(item) for item in items)
    rooms = sorted((_useful(puzzle.rooms[slot], largest) for slot in slots), reverse=True)
    volume = sum(sizes)
    count = next((count for count, room in enumerate(accumulate(rooms), 1) if room >= volume), len(rooms) + 1)
    return max(count, packing_bound(sizes, max(puzzle.rooms[slot][1] for slot in slots)))


def _active_together(puzzle: Puzzle) -> list[Item]:
    """Items that can all be active at once: those that always are, and the heaviest group of each exclusion."""
    groups: dict[int, dict[int, list[Item]]] = {}
    for item in puzzle.items:
        groups.setdefault(item.exclusion, {}).setdefault(item.group, []).append(item)
    return [
        item
        for of_exclusion in groups.values()
        for item in max(of_exclusion.values(), key=lambda items: sum(least_volume(item) for item in items))
    ]


def _lightest(item: Item) -> Way:
    return min(item.ways, key=lambda way: way.wanted * way.least)


def least_volume(item: Item) -> int:
    """What the item takes of all its slots together, at least."""
    way = _lightest(item)
    return sum(way.units.values()) if item.fixed else way.wanted * way.least


def _most(item: Item) -> int:
    """The most that it takes of one slot."""
    return max(size for way in item.ways for size in way.units.values())


def _parts(item: Item) -> list[int]:
    """What it takes of each slot, at least; of several ways only what all have in common."""
    if item.fixed:
        return list(item.ways[0].units.values())
    if len(item.ways) == 1:
        return [item.ways[0].least] * item.ways[0].wanted
    return [min(way.least for way in item.ways)]


def _useful(room: tuple[int, int], largest: int) -> int:
    """What a slot can hold at most: several within the reserve, or one alone."""
    return max(room[1], min(room[0], largest))


def _only_on(item: Item, slots: Collection[int]) -> bool:
    return all(slot in slots for way in item.ways for slot in way.units)


def _apart(puzzle: Puzzle) -> int:
    """Items that must be apart take a slot each."""
    words: dict[int, int] = {}
    for item in puzzle.items:
        if item.apart != NOBODY:
            words[item.apart] = words.get(item.apart, 0) + min(way.wanted for way in item.ways)
    return max(words.values(), default=0)


def _gangs(puzzle: Puzzle) -> int:
    return max((min(way.wanted for way in item.ways) for item in puzzle.items), default=0)


def _pinned(puzzle: Puzzle) -> int:
    return len({slot for item in puzzle.items if item.fixed for slot in item.ways[0].units})
