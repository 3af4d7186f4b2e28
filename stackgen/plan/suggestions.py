"""Changes of a spec that the planner has tried itself: each makes fit what did not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from stackgen.memory import weights
from stackgen.parts import Engine, Gpu, Instance, ServedModel
from stackgen.plan.arrangement import arrange
from stackgen.plan.bench import Bench, with_model
from stackgen.plan.halving import largest
from stackgen.plan.troubles import Kind, Trouble, troubles
from stackgen.plan.units import CARD_COUNTS, Unit
from stackgen.records import dataclass

_CONTEXT_STEP = 1024
_MOST = 6


@dataclass(frozen=True)
class Saving:
    """A change of one model, and the line to write for it."""

    line: str
    model: str
    change: Callable[[ServedModel], ServedModel]


def suggestions(trouble: Trouble, bench: Bench) -> list[str]:
    """Lines to write, the gentlest first; none where nothing that was tried helps."""
    found: dict[str, None] = {}
    for line in _tried(trouble, bench):
        found[line] = None
        if len(found) == _MOST:
            break
    return list(found)


def _tried(trouble: Trouble, bench: Bench) -> Iterator[str]:
    if trouble.kind is Kind.REFUSED:
        yield from _other_counts(trouble, bench)
        yield from _other_cards(trouble, bench)
        return
    for instance in _concerned(trouble, bench):
        engine = bench.engines[instance.engine]
        for served in bench.models(instance):
            yield from _smaller_shares(trouble, bench, engine, served)
            yield from _fewer_requests(trouble, bench, engine, served)
            yield from _savings(trouble, bench, engine, served)
            yield from _shorter_contexts(trouble, bench, engine, served)
            yield from _smaller_variants(trouble, bench, served)
    yield from _own_instances(trouble, bench)
    yield from _free_choice(trouble, bench)
    yield from _other_counts(trouble, bench)
    yield from _several(trouble, bench)
    yield from _other_cards(trouble, bench)


def _concerned(trouble: Trouble, bench: Bench) -> list[Instance]:
    """Whose change could help: the one that is told first, then the others by name; a model once, whatever its replicas."""
    others = list(trouble.tenants)
    if trouble.kind is Kind.HOMELESS:
        others += [unit.instance for unit in bench.units if unit.cards != 0]
    found = {trouble.instance.name: trouble.instance}
    found |= {other.name: other for other in sorted(others, key=lambda other: other.name)}
    return [instance for instance in found.values() if instance.replica == 0]


def _options(served: ServedModel, **values: Any) -> ServedModel:
    return replace(served, options=served.options.model_copy(update=values))


def _fields(served: ServedModel, **values: Any) -> ServedModel:
    return replace(served, model=served.model.model_copy(update=values))


def _smaller_shares(trouble: Trouble, bench: Bench, engine: Engine, served: ServedModel) -> Iterator[str]:
    """The share that somebody wrote: another one, or none at all."""
    option = engine.memory_share
    if not option or served.value(f"options.{option}") is None:
        return
    for percent in _other_shares(trouble, served.value(f"options.{option}")):
        if bench.helps_with(trouble, _options(served, **{option: percent / 100})):
            yield f"`{option}: {percent / 100:.2f}` under `options` of `{served.id}`"
            break
    if bench.helps_with(trouble, _options(served, **{option: None})):
        yield f"no `{option}` under `options` of `{served.id}`: the planner works it out"


def _other_shares(trouble: Trouble, share: float) -> Iterator[int]:
    """The share that is just enough for a need, and the one that is just small enough for a card, in percent."""
    if trouble.gpu is None:
        return
    visible = trouble.gpu.card.visible_gib
    over = (trouble.needed_gib - trouble.given_gib) / visible
    if trouble.kind is Kind.TOO_LARGE:
        yield math.ceil((share + over) * 100)
    elif share > over:
        yield math.floor((share - over) * 100)


def _fewer_requests(trouble: Trouble, bench: Bench, engine: Engine, served: ServedModel) -> Iterator[str]:
    asked = served.model.concurrency
    if "concurrency" not in engine.fields or not asked or asked == 1:
        return
    fitting = largest(1, asked - 1, 1, lambda count: bench.helps_with(trouble, _fields(served, concurrency=count)))
    if fitting:
        yield f"`concurrency: {fitting}` of `{served.id}`"


def _shorter_contexts(trouble: Trouble, bench: Bench, engine: Engine, served: ServedModel) -> Iterator[str]:
    asked = served.model.context or (served.known.longest_context if served.known else 0)
    if "context" not in engine.fields or asked <= _CONTEXT_STEP:
        return
    fitting = largest(
        _CONTEXT_STEP,
        asked - 1,
        _CONTEXT_STEP,
        lambda tokens: bench.helps_with(trouble, _fields(served, context=tokens)),
    )
    if fitting:
        yield f"`context: {fitting}` of `{served.id}`"


def _savings(trouble: Trouble, bench: Bench, engine: Engine, served: ServedModel) -> Iterator[str]:
    """Options with which the engine takes less, in its own order; of each the value that takes least away."""
    for option, values in engine.savings.items():
        smaller = _smaller(served.value(f"options.{option}"), values)
        fitting = (value for value in smaller if bench.helps_with(trouble, _options(served, **{option: value})))
        value = next(fitting, None)
        if value is not None:
            yield f"`{option}: {value}` under `options` of `{served.id}`"


def _smaller(now: object, values: Sequence[Any]) -> list[Any]:
    """The values of a saving that take less than what is said now, each less than the one before."""
    left = values[values.index(now) + 1 :] if now in values else values
    return [value for value in left if not (isinstance(value, int) and isinstance(now, int) and now <= value)]


def _smaller_variants(trouble: Trouble, bench: Bench, served: ServedModel) -> Iterator[str]:
    """Quantised builds of the same model, the largest first; those without a name are worth a search."""
    if served.known is None:
        return
    for build in reversed(weights.builds(served.known)):
        source = build.source or served.model.source
        known = bench.catalogue.models.get(build.source) or replace(
            served.known, source=source, weights_gib=build.weights_gib, quantization=build.quantization
        )
        if bench.helps_with(trouble, replace(_fields(served, source=source), known=known)):
            size = f"{build.weights_gib:.1f} GiB of weights{', an estimate' if build.is_estimate else ''}"
            line = f"`source: {source}` of `{served.id}`, {size}"
            yield line if build.source else f"a build in {build.quantization} as `source` of `{served.id}`, {size}"


def _own_instances(trouble: Trouble, bench: Bench) -> Iterator[str]:
    """A process of its own for one of several models that share one: then they need not be on the same card."""
    concerned = {instance.name for instance in _concerned(trouble, bench)}
    for unit in bench.units:
        models = unit.instance.models
        if unit.instance.name not in concerned or not unit.is_free or len(models) == 1:
            continue
        for served in models:
            left = replace(
                unit, instance=replace(unit.instance, models=tuple(one for one in models if one is not served))
            )
            name = f"{unit.instance.engine}-{served.id}"
            own = replace(unit, instance=replace(unit.instance, name=name, models=(served,)))
            others = [other for other in bench.units if other is not unit]
            if bench.helps(trouble, [*others, left, own]):
                yield f"`instance: {served.id}` of `{served.id}`: a process of its own"
                break


def _several(trouble: Trouble, bench: Bench) -> Iterator[str]:
    """Where no single saving is enough: as few of all of them together as are."""
    savings = [
        saving
        for instance in _concerned(trouble, bench)
        for served in bench.models(instance)
        for saving in _strongest(bench.engines[instance.engine], served)
    ]
    if len(savings) < 2 or not _helps_all(trouble, bench, savings):  # noqa: PLR2004 - one alone was tried
        return
    needed = list(savings)
    for saving in savings:
        fewer = [other for other in needed if other is not saving]
        if _helps_all(trouble, bench, fewer):
            needed = fewer
    if len(needed) > 1:
        yield " together with ".join(saving.line for saving in needed)


def _strongest(engine: Engine, served: ServedModel) -> Iterator[Saving]:
    """Of every saving the value that takes least, as a line and as a change."""
    for option, values in engine.savings.items():
        smaller = _smaller(served.value(f"options.{option}"), values)
        if smaller:
            line = f"`{option}: {smaller[-1]}` under `options` of `{served.id}`"
            yield Saving(line, served.id, partial(_options, **{option: smaller[-1]}))
    if "concurrency" in engine.fields and (served.model.concurrency or 1) > 1:
        yield Saving(f"`concurrency: 1` of `{served.id}`", served.id, partial(_fields, concurrency=1))


def _helps_all(trouble: Trouble, bench: Bench, savings: Sequence[Saving]) -> bool:
    units = list(bench.units)
    for saving in savings:
        units = [
            with_model(unit, saving.change(served))
            if (served := next((one for one in unit.instance.models if one.id == saving.model), None))
            else unit
            for unit in units
        ]
    return bench.helps(trouble, units)


def _free_choice(trouble: Trouble, bench: Bench) -> Iterator[str]:
    """The planner's own choice of cards in the place of those that were named."""
    names = {served.id for served in trouble.instance.models}
    if len(bench.gpus) == 1 or not trouble.instance.gpus or not _is_pinned(trouble.instance):
        return
    freed = [
        replace(unit, instance=replace(unit.instance, gpus=(), tensor_parallel=1), cards=None)
        if names & {served.id for served in unit.instance.models}
        else unit
        for unit in bench.units
    ]
    outcome = arrange(freed, bench.gpus, bench.engines)
    if any(trouble.names & other.names for other in troubles(outcome, bench.engines)):
        return
    cards = next(one.gpus for one in outcome.instances if one.name == trouble.instance.name)
    listed = ", ".join(gpu.id for gpu in cards)
    for identifier in sorted(names):
        yield f"`gpus: [{listed}]` of `{identifier}`"


def _other_counts(trouble: Trouble, bench: Bench) -> Iterator[str]:
    """More cards of the same kind for one model, where the machine has them; other numbers where heads do not go round."""
    instance = trouble.instance
    engine = bench.engines[instance.engine]
    if not engine.many_cards or instance.models[0].model.replicas > 1:
        return
    now = len(instance.gpus)
    for count in CARD_COUNTS:
        if count == now or count > len(bench.gpus) or (count < now and trouble.kind is not Kind.REFUSED):
            continue
        for cards in _alike(bench.gpus, instance, count):
            units = [_on_cards(unit, cards) if unit.instance.name == instance.name else unit for unit in bench.units]
            if bench.helps(trouble, units):
                yield f"`gpus: [{', '.join(gpu.id for gpu in cards)}]` of `{instance.models[0].id}`"
                break


def _alike(gpus: Sequence[Gpu], instance: Instance, count: int) -> Iterator[tuple[Gpu, ...]]:
    """Sets of so many cards of one kind, the instance's own first."""
    kinds = dict.fromkeys(gpu.card.id for gpu in (*instance.gpus, *gpus))
    for kind in kinds:
        ordered = [gpu for gpu in gpus if gpu.card.id == kind]
        ordered.sort(key=lambda gpu: gpu not in instance.gpus)
        if len(ordered) >= count and (count == 1 or not ordered[0].card.is_slice):
            yield tuple(sorted(ordered[:count], key=gpus.index))


def _on_cards(unit: Unit, cards: tuple[Gpu, ...]) -> Unit:
    return replace(unit, instance=replace(unit.instance, gpus=cards, tensor_parallel=len(cards)), cards=len(cards))


def _other_cards(trouble: Trouble, bench: Bench) -> Iterator[str]:
    """The smallest kind of card in whose place everything here fits."""
    there = trouble.instance.gpus or bench.gpus
    own, vendor = {gpu.card.id for gpu in there}, there[0].card.vendor
    kinds = sorted(
        (card for card in bench.catalogue.cards.values() if card.vendor == vendor and not card.is_slice),
        key=lambda card: (card.visible_gib, card.id),
    )
    for card in kinds:
        gpus = [replace(gpu, card=card) if gpu.card.id in own else gpu for gpu in bench.gpus]
        swapped = {gpu.id: gpu for gpu in gpus}
        units = [
            replace(unit, instance=replace(unit.instance, gpus=tuple(swapped[gpu.id] for gpu in unit.instance.gpus)))
            for unit in bench.units
        ]
        if card.id not in own and bench.helps(trouble, units, gpus):
            names = ", ".join(f"`{gpu.id}`" for gpu in bench.gpus if gpu.card.id in own)
            yield f"`card: {card.id}` of {names}, the smallest kind that holds it: {card.name}, {card.visible_gib:g} GiB"
            return


def _is_pinned(instance: Instance) -> bool:
    return any(served.model.gpus for served in instance.models)
