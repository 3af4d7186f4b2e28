"""Random placements, and a check of an answer that is written from the definition alone."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

from stackgen.placement import Demand, Placement, Shape, Slot

CARDS = {"t4": 14.56, "l4": 21.95, "rtx": 31.36, "a100-40": 39.39, "l40s": 44.39, "a100": 79.25, "h200": 139.8}
SLICES = {"1g": 9.5, "2g": 19.5, "3g": 39.25}


def instance(seed: int) -> tuple[list[Slot], list[Demand]]:
    """1-16 slots of mixed sizes and kinds, 1-40 demands; every third seed fills the slots nearly to the brim."""
    chance = random.Random(seed)
    slots = _slots(chance)
    demands = _planted(chance, slots) if seed % 3 == 0 else _drawn(chance, slots)
    chance.shuffle(demands)
    return slots, demands[:40]


def _slots(chance: random.Random) -> list[Slot]:
    kinds = chance.sample(sorted(CARDS), chance.choice((1, 1, 2, 2, 3)))
    slots = []
    for number in range(chance.choice((1, 2, 2, 3, 4, 4, 6, 8, 8, 12, 16))):
        kind = chance.choice(kinds)
        reserve = chance.choice((0.0, 0.5, 1.0, 1.0, round(CARDS[kind] * 0.05, 2)))
        slots.append(Slot(f"gpu{number}", kind, CARDS[kind], reserve))
    if chance.random() < 0.2:
        for number in range(chance.randint(1, 4)):
            kind = chance.choice(sorted(SLICES))
            slots.append(Slot(f"mig{number}", kind, SLICES[kind], 0.25, joins=False))
    return slots[:16]


def _planted(chance: random.Random, slots: Sequence[Slot]) -> list[Demand]:
    """Demands that fit by construction: each slot cut into parts, now and then two slots under one demand."""

    demands = []
    most = max(1, 40 // len(slots))
    open_slots = list(slots)
    while open_slots:
        slot = open_slots.pop()
        room = (slot.capacity_gib - slot.reserve_gib) * chance.choice((1.0, 0.995, 0.98, 0.95, 0.9))
        count = chance.randint(1, min(most, 5))
        cuts = sorted(chance.uniform(0, room) for _ in range(count - 1))
        sizes = [max(0.01, int((b - a) * 100) / 100) for a, b in zip([0, *cuts], [*cuts, room], strict=True)]
        mate = next((other for other in open_slots if other.kind == slot.kind and other.joins and slot.joins), None)
        if mate and chance.random() < 0.3:
            open_slots.remove(mate)
            demands.append(Demand(f"m{len(demands)}", (Shape(2, {slot.kind: sizes[0]}),)))
            rest = mate.capacity_gib - mate.reserve_gib - sizes[0]
            sizes = [*sizes[1:], int(rest * 97) / 100] if rest > 0.1 else sizes[1:]
        for size in sizes:
            gib = {kind: size for kind in sorted({other.kind for other in slots}) if chance.random() < 0.8} | {
                slot.kind: size
            }
            pinned = (slot.id,) if chance.random() < 0.04 else ()
            demands.append(Demand(f"m{len(demands)}", (Shape(1, gib),), pinned=pinned))
    return demands


def _drawn(chance: random.Random, slots: Sequence[Slot]) -> list[Demand]:
    """Demands with gangs, replicas, pins, groups, up to a share of all memory."""
    memory = sum(slot.capacity_gib - slot.reserve_gib for slot in slots) * chance.choice(
        (0.6, 0.8, 0.9, 0.95, 0.98, 1.02)
    )
    largest = max(slot.capacity_gib for slot in slots) * chance.choice((0.2, 0.35, 0.5, 0.6, 0.8, 1.0))
    most = chance.choice((40, 40, 40, chance.randint(1, 40)))
    exclusions = {"shift": ("day", "night"), "job": ("a", "b", "c")} if chance.random() < 0.4 else {}
    demands: list[Demand] = []
    taken = 0.0
    while len(demands) < most and taken < memory:
        size = round(chance.uniform(0.1, 1) * chance.uniform(0.1, 1) ** chance.choice((0, 0, 1)) * largest, 2)
        demand = _demand(chance, slots, f"m{len(demands)}", max(0.05, size))
        weight = 1.0
        if exclusions and chance.random() < 0.5:
            exclusion = chance.choice(sorted(exclusions))
            demand = replace(demand, exclusion=exclusion, group=chance.choice(exclusions[exclusion]))
            weight = 1 / len(exclusions[exclusion])
        room_for_copies = len(slots) // demand.shapes[0].count if not demand.pinned else 1
        copies = min(chance.choice((2, 2, 3)), room_for_copies) if chance.random() < 0.12 else 1
        for copy in range(copies):
            apart = demand.id if copies > 1 else ""
            demands.append(replace(demand, id=f"{demand.id}-{copy}" if copy else demand.id, apart=apart))
            taken += size * weight * (len(demand.pinned) or demand.shapes[0].count)
    return demands


def _demand(chance: random.Random, slots: Sequence[Slot], name: str, wish: float) -> Demand:
    kinds = Counter(slot.kind for slot in slots)
    rooms = {slot.kind: slot.capacity_gib - slot.reserve_gib for slot in slots}
    runs = [kind for kind in sorted(kinds) if chance.random() < 0.85] or [chance.choice(sorted(kinds))]
    size = min(wish, 0.96 * max(rooms[kind] for kind in runs))
    gib = {kind: round(size * chance.choice((1, 1, 1, 1.04)), 2) for kind in runs}
    joining = [kind for kind in runs if kind not in SLICES and rooms[kind] > size]
    most = max((kinds[kind] for kind in joining), default=1)
    count = next(count for count in (chance.choice((1, 1, 1, 1, 1, 1, 2, 2, 4)), 2, 1) if count <= most)
    shapes = [Shape(count, gib)]
    if chance.random() < 0.15:
        shapes.append(Shape(count * 2, {kind: round(value * 0.55, 2) for kind, value in gib.items()}))
    demand = Demand(name, tuple(shapes))
    fitting = [slot.id for slot in slots if slot.kind in (joining if count > 1 else runs) and rooms[slot.kind] > size]
    if chance.random() < 0.05 and len(fitting) >= count:
        return replace(demand, pinned=tuple(chance.sample(fitting, count)))
    if chance.random() < 0.1 and len(fitting) > count:
        return replace(demand, allowed=frozenset(chance.sample(fitting, (len(fitting) + count + 1) // 2)))
    return demand


def never_together(one: Demand, other: Demand) -> bool:
    """Whether the two are alternates."""
    return bool(one.exclusion) and one.exclusion == other.exclusion and one.group != other.group


def load_on(kind: str, demands: Sequence[tuple[Demand, Shape]]) -> float:
    """The most that can be active at once of what lies on one slot of that kind, from the definition."""
    always = sum(shape.gib[kind] for demand, shape in demands if not demand.exclusion)
    groups: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for demand, shape in demands:
        if demand.exclusion:
            groups[demand.exclusion][demand.group] += shape.gib[kind]
    return always + sum(max(of_exclusion.values()) for of_exclusion in groups.values())


def violations(slots: Sequence[Slot], demands: Sequence[Demand], placed: Placement) -> Iterator[str]:
    """Every rule that an answer breaks."""
    by_id = {slot.id: slot for slot in slots}
    if set(placed.slots) != {demand.id for demand in demands}:
        yield f"not everything is placed, or more: {sorted(placed.slots)}"
    on: dict[str, list[tuple[Demand, Shape]]] = defaultdict(list)
    for demand in demands:
        cards = [by_id[identifier] for identifier in placed.slots[demand.id]]
        shape = placed.shapes[demand.id]
        yield from (f"{demand.id}: {broken}" for broken in _misplaced(demand, shape, cards))
        for card in cards:
            on[card.id].append((demand, shape))
    for identifier, there in on.items():
        yield from _over(by_id[identifier], there, placed)
    if set(on) != set(placed.load_gib) or set(on) != set(placed.headroom_gib):
        yield "the loads are not those of the used slots"


def _misplaced(demand: Demand, shape: Shape, cards: Sequence[Slot]) -> Iterator[str]:
    ids = {card.id for card in cards}
    if shape not in demand.shapes or not len(ids) == len(cards) == shape.count:
        yield f"{sorted(ids)} for {shape}"
    if any(card.kind not in shape.gib for card in cards):
        yield f"cannot run on all of {sorted(ids)}"
    if demand.pinned and ids != set(demand.pinned):
        yield f"is pinned to {demand.pinned} and lies on {sorted(ids)}"
    if demand.allowed is not None and not ids <= set(demand.allowed):
        yield f"may not use {sorted(ids)}"
    if not demand.pinned and len({card.kind for card in cards}) > 1:
        yield f"lies on several kinds: {sorted(ids)}"
    if len(cards) > 1 and not all(card.joins for card in cards):
        yield f"joins slices: {sorted(ids)}"


def _over(slot: Slot, there: Sequence[tuple[Demand, Shape]], placed: Placement) -> Iterator[str]:
    pairs = list(combinations([demand for demand, _ in there], 2))
    if any(one.apart and one.apart == other.apart for one, other in pairs):
        yield f"replicas share {slot.id}"
    together = any(not never_together(one, other) for one, other in pairs)
    load = load_on(slot.kind, there)
    headroom = slot.capacity_gib - (slot.reserve_gib if together else 0) - load
    if headroom < -1e-6:
        yield f"{slot.id} is over-committed by {-headroom} GiB"
    if abs(placed.load_gib[slot.id] - load) > 1e-6 or abs(placed.headroom_gib[slot.id] - headroom) > 1e-6:
        yield f"{slot.id} holds {load} GiB and leaves {headroom}, not {placed.load_gib[slot.id]}, {placed.headroom_gib[slot.id]}"


def fewest_by_volume(slots: Sequence[Slot], demands: Sequence[Demand]) -> int:
    """Slots that are needed even if memory were a liquid and only what is always active counted."""
    always = sum(
        min(shape.count * min(shape.gib.values()) for shape in demand.shapes)
        for demand in demands
        if not demand.exclusion
    )
    rooms = sorted((slot.capacity_gib for slot in slots), reverse=True)
    count = next(count for count in range(len(rooms) + 1) if sum(rooms[:count]) >= always - 1e-6)
    pinned = {identifier for demand in demands for identifier in demand.pinned}
    words = Counter(demand.apart for demand in demands if demand.apart)
    return max(1, count, len(pinned), *words.values())


def large_instance(seed: int, fill: float) -> tuple[list[Slot], list[Demand]]:
    """64 slots of three kinds and 200 demands that want so much of all memory."""
    chance = random.Random(seed)
    kinds = {"a100": 79.25, "a100-40": 39.39, "l4": 21.95}
    slots = [
        Slot(f"gpu{number}", kind, kinds[kind], 1.0) for number, kind in enumerate(chance.choices(sorted(kinds), k=64))
    ]
    weights = [chance.uniform(0.1, 1) for _ in range(200)]
    scale = fill * sum(slot.capacity_gib - 1 for slot in slots) / sum(weights)
    demands = []
    for number, weight in enumerate(weights):
        size = round(weight * scale, 2)
        count = 2 if chance.random() < 0.08 else 1
        fitting = [kind for kind in kinds if kinds[kind] - 1 >= size]
        gib = {kind: round(size / count, 2) for kind in fitting if kind == fitting[0] or chance.random() < 0.85}
        demand = Demand(f"m{number}", (Shape(count, gib),))
        if chance.random() < 0.1:
            demand = replace(demand, exclusion="shift", group=chance.choice(("day", "night")))
        elif chance.random() < 0.15:
            demand = replace(demand, apart=f"replicas-{number // 4}")
        demands.append(demand)
    return slots, demands
