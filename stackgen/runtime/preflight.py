"""What must hold of this machine before anything is started; every finding in one run."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from stackgen.errors import DockerError, StackError
from stackgen.plan import Plan
from stackgen.plan.openings import host_ports
from stackgen.runtime import compose, subnets
from stackgen.runtime.border import engine_address
from stackgen.runtime.engine import Docker

_AMD_DEVICE = "/dev/kfd"
OLDEST_ENGINE = 25
"""start_interval of health checks needs API 1.44."""


def findings(plan: Plan, docker: Docker) -> Iterator[StackError]:
    """Everything that would make `up` fail later and can be seen now.

    Args:
        plan: the stack.
        docker: the engine.
    """
    yield from version_findings(docker.version(), compose.version())
    yield from port_findings(plan, docker)
    yield from place_findings(plan, docker)
    if is_local():
        yield from subnets.findings(plan, docker)
    gpus = {gpu.id: gpu for service in plan.services for gpu in service.gpus}
    cards = sorted(name for name, gpu in gpus.items() if gpu.card.vendor == "nvidia")
    if any(gpu.card.vendor == "amd" for gpu in gpus.values()) and is_local() and not Path(_AMD_DEVICE).exists():
        yield DockerError(
            f"this host has no {_AMD_DEVICE}, and the stack wants AMD cards", hint="install ROCm's driver"
        )
    if cards and not docker.hands_out_nvidia_cards():
        hint = "install the NVIDIA Container Toolkit, then `nvidia-ctk runtime configure --runtime=docker` and restart Docker"
        yield DockerError(f"this engine hands out no NVIDIA cards, and the stack wants {', '.join(cards)}", hint=hint)


def version_findings(engine: str, compose_version: str) -> Iterator[StackError]:
    """Versions that are too old for what the rendered file uses."""
    if int(engine.split(".", maxsplit=1)[0]) < OLDEST_ENGINE:
        yield DockerError(
            f"the Docker engine is {engine}, and the stack needs {OLDEST_ENGINE} or newer", hint="update Docker"
        )
    if compose.is_too_old(compose_version):
        oldest = ".".join(map(str, compose.OLDEST_COMPOSE))
        yield DockerError(
            f"Compose is {compose_version}, and the stack needs {oldest} or newer", hint="update the Compose plugin"
        )


def port_findings(plan: Plan, docker: Docker) -> Iterator[StackError]:
    """Host ports that somebody else holds: a container is named, a program of the host is not known to Docker."""
    owners = docker.port_owners()
    for service in (service for service in plan.services if not service.is_asleep):
        for address, number, path in host_ports(service):
            project, container = _holder(owners, address, number)
            reason = "taken" if container and project != plan.name else ""
            if not container and is_local():
                reason = _refusal(address, number)
            if reason:
                origin = plan.origin(path)
                where = f" ({origin})" if origin else ""
                holder = f"the container `{container}`" if container else "a program on this host"
                taken = f"is taken by {holder}" if reason == "taken" else f"cannot be had: {reason}"
                other = ".".join(str(part) for part in path) or f"services.{service.name}.compose.ports"
                hint = f"stop it (`ss -ltnp 'sport = :{number}'` names it), or write another port: `{other}`"
                yield DockerError(f"port {number} on {address} for {service.name}{where} {taken}", hint=hint)


def place_findings(plan: Plan, docker: Docker) -> Iterator[StackError]:
    """Networks, volumes and folders that the stack does not make itself and that are not there."""
    outside = plan.network.external
    owners = {storage.name: storage.owner for storage in plan.storages}
    if outside and not docker.has_network(outside):
        hint = f"docker network create {outside}; or `stackgen up --yes`, which does it"
        yield DockerError(f"there is no network `{outside}`", hint=hint)
    for name, place in plan.places.items():
        if place.volume and not docker.has_volume(place.volume):
            yield DockerError(
                f"there is no volume `{place.volume}` for {name}", hint=f"docker volume create {place.volume}"
            )
        if place.path and is_local():
            yield from _folder_findings(name, Path(place.path), owners.get(name, 0))
    for service in (service for service in plan.services if not service.is_asleep):
        for bind in service.binds:
            if is_local() and not Path(bind.source).exists():
                yield DockerError(f"there is no {bind.source} for {service.name}", hint="correct `mounts`")


def _folder_findings(name: str, folder: Path, owner: int) -> Iterator[StackError]:
    """A folder that is there and, where a container is not root, its user's."""
    if not folder.is_dir():
        own = f" && sudo chown {owner} {folder}" if owner else ""
        yield DockerError(f"there is no folder {folder} for {name}", hint=f"mkdir -p {folder}{own}")
    elif owner and folder.stat().st_uid != owner:
        message = f"{folder} for {name} is user {folder.stat().st_uid}'s, and the container writes as user {owner}"
        yield DockerError(message, hint=f"sudo chown -R {owner} {folder}")


def is_local() -> bool:
    """Whether the engine runs on this host, so that its paths and routes are ours."""
    return engine_address().startswith("unix://")


def _holder(owners: Mapping[tuple[str, int], tuple[str, str]], address: str, number: int) -> tuple[str, str]:
    """Project and name of a container on the very address, or where one of the two is every address of its kind."""
    every = "::" if ":" in address else "0.0.0.0"  # noqa: S104 - what a spec may say, not listened on
    for (other, taken), owner in owners.items():
        same_kind = (":" in other) == (":" in address)
        if taken == number and (other == address or (same_kind and every in (other, address))):
            return owner
    return "", ""


def _refusal(address: str, number: int) -> str:
    """Why this very address and port cannot be bound; empty where they can."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            probe.bind((address, number))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return "taken"
            if error.errno == errno.EACCES:
                return ""
            return error.strerror or str(error)
    return ""
