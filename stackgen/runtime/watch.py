"""What is known while a stack comes up, and the words in which it is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from stackgen.backing import litellm
from stackgen.errors import NotHealthyError
from stackgen.parts import Service
from stackgen.plan import Plan
from stackgen.runtime.engine import ContainerState, Docker
from stackgen.sources import printable

_LONGEST_DETAIL = 120
_KILLED = 137


@dataclass(frozen=True, kw_only=True)
class Progress:
    """One line for whoever waits: a service entered a phase."""

    service: str
    phase: str
    seconds: float
    detail: str = ""


@dataclass
class Watch:
    """What is known while waiting."""

    plan: Plan
    docker: Docker
    report: Callable[[Progress], None]
    mask: Callable[[str], str]
    began: float = field(default_factory=time.monotonic)
    phases: dict[str, str] = field(default_factory=dict)
    before: dict[str, int] = field(default_factory=dict)
    """Restart counts of the containers that were there before."""
    started: set[str] = field(default_factory=set)
    """Containers that were started meanwhile."""
    failures: dict[str, NotHealthyError] = field(default_factory=dict)
    """What failed while the rest goes on, by service."""
    compose_done: bool = False
    compose_lines: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self.began

    @cached_property
    def services(self) -> Mapping[str, Service]:
        """The services of the plan by name."""
        return {service.name: service for service in self.plan.services}

    @cached_property
    def vital(self) -> frozenset[str]:
        """Services without which nothing answers: the gateway, and whatever another one cannot start without."""
        needs = (need for service in self.plan.services for need in service.needs if need.required)
        return frozenset({litellm.NAME, *(need.service for need in needs)})

    def enter(self, service: str, phase: str, detail: str = "") -> None:
        """Tell that a service is in a phase, once for each; nothing comes after the good ends."""
        if service in self.services and self.phases.get(service) not in {phase, "healthy", "done"}:
            self.phases[service] = phase
            self.report(Progress(service=service, phase=phase, seconds=self.seconds, detail=detail))

    def fail(self, service: str, error: NotHealthyError) -> None:
        """Go on without a service where that makes sense: one dead engine leaves the others answering."""
        if service in self.vital:
            raise error
        self.failures.setdefault(service, error)
        self.enter(service, "failed", error.message.partition(";")[0])

    @property
    def waiting(self) -> list[str]:
        """Names of services that are neither up nor given up."""
        over = {"healthy", "done", "failed"}
        return [
            name for name, service in self.services.items() if not service.dormant and self.phases.get(name) not in over
        ]


def tell_waits(watch: Watch) -> None:
    """Say for each service why it is not ready yet: whom it waits for, or what it logged last."""
    states = {state.service: state for state in watch.docker.containers(watch.plan.name)}
    for service in watch.waiting:
        state = states.get(service)
        detail = reason(watch, service)
        if state is not None and state.status == "running":
            lines = watch.docker.log_tail(state.id, 1)
            detail = _short(clean(watch, lines[-1])) if lines else "it has logged nothing yet"
        elif state is None:
            detail = detail or "its image is being fetched"
        watch.report(Progress(service=service, phase="waiting", seconds=watch.seconds, detail=detail))


def clean(watch: Watch, text: str) -> str:
    """What a container wrote, without secrets and without what would play with the terminal."""
    return printable(watch.mask(" ".join(text.splitlines()).strip()))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_DETAIL else f"{text[: _LONGEST_DETAIL - 1]}…"


def reason(watch: Watch, service: str) -> str:
    """For whom a service waits; empty where for none."""
    pending = [need.service for need in watch.services[service].needs if need.service in watch.waiting]
    return f"waits for {', '.join(pending)}" if pending else ""


def death(watch: Watch, service: str, identifier: str, exit_code: int | None) -> NotHealthyError:
    """Why a container ended, with the end of its log."""
    state = next((state for state in watch.docker.containers(watch.plan.name) if state.id == identifier), None)
    if state and state.out_of_memory:
        what = f"{service} was killed: this host is out of memory (exit code {_KILLED})"
    elif exit_code == _KILLED:
        what = f"{service} was killed (exit code {_KILLED})"
    elif exit_code is None:
        what = f"{service} ended, and Docker starts it again"
    else:
        what = f"{service} ended with exit code {exit_code}"
    return NotHealthyError(f"{what}{_log(watch, identifier)}", hint=_log_hint(watch, service))


def unhealthy(watch: Watch, state: ContainerState) -> NotHealthyError:
    """What the health check says, with the end of the log."""
    probe = f"; its health check says: {clean(watch, state.last_probe)[-300:]}" if state.last_probe else ""
    return NotHealthyError(
        f"{state.service} is unhealthy{probe}{_log(watch, state.id)}", hint=_log_hint(watch, state.service)
    )


def late(watch: Watch, limit: float) -> NotHealthyError:
    """Who is not healthy in time, and what each waits for."""
    tell_waits(watch)
    parts = [f"{name} ({watch.phases.get(name, 'not created')})" for name in watch.waiting]
    what = (
        f"not healthy after {limit:.0f} s: {', '.join(parts)}" if parts else f"Compose did not end within {limit:.0f} s"
    )
    return NotHealthyError(
        what, hint="the containers go on; look with `stackgen status`, or allow more with --timeout or `start_seconds:`"
    )


def _log(watch: Watch, identifier: str) -> str:
    lines = watch.docker.log_tail(identifier)
    text = "\n".join(f"  | {clean(watch, line)}" for line in lines)
    return f"; the end of its log:\n{text}" if text else "; it logged nothing"


def _log_hint(watch: Watch, service: str) -> str:
    return f"the other services go on; the whole log: docker compose -p {watch.plan.name} logs {service}"
