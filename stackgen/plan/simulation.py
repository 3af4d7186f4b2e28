"""The plan of a simulation: the same graph with stand-ins in the place of engines, apart from everything real.

A simulation is a Compose project of its own, with volumes of its own, host ports that Docker picks on the loopback address,
and secrets that open nothing else. Nothing of this host is mounted, no network or volume from outside is joined.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from stackgen import facts
from stackgen.parts import (
    CLIENT_NETWORK,
    ENGINE_NETWORK,
    OUTSIDE_NETWORK,
    Arg,
    Exposure,
    Health,
    Image,
    Limits,
    Port,
    Route,
    Secret,
    SecretKind,
    Service,
)
from stackgen.plan.deployments import Deployment
from stackgen.plan.disk import Disk
from stackgen.plan.model import Plan
from stackgen.plan.openings import dangers
from stackgen.plan.raw import spelled
from stackgen.records import dataclass
from stackgen.spec import SIMULATION_SUFFIX, Network

FAULT_VARIABLE = "STACKGEN_FAULT"
ENDPOINT = "openai"
"""Stand-in for servers that stackgen does not run."""
_ENDPOINT_PORT = 8000
_LOOPBACK = "127.0.0.1"
_PLAYED = frozenset({"hosted_vllm", "openai"})
"""Providers whose dialect that stand-in speaks."""
_PLAYED_MODALITIES = frozenset({"chat", "completion", "embedding", "rerank", "vision"})
_CLOUD_PATH = "/v1"
_OF_THE_HOST = frozenset(
    {
        "build", "cap_add", "cgroup", "cgroup_parent", "configs", "container_name", "deploy", "device_cgroup_rules",
        "devices", "env_file", "external_links", "gpus", "ipc", "links", "network_mode", "networks", "pid",
        "ports", "privileged", "runtime", "secrets", "security_opt", "ulimits", "userns_mode", "uts", "volumes", "volumes_from",
    }
)  # fmt: skip
"""Raw keys that reach beyond a service of stackgen's own, or that a stand-in has in its own way."""
_OWN_LEFT_OUT = frozenset({"devices", "gpus", "runtime", "volumes_from", "external_links"})
"""Raw keys of a service of the user's own that need what a simulation does not have."""


@dataclass(frozen=True, kw_only=True)
class StandIns:
    """What the stand-ins are and do."""

    reference: Callable[[str, str], str]
    """Image for an engine and its version."""
    faults: Mapping[str, str] = field(default_factory=dict)
    """What goes wrong on request, by service."""


def simulated(plan: Plan, stand_ins: StandIns) -> Plan:
    """The same stack with stand-ins; its warnings say what differs beyond images and cards."""
    outside = [(route, _stand_in_route(route)) for route in plan.routes if not route.port]
    played = {route.service for _, route in outside if route}
    left_out = {service.name: reason for service in plan.services if (reason := _reason_to_leave_out(service, played))}
    engines = {instance.name: instance.engine for instance in plan.instances}
    services = [
        _without(_moved(service, stand_ins, engines.get(service.name)), left_out)
        for service in plan.services
        if service.name not in left_out
    ]
    services += [_endpoint_service(route, stand_ins) for route in _first_of_each(route for _, route in outside)]
    return replace(
        plan,
        name=f"{plan.name}{SIMULATION_SUFFIX}",
        simulated=True,
        gateway=plan.gateway.model_copy(update={"address": _LOOPBACK, "port": 0, "pass_through": {}}),
        pass_through_keys=MappingProxyType({}),
        services=tuple(sorted(services, key=lambda service: service.name)),
        routes=tuple(route for old in plan.routes if (route := _new_route(old))),
        deployments=tuple(entry for old in plan.deployments if (entry := _new_deployment(old))),
        network=Network(),
        places=MappingProxyType({}),
        secrets=tuple(_thrown_away(secret) for secret in plan.secrets),
        cards=(),
        disk=Disk(),
        warnings=tuple(_told(plan, left_out, outside)),
    )


def stand_in_names(plan: Plan) -> list[str]:
    """Services of a stack that its simulation replaces or adds."""
    outside = (_stand_in_route(route) for route in plan.routes if not route.port)
    return [*(instance.name for instance in plan.instances), *(route.service for route in _first_of_each(outside))]


def _moved(service: Service, stand_ins: StandIns, engine: str | None) -> Service:
    """A service without cards and anything of this host; ports on the loopback address, their numbers Docker's.

    Locked memory without a limit is for cards, and an engine of Docker without root's rights cannot give it.
    """
    networks = (CLIENT_NETWORK if name == OUTSIDE_NETWORK else name for name in service.networks)
    return replace(
        service,
        image=_stand_in(service.image, engine, stand_ins) if engine else service.image,
        build=None if engine else service.build,
        environment={**service.environment, **_fault_variable(service.name, stand_ins)},
        ports=tuple(_loopback(port) for port in service.ports),
        networks=tuple(dict.fromkeys(networks)),
        gpus=(),
        unlimited=(),
        binds=(),
        extra_hosts=(),
        raw=_raw_of_ours(service.raw, engine) if service.locked else _raw_of_the_users(service.raw),
    )


def _fault_variable(service: str, stand_ins: StandIns) -> dict[str, Arg]:
    fault = stand_ins.faults.get(service)
    return {FAULT_VARIABLE: Arg(value=fault, why="asked for with --fault")} if fault else {}


def _stand_in(image: Image, engine: str, stand_ins: StandIns) -> Image:
    return replace(image, reference=stand_ins.reference(engine, image.version), origin=None)


def _loopback(port: Port) -> Port:
    if port.exposure is Exposure.INTERNAL:
        return port
    return replace(port, exposure=Exposure.LOOPBACK, address=_LOOPBACK, published=0)


def _raw_of_ours(raw: Mapping[str, Any], engine: str | None) -> dict[str, Any]:
    dropped = _OF_THE_HOST | {"image"} if engine else _OF_THE_HOST
    return {key: value for key, value in raw.items() if key not in dropped}


def _raw_of_the_users(raw: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in raw.items() if key not in {"container_name", "networks", "ports"}}
    if "ports" in raw:
        kept["ports"] = [f"{_LOOPBACK}::{inside}" for inside in map(_inside, raw["ports"])]
    return kept


def _inside(port: Any) -> str:
    """The container's side of a raw port, with its protocol."""
    if isinstance(port, Mapping):
        protocol = port.get("protocol", "")
        return f"{spelled(port.get('target', ''))}{f'/{protocol}' if protocol else ''}"
    return spelled(port).rpartition(":")[2]


def _reason_to_leave_out(service: Service, played: Collection[str]) -> str:
    """Why a service of the user's own has no place in a simulation: it would reach what is real, or its name is taken.

    Empty where it has one.
    """
    if service.locked:
        return ""
    if service.name in played:
        return "the stand-in for an endpoint has its name"
    for danger in dangers(service.name, {**service.raw, "ports": ()}):
        return danger
    for key in sorted(_OWN_LEFT_OUT & set(service.raw)):
        return f"{service.name} has `{key}`"
    for mount in service.raw.get("volumes") or ():
        source = spelled(mount.get("source", "") if isinstance(mount, Mapping) else mount).partition(":")[0]
        if source.startswith((".", "/", "~")):
            return f"{service.name} mounts {source} of this host"
    return ""


def _without(service: Service, left_out: Mapping[str, str]) -> Service:
    """A service that waits for nobody who is not there."""
    needs = tuple(need for need in service.needs if need.service not in left_out)
    waits = service.raw.get("depends_on")
    if not waits:
        return replace(service, needs=needs)
    kept = (
        {name: value for name, value in waits.items() if name not in left_out}
        if isinstance(waits, Mapping)
        else [name for name in waits if name not in left_out]
    )
    return replace(service, needs=needs, raw={**service.raw, "depends_on": kept})


def _stand_in_route(route: Route) -> Route | None:
    """The way to the stand-in for a server outside; None where the gateway speaks no dialect that it knows."""
    appended = facts.gateway_path(route.provider, route.modality) if route.provider in _PLAYED else None
    if appended is None or route.modality not in _PLAYED_MODALITIES:
        return None
    base_path = urlsplit(route.base_path).path if route.base_path else _CLOUD_PATH
    return replace(
        route,
        service=f"endpoint-{route.service}",
        port=_ENDPOINT_PORT,
        base_path=base_path,
        endpoint=f"{base_path}{appended}",
    )


def _new_route(old: Route) -> Route | None:
    return old if old.port else _stand_in_route(old)


def _new_deployment(old: Deployment) -> Deployment | None:
    route = _new_route(old.route)
    if route is None:
        return None
    raw = {key: value for key, value in old.raw_parameters.items() if key not in {"api_base", "base_url"}}
    return replace(old, route=route, raw_parameters=raw)


def _first_of_each(routes: Iterable[Route | None]) -> Iterator[Route]:
    seen: set[str] = set()
    for route in routes:
        if route is not None and route.service not in seen:
            seen.add(route.service)
            yield route


def _endpoint_service(route: Route, stand_ins: StandIns) -> Service:
    """A server with the model that an endpoint has, under the path and the key that the gateway uses."""
    words = ["--served-model-name", route.served_name, "--root-path", route.base_path or "/"]
    key = {"STAND_IN_KEY": Arg(value=route.key)} if route.key else {}
    program = f"import urllib.request as r; r.urlopen('http://127.0.0.1:{_ENDPOINT_PORT}/health', timeout=5)"
    return Service(
        name=route.service,
        image=Image(family=ENDPOINT, reference=stand_ins.reference(ENDPOINT, "1"), version="1", origin=None),
        why=f"stands for the server of endpoints.{route.model}",
        command=tuple(Arg(value=word) for word in words),
        environment={**key, **_fault_variable(route.service, stand_ins)},
        ports=(Port(container=_ENDPOINT_PORT),),
        networks=(ENGINE_NETWORK,),
        health=Health(command=("python3", "-c", program)),
        start_budget_seconds=60,
        limits=Limits(memory_gib=1, pids=256),
        read_only=True,
    )


def _thrown_away(secret: Secret) -> Secret:
    """A secret whose value is made up; what may stay empty stays so."""
    if secret.kind is SecretKind.OPTIONAL:
        return replace(secret, from_environment=False)
    return replace(secret, kind=SecretKind.GENERATED, from_environment=False)


def _told(plan: Plan, left_out: Mapping[str, str], outside: Sequence[tuple[Route, Route | None]]) -> Iterator[str]:
    for name, reason in left_out.items():
        yield f"the simulation leaves {name} out: {reason}"
    for route, played in outside:
        if played is None:
            yield f"the simulation leaves {route.modality} of the endpoint {route.model} out: no stand-in plays {route.provider}"
    if plan.gateway.pass_through:
        yield f"the simulation leaves paths to other servers out: {', '.join(sorted(plan.gateway.pass_through))}"
