"""How much of its cards each instance takes: what was written, else what serves everything that is asked for."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from stackgen import facts
from stackgen.facts import Card
from stackgen.parts import Engine, Gpu, Instance, Need, together
from stackgen.plan.load import load_gib
from stackgen.plan.units import SHARE_STEP, share_for, share_of, usual_share, whole_steps
from stackgen.records import dataclass

_STEPS = 100
_ROUNDING = 1e-9
"""Keeps a share such as 0.57 from being 56 steps of 0.01 and a little."""


@dataclass(frozen=True, kw_only=True)
class Sizing:
    """What an instance takes of each of its cards, reckoned on the smallest of them."""

    need: Need | None
    share: float | None
    """Of each card; None where the engine takes what it needs."""
    cache_gib: float | None
    """What a share leaves for the cache; None where nothing is shared out, or nobody knows."""
    beside: tuple[str, ...]
    """Others that can be active on its cards at the same time."""
    is_written: bool
    """Whether somebody wrote the share."""

    def taken_gib(self, card: Card) -> float | None:
        """What it takes of a card, None where nobody knows; a share is one of each card, whatever its size."""
        outside = self.need.outside_gib if self.need else 0.0
        if self.share is not None:
            return self.share * card.visible_gib + outside
        return self.need.wanted_gib + outside if self.need else None


def smallest_card(instance: Instance) -> Card:
    """The card that decides: every rank of a server gets as much as the one with the least."""
    return min((gpu.card for gpu in instance.gpus), key=lambda card: card.visible_gib)


def beside(instance: Instance, found: Iterable[Instance]) -> tuple[str, ...]:
    """Who else can be active on any of its cards at the same time."""
    cards = {gpu.id for gpu in instance.gpus}
    return tuple(
        other.name
        for other in found
        if other.name != instance.name
        and cards.intersection(gpu.id for gpu in other.gpus)
        and together(instance.group, other.group)
    )


def sizings(found: Sequence[Instance], engines: Mapping[str, Engine]) -> dict[str, Sizing]:
    """What every instance on cards takes, by its name.

    Alone on its cards an engine that takes a share gets the usual one, or what one request needs. Beside others it gets
    what all requests need that are asked for; where that is too much for the card, all such engines on it step back
    alike, to one request of full length at the least.
    """
    on_cards = [instance for instance in found if instance.on_gpu]
    needs = {
        instance.name: engines[instance.engine].need(instance, smallest_card(instance), instance.tensor_parallel)
        for instance in on_cards
    }
    given = {instance.name: _range(instance, engines[instance.engine], needs[instance.name]) for instance in on_cards}
    tenants = tenants_of(on_cards)
    sizes = {}
    for instance in on_cards:
        need, others = needs[instance.name], beside(instance, on_cards)
        share = None
        if engines[instance.engine].memory_share:
            step = min(_part_given(instance, gpu, tenants[gpu], given) for gpu in instance.gpus)
            share = _share(instance, engines[instance.engine], need, step, alone=not others)
        sizes[instance.name] = _sizing(instance, engines[instance.engine], need, share, others)
    return sizes


def with_share(instance: Instance, engine: Engine, sizing: Sizing) -> Instance:
    """The instance with the options that make its engine keep to a share which nobody wrote, and those that it must say."""
    served = instance.models[0]
    chosen = dict(engine.usual(instance, smallest_card(instance)))
    whys = dict.fromkeys(chosen, "planned: what this release takes on this card")
    if sizing.share is not None and not sizing.is_written:
        kept = engine.budget(instance, sizing.share, sizing.cache_gib if sizing.beside else None)
        why = f"planned beside {', '.join(sizing.beside)}" if sizing.beside else "planned: the card is its own"
        chosen, whys = {**chosen, **kept}, {**whys, **dict.fromkeys(kept, why)}
    unsaid = {name: value for name, value in chosen.items() if served.value(f"options.{name}") is None}
    derived = {**served.derived, **{f"options.{name}": whys[name] for name in unsaid}}
    options = served.options.model_copy(update=unsaid)
    return replace(instance, models=(replace(served, options=options, derived=derived), *instance.models[1:]))


def _sizing(
    instance: Instance, engine: Engine, need: Need | None, share: float | None, others: tuple[str, ...]
) -> Sizing:
    cache = None
    if share is not None and need is not None:
        left = share * smallest_card(instance).visible_gib - need.weights_gib - need.overhead_gib
        cache = left if need.cache_written_gib is None else need.cache_written_gib
    return Sizing(
        need=need,
        share=share,
        cache_gib=cache,
        beside=others,
        is_written=share_of(instance, engine) is not None,
    )


def _share(instance: Instance, engine: Engine, need: Need | None, step: int, *, alone: bool) -> float:
    written = share_of(instance, engine)
    if written is not None:
        return written
    margins, card = facts.margins(), smallest_card(instance)
    if need is None:
        return usual_share(card)
    least, most = _shares_asked(need, card)
    if alone and need.cache_written_gib is None:
        free = card.visible_gib - need.outside_gib - margins.shared_reserve_gib
        return max(least, min(usual_share(card), whole_steps(free / card.visible_gib / SHARE_STEP)))
    return max(least, whole_steps((least + step / _STEPS * (most - least)) / SHARE_STEP + _ROUNDING))


def _shares_asked(need: Need, card: Card) -> tuple[float, float]:
    """The share that one request of full length needs, and that of all which are asked for."""
    least = share_for(need, card, wanted=False)
    return least, max(least, share_for(need, card, wanted=True))


def _range(instance: Instance, engine: Engine, need: Need | None) -> tuple[float, float]:
    """The least and the most GiB that an instance takes of each card."""
    if need is None:
        return 0.0, 0.0
    if not engine.memory_share:
        return need.wanted_gib + need.outside_gib, need.wanted_gib + need.outside_gib
    card, written = smallest_card(instance), share_of(instance, engine)
    least, most = _shares_asked(need, card) if written is None else (written, written)
    return least * card.visible_gib + need.outside_gib, most * card.visible_gib + need.outside_gib


def tenants_of(found: Iterable[Instance]) -> dict[Gpu, list[Instance]]:
    """Who is on each card that is used."""
    tenants: dict[Gpu, list[Instance]] = {}
    for instance in found:
        for gpu in instance.gpus:
            tenants.setdefault(gpu, []).append(instance)
    return tenants


def _part_given(
    instance: Instance, gpu: Gpu, tenants: Sequence[Instance], given: Mapping[str, tuple[float, float]]
) -> int:
    """How far from its least to its most an instance can go if its neighbours on a card go as far, in percent."""
    there = [tenant for tenant in tenants if together(instance.group, tenant.group)]
    room = gpu.card.visible_gib - facts.margins().shared_reserve_gib

    def load(step: int) -> float:
        return load_gib(
            (tenant.group, given[tenant.name][0] + step / _STEPS * (given[tenant.name][1] - given[tenant.name][0]))
            for tenant in there
        )

    return max(0, bisect_right(range(_STEPS + 1), room, key=load) - 1)
