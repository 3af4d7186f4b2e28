"""Memory on each card: who takes how much, and whether it fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stackgen.errors import Place, Problem
from stackgen.parts import Engine, Gpu, Instance, Need
from stackgen.plan.model import CardPlan, CardUse
from stackgen.plan.model_checks import longest_context
from stackgen.sources import Layer, Loaded, Path

RESERVE_GIB = 1.0
"""Left free on a shared card: what CUDA contexts and allocators of neighbours take beside the plan (vLLM start logs)."""
_CONTEXT_STEP = 16


def card_plans(found: list[Instance], gpus: list[Gpu], engines: Mapping[str, Engine]) -> list[CardPlan]:
    """Every card of the inventory with its tenants, in the order of the inventory."""
    return [
        CardPlan(
            gpu=gpu,
            uses=tuple(_use(instance, gpu, engines[instance.engine]) for instance in found if gpu in instance.gpus),
        )
        for gpu in gpus
    ]


def memory_problems(
    loaded: Loaded, plans: list[CardPlan], found: list[Instance], engines: Mapping[str, Engine]
) -> Iterator[Problem]:
    """Instances that do not fit into their share, and cards that are promised twice."""
    by_name = {instance.name: instance for instance in found}
    reported: set[str] = set()
    for plan in plans:
        for use in plan.uses:
            instance = by_name[use.instance]
            if (
                use.need
                and use.taken_gib is not None
                and use.need.total_gib > use.taken_gib
                and use.instance not in reported
            ):
                reported.add(use.instance)
                yield _too_small(loaded, plan.gpu, use, instance, engines[instance.engine])
        limit = plan.gpu.card.visible_gib - (RESERVE_GIB if len(plan.uses) > 1 else 0.0)
        taken = sum(use.taken_gib or 0.0 for use in plan.uses)
        if taken > limit and not reported.intersection(use.instance for use in plan.uses):
            yield _overcommitted(loaded, plan, taken, limit, by_name, engines)


def share_of(instance: Instance, engine: Engine) -> float | None:
    """The share of its card that an instance takes at once; None where it takes what it needs."""
    if not engine.memory_share:
        return None
    share = getattr(instance.models[0].options, engine.memory_share)
    return 1.0 if share is None else float(share)


def _use(instance: Instance, gpu: Gpu, engine: Engine) -> CardUse:
    need = engine.need(instance, gpu.card, instance.tensor_parallel)
    share = share_of(instance, engine)
    if share is not None:
        taken = share * gpu.card.visible_gib
        why = f"{engine.memory_share} {share:g}, taken at start"
        return CardUse(instance=instance.name, taken_gib=taken, need=need, why=why)
    taken_gib = need.total_gib if need else None
    return CardUse(instance=instance.name, taken_gib=taken_gib, need=need, why="takes what it needs")


def _too_small(loaded: Loaded, gpu: Gpu, use: CardUse, instance: Instance, engine: Engine) -> Problem:
    need, taken = use.need, use.taken_gib
    assert need is not None  # noqa: S101 - the caller looked
    assert taken is not None  # noqa: S101
    served = instance.models[0]
    share = f"{taken:.1f} of the {gpu.card.visible_gib:g} GiB of `{gpu.id}` ({use.why})"
    message = f"`{served.id}` needs {described(need)} and gets {share}"
    room = taken - need.weights_gib - need.overhead_gib
    option = engine.memory_share
    if need.total_gib <= gpu.card.visible_gib - RESERVE_GIB:
        enough = -int(-need.total_gib / gpu.card.visible_gib * 100 // 1) / 100
        place = _written(loaded, (*served.path, "options", option))
        return Problem(place, message, f"write `{option}: {enough:.2f}` or more under `options` of `{served.id}`")
    if served.model.context and room > 0:
        largest = int(served.model.context * room / need.cache_gib) // _CONTEXT_STEP * _CONTEXT_STEP
        largest = min(largest, longest_context(served, engine) or largest)
        return Problem(
            _written(loaded, (*served.path, "context")), message, f"`context: {largest}` of `{served.id}` fits"
        )
    return Problem(
        loaded.place(served.path, of_key=True), message, "it needs a larger card, more cards, or a smaller model"
    )


def _overcommitted(
    loaded: Loaded,
    plan: CardPlan,
    taken: float,
    limit: float,
    by_name: Mapping[str, Instance],
    engines: Mapping[str, Engine],
) -> Problem:
    uses = ", ".join(f"{use.instance} {use.taken_gib:.1f}" for use in plan.uses if use.taken_gib is not None)
    message = f"`{plan.gpu.id}` has {limit:.1f} GiB to give and {taken:.1f} GiB are taken: {uses}"
    sharing = [by_name[use.instance] for use in plan.uses if engines[by_name[use.instance].engine].memory_share]
    if not sharing:
        return Problem(
            loaded.place(("gpus", plan.gpu.id), of_key=True), message, "move a model to another card or to the CPU"
        )
    largest = max(sharing, key=lambda instance: share_of(instance, engines[instance.engine]) or 0.0)
    option, served = engines[largest.engine].memory_share, largest.models[0]
    visible = plan.gpu.card.visible_gib
    room = (share_of(largest, engines[largest.engine]) or 0.0) - (taken - limit) / visible
    need = next(use.need for use in plan.uses if use.instance == largest.name)
    place = _written(loaded, (*served.path, "options", option))
    if room * visible < (need.total_gib if need else 0.0) or room <= 0:
        return Problem(place, message, "move a model to another card or to the CPU")
    return Problem(
        place, message, f"`{option}: {int(room * 100) / 100:.2f}` under `options` of `{served.id}` makes room"
    )


def _written(loaded: Loaded, path: Path) -> Place:
    """Where the spec says a value; where a profile does, the model in the spec: that is where the user can change it."""
    origin = loaded.merged.origins.get(path)
    return loaded.place(path) if origin and origin.layer is Layer.SPEC else loaded.place(path[:2], of_key=True)


def described(need: Need) -> str:
    """A need with its parts."""
    parts = f"{need.weights_gib:.1f} weights + {need.cache_gib:.1f} cache + {need.overhead_gib:.1f} overhead"
    return f"{need.total_gib:.1f} GiB ({parts})"
