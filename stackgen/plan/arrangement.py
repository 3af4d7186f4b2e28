"""Units onto cards: pins are kept, for the rest the planner picks cards; then everybody is told how much to take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from stackgen.parts import Engine, Gpu, Instance
from stackgen.plan.shares import Sizing, sizings, with_share
from stackgen.plan.units import Unit
from stackgen.records import dataclass

if TYPE_CHECKING:
    from stackgen.placement import Unplaced


@dataclass(frozen=True, kw_only=True)
class Arrangement:
    """Where every instance runs, and what it takes there."""

    instances: tuple[Instance, ...]
    """In the order of their names; those without a place are without cards."""
    sizings: Mapping[str, Sizing]
    """By instance; of those on cards."""
    unplaced: Unplaced | None
    """Why the planner found no cards for everybody."""
    homeless: frozenset[str]
    """Instances that wait for cards and got none."""


def arrange(units: Sequence[Unit], gpus: Sequence[Gpu], engines: Mapping[str, Engine]) -> Arrangement:
    """Give every unit its cards and its share of them. Pure, and the same for the same input in any order."""
    found, unplaced = [unit.instance for unit in units], None
    if any(unit.is_free for unit in units):
        from stackgen.plan.placing import settled  # noqa: PLC0415 - most specs name their cards, and need no search

        found, unplaced = settled(units, gpus, engines)
    sizes = sizings(found, engines)
    sized = [with_share(one, engines[one.engine], sizes[one.name]) if one.name in sizes else one for one in found]
    homeless = frozenset(
        unit.instance.name for unit, one in zip(units, found, strict=True) if unit.cards != 0 and not one.gpus
    )
    return Arrangement(instances=tuple(sized), sizings=sizes, unplaced=unplaced, homeless=homeless)
