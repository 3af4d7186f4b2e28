"""What is known while a stack comes up, and how it is told to whoever waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import field
from functools import cached_property

from stackgen.backing import litellm
from stackgen.facts.logs import log_phases
from stackgen.parts import Service
from stackgen.plan import Plan
from stackgen.records import dataclass
from stackgen.runtime.container import ContainerState
from stackgen.runtime.engine import Docker
from stackgen.runtime.failures import Failure, clean

OVER = frozenset({"healthy", "done", "failed"})
"""Phases after which nobody waits for a service."""
_LONGEST_DETAIL = 160
_PHASE_LINES = 200
_WORD_EVERY_SECONDS = 15.0
_STEADY_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What a service does now."""

    service: str
    phase: str
    """waiting, pulling, starting, downloading model, loading model, warming up, healthy, done, failed."""
    seconds: float
    """Since the beginning of `up`."""
    own_seconds: float
    """Since the service's own start; where it has not started, since the beginning."""
    detail: str = ""
    is_news: bool = True
    """Whether it is worth a line of its own: a new phase, or a word after a long silence. A table shows all."""

    @property
    def is_over(self) -> bool:
        """Whether nobody waits for the service any more, so that its seconds stand still."""
        return self.phase in OVER


@dataclass
class Watch:
    """What is known while waiting."""

    plan: Plan
    docker: Docker
    report: Callable[[Progress], None]
    mask: Callable[[str], str]
    began: float = field(default_factory=time.monotonic)
    phases: dict[str, str] = field(default_factory=dict)
    before: Mapping[str, ContainerState] = field(default_factory=dict)
    """The containers that were there before, by id."""
    started: set[str] = field(default_factory=set)
    """Containers that were started meanwhile."""
    starts: dict[str, float] = field(default_factory=dict)
    """When each service started, in seconds since the beginning."""
    seen: dict[tuple[str, str], float] = field(default_factory=dict)
    """When each start of a container was first seen, by its id and Docker's time."""
    told: dict[str, tuple[float, str]] = field(default_factory=dict)
    """When each service was last worth a line, and the last detail."""
    failures: dict[str, Failure] = field(default_factory=dict)
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

    @property
    def waiting(self) -> list[str]:
        """Names of services that are neither up nor given up."""
        return [
            name for name, service in self.services.items() if not service.dormant and self.phases.get(name) not in OVER
        ]

    def is_known(self, container: str) -> bool:
        """Whether what a container does counts: Compose may still be about to replace one that was there before."""
        return container not in self.before or container in self.started or self.compose_done

    def has_restarted(self, state: ContainerState) -> bool:
        """Whether Docker started it again since we came."""
        known = self.before.get(state.id)
        return state.restarts > (known.restarts if known else 0)

    def is_steady(self, state: ContainerState) -> bool:
        """Whether a container that says nothing of its health has run long enough to be no loop of crashes."""
        known = self.before.get(state.id)
        if state.health or (known and known.started_at == state.started_at):
            return True
        return self.seconds - self.seen.setdefault((state.id, state.started_at), self.seconds) >= _STEADY_SECONDS

    def start(self, service: str, container: str) -> None:
        """A container of a service was started."""
        self.started.add(container)
        self.starts[service] = self.seconds
        self.enter(service, "starting")

    def enter(self, service: str, phase: str, detail: str = "") -> None:
        """Tell what a service does: a new phase at once, a new detail to tables.

        Nothing comes after the good ends, and after a failure only a good end: a loop of crashes starts again and again.
        """
        if service not in self.services or self.phases.get(service) in {"healthy", "done"}:
            return
        if service in self.failures and phase not in OVER:
            return
        last_word, last_detail = self.told.get(service, (0.0, ""))
        is_new = self.phases.get(service) != phase
        is_news = is_new or (phase not in OVER and self.seconds - last_word >= _WORD_EVERY_SECONDS)
        if not is_news and detail == last_detail:
            return
        self.phases[service] = phase
        self.told[service] = (self.seconds if is_news else last_word, detail)
        own = self.seconds - self.starts.get(service, 0.0)
        self.report(
            Progress(
                service=service, phase=phase, seconds=self.seconds, own_seconds=own, detail=detail, is_news=is_news
            )
        )

    def fail(self, service: str, failure: Failure) -> None:
        """Go on without a service where that makes sense: one dead engine leaves the others answering."""
        self.failures.setdefault(service, failure)
        self.enter(service, "failed", failure.headline)
        if service in self.vital:
            raise failure.error(self.plan)

    def recover(self, service: str, container: str) -> None:
        """It is healthy, perhaps after Docker started it again."""
        self.failures.pop(service, None)
        same = container in self.before and container not in self.started
        self.enter(service, "healthy", "as before" if same else "")


def tell_waits(watch: Watch, states: Mapping[str, ContainerState]) -> None:
    """Say what each service that is awaited does: whom it waits for, or what it logged last."""
    for service in watch.waiting:
        state = states.get(service)
        if state is None or state.status == "created":
            detail = reason(watch, service)
            if state or (detail and watch.phases.get(service) not in {"pulling", "pulled"}):
                watch.enter(service, "waiting", detail)
        elif state.status == "running" and watch.is_known(state.id):
            _tell_log(watch, service, state)


def _tell_log(watch: Watch, service: str, state: ContainerState) -> None:
    lines = watch.docker.log_tail(state.id, _PHASE_LINES)
    known = log_phases(watch.services[service].image.family)
    detail = _short(known.words(clean(lines[-1], watch.mask))) if lines else "it has logged nothing yet"
    watch.enter(service, known.phase(lines) or "starting", detail)


def reason(watch: Watch, service: str) -> str:
    """For whom a service waits; empty where for none."""
    pending = [need.service for need in watch.services[service].needs if need.service in watch.waiting]
    return f"for {', '.join(pending)}" if pending else ""


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_DETAIL else f"{text[: _LONGEST_DETAIL - 1]}…"
