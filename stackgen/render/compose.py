"""The plan in the dialect of Docker Compose: docker-compose.yml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stackgen.parts import (
    DATA_NETWORK,
    Arg,
    ConfigFile,
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
from stackgen.render.yaml import Note, dump

CONTENT_LABEL = "stackgen.sha256"
STACK_LABEL = "stackgen.stack"
_RESTART = "unless-stopped"
_LOGGING = {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}}


def compose_file(plan: Plan, digests: Mapping[str, str]) -> str:
    """The text of docker-compose.yml.

    Args:
        plan: the stack.
        digests: SHA-256 of each rendered file that services read, by its path; a label carries it, because Compose
            does not notice that a mounted file changed.
    """
    services: dict[str, Any] = {}
    for service in plan.services:
        services[service.name] = Note(_service(plan, service, digests), service.why)
    document: dict[str, Any] = {"name": plan.name, "services": services, "networks": _networks(plan)}
    if plan.storages:
        document["volumes"] = {storage.name: Note({}, storage.holds) for storage in plan.storages}
    header = [
        f"Rendered by stackgen from {plan.spec_file}. Do not edit: change {plan.spec_file}, then run `stackgen render`.",
        "It runs without stackgen: docker compose up -d",
    ]
    return dump(document, header, spaced=2)


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


def _service(plan: Plan, service: Service, digests: Mapping[str, str]) -> dict[str, Any]:
    entry: dict[str, Any] = {"image": Note(word(service.image.reference), str(service.image.origin))}
    if service.command:
        entry["command"] = [_noted(plan, arg) for arg in service.command]
    if service.environment:
        entry["environment"] = {name: _noted(plan, arg) for name, arg in service.environment.items()}
    if service.needs:
        entry["depends_on"] = {need.service: Note({"condition": "service_healthy"}, need.why) for need in service.needs}
    ports = [_port(plan, port) for port in service.ports if port.exposure is not Exposure.INTERNAL]
    if ports:
        entry["ports"] = ports
    entry["networks"] = list(service.networks)
    volumes = [_mount(mount) for mount in service.mounts] + [_bind(file) for file in service.config_files]
    if volumes:
        entry["volumes"] = volumes
    if service.scratch:
        entry["tmpfs"] = list(service.scratch)
    if service.gpus:
        entry["deploy"] = {"resources": {"reservations": {"devices": [_gpus(service.gpus)]}}}
    if service.shared_memory_gib:
        entry["shm_size"] = f"{service.shared_memory_gib}gb"
    entry["healthcheck"] = _health(service.health, service.start_budget_seconds)
    entry |= {
        "init": True,
        "restart": _RESTART,
        "stop_grace_period": f"{service.stop_seconds}s",
        "security_opt": ["no-new-privileges:true"],
        "logging": _LOGGING,
        "labels": {STACK_LABEL: plan.name}
        | {f"{CONTENT_LABEL}.{file.path}": digests[file.path] for file in service.config_files},
    }
    return entry


def _noted(plan: Plan, arg: Arg) -> Any:
    origin = plan.origin(arg.path)
    note = str(origin) if origin else arg.why
    return Note(word(arg.value), note) if note else word(arg.value)


def _port(plan: Plan, port: Port) -> Any:
    address = f"[{port.address}]" if ":" in port.address else port.address
    origin = plan.origin(port.path)
    return Note(f"{address}:{port.published}:{port.container}", str(origin) if origin else "")


def _mount(mount: Mount) -> dict[str, Any]:
    return {"type": "volume", "source": mount.storage.name, "target": mount.target}


def _bind(file: ConfigFile) -> dict[str, Any]:
    """Without create_host_path Docker refuses when the file is missing, instead of making a folder of that name."""
    return {
        "type": "bind",
        "source": f"./{file.path}",
        "target": file.target,
        "read_only": True,
        "bind": {"create_host_path": False},
    }


def _gpus(gpus: tuple[Gpu, ...]) -> dict[str, Any]:
    devices = [Note(gpu.device, f"{gpu.id}: {gpu.card.name}") for gpu in gpus]
    return {"driver": "nvidia", "device_ids": devices, "capabilities": ["gpu"]}


def _health(health: Health, start_budget_seconds: int) -> dict[str, Any]:
    return {
        "test": ["CMD", *(word(part) for part in health.command)],
        "interval": f"{health.interval_seconds}s",
        "timeout": f"{health.timeout_seconds}s",
        "retries": health.retries,
        "start_period": f"{start_budget_seconds}s",
        "start_interval": f"{health.start_interval_seconds}s",
    }


def _networks(plan: Plan) -> dict[str, Any]:
    """No subnet: Docker picks a free one. The data network has no way out and no way in."""
    return {
        name: Note({"internal": True}, "stores are reached by the gateway alone") if name == DATA_NETWORK else {}
        for name in plan.networks
    }
