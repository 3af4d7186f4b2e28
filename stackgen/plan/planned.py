"""What the plan expects of the memory of one instance, to be compared with what its engine tells."""

from __future__ import annotations

from stackgen.parts import Instance
from stackgen.plan.model import Plan
from stackgen.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Planned:
    """Memory of one instance on each of its cards, in GiB; None where the plan has no figure."""

    weights_gib: float | None = None
    cache_gib: float | None = None
    """What is left for the cache: of an engine that takes a share of its card at once, the rest of that."""
    cache_tokens: int | None = None
    requests: float | None = None
    """Requests of full length that the cache holds at once."""
    overhead_gib: float | None = None
    budget_gib: float | None = None
    """What the engine takes at once; None for one that takes what it needs."""


def planned(plan: Plan, instance: Instance) -> Planned:
    """What the plan expects of an instance, on its smallest card; nothing of stand-ins, which have no memory."""
    memory = plan.memory.get(instance.name)
    if plan.simulated or memory is None or memory.need is None:
        return Planned()
    held = memory.held
    return Planned(
        weights_gib=memory.need.weights_gib,
        cache_gib=memory.cache_gib,
        cache_tokens=held.tokens if held else None,
        requests=held.requests if held else None,
        overhead_gib=memory.need.overhead_gib,
        budget_gib=memory.budget_gib,
    )
