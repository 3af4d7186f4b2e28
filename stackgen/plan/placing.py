"""Units that leave their cards to the planner: as demands for placement, and back as instances on cards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from stackgen import facts, placement
from stackgen.facts import Card
from stackgen.parts import Engine, Gpu, Instance
from stackgen.placement import Demand, Placement, Shape, Slot, Unplaced
from stackgen.plan.units import Unit, demand_gib


def settled(
    units: Sequence[Unit], gpus: Sequence[Gpu], engines: Mapping[str, Engine]
) -> tuple[list[Instance], Unplaced | None]:
    """The instances of all units, on cards as far as there are cards, and why there are none for some.

    First as if every request that is asked for had its cache; where the cards do not hold that, for one request of full
    length each, without which an engine does not start; where they do not hold that either, on more cards than each needs.
    """
    for wanted, fewest in ((True, True), (False, True), (False, False)):
        answer = placement.place(_slots(gpus), _demands(units, gpus, engines, wanted=wanted, fewest=fewest))
        if isinstance(answer, Placement):
            break
    unplaced = answer if isinstance(answer, Unplaced) else None
    placed = answer.rest if isinstance(answer, Unplaced) else answer
    return [_settled(unit, placed.slots.get(unit.instance.name, ()), gpus) for unit in units], unplaced


def have_room(units: Sequence[Unit], gpus: Sequence[Gpu], engines: Mapping[str, Engine]) -> bool:
    """Whether there are cards for every unit, at the least that each can do with."""
    demands = _demands(units, gpus, engines, wanted=False, fewest=False)
    return isinstance(placement.place(_slots(gpus), demands), Placement)


def _slots(gpus: Sequence[Gpu]) -> list[Slot]:
    reserve = facts.margins().shared_reserve_gib
    return [
        Slot(
            id=gpu.id,
            kind=gpu.card.id,
            capacity_gib=gpu.card.visible_gib,
            reserve_gib=reserve,
            joins=not gpu.card.is_slice,
        )
        for gpu in gpus
    ]


def _demands(
    units: Sequence[Unit], gpus: Sequence[Gpu], engines: Mapping[str, Engine], *, wanted: bool, fewest: bool
) -> list[Demand]:
    return [
        Demand(
            id=unit.instance.name,
            shapes=tuple(_shapes(unit, gpus, engines[unit.instance.engine], wanted=wanted, fewest=fewest)),
            pinned=tuple(gpu.id for gpu in unit.instance.gpus),
            allowed=frozenset(gpu.id for gpu in gpus if unit.runs_on(gpu)),
            apart=unit.instance.models[0].id if unit.instance.models[0].model.replicas > 1 else "",
            exclusion=unit.instance.group.exclusion if unit.instance.group else "",
            group=unit.instance.group.name if unit.instance.group else "",
        )
        for unit in units
        if unit.cards != 0
    ]


def _shapes(unit: Unit, gpus: Sequence[Gpu], engine: Engine, *, wanted: bool, fewest: bool) -> Iterator[Shape]:
    """The numbers of cards that a unit can have, with what it takes of each kind of card there is.

    Where the planner finds out how many: of each kind as few as hold one request of full length, or (not `fewest`) any
    number that does. What is wanted beyond that never takes more cards, it ends where a card does.
    """
    kinds = {gpu.card.id: gpu for gpu in gpus if gpu in unit.instance.gpus or unit.runs_on(gpu)}
    for count in unit.card_counts(engine):
        if count > len(gpus):
            break
        possible = {}
        for kind, gpu in kinds.items():
            gib = _taken_gib(_on(unit.instance, (gpu,) * count), engine, gpu.card, wanted=wanted)
            if gib is not None:
                possible[kind] = gib
            elif unit.instance.gpus:  # a pin is kept whatever it costs; what does not fit there is told card by card
                possible[kind] = gpu.card.visible_gib
        if possible:
            yield Shape(count=count, gib=possible)
        if fewest:
            kinds = {kind: gpu for kind, gpu in kinds.items() if kind not in possible}


def _taken_gib(instance: Instance, engine: Engine, card: Card, *, wanted: bool) -> float | None:
    """What an instance takes of each of its cards: what is wanted as far as a card goes, but never less than it needs."""
    least = demand_gib(instance, engine, card, len(instance.gpus), wanted=False)
    if least is None or not wanted:
        return least
    most = demand_gib(instance, engine, card, len(instance.gpus), wanted=True)
    return facts.margins().largest_share * card.visible_gib if most is None else max(least, most)


def _on(instance: Instance, gpus: tuple[Gpu, ...]) -> Instance:
    return replace(instance, gpus=gpus, tensor_parallel=max(1, len(gpus)))


def _settled(unit: Unit, slots: Sequence[str], gpus: Sequence[Gpu]) -> Instance:
    """The unit's instance on the cards it got, in the order of the inventory; pinned ones keep their own order."""
    if unit.instance.gpus or unit.cards == 0:
        return unit.instance
    return _on(unit.instance, tuple(gpu for gpu in gpus if gpu.id in set(slots)))
