"""What is asked and what is answered: slots, demands, and where each demand goes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True)
class Slot:
    """A card, or a slice of one.

    Args:
        id: its name; unique.
        kind: what demands know it by; a demand on several slots takes slots of one kind.
        capacity_gib: what demands can take of it, in GiB.
        reserve_gib: what stays free where more than one demand can be active on it together.
        joins: whether it can be one of several slots under one demand.
    """

    id: str
    kind: str
    capacity_gib: float
    reserve_gib: float
    joins: bool = True


@dataclass(frozen=True)
class Shape:
    """One way to place a demand: `count` slots of one kind, with so many GiB on each; a kind left out cannot run it."""

    count: int
    gib: Mapping[str, float]


@dataclass(frozen=True)
class Demand:
    """Something that wants memory on one slot or on several.

    Args:
        id: its name; unique.
        shapes: the ways to place it, each as good as the other.
        pinned: exactly these slots; their kinds may differ, and the shape of that count says the GiB for each kind.
        allowed: only these slots; None: any.
        apart: demands with the same word (not empty) share no slot.
        exclusion: demands of different groups of one exclusion are never active together; empty: always active.
        group: the group within its exclusion.
    """

    id: str
    shapes: tuple[Shape, ...]
    pinned: tuple[str, ...] = ()
    allowed: Collection[str] | None = None
    apart: str = ""
    exclusion: str = ""
    group: str = ""


@dataclass(frozen=True)
class Placement:
    """Where each demand goes. Mappings are in the order of ids.

    Args:
        slots: the slots of each demand, in the order of their ids (a pinned demand: as pinned).
        shapes: the shape that each demand got.
        load_gib: the most that can be active at once on each used slot, in GiB.
        headroom_gib: what each used slot has left beside its load, and beside its reserve where that is kept.
        fewest: proven: no placement uses fewer slots.
        proven: proven: `fewest`, and with so few slots none leaves more on the slot that has least left.
    """

    slots: Mapping[str, tuple[str, ...]]
    shapes: Mapping[str, Shape]
    load_gib: Mapping[str, float]
    headroom_gib: Mapping[str, float]
    fewest: bool
    proven: bool


class Barrier(StrEnum):
    """Why a demand cannot take a slot."""

    KIND = "kind"  # no shape runs on slots of this kind
    ALLOWED = "allowed"  # it is pinned to other slots, or may not use this one
    JOINS = "joins"  # the slot cannot be one of several
    SIZE = "size"  # the demand is larger than the empty slot
    APART = "apart"  # another demand that must be apart from it is there
    FULL = "full"  # others take the memory
    COUNT = "count"  # the slot itself would do, but too few such slots are there


@dataclass(frozen=True)
class Obstacle:
    """Why one demand cannot take one slot in one shape, beside the demands that were placed.

    Args:
        demand: the id of the demand.
        slot: the id of the slot.
        shape: the shape that comes nearest on this slot.
        barrier: the reason.
        short_gib: how much is missing on the slot; 0 where memory is not the reason.
        others: the demands on the slot that stand in the way.
    """

    demand: str
    slot: str
    shape: Shape
    barrier: Barrier
    short_gib: float = 0.0
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unplaced:
    """No placement was found.

    Args:
        demands: what the best attempt leaves over, in the order of ids.
        obstacles: for each of them and each slot what stands in the way; the nearest to a place first.
        rest: where the attempt puts the other demands.
        proven: no placement of all demands exists; else the search gave up.
    """

    demands: tuple[str, ...]
    obstacles: tuple[Obstacle, ...]
    rest: Placement
    proven: bool
