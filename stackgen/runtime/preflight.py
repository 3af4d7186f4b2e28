"""What must hold of this machine before anything is started; every finding in one run."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Mapping

from stackgen.errors import DockerError, StackError
from stackgen.parts import Exposure, Port
from stackgen.plan import Plan
from stackgen.runtime import compose
from stackgen.runtime.engine import Docker

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
    cards = sorted({gpu.id for service in plan.services for gpu in service.gpus})
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
    for service in plan.services:
        for port in service.ports:
            if port.exposure is Exposure.INTERNAL:
                continue
            project, container = _holder(owners, port)
            reason = "" if container and project == plan.name else "taken" if container else _refusal(port)
            if reason:
                origin = plan.origin(port.path)
                where = f" ({origin})" if origin else ""
                holder = f"the container `{container}`" if container else "a program on this host"
                taken = f"is taken by {holder}" if reason == "taken" else f"cannot be had: {reason}"
                hint = f"stop it (`ss -ltnp 'sport = :{port.published}'` names it), or write another `port` under `gateway`"
                yield DockerError(
                    f"port {port.published} on {port.address} for {service.name}{where} {taken}", hint=hint
                )


def _holder(owners: Mapping[tuple[str, int], tuple[str, str]], port: Port) -> tuple[str, str]:
    """Project and name of a container on the very address, or where one of the two is every address of its kind."""
    every = "::" if ":" in port.address else "0.0.0.0"  # noqa: S104
    for (address, number), owner in owners.items():
        same_kind = (":" in address) == (":" in port.address)
        if number == port.published and (address == port.address or (same_kind and every in (address, port.address))):
            return owner
    return "", ""


def _refusal(port: Port) -> str:
    """Why this very address and port cannot be bound; empty where they can."""
    family = socket.AF_INET6 if ":" in port.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            probe.bind((port.address, port.published))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return "taken"
            if error.errno == errno.EACCES:
                return ""
            return error.strerror or str(error)
    return ""
