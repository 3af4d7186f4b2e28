"""The Plan: everything decided, nothing executed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from stackgen.parts import Gpu, Instance, Need, Route, Secret, Service, Storage
from stackgen.sources import Origin, Path
from stackgen.spec import Gateway


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
    secrets: tuple[Secret, ...]
    cards: tuple[CardPlan, ...]
    warnings: tuple[str, ...]
    origins: Mapping[Path, Origin]

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

    @property
    def gateway_url(self) -> str:
        """Where clients on this host find the gateway."""
        address = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.gateway.address, self.gateway.address)  # noqa: S104
        if ":" in address and not address.startswith("["):
            address = f"[{address}]"
        return f"http://{address}:{self.gateway.port}"


def service_url(service: str, port: int, path: str = "") -> str:
    """The one place where the URL of a service is built; names resolve inside the stack's networks."""
    return f"http://{service}:{port}{path}"
