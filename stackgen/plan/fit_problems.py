"""What does not fit, in words: the numbers as a table, and the changes that were tried and help."""

from __future__ import annotations

import math
from collections.abc import Iterator

from stackgen import facts
from stackgen.errors import Place, Problem
from stackgen.facts import Card
from stackgen.memory import GIB
from stackgen.parts import Instance, Need
from stackgen.plan.arrangement import Arrangement
from stackgen.plan.bench import Bench
from stackgen.plan.load import load_gib
from stackgen.plan.shares import Sizing
from stackgen.plan.text import columns
from stackgen.plan.troubles import ONE_SLICE, Kind, Trouble, troubles
from stackgen.plan.units import Unit
from stackgen.sources import Layer, Loaded, Path

_SHOWN_GIB = 0.005
"""Less than this is nothing in a table of two decimals."""


def problems(loaded: Loaded, arrangement: Arrangement, bench: Bench) -> Iterator[Problem]:
    """Every trouble at the line where it can be changed."""
    for trouble in troubles(arrangement, bench.engines):
        table = (f"  {line}" for line in _table(trouble, arrangement, bench))
        message = "\n".join([_headline(trouble, arrangement, bench), *table])
        yield Problem(_place(loaded, trouble, bench), message, _hint(trouble, bench))


def _headline(trouble: Trouble, arrangement: Arrangement, bench: Bench) -> str:
    who = _models(trouble.instance)
    gpu = trouble.gpu
    if gpu is None:
        who = ", ".join(dict.fromkeys(_models(one) for one in trouble.tenants))
        proven = arrangement.unplaced is not None and arrangement.unplaced.proven
        return f"no card is left for {who}{', however the others are moved' if proven else ''}"
    if trouble.kind is Kind.REFUSED:
        return trouble.reason
    if trouble.kind is Kind.UNKNOWN:
        return f"`{gpu.id}` is to be shared out, and how much {who} needs is not known"
    if trouble.kind is Kind.OVERCOMMITTED:
        return f"`{gpu.id}` has {trouble.given_gib:.1f} GiB to give and {trouble.needed_gib:.1f} GiB are taken"
    if trouble.kind is Kind.SMALL_CACHE:
        return f"the cache of {who} is to be {trouble.given_gib:.2f} GiB, and one request takes {trouble.needed_gib:.2f} GiB"
    sizing = arrangement.sizings[trouble.instance.name]
    option = bench.engines[trouble.instance.engine].memory_share
    share = f" ({option} {sizing.share:g})" if sizing.is_written else ""
    each = "each of its cards" if len(trouble.instance.gpus) > 1 else f"`{gpu.id}`"
    return f"{who} needs {trouble.needed_gib:.1f} GiB and gets {trouble.given_gib:.1f} GiB of {each}{share}"


def _models(instance: Instance) -> str:
    return ", ".join(f"`{served.id}`" for served in instance.models)


def _table(trouble: Trouble, arrangement: Arrangement, bench: Bench) -> list[str]:
    if trouble.kind is Kind.TOO_LARGE:
        sizing = arrangement.sizings[trouble.instance.name]
        return columns([*_need_rows(sizing.need, sizing, trouble), *_card_rows(trouble)]) if sizing.need else []
    if trouble.kind is Kind.OVERCOMMITTED and trouble.gpu:
        return columns([*_tenant_rows(trouble, trouble.gpu.card, arrangement), *_card_rows(trouble)])
    if trouble.kind is Kind.HOMELESS:
        return columns(_homeless_rows(trouble, arrangement, bench))
    return []


def _need_rows(need: Need, sizing: Sizing, trouble: Trouble) -> Iterator[tuple[str, ...]]:
    yield "weights", f"{need.weights_gib:.2f} GiB"
    written = need.cache_written_gib
    yield (
        "cache",
        f"{need.cache_gib if written is None else written:.2f} GiB",
        need.why if written is None else "written",
    )
    yield "overhead", f"{need.overhead_gib:.2f} GiB", "activations, sampler, CUDA context, graphs"
    if need.outside_gib:
        yield "outside", f"{need.outside_gib:.2f} GiB", "taken beside its share"
    margin = trouble.needed_gib - need.total_gib - (0.0 if sizing.share is not None else need.outside_gib)
    if margin >= _SHOWN_GIB:
        yield "margin", f"{margin:.2f} GiB", "what caches were found to be off by"


def _tenant_rows(trouble: Trouble, card: Card, arrangement: Arrangement) -> Iterator[tuple[str, ...]]:
    for tenant in trouble.tenants:
        sizing = arrangement.sizings[tenant.name]
        gib = sizing.taken_gib(card)
        taken = "?" if gib is None else f"{gib:.2f} GiB"
        group = f"group {tenant.group.name}" if tenant.group else ""
        yield tenant.name, taken, _parts(sizing), group


def _card_rows(trouble: Trouble) -> Iterator[tuple[str, ...]]:
    gpu = trouble.gpu
    if gpu is None:
        return
    yield gpu.id, f"{gpu.card.visible_gib:.2f} GiB", gpu.card.name
    if trouble.kind is Kind.TOO_LARGE and trouble.given_gib < gpu.card.visible_gib:
        yield "share", f"{trouble.given_gib:.2f} GiB", f"{trouble.given_gib / gpu.card.visible_gib:.2f} of it"
    if trouble.kind is Kind.OVERCOMMITTED and trouble.given_gib < gpu.card.visible_gib:
        yield "reserve", f"{facts.margins().shared_reserve_gib:.2f} GiB", "stays free on a card with several tenants"


def _homeless_rows(trouble: Trouble, arrangement: Arrangement, bench: Bench) -> Iterator[tuple[str, ...]]:
    """What each of them needs of the cards there are, and what the others leave there."""
    for homeless in trouble.tenants:
        unit = next(unit for unit in bench.units if unit.instance.name == homeless.name)
        for card in dict.fromkeys(gpu.card for gpu in bench.gpus if unit.runs_on(gpu)):
            yield homeless.name, ", ".join(_wishes(unit, card, bench))
    for gpu in bench.gpus:
        there = [one for one in arrangement.instances if gpu in one.gpus]
        taken = load_gib((one.group, arrangement.sizings[one.name].taken_gib(gpu.card) or 0.0) for one in there)
        names = ", ".join(one.name for one in there) or "nobody"
        left = f"{gpu.card.visible_gib - taken:.1f} of {gpu.card.visible_gib:.1f} GiB left"
        yield gpu.id, f"{left} on this {gpu.card.name}, where there is {names}"


def _wishes(unit: Unit, card: Card, bench: Bench) -> Iterator[str]:
    """What a unit needs on one card of a kind, and on each of several where it can have them."""
    engine = bench.engines[unit.instance.engine]
    there = sum(1 for gpu in bench.gpus if gpu.card == card)
    for count in unit.card_counts(engine):
        if count > max(1, there):
            return
        reason = ONE_SLICE if count > 1 and card.is_slice else engine.refusal(unit.instance, card, count)
        need = engine.need(unit.instance, card, count)
        each = f"each of {count} {card.name}" if count > 1 else f"one {card.name}"
        wish = f"needs {need.total_gib + need.outside_gib:.1f} GiB of {each}" if need else "needs nobody knows how much"
        yield reason or wish


def _hint(trouble: Trouble, bench: Bench) -> str:
    if trouble.kind is Kind.UNKNOWN:
        named = dict.fromkeys(
            served.model.source for tenant in trouble.tenants for served in tenant.models if served.known is None
        )
        add = ", ".join(facts.command_to_add(name) for name in named)
        option = next(
            engine.memory_share for tenant in trouble.tenants if (engine := bench.engines[tenant.engine]).memory_share
        )
        return f"{add} reads the numbers; or write `{option}:` for those that share the card"
    if trouble.kind is Kind.SMALL_CACHE:
        least = math.ceil(trouble.needed_gib * GIB)
        return f"write {least} bytes or more; left out, the planner works it out"
    if not bench.is_used:
        return ""
    from stackgen.plan.suggestions import suggestions  # noqa: PLC0415 - what fits needs none

    tried = suggestions(trouble, bench)
    if not tried:
        return "nothing that was tried makes it fit; it needs a larger card, more cards, or a smaller model"
    if len(tried) == 1:
        return f"this was tried, and fits: {tried[0]}"
    return "\n".join(["each of these was tried, and fits:", *(f"  {line}" for line in tried)])


def _place(loaded: Loaded, trouble: Trouble, bench: Bench) -> Place:
    served = trouble.instance.models[0]
    option = bench.engines[trouble.instance.engine].memory_share
    if trouble.kind is Kind.REFUSED and served.model.gpus:
        return _written(loaded, (*served.path, "gpus"))
    if option and trouble.kind in {Kind.TOO_LARGE, Kind.OVERCOMMITTED}:
        written = (*served.path, "options", option)
        if written in loaded.merged.origins:
            return _written(loaded, written)
    return loaded.place(served.path, of_key=True)


def _written(loaded: Loaded, path: Path) -> Place:
    """Where the spec says a value; where a profile does, the model in the spec: that is where the user can change it."""
    origin = loaded.merged.origins.get(path)
    return loaded.place(path) if origin and origin.layer is Layer.SPEC else loaded.place(path[:2], of_key=True)


def _parts(sizing: Sizing) -> str:
    need = sizing.need
    if need is None:
        return "nobody knows"
    cache = need.wanted_gib - need.weights_gib - need.overhead_gib if sizing.cache_gib is None else sizing.cache_gib
    parts = {"weights": need.weights_gib, "cache": cache, "overhead": need.overhead_gib, "outside": need.outside_gib}
    return " + ".join(f"{gib:.1f} {name}" for name, gib in parts.items() if gib)
