"""Where changes of a spec are tried, before anybody is told of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from stackgen.facts import Catalogue
from stackgen.parts import Engine, Gpu, Instance, ServedModel
from stackgen.plan.arrangement import arrange
from stackgen.plan.troubles import Kind, Trouble, troubles
from stackgen.plan.units import Unit
from stackgen.records import dataclass


@dataclass(frozen=True)
class Bench:
    """What is needed to try something: the units as they are, the cards, the engines, the catalogue."""

    units: Sequence[Unit]
    gpus: Sequence[Gpu]
    engines: Mapping[str, Engine]
    catalogue: Catalogue
    is_used: bool = True
    """Whether anything is to be tried: not where many specs are planned to find one that fits."""

    def models(self, instance: Instance) -> tuple[ServedModel, ...]:
        """The models of an instance as the spec has them, without what the planner derived."""
        return next(unit.instance.models for unit in self.units if unit.instance.name == instance.name)

    def helps(self, trouble: Trouble, units: Sequence[Unit], gpus: Sequence[Gpu] | None = None) -> bool:
        """Whether nobody of a trouble is in trouble any more, nor anybody else is left without a card instead."""
        cards = self.gpus if gpus is None else gpus
        if trouble.kind is Kind.HOMELESS and not self._have_room(units, cards):
            return False
        left = troubles(arrange(units, cards, self.engines), self.engines)
        return not any(trouble.names & other.names or other.kind is Kind.HOMELESS is trouble.kind for other in left)

    def helps_with(self, trouble: Trouble, changed: ServedModel) -> bool:
        """Whether a model that is changed so ends a trouble; every replica of it changes."""
        return self.helps(trouble, [with_model(unit, changed) for unit in self.units])

    def _have_room(self, units: Sequence[Unit], gpus: Sequence[Gpu]) -> bool:
        """Whether there are cards for every unit: the quick answer to most of what is tried."""
        from stackgen.plan.placing import have_room  # noqa: PLC0415 - as in `arrange`

        return have_room(units, gpus, self.engines)


def with_model(unit: Unit, changed: ServedModel) -> Unit:
    """A unit with one of its models changed; others as they are."""
    models = tuple(changed if one.id == changed.id else one for one in unit.instance.models)
    return replace(unit, instance=replace(unit.instance, models=models))
