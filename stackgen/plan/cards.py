"""Every card with its tenants, and every instance with what its memory holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stackgen.parts import Engine, Gpu, Instance
from stackgen.plan.arrangement import Arrangement
from stackgen.plan.model import CardPlan, CardUse, Memory, Verdict
from stackgen.plan.shares import Sizing, smallest_card
from stackgen.plan.units import with_margin_gib
from stackgen.records import dataclass


@dataclass(frozen=True)
class Layout:
    """The cards with who is on them, and by its name what each instance's memory holds."""

    cards: tuple[CardPlan, ...]
    memory: Mapping[str, Memory]


def layout(arrangement: Arrangement, gpus: Sequence[Gpu], engines: Mapping[str, Engine]) -> Layout:
    """An arrangement as people look at it: every card of the inventory in its order, every instance on cards."""
    memory = {
        instance.name: _memory(instance, arrangement.sizings[instance.name], engines[instance.engine])
        for instance in arrangement.instances
        if instance.on_gpu
    }
    cards = tuple(
        CardPlan(
            gpu=gpu,
            uses=tuple(
                _use(instance, gpu, arrangement.sizings[instance.name], engines[instance.engine], memory[instance.name])
                for instance in arrangement.instances
                if gpu in instance.gpus
            ),
        )
        for gpu in gpus
    )
    return Layout(cards, memory)


def _use(instance: Instance, gpu: Gpu, sizing: Sizing, engine: Engine, memory: Memory) -> CardUse:
    need, taken = sizing.need, sizing.taken_gib(gpu.card)
    least, why = taken, "takes what it needs"
    if sizing.share is not None:
        if need and not sizing.is_written:
            least = with_margin_gib(need, wanted=False) + need.outside_gib
        why = f"{engine.memory_share} {sizing.share:g}, {'written' if sizing.is_written else 'planned'}"
    return CardUse(
        instance=instance.name,
        group=instance.group,
        taken_gib=taken,
        least_gib=least,
        need=need,
        is_tight=memory.verdict is Verdict.TIGHT,
        why=why,
    )


def _memory(instance: Instance, sizing: Sizing, engine: Engine) -> Memory:
    cache = sizing.cache_gib
    if cache is None and sizing.need is not None:
        cache = max(sizing.need.cache_gib, sizing.need.cache_wanted_gib)
    held = None
    if cache is not None and cache > 0:
        held = engine.holds(instance, smallest_card(instance), instance.tensor_parallel, cache)
    served = instance.models[0]
    return Memory(
        need=sizing.need,
        share=sizing.share,
        budget_gib=None if sizing.share is None else sizing.share * smallest_card(instance).visible_gib,
        cache_gib=cache,
        held=held,
        requests_wanted=(served.model.concurrency or 1) if "concurrency" in engine.fields else 1,
        context=served.model.context or (served.known.longest_context if served.known else None),
    )
