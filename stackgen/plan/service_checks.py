"""What must hold between services: host ports, names, what they wait for, networks, and where things are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from stackgen.errors import Problem
from stackgen.parts import Group, Instance, Service, Storage, together
from stackgen.plan import openings
from stackgen.plan.names import reached
from stackgen.records import dataclass
from stackgen.sources import Loaded, Path, describe, nearest
from stackgen.spec import Spec

_JOINING = ("network_mode", "ipc", "pid")
"""Raw keys by which a container lives in another one: `service:NAME`."""


@dataclass(frozen=True)
class Services:
    """The services of a stack, and where their raw keys are written."""

    loaded: Loaded
    spec: Spec
    instances: Sequence[Instance]
    services: Sequence[Service]

    def problems(self, storages: Iterable[Storage]) -> Iterator[Problem]:
        """Everything that is wrong between them."""
        yield from self._port_problems()
        yield from self._name_problems()
        for service in self.services:
            yield from self._raw_problems(service)
        yield from self._circle_problems()
        yield from _place_problems(self.loaded, self.spec, storages, complete=self.is_complete)

    @cached_property
    def _names(self) -> Mapping[str, int]:
        """How many services have each name."""
        return Counter(service.name for service in self.services)

    @cached_property
    def _own(self) -> Mapping[str, Service]:
        """The services by their names, without those that the spec adds."""
        return {service.name: service for service in self.services if service.name not in self.spec.services}

    @cached_property
    def _groups(self) -> Mapping[str, Group]:
        """The group of each service that has one."""
        return {service.name: service.group for service in self.services if service.group}

    @cached_property
    def _networks(self) -> frozenset[str]:
        """The networks that the stack has."""
        return frozenset(network for service in self.services for network in service.networks)

    @cached_property
    def _models(self) -> Mapping[str, Sequence[str]]:
        """Ids of the models of each server."""
        return {instance.name: [one.id for one in instance.models] for instance in self.instances}

    @property
    def is_complete(self) -> bool:
        """Whether every model has its server; where one is at fault, what only it would keep is no mistake too."""
        written = self.loaded.document.data.get("models")
        served = {one.id for instance in self.instances for one in instance.models}
        return served == set(written if isinstance(written, dict) else ())

    def _port_problems(self) -> Iterator[Problem]:
        """Host ports that are given away twice; services that are never there together may have the same one."""
        taken: dict[int, list[tuple[str, Service]]] = {}
        for service in self.services:
            for address, number, path in self._published(service):
                for other, owner in taken.get(number, ()):
                    both = {address, other}
                    meet = owner.name != service.name and together(owner.group, service.group)
                    if meet and (len(both) == 1 or both & openings.EVERYWHERE):
                        message = f"port {number} on {address} is taken by {owner.name} on {other}"
                        yield Problem(self.loaded.place(path), message, "choose another port")
                        break
                taken.setdefault(number, []).append((address, service))

    def _published(self, service: Service) -> Iterator[tuple[str, int, Path]]:
        """Address, number and place of each host port; raw ports stand in the place of rendered ones."""
        if "ports" in service.raw:
            for position, address, number in openings.published(service.raw):
                yield address, number, (*self._raw_path(service, "ports"), position)
            return
        yield from openings.host_ports(service)

    def _name_problems(self) -> Iterator[Problem]:
        for name in self.spec.services:
            if self._names[name] > 1:
                place = self.loaded.place(("services", name), of_key=True)
                yield Problem(place, f"the stack has a service {name} of its own", "choose another name")
        for instance in self.instances:
            if instance.name in self._own and self._own[instance.name].job:
                place = self.loaded.place(instance.models[0].path, of_key=True)
                message = f"{instance.name} is the name of a server and of a job that fetches models"
                yield Problem(place, message, "choose another `instance` name")

    def _raw_problems(self, service: Service) -> Iterator[Problem]:
        """Services that wait for or join what is not there, and volumes that Compose could not declare."""
        for needed in service.raw.get("depends_on") or ():
            if needed not in self._names:
                place = self.loaded.place((*self._raw_path(service, "depends_on"), needed), of_key=True)
                yield Problem(place, f"the stack has no service {describe(needed)}", nearest(needed, self._names))
        yield from self._condition_problems(service)
        yield from self._turn_problems(service)
        if service.raw.get("profiles") and service.name not in self.spec.services:
            place = self.loaded.place(self._raw_path(service, "profiles"), of_key=True)
            yield Problem(place, f"the stack needs {service.name}, and Compose would leave it out", "drop the line")
        for network in service.raw.get("networks") or ():
            if network not in self._networks:
                place = self.loaded.place((*self._raw_path(service, "networks"), network), of_key=True)
                yield Problem(place, f"the stack has no network {describe(network)}", nearest(network, self._networks))
        for name in openings.named_volumes(service.raw):
            if not openings.is_volume(name):
                place = self.loaded.place(self._raw_path(service, "volumes"))
                hint = "letters, digits, `_`, `.` and `-`; a folder of the host begins with `/`"
                yield Problem(place, f"{describe(name)} is no name of a volume", hint)

    def _condition_problems(self, service: Service) -> Iterator[Problem]:
        """Conditions that a service of the stack can never meet; Compose ends the whole start over them."""
        for needed, wanted in (service.raw.get("depends_on") or {}).items():
            condition, other = str((wanted or {}).get("condition", "")), self._own.get(needed)
            if other is None:
                continue
            healthless = condition == "service_healthy" and not other.health and "healthcheck" not in other.raw
            endless = condition == "service_completed_successfully" and not other.job
            if healthless or endless:
                place = self.loaded.place((*self._raw_path(service, "depends_on"), needed))
                what = "has no health check" if healthless else "goes on and never completes"
                right = "service_completed_successfully" if healthless else "service_healthy"
                yield Problem(place, f"{needed} {what}, so {condition} never comes", f"write {right}")

    def _turn_problems(self, service: Service) -> Iterator[Problem]:
        """Services that Compose would not start, or not alone, because of models that take turns."""
        waits = service.raw.get("depends_on") or {}
        held = {name: "depends_on" for name in waits if (waits[name] or {}).get("required", True) is not False}
        held |= {name: key for key in _JOINING if (name := str(service.raw.get(key, "")).removeprefix("service:"))}
        for needed, key in held.items():
            group = self._groups.get(needed)
            if group and group != service.group:
                place = self.loaded.place((*self._raw_path(service, key), needed), of_key=True)
                message = f"{service.name} could not start while {needed} sleeps, which is in the group `{group.name}`"
                hint = "write `required: false`" if key == "depends_on" else "drop the line"
                yield Problem(place, message, f"{hint}, or take its models out of the group")
        for profile in service.raw.get("profiles") or ():
            if any(group.name == profile for group in self._groups.values()):
                place = self.loaded.place(self._raw_path(service, "profiles"), of_key=True)
                message = f"{service.name} has the profile {describe(profile)}, and a group of models has that name"
                yield Problem(place, message, "choose another name for one of them")

    def _circle_problems(self) -> Iterator[Problem]:
        """Services that wait for each other; Compose refuses all of them."""
        needs = {service.name: service.waits_for for service in self.services}
        for service in self.services:
            for needed in service.raw.get("depends_on") or ():
                if service.name in reached(needed, needs):
                    place = self.loaded.place((*self._raw_path(service, "depends_on"), needed), of_key=True)
                    both = "itself" if needed == service.name else f"{describe(needed)}, which waits for it"
                    yield Problem(place, f"{service.name} would wait for {both}", "drop one")

    def _raw_path(self, service: Service, key: str) -> Path:
        """Where the spec writes a raw key of a service; the last layer that has it."""
        places: list[Path] = [(section, service.name, "compose", key) for section in ("services", "overrides")]
        places += [("models", model, "overrides", "compose", key) for model in self._models.get(service.name, ())]
        return next(path for path in places if path in self.loaded.merged.origins)


def _place_problems(loaded: Loaded, spec: Spec, storages: Iterable[Storage], *, complete: bool) -> Iterator[Problem]:
    """Places for storages that no service has, networks and places that say two things at once."""
    known = {storage.name for storage in storages}
    for name, found in spec.storage.items():
        place = loaded.place(("storage", name), of_key=True)
        if complete and name not in known:
            yield Problem(place, f"nothing in this stack keeps {describe(name)}", nearest(name, known))
        if found.path and found.volume:
            yield Problem(place, f"`{name}` has `path` and `volume`", "drop one of them")
        written = loaded.document.data["storage"][name]
        if all(value is None for value in written.values()):
            yield Problem(place, f"`{name}` has neither `path` nor `volume`", "write one of them")
    if spec.network.subnet and spec.network.external:
        place = loaded.place(("network", "external"), of_key=True)
        message = "a network has `subnet` or `external`, not both"
        yield Problem(place, message, "an external network has the addresses that it was made with")
