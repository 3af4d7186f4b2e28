"""The Plan: everything decided, nothing executed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from functools import cached_property
from itertools import combinations
from typing import Any

from stackgen import facts
from stackgen.parts import Arg, Gpu, Group, Held, Instance, Need, Route, Secret, Service, Storage, host_url, together
from stackgen.plan.deployments import Deployment
from stackgen.plan.disk import Disk
from stackgen.plan.load import load_gib
from stackgen.records import dataclass
from stackgen.sources import Origin, Path
from stackgen.spec import Gateway, Network, Place


class Verdict(StrEnum):
    """How well something fits."""

    FITS = "PASS"
    TIGHT = "TIGHT"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What one instance's memory on its cards holds."""

    need: Need | None
    """On each of its cards; None where the catalogue does not know a model."""
    share: float | None
    """Of each card that it takes at once; None where it takes what it needs."""
    budget_gib: float | None
    """That share of its smallest card."""
    cache_gib: float | None
    """On each card; None where nobody knows."""
    held: Held | None
    """What the cache holds; None where there is none that requests share, or nobody knows."""
    requests_wanted: int
    """Of full length, at the same time."""
    context: int | None
    """Tokens of a request of full length."""

    @property
    def verdict(self) -> Verdict:
        """Tight where fewer requests of full length fit than are to be answered at the same time."""
        if self.need is None:
            return Verdict.UNKNOWN
        short = self.held is not None and self.held.requests < self.requests_wanted
        return Verdict.TIGHT if short else Verdict.FITS


@dataclass(frozen=True, kw_only=True)
class CardUse:
    """What one instance takes of one card. `taken_gib` is None where the catalogue does not know a model."""

    instance: str
    group: Group | None
    """None where it is always there."""
    taken_gib: float | None
    least_gib: float | None
    """What it cannot do without: less than it takes, where it was given room for more requests."""
    need: Need | None
    is_tight: bool
    """Whether it holds fewer requests than it is asked for."""
    why: str


@dataclass(frozen=True, kw_only=True)
class CardPlan:
    """One card and who is on it."""

    gpu: Gpu
    uses: tuple[CardUse, ...]

    @property
    def free_gib(self) -> float:
        """What is left while the largest set of groups is active, as far as it is known."""
        return self.gpu.card.visible_gib - load_gib((use.group, use.taken_gib or 0.0) for use in self.uses)

    @property
    def verdict(self) -> Verdict:
        """Tight where somebody holds less than is asked for, or a release that needs a little more would not start."""
        if any(use.need is None for use in self.uses):
            return Verdict.UNKNOWN
        margins = facts.margins()
        shared = any(together(one.group, other.group) for one, other in combinations(self.uses, 2))
        reserve = margins.shared_reserve_gib if shared else 0.0
        least = load_gib((use.group, use.least_gib or 0.0) for use in self.uses)
        spare = self.gpu.card.visible_gib - reserve - least
        is_tight = any(use.is_tight for use in self.uses) or spare < margins.tight_headroom * self.gpu.card.visible_gib
        return Verdict.TIGHT if self.uses and is_tight else Verdict.FITS


_TOLD_VERBS = ("up", "down", "status", "logs")


def command(words: str, *, simulated: bool) -> str:
    """A command of ours about a stack or about its simulation, as people are told to write it."""
    return f"stackgen {words}{' --simulate' if simulated else ''}"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A pure function of spec, profiles and inventory: the same input gives the same plan, on a server or in CI."""

    name: str
    spec_file: str
    profiles: tuple[str, ...]
    gateway: Gateway
    instances: tuple[Instance, ...]
    services: tuple[Service, ...]
    routes: tuple[Route, ...]
    deployments: tuple[Deployment, ...]
    raw_gateway: Mapping[str, Any]
    """Sections of the gateway's file in its own words, laid over the rendered ones, last."""
    pass_through_keys: Mapping[str, Arg]
    """Secret of each path that goes elsewhere as it is, by its id."""
    network: Network
    places: Mapping[str, Place]
    """Where a storage is kept, where that is no volume of the stack."""
    secrets: tuple[Secret, ...]
    cards: tuple[CardPlan, ...]
    memory: Mapping[str, Memory]
    """What instances on cards hold, by their name."""
    disk: Disk
    warnings: tuple[str, ...]
    origins: Mapping[Path, Origin]
    groups: tuple[Group, ...] = ()
    """Models that take turns, in the order of the spec."""
    asleep: tuple[Route, ...] = ()
    """Ways to models of groups that sleep: the gateway does not have them, and nobody is at their end."""
    sleeping_names: Mapping[str, str] = field(default_factory=dict)
    """Public names and aliases that nobody answers to until another group is active, each with that group's name."""
    simulated: bool = False
    """Whether stand-ins run in the place of engines."""

    def origin(self, path: Path) -> Origin | None:
        """Who said the value at a path of the merged spec; None where an engine decided."""
        return self.origins.get(path) if path else None

    @cached_property
    def service_names(self) -> frozenset[str]:
        """Names of all services."""
        return frozenset(service.name for service in self.services)

    @cached_property
    def services_by_name(self) -> Mapping[str, Service]:
        """All services by their names."""
        return {service.name: service for service in self.services}

    @cached_property
    def instances_by_model(self) -> Mapping[str, tuple[Instance, ...]]:
        """The instances that serve each model, one for each replica, by the model's id."""
        found: dict[str, tuple[Instance, ...]] = {}
        for instance in self.instances:
            for served in instance.models:
                found[served.id] = (*found.get(served.id, ()), instance)
        return found

    @property
    def networks(self) -> tuple[str, ...]:
        """Networks in use, in the order of their names."""
        return tuple(sorted({network for service in self.services for network in service.networks}))

    @property
    def storages(self) -> tuple[Storage, ...]:
        """Storages in use, in the order of their names."""
        found = {mount.storage.name: mount.storage for service in self.services for mount in service.mounts}
        return tuple(found[name] for name in sorted(found))

    def kept_in(self, storage: str) -> str:
        """The folder or the volume that holds a storage, as Docker calls it."""
        place = self.places.get(storage)
        return (place and (place.path or place.volume)) or f"{self.name}_{storage}"

    @property
    def active_groups(self) -> tuple[str, ...]:
        """Names of the groups that are active, one for each exclusion."""
        return tuple(group.name for group in self.groups if group.active)

    @property
    def sleepers(self) -> dict[str, list[str]]:
        """The names that sleep, by their groups, in the order of the spec."""
        found = {
            group.name: [name for name, of in self.sleeping_names.items() if of == group.name] for group in self.groups
        }
        return {group: names for group, names in found.items() if names}

    @cached_property
    def shared_names(self) -> frozenset[str]:
        """Public names that more than one deployment answers to."""
        counts = Counter(deployment.public_name for deployment in self.deployments)
        return frozenset(name for name, count in counts.items() if count > 1)

    @cached_property
    def thinking_names(self) -> frozenset[str]:
        """Public names behind which a model thinks before it answers."""
        thinking = (one for one in self.deployments if one.information.get("supports_reasoning"))
        return frozenset(one.public_name for one in thinking)

    def verb(self, words: str) -> str:
        """A command of ours about this stack, as people are told to write it."""
        return command(words, simulated=self.simulated)

    def told(self, hint: str) -> str:
        """A hint out of a data file: our verbs about this stack in the place of {up}, {down}, {status} and {logs}.

        {project} is the name of the stack, {simulate} what another command of ours about a simulation ends with.
        """
        words = {"project": self.name, "simulate": " --simulate" if self.simulated else ""}
        return hint.format_map({verb: self.verb(verb) for verb in _TOLD_VERBS} | words)

    @property
    def gateway_url(self) -> str:
        """Where clients on this host find the gateway."""
        return host_url(self.gateway.address, self.gateway.port)
