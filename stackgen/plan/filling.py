"""Lengths and numbers of requests that nobody wrote: planned, written into the files, and told to the gateway."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from stackgen import facts
from stackgen.parts import Engine, Gpu, Instance, ServedModel
from stackgen.plan.arrangement import arrange
from stackgen.plan.halving import largest
from stackgen.plan.troubles import troubles
from stackgen.plan.units import Unit
from stackgen.spec import Spec

_STEP = 1024
_OWN = "planned: the model's own length"
_SHORTER = "planned: the longest that fits, in steps of 1024"
_REQUESTS = "planned: nobody says how many requests at the same time"


def filled(units: Sequence[Unit], gpus: Sequence[Gpu], engines: Mapping[str, Engine]) -> list[Unit]:
    """The units with a context and a number of requests for every engine that sets memory aside for them.

    The context is the model's own; where that does not fit, the longest that does. Where not even the shortest fits it is
    left at the model's own, and what is refused says so.
    """
    found = [_with_requests(unit, engines[unit.instance.engine]) for unit in units]
    unsaid = [unit.instance.models[0].id for unit in found if _lacks_context(unit, engines[unit.instance.engine])]
    for identifier in dict.fromkeys(unsaid):
        found = _with_context(found, identifier, None)
    for identifier in dict.fromkeys(unsaid):
        if not _fits(found, identifier, gpus, engines):
            tokens = _longest(found, identifier, gpus, engines)
            found = _with_context(found, identifier, tokens) if tokens else found
    return found


def spec_with(spec: Spec, found: Iterable[Instance]) -> Spec:
    """The spec with what was filled in, for those who read lengths there."""
    models = dict(spec.models)
    for instance in found:
        for served in instance.models:
            names = [name for name in ("context", "concurrency") if name in served.derived]
            update = {name: getattr(served.model, name) for name in names}
            models[served.id] = models[served.id].model_copy(update=update)
    return spec.model_copy(update={"models": models})


def _with_requests(unit: Unit, engine: Engine) -> Unit:
    served = unit.instance.models[0]
    if unit.cards == 0 or not engine.memory_share or served.model.concurrency is not None:
        return unit
    return _changed(unit, _settled(served, "concurrency", facts.margins().usual_requests, _REQUESTS))


def _lacks_context(unit: Unit, engine: Engine) -> bool:
    served = unit.instance.models[0]
    knows = served.known is not None and served.known.longest_context > 0
    return unit.cards != 0 and bool(engine.memory_share) and knows and served.model.context is None


def _with_context(units: Sequence[Unit], identifier: str, tokens: int | None) -> list[Unit]:
    """A model's context in every replica: so many tokens, or its own length."""
    return [
        _changed(unit, _settled(served, "context", tokens or _own_length(served), _SHORTER if tokens else _OWN))
        if (served := unit.instance.models[0]).id == identifier
        else unit
        for unit in units
    ]


def _own_length(served: ServedModel) -> int:
    return served.known.longest_context if served.known else 0


def _settled(served: ServedModel, name: str, value: int, why: str) -> ServedModel:
    model = served.model.model_copy(update={name: value})
    return replace(served, model=model, derived={**served.derived, name: why})


def _changed(unit: Unit, served: ServedModel) -> Unit:
    return replace(unit, instance=replace(unit.instance, models=(served, *unit.instance.models[1:])))


def _fits(units: Sequence[Unit], identifier: str, gpus: Sequence[Gpu], engines: Mapping[str, Engine]) -> bool:
    names = {unit.instance.name for unit in units if unit.instance.models[0].id == identifier}
    return not any(names & trouble.names for trouble in troubles(arrange(units, gpus, engines), engines))


def _longest(units: Sequence[Unit], identifier: str, gpus: Sequence[Gpu], engines: Mapping[str, Engine]) -> int | None:
    """The longest context that fits; None where none does."""
    own = next(_own_length(unit.instance.models[0]) for unit in units if unit.instance.models[0].id == identifier)
    return largest(
        _STEP, own, _STEP, lambda tokens: _fits(_with_context(units, identifier, tokens), identifier, gpus, engines)
    )
