"""What `status` shows: what is wanted beside what runs, and why `stackgen up` would change it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from typing import Any

from stackgen import runtime
from stackgen.backing import litellm
from stackgen.parts import Service, host_url
from stackgen.plan import command
from stackgen.records import dataclass
from stackgen.report import SIMULATED, Finding
from stackgen.runtime.container import ContainerState
from stackgen.verbs.checking import files_finding
from stackgen.verbs.choice import asleep_line
from stackgen.verbs.drift import NO_CONTAINER, NOT_IN_SPEC, ONE_MORE, Measure, drift_of, measure_of
from stackgen.verbs.running import gateway_port
from stackgen.verbs.sight import Sight

_DIGEST_DIGITS = 12
_RESTING = frozenset({"asleep", "dormant"})
"""States of services that have no container and should have none."""
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


@dataclass(frozen=True, kw_only=True)
class ServiceStatus:
    """One service, one container or both; `drift` says why `stackgen up` would change it, empty where it would not."""

    name: str
    wanted: Service | None
    container: ContainerState | None
    drift: str

    @property
    def state(self) -> str:
        """Docker's word, or absent, asleep (its group does), dormant (it waits to be asked for by name), done (ended well)."""
        if self.container is None:
            return _without_container(self.wanted)
        return "done" if self.may_end and self.container.is_done else self.container.status

    @property
    def words(self) -> str:
        """Its state for people: its health where it runs and has one, its exit code where it ended."""
        if self.container is None or self.state == "done":
            return self.state
        if self.state == "running":
            return self.container.health or self.state
        return f"{self.state} ({self.container.exit_code})" if self.container.is_dead else self.state

    @property
    def runs(self) -> bool:
        """Whether it is as it should be, drift aside: ready, a job at work or done, or not wanted now."""
        if self.container is None:
            return self.state in _RESTING
        return self.state == "done" or self.container.is_ready or (self.may_end and self.state == "running")

    def age_seconds(self, now: datetime) -> int | None:
        """Since its container started or, where it does not run, ended; None where it never did."""
        moment = self.container and (self.container.ended_at or self.container.started_at)
        return max(0, int((now - datetime.fromisoformat(moment)).total_seconds())) if moment else None

    @property
    def may_end(self) -> bool:
        """Whether it is all right when it has ended well."""
        return bool(self.wanted and self.wanted.may_end)


@dataclass(frozen=True, kw_only=True)
class Status:
    """A stack as it is now."""

    stack: str
    now: datetime
    services: tuple[ServiceStatus, ...]
    files: Finding
    gateway_url: str
    """Where the gateway is really published; empty where it is not."""
    warnings: tuple[str, ...]
    spec_problems: int
    simulated: bool = False
    asleep: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Public names that nobody answers to now, by their groups."""

    @property
    def ok(self) -> bool:
        """Whether everything runs as the spec says, and `stackgen up` would change nothing."""
        return not self.spec_problems and not self.files.complaints and all(map(_is_settled, self.services))

    def rows(self) -> Iterator[tuple[str, ...]]:
        """A table: at most 100 columns wide with names of a usual length."""
        yield "service", "state", "age", "restarts", "ports", "image"
        for service in self.services:
            container = service.container
            ports = ", ".join(f"{port.address}:{port.published}" for port in container.ports) if container else ""
            image = container.image if container else service.wanted.image_reference if service.wanted else ""
            restarts = str(container.restarts) if container else "-"
            age = _age(service.age_seconds(self.now))
            yield service.name, service.words, age, restarts, ports or "-", short_image(image)

    def facts(self) -> Iterator[str]:
        """Lines below the table: what differs, and where clients go."""
        for service in self.services:
            if service.drift:
                yield f"{service.name}: {service.drift}"
        for complaint in self.files.complaints:
            yield f"files: {complaint}"
        gateway = next((entry for entry in self.services if entry.name == litellm.NAME), None)
        if self.gateway_url and gateway:
            state = "" if gateway.runs else f" ({gateway.words})"
            yield f"gateway: {self.gateway_url}/v1{state}"

    def sentences(self) -> Iterator[str]:
        """What to make of it, and the next step."""
        wanted = [service for service in self.services if service.state not in _RESTING]
        text = f"{self.stack}: {sum(service.runs for service in wanted)} of {len(wanted)} services run"
        changes = sum(bool(service.drift) for service in wanted)
        yield text + (f", `{self._verb('up')}` would change {changes}" if changes else "")
        for group, names in self.asleep.items():
            yield asleep_line(group, names, self._verb(f"up --group {group}"))
        if self.simulated:
            yield SIMULATED
        yield f"next: {self.next_step}"

    @property
    def next_step(self) -> str:
        """The command that helps most now."""
        broken = [service for service in self.services if service.container and not service.runs]
        paused = [service.name for service in broken if service.state == "paused"]
        failed = [service.name for service in broken if service.words not in {"starting", "created"}]
        if self.spec_problems:
            return "stackgen plan"
        if paused:
            return f"docker compose -p {self.stack} unpause {' '.join(paused)}"
        if failed:
            return self._verb(f"logs {' '.join(failed)}")
        if self.files.complaints:
            return self.files.hint
        if any(service.drift for service in self.services):
            return self._verb("up")
        return f"wait until it is healthy: {self._verb('status')}" if broken else self._verb("check")

    def _verb(self, words: str) -> str:
        return command(words, simulated=self.simulated)

    def as_json(self) -> dict[str, Any]:
        """For programs, below the version.

        stack, simulated; ok: everything runs as the spec says; gateway_url: where it is published, or null;
        spec_problems: how many; files: {state, complaints}; warnings. services, by name: name, in_spec, job,
        state (running, exited, absent, asleep, done, dormant, …), health (null without a check), exit_code (of one that ended),
        restarts, started_at and ended_at (ISO, UTC), age_seconds, drift (empty: `stackgen up` would not change it),
        ports: [{container, address, published}], image (that runs), wanted_image, container (its id).
        asleep: public names that nobody answers to now, by their groups.
        """
        return {
            "stack": self.stack,
            "simulated": self.simulated,
            "ok": self.ok,
            "gateway_url": self.gateway_url or None,
            "spec_problems": self.spec_problems,
            "files": {"state": self.files.state, "complaints": list(self.files.complaints)},
            "asleep": {group: list(names) for group, names in self.asleep.items()},
            "services": [_as_json(service, self.now) for service in self.services],
            "warnings": list(self.warnings),
        }


def status_of(sight: Sight, docker: runtime.Docker) -> Status:
    """Look at a stack; with a broken spec, at its containers alone.

    Raises:
        StackError: the engine does not answer, or the kept secrets cannot be read.
    """
    states = docker.containers(sight.name)
    port = gateway_port(states)
    measure = measure_of(sight.stack, sight.values()) if sight.stack and states else Measure()
    return Status(
        stack=sight.name,
        now=datetime.now(UTC),
        services=tuple(_services(sight, states, measure)),
        files=files_finding(sight.stack) if sight.stack else Finding("files", skipped="the spec is broken"),
        gateway_url=host_url(port.address, port.published) if port else "",
        warnings=tuple(filter(None, (sight.warning, measure.warning))),
        spec_problems=len(sight.failure.problems) if sight.failure else 0,
        simulated=sight.simulated,
        asleep=sight.stack.plan.sleepers if sight.stack else {},
    )


def short_image(reference: str) -> str:
    """An image as a table has room for it: without its registry and folders, a digest by its first digits."""
    name, _, digest = reference.rpartition("/")[2].partition("@sha256:")
    return f"{name}@{digest[:_DIGEST_DIGITS]}" if digest and ":" not in name else name or "-"


def _services(sight: Sight, states: list[ContainerState], measure: Measure) -> Iterator[ServiceStatus]:
    """Every service of the plan, then every container that is more than the spec says."""
    planned = {service.name: service for service in (sight.stack.plan.services if sight.stack else ())}
    of_plan: set[str] = set()
    for state in states:
        service = planned.get(state.service)
        if sight.stack is None:
            drift = ""
        elif service is None:
            drift = NOT_IN_SPEC
        elif state.service in of_plan:
            drift = ONE_MORE
        else:
            drift = drift_of(service, state, measure)
        of_plan.add(state.service)
        yield ServiceStatus(name=state.service, wanted=service, container=state, drift=drift)
    for name in sorted(set(planned) - of_plan):
        drift = "" if planned[name].dormant else NO_CONTAINER
        yield ServiceStatus(name=name, wanted=planned[name], container=None, drift=drift)


def _without_container(wanted: Service | None) -> str:
    if wanted and wanted.is_asleep:
        return "asleep"
    return "dormant" if wanted and wanted.dormant else "absent"


def _is_settled(service: ServiceStatus) -> bool:
    return service.runs and not service.drift


def _age(seconds: int | None) -> str:
    if seconds is None:
        return "-"
    size, unit = next((pair for pair in _UNITS if seconds >= pair[0]), _UNITS[-1])
    return f"{seconds // size}{unit}"


def _as_json(service: ServiceStatus, now: datetime) -> dict[str, Any]:
    container = service.container
    return {
        "name": service.name,
        "in_spec": service.wanted is not None,
        "job": bool(service.wanted and service.wanted.job),
        "state": service.state,
        "health": (container and container.health) or None,
        "exit_code": container.exit_code if container and container.is_dead else None,
        "restarts": container.restarts if container else 0,
        "started_at": (container and container.started_at) or None,
        "ended_at": (container and container.ended_at) or None,
        "age_seconds": service.age_seconds(now),
        "drift": service.drift,
        "ports": [
            {"container": port.container, "address": port.address, "published": port.published}
            for port in (container.ports if container else ())
        ],
        "image": container.image if container else None,
        "wanted_image": service.wanted.image_reference if service.wanted else None,
        "container": container.id if container else None,
    }
