"""The plan in the dialect of Docker Compose: docker-compose.yml."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from stackgen.facts import Scratch
from stackgen.parts import (
    DATA_NETWORK,
    ENGINE_NETWORK,
    OUTSIDE_NETWORK,
    Arg,
    Dependency,
    Exposure,
    Gpu,
    Health,
    Joined,
    Mount,
    Port,
    Secret,
    SecretKind,
    Service,
    Value,
)
from stackgen.plan import Plan
from stackgen.plan.openings import named_volumes
from stackgen.render.yaml import Note, Written, laid_over, written
from stackgen.spec import Build

CONTENT_LABEL = "stackgen.sha256"
STACK_LABEL = "stackgen.stack"
SIMULATED_LABEL = "stackgen.simulated"
_RESTART = "unless-stopped"
_UNLIMITED = {"memlock": -1, "stack": 67_108_864}
"""What NCCL needs between cards (SGLang's own compose file)."""
_CPU_PERIOD_MICROSECONDS = 100_000
"""Docker's own, where nothing is said."""
_LOGGING = {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}}


def compose_file(plan: Plan, digests: Mapping[str, str], spec_folder: str) -> Written:
    """docker-compose.yml.

    Args:
        plan: the stack.
        digests: SHA-256 of each rendered file that services read, by its path; a label carries it, because Compose
            does not notice that a mounted file changed.
        spec_folder: the spec's folder as seen from the file; folders of builds are beside the spec.
    """
    return written(_document(plan, digests, spec_folder), _header(plan), spaced=2)


def _document(plan: Plan, digests: Mapping[str, str], spec_folder: str) -> dict[str, Any]:
    """The same as data with notes."""
    services: dict[str, Any] = {}
    for service in plan.services:
        services[service.name] = Note(_service(plan, service, digests, spec_folder), service.why)
    whole: dict[str, Any] = {"name": plan.name, "services": services, "networks": _networks(plan)}
    volumes = _volumes(plan)
    if volumes:
        whole["volumes"] = volumes
    return whole


def word(value: Value) -> str:
    """A value in Compose's spelling: secrets become variables, every other `$` is doubled."""
    match value:
        case Secret(kind=SecretKind.OPTIONAL):
            return f"${{{value.name}:-}}"
        case Secret():
            return f"${{{value.name}:?set {value.name} in .env, it is missing}}"
        case Joined(parts=parts):
            return "".join(word(part) for part in parts)
        case bool():
            return "true" if value else "false"
        case _:
            return str(value).replace("$", "$$")


def _header(plan: Plan) -> list[str]:
    if plan.simulated:
        return [
            f"A simulation of {plan.spec_file}, written by `stackgen up --simulate`: stand-ins in the place of engines.",
            "`stackgen down --simulate --volumes` removes it.",
        ]
    return [
        f"Rendered by stackgen from {plan.spec_file}. Do not edit: change {plan.spec_file}, then run `stackgen render`.",
        "It runs without stackgen: docker compose up -d",
    ]


def _labels(plan: Plan) -> dict[str, str]:
    return {SIMULATED_LABEL: "true"} if plan.simulated else {}


def _service(plan: Plan, service: Service, digests: Mapping[str, str], spec_folder: str) -> dict[str, Any]:
    """A service, its keys in the order in which people read them; what is empty is left out."""
    ports = [_port(plan, port) for port in service.ports if port.exposure is not Exposure.INTERNAL]
    volumes = [_mount(plan, mount) for mount in service.mounts]
    volumes += [_bind(f"./{file.path}", file.target) for file in service.config_files]
    volumes += [_bind(bind.source, bind.target) for bind in service.binds]
    what = {
        "image": Note(word(service.image.reference), str(service.image.origin or "")),
        "build": _build(service.build, spec_folder) if service.build else None,
        "pull_policy": "build" if service.build else None,
        "profiles": [service.group.name] if service.group else None,
        "command": [_noted(plan, arg) for arg in service.command],
        "environment": {name: _noted(plan, arg) for name, arg in service.environment.items()},
        "depends_on": {need.service: _dependency(need) for need in service.needs},
        "ports": ports,
        "networks": [] if "network_mode" in service.raw else list(service.networks),
        "extra_hosts": list(service.extra_hosts),
        "volumes": volumes,
        "tmpfs": [_tmpfs(scratch) for scratch in service.scratch],
        **_cards(service.gpus),
        "shm_size": f"{service.shared_memory_gib}gb" if service.shared_memory_gib else None,
        "ulimits": {name: _UNLIMITED[name] for name in service.unlimited},
        "healthcheck": _health(plan, service, service.health) if service.health else None,
    }
    entry = {key: value for key, value in what.items() if value} | {
        "init": True,
        "restart": "no" if service.job else _RESTART,
        "stop_grace_period": f"{service.stop_seconds}s",
        **_locks(service),
        **_limits(service),
        "logging": _LOGGING,
        "labels": {STACK_LABEL: plan.name}
        | _labels(plan)
        | {f"{CONTENT_LABEL}.{file.path}": digests[file.path] for file in service.config_files},
    }
    whole: dict[str, Any] = laid_over(entry, service.raw, _raw_word)
    return whole


def _raw_word(raw: Any) -> Any:
    """A raw leaf: text in Compose's spelling; numbers, booleans and null stay what they are."""
    return word(raw) if isinstance(raw, str | Secret | Joined) else raw


def _noted(plan: Plan, arg: Arg) -> Any:
    origin = plan.origin(arg.path)
    note = str(origin) if origin else arg.why
    return Note(word(arg.value), note) if note else word(arg.value)


def _dependency(need: Dependency) -> Note:
    condition: dict[str, Any] = {"condition": "service_healthy"}
    return Note(condition if need.required else {**condition, "required": False}, need.why)


def _build(build: Build, spec_folder: str) -> dict[str, Any]:
    elsewhere = build.context.startswith(("/", "http://", "https://"))
    context = build.context if elsewhere else f"{spec_folder}/{build.context}"
    entry: dict[str, Any] = {"context": word(context)}
    if build.dockerfile:
        entry["dockerfile"] = word(build.dockerfile)
    if build.args:
        entry["args"] = {name: word(value) for name, value in build.args.items()}
    return entry


def _port(plan: Plan, port: Port) -> Any:
    address = f"[{port.address}]" if ":" in port.address else port.address
    if not port.published:
        return Note(f"{address}::{port.container}", "Docker picks a free port of the host")
    origin = plan.origin(port.path)
    return Note(f"{address}:{port.published}:{port.container}", str(origin) if origin else "")


def _mount(plan: Plan, mount: Mount) -> dict[str, Any]:
    place = plan.places.get(mount.storage.name)
    if place and place.path:
        return _bind(place.path, mount.target, read_only=False)
    return {"type": "volume", "source": mount.storage.name, "target": mount.target}


def _tmpfs(scratch: Scratch) -> str:
    return f"{scratch.path}:mode={scratch.mode}" if scratch.mode else scratch.path


def _locks(service: Service) -> dict[str, Any]:
    """All rights are dropped but those that the image needs; nobody knows what a user's own service needs."""
    if not service.locked:
        return {"security_opt": ["no-new-privileges:true"]}
    locks: dict[str, Any] = {"read_only": True} if service.read_only else {}
    locks["cap_drop"] = ["ALL"]
    if service.capabilities:
        locks["cap_add"] = list(service.capabilities)
    return locks | {"security_opt": ["no-new-privileges:true"]}


def _limits(service: Service) -> dict[str, Any]:
    """Processors as a quota: Docker refuses `cpus` where the host has fewer. What raw keys say in other words is left out."""
    limits, entry = service.limits, dict[str, Any]()
    raw = service.raw.get("deploy")
    resources = raw.get("resources") if isinstance(raw, Mapping) else None
    said = resources.get("limits") if isinstance(resources, Mapping) else None
    said = {*(said or ()), *service.raw}
    if limits.memory_gib is not None and "memory" not in said:
        whole = limits.memory_gib == int(limits.memory_gib)
        entry["mem_limit"] = f"{int(limits.memory_gib)}g" if whole else f"{math.ceil(limits.memory_gib * 1024)}m"
    if limits.cpus is not None and "cpus" not in said:
        entry["cpu_quota"] = Note(
            round(limits.cpus * _CPU_PERIOD_MICROSECONDS), f"{limits.cpus:g} processor{'' if limits.cpus == 1 else 's'}"
        )
    return entry if "pids" in said else entry | {"pids_limit": limits.pids}


def _bind(source: str, target: str, *, read_only: bool = True) -> dict[str, Any]:
    """Without create_host_path Docker refuses when the source is missing, instead of making a folder of that name."""
    entry: dict[str, Any] = {"type": "bind", "source": word(source), "target": word(target)}
    return entry | ({"read_only": True} if read_only else {}) | {"bind": {"create_host_path": False}}


def _cards(gpus: tuple[Gpu, ...]) -> dict[str, Any]:
    """NVIDIA cards are reserved one by one; AMD's are devices of the host, and a variable says which of them count."""
    if not gpus:
        return {}
    if gpus[0].card.vendor == "amd":
        return {"devices": ["/dev/kfd:/dev/kfd", "/dev/dri:/dev/dri"]}
    devices = [Note(gpu.device, f"{gpu.id}: {gpu.card.name}") for gpu in gpus]
    reserved = {"driver": "nvidia", "device_ids": devices, "capabilities": ["gpu"]}
    return {"deploy": {"resources": {"reservations": {"devices": [reserved]}}}}


def _health(plan: Plan, service: Service, health: Health) -> dict[str, Any]:
    start = Arg(value=f"{service.start_budget_seconds}s", path=service.start_budget_path, why=service.start_budget_why)
    return {
        "test": ["CMD", *(word(part) for part in health.command)],
        "interval": f"{health.interval_seconds}s",
        "timeout": f"{health.timeout_seconds}s",
        "retries": health.retries,
        "start_period": _noted(plan, start),
        "start_interval": f"{health.start_interval_seconds * 1000:.0f}ms",
    }


def _networks(plan: Plan) -> dict[str, Any]:
    """Without a subnet Docker picks a free one. The data network has no way out and no way in."""
    found: dict[str, Any] = {}
    labels = {"labels": _labels(plan)} if plan.simulated else {}
    for name in plan.networks:
        if name == DATA_NETWORK:
            found[name] = Note({"internal": True, **labels}, "stores are reached by the gateway alone")
        elif name == OUTSIDE_NETWORK:
            outside = {"name": plan.network.external, "external": True}
            found[name] = Note(outside, "exists already; `docker compose down` leaves it")
        elif name == ENGINE_NETWORK and plan.network.subnet:
            found[name] = {"ipam": {"config": [{"subnet": plan.network.subnet}]}}
        else:
            found[name] = labels
    return found


def _volumes(plan: Plan) -> dict[str, Any]:
    """Volumes of the stack, volumes that exist already, and those that raw services name."""
    found: dict[str, Any] = {}
    labels = {"labels": _labels(plan)} if plan.simulated else {}
    for storage in plan.storages:
        place = plan.places.get(storage.name)
        if place and place.path:
            continue
        elsewhere = {"name": place.volume, "external": True} if place else labels
        found[storage.name] = Note(elsewhere, storage.holds)
    for service in plan.services:
        for name in named_volumes(service.raw):
            found.setdefault(name, Note(labels, f"of {service.name}"))
    return found
