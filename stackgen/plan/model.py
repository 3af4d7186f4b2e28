"""The Plan: everything decided, nothing executed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from stackgen.parts import Arg, Gpu, Instance, Need, Route, Secret, Service, Storage, host_url
from stackgen.plan.deployments import Deployment
from stackgen.sources import Origin, Path
from stackgen.spec import Gateway, Network, Place


@dataclass(frozen=True, kw_only=True)
class CardUse:
    """What one instance takes of one card. `taken_gib` is None where the catalogue does not know a model."""

    instance: str
    taken_gib: float | None
    need: Need | None
    why: str


@dataclass(frozen=True, kw_only=True)
class CardPlan:
    """One card and who is on it."""

    gpu: Gpu
    uses: tuple[CardUse, ...]

    @property
    def free_gib(self) -> float:
        """What is left, as far as it is known."""
        return self.gpu.card.visible_gib - sum(use.taken_gib or 0.0 for use in self.uses)


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
    warnings: tuple[str, ...]
    origins: Mapping[Path, Origin]
    simulated: bool = False
    """Whether stand-ins run in the place of engines."""

    def origin(self, path: Path) -> Origin | None:
        """Who said the value at a path of the merged spec; None where an engine decided."""
        return self.origins.get(path) if path else None

    @cached_property
    def service_names(self) -> frozenset[str]:
        """Names of all services."""
        return frozenset(service.name for service in self.services)

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

    @cached_property
    def shared_names(self) -> frozenset[str]:
        """Public names that more than one deployment answers to."""
        names = [deployment.public_name for deployment in self.deployments]
        return frozenset(name for name in names if names.count(name) > 1)

    def verb(self, words: str) -> str:
        """A command of ours about this stack, as people are told to write it."""
        return command(words, simulated=self.simulated)

    def told(self, hint: str) -> str:
        """A hint out of a data file: our verbs about this stack in the place of {up}, {down}, {status} and {logs}.

        {project} is the name of the stack.
        """
        return hint.format_map({verb: self.verb(verb) for verb in _TOLD_VERBS} | {"project": self.name})

    @property
    def gateway_url(self) -> str:
        """Where clients on this host find the gateway."""
        return host_url(self.gateway.address, self.gateway.port)
