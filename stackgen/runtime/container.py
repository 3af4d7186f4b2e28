"""One container of a stack, as Docker tells of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
ONE_OFF_LABEL = "com.docker.compose.oneoff"
CONFIG_HASH_LABEL = "com.docker.compose.config-hash"


@dataclass(frozen=True, kw_only=True, order=True)
class HostPort:
    """A TCP port of a container that the host publishes."""

    container: int
    address: str
    published: int


@dataclass(frozen=True, kw_only=True)
class ContainerState:
    """One container of a stack as Docker sees it. Times are ISO texts; empty where there is none."""

    service: str
    id: str
    image: str
    status: str
    """created, running, restarting, exited, …"""
    health: str
    """healthy, unhealthy, starting; empty without a health check."""
    exit_code: int
    out_of_memory: bool
    restarts: int
    started_at: str
    ended_at: str = ""
    """Of one that does not run."""
    last_probe: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[HostPort, ...] = ()
    """What is published on the host, as Docker did it."""
    networks: tuple[str, ...] = ()
    """Names of the networks it is in."""

    @property
    def started(self) -> datetime | None:
        """When it was started last; None where it never was."""
        return datetime.fromisoformat(self.started_at) if self.started_at else None

    @property
    def is_ready(self) -> bool:
        """Whether it runs and, where it has a health check, is healthy."""
        return self.status == "running" and self.health in {"healthy", ""}

    @property
    def is_dead(self) -> bool:
        """Whether it has ended, or ends again and again."""
        return self.status in {"exited", "dead", "restarting"}

    @property
    def is_done(self) -> bool:
        """Whether it did its work and ended well; for jobs."""
        return self.status == "exited" and self.exit_code == 0 and bool(self.started_at)


def state_of(details: Any) -> ContainerState:
    """Read what `inspect` gives."""
    state = details["State"]
    health = state.get("Health") or {}
    probes = health.get("Log") or ()
    labels = details["Config"]["Labels"]
    return ContainerState(
        service=labels.get(SERVICE_LABEL, ""),
        id=details["Id"],
        image=details["Config"]["Image"],
        status=state["Status"],
        health=health.get("Status", ""),
        exit_code=state["ExitCode"],
        out_of_memory=bool(state.get("OOMKilled")),
        restarts=details.get("RestartCount", 0),
        started_at=_moment(state["StartedAt"]),
        ended_at="" if state["Running"] else _moment(state.get("FinishedAt", "")),
        last_probe=str(probes[-1].get("Output", "")).strip() if probes else "",
        labels=labels,
        ports=tuple(sorted(_host_ports(details["NetworkSettings"].get("Ports") or {}))),
        networks=tuple(sorted(details["NetworkSettings"].get("Networks") or {})),
    )


def _moment(text: str) -> str:
    """A time as Docker says it; its year one means never."""
    return "" if text.startswith("0001") else text


def _host_ports(ports: Mapping[str, Any]) -> Iterator[HostPort]:
    for inside, published in ports.items():
        number, _, protocol = inside.partition("/")
        for binding in published or () if protocol == "tcp" else ():
            yield HostPort(container=int(number), address=binding["HostIp"], published=int(binding["HostPort"]))
