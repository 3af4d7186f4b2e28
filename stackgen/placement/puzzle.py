"""Slots and demands as whole numbers: what the search works on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from stackgen.placement.model import Demand, Shape, Slot

UNITS_PER_GIB = 10**9
"""A unit is about a byte. Sums of whole numbers do not depend on their order, and 0.1 GiB stays 0.1 GiB."""

NOBODY = -1
"""Stands for no item, no word, no exclusion."""


def units(gib: float) -> int:
    """GiB as whole units."""
    return round(gib * UNITS_PER_GIB)


class Way(NamedTuple):
    """So many of these slots, with these units on each. Ways of one slot are drawn together, whatever its kind."""

    wanted: int
    units: Mapping[int, int]

    @property
    def least(self) -> int:
        """The units on a slot, at least."""
        return min(self.units.values())


@dataclass(frozen=True)
class Item:
    """A demand: numbers instead of words."""

    index: int
    ways: tuple[Way, ...]
    apart: int
    exclusion: int
    group: int

    @cached_property
    def fixed(self) -> bool:
        """Whether there is one way to place it."""
        return len(self.ways) == 1 and self.ways[0].wanted == len(self.ways[0].units)

    @cached_property
    def special(self) -> bool:
        """Whether its neighbours matter, beside their memory."""
        return self.apart != NOBODY or self.exclusion != NOBODY

    @property
    def likeness(self) -> tuple[object, ...]:
        """Equal for two items that can change places."""
        ways = tuple((way.wanted, tuple(sorted(way.units.items()))) for way in self.ways)
        return (ways, self.apart, self.exclusion, self.group)


@dataclass(frozen=True)
class Puzzle:
    """Slots and items in the order of their ids.

    Args:
        slots: the slots.
        demands: the demands.
        items: the demands as numbers; an item without ways cannot be placed anywhere.
        rooms: of each slot: what it holds for one alone, and for several together.
        twins: slots of the same number are the same to every item.
    """

    slots: tuple[Slot, ...]
    demands: tuple[Demand, ...]
    items: tuple[Item, ...]
    rooms: tuple[tuple[int, int], ...]
    twins: tuple[int, ...] = field(default=())


def numbered(slots: Iterable[Slot], demands: Iterable[Demand]) -> Puzzle:
    """The numbers of slots and demands, the same for every order in which they come.

    Raises:
        ValueError: an id comes twice, or a shape wants fewer than one slot.
    """
    slots = tuple(sorted(slots, key=lambda slot: slot.id))
    demands = tuple(sorted(demands, key=lambda demand: demand.id))
    _unique([slot.id for slot in slots])
    _unique([demand.id for demand in demands])
    words = sorted({demand.apart for demand in demands if demand.apart})
    exclusions = sorted({demand.exclusion for demand in demands if demand.exclusion})
    groups = sorted({(demand.exclusion, demand.group) for demand in demands})
    rooms = tuple((units(slot.capacity_gib), units(slot.capacity_gib - slot.reserve_gib)) for slot in slots)
    items = tuple(
        Item(
            index=index,
            ways=tuple(_ways(demand, slots, rooms)),
            apart=words.index(demand.apart) if demand.apart else NOBODY,
            exclusion=exclusions.index(demand.exclusion) if demand.exclusion else NOBODY,
            group=groups.index((demand.exclusion, demand.group)) if demand.exclusion else NOBODY,
        )
        for index, demand in enumerate(demands)
    )
    return Puzzle(slots=slots, demands=demands, items=items, rooms=rooms, twins=_twins(rooms, items))


def _unique(ids: Collection[str]) -> None:
    repeated = [identifier for identifier, count in Counter(ids).items() if count > 1]
    if repeated:
        raise ValueError(f"ids come twice: {', '.join(repeated)}")


def _ways(demand: Demand, slots: tuple[Slot, ...], rooms: tuple[tuple[int, int], ...]) -> Iterator[Way]:
    """The ways that empty slots allow; of two shapes of one count the smaller counts."""
    drawn: dict[tuple[int, str], dict[int, int]] = {}
    for shape in demand.shapes:
        if shape.count < 1:
            raise ValueError(f"a shape of {demand.id} wants {shape.count} slots")
        if demand.pinned and shape.count != len(demand.pinned):
            continue
        for slot, size in _fitting(demand, shape, slots, rooms):
            kind = slots[slot].kind if shape.count > 1 and not demand.pinned else ""
            known = drawn.setdefault((shape.count, kind), {})
            known[slot] = min(size, known.get(slot, size))
    for (count, _), sizes in sorted(drawn.items()):
        if len(sizes) >= count:
            yield Way(count, dict(sorted(sizes.items())))


def _fitting(
    demand: Demand, shape: Shape, slots: tuple[Slot, ...], rooms: tuple[tuple[int, int], ...]
) -> Iterator[tuple[int, int]]:
    """The slots that could take their part of the demand if they were empty."""
    for index, slot in enumerate(slots):
        size = units(shape.gib[slot.kind]) if slot.kind in shape.gib else None
        if size is not None and size <= rooms[index][0] and may_use(demand, slot) and (slot.joins or shape.count == 1):
            yield index, size


def may_use(demand: Demand, slot: Slot) -> bool:
    """Whether pins and the list of allowed slots let the demand use the slot."""
    pinned = not demand.pinned or slot.id in demand.pinned
    return pinned and (demand.allowed is None or slot.id in demand.allowed)


def _twins(rooms: tuple[tuple[int, int], ...], items: tuple[Item, ...]) -> tuple[int, ...]:
    """Number slots so that two have the same number where no item can tell one from the other."""
    numbers: dict[object, int] = {}
    return tuple(
        numbers.setdefault((room, *(way.units.get(slot) for item in items for way in item.ways)), len(numbers))
        for slot, room in enumerate(rooms)
    )
