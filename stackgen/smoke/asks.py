"""Who is asked what: every probe of every deployment, or those that somebody wishes for."""

from __future__ import annotations

from collections.abc import Iterator

from stackgen.backing import litellm
from stackgen.errors import StackError
from stackgen.modalities import MODALITIES, Probe
from stackgen.parts import Route
from stackgen.plan import Plan
from stackgen.records import dataclass
from stackgen.sources import describe, nearest

TOKENS = 20_000
"""Enough for five models that think and call tools, on both ways."""
SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """Whom to ask, and what all requests together may cost."""

    models: tuple[str, ...] = ()
    """Ids or public names; none for all."""
    modalities: tuple[str, ...] = ()
    tokens: int = TOKENS
    """Most that may be read and written."""
    seconds: float = SECONDS


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One probe of one deployment."""

    route: Route
    name: str
    """What results call it."""
    public_name: str
    model: str
    """What the gateway is asked for: a public name, or the id of a deployment among those that share one."""
    probe: Probe
    position: int
    """Among the probes of its model; the first one fits every model."""
    service: str
    also_straight: bool = False
    equals: frozenset[str] = frozenset()
    """Ids of those who share the name that is asked, of whom any may answer; empty where one server is meant."""


def chosen(plan: Plan, wishes: Wishes) -> list[Ask]:
    """What is asked.

    Raises:
        StackError: somebody wishes for a model or modality that the stack does not have, or that sleeps.
    """
    models = {name for route in plan.routes for name in (route.model, *route.public_names)}
    modalities = {route.modality for route in plan.routes}
    for wished, known, what in ((wishes.models, models, "model"), (wishes.modalities, modalities, "modality")):
        for name in wished:
            if name not in known:
                _refuse_sleeper(plan, name)
                raise StackError(f"the stack has no {what} {describe(name)}", hint=nearest(name, known))
    found = [ask for ask in _asks(plan) if _is_wished(ask, wishes)]
    if not found:
        words = f"{' or '.join(wishes.models)} does not serve {' or '.join(wishes.modalities)}"
        raise StackError(f"nothing to ask: {words}", hint="drop one of --model and --modality")
    return found


def _refuse_sleeper(plan: Plan, name: str) -> None:
    """Refuse a model or modality that the stack has, but that nobody serves who is awake."""
    groups = {model: group.name for group in plan.groups for model in group.models}
    for route in plan.asleep:
        if name in {route.model, route.modality, *route.public_names}:
            group = groups[route.model]
            hint = plan.verb(f"up --group {group}")
            raise StackError(f"{describe(name)} sleeps: the group `{group}` is not active", hint=hint)


def _is_wished(ask: Ask, wishes: Wishes) -> bool:
    names = {ask.public_name} if ask.equals else {ask.public_name, ask.route.model}
    fits_model = not wishes.models or bool(names.intersection(wishes.models))
    return fits_model and (not wishes.modalities or ask.route.modality in wishes.modalities)


def _asks(plan: Plan) -> Iterator[Ask]:
    """Every probe of every deployment; those that share a name are asked one by one, and once by the name."""
    ids = {(entry.route.model, entry.route.service, entry.public_name): entry.id for entry in plan.deployments}
    equals = {
        name: frozenset(entry.id for entry in plan.deployments if entry.public_name == name)
        for name in plan.shared_names
    }
    shared: set[tuple[str, str]] = set()
    for route in plan.routes:
        probes = MODALITIES[route.modality].probes_for(route.quirks)
        for name in route.public_names:
            several = name in plan.shared_names
            identifier = ids.get((route.model, route.service, name), name)
            for position, probe in enumerate(probes):
                yield Ask(
                    route=route,
                    name=f"{name} ({identifier})" if several else name,
                    public_name=name,
                    model=identifier if several else name,
                    probe=probe,
                    position=position,
                    service=route.service,
                    also_straight=bool(route.url) and name == route.public_names[0],
                )
            if several and (name, route.modality) not in shared:
                shared.add((name, route.modality))
                yield Ask(
                    route=route,
                    name=name,
                    public_name=name,
                    model=name,
                    probe=probes[0],
                    position=0,
                    service=litellm.NAME,
                    equals=equals[name],
                )
