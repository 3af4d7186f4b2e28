"""Follows a stack that comes up: events of its containers, the words of Compose, and a slow look at everything below both."""

from __future__ import annotations

import contextlib
import queue
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

from stackgen.errors import NotHealthyError
from stackgen.runtime import compose
from stackgen.runtime.container import SERVICE_LABEL, ContainerState
from stackgen.runtime.failures import compose_failure, death, failed, unhealthy
from stackgen.runtime.pulls import Pulls
from stackgen.runtime.watch import Watch, tell_waits

News = queue.Queue[tuple[str, Any]]
"""What happened: ("event", Docker's), ("compose", a line) or ("compose ended", its exit code)."""
_LOOK_EVERY_SECONDS = 2.0
_LISTEN_SECONDS = 0.25


def follow(watch: Watch, news: News, budgets: Mapping[str, float]) -> None:
    """Until everything is up or given up, or whatever is still awaited has used up its time.

    Args:
        watch: what is known.
        news: what happens.
        budgets: the longest time of each service, in seconds.

    Raises:
        NotHealthyError: a service failed or took too long.
        DockerError: Compose or the engine refuses.
    """
    next_look = 0.0
    pulls = Pulls.of(watch.plan)
    while True:
        with contextlib.suppress(queue.Empty):
            kind, item = news.get(timeout=_LISTEN_SECONDS)
            _hear(watch, pulls, kind, item)
        if watch.seconds >= next_look:
            _look(watch)
            next_look = watch.seconds + _LOOK_EVERY_SECONDS
        if watch.compose_done and not watch.waiting:
            _raise_failures(watch)
            return
        limit = _limit(watch, budgets)
        if watch.seconds > limit:
            raise _late(watch, limit)


def pump_events(stream: Iterator[Any], news: News) -> None:
    """The stream ends when it is closed; a broken one is made up for by looking."""
    with contextlib.suppress(Exception):
        for event in stream:
            news.put(("event", event))


def pump_compose(process: subprocess.Popen[str], news: News) -> None:
    """Every line that Compose says, then how it ended."""
    assert process.stderr is not None  # noqa: S101 - it was asked for
    with process.stderr:
        for line in process.stderr:
            if line.strip():
                news.put(("compose", line.strip()))
    news.put(("compose ended", process.wait()))


def _limit(watch: Watch, budgets: Mapping[str, float]) -> float:
    """The longest budget; that of a job, which is long, counts only when nothing but jobs is awaited."""
    servers = [name for name, service in watch.services.items() if not (service.job or service.dormant)]
    among = servers if set(watch.waiting) & set(servers) else list(budgets)
    return max(budgets[name] for name in among)


def _hear(watch: Watch, pulls: Pulls, kind: str, item: Any) -> None:
    if kind == "event":
        _hear_event(watch, item)
    elif kind == "compose":
        watch.compose_lines.append(item)
        for service, phase, detail in pulls.take(compose.parse_event(item)):
            watch.enter(service, phase, detail)
    elif item == 0:
        watch.compose_done = True
        _look(watch)
    else:
        _look(watch)
        _raise_failures(watch)
        pulling = [service for service, phase in watch.phases.items() if phase == "pulling"]
        raise compose_failure(watch.compose_lines, watch.plan, watch.mask, pulling)


def _hear_event(watch: Watch, event: Mapping[str, Any]) -> None:
    """Events of a container that Compose may still replace do not count: it was healthy, or dies, for the last time."""
    attributes = event["Actor"]["Attributes"]
    service, identifier = attributes.get(SERVICE_LABEL, ""), event["Actor"]["ID"]
    action = str(event["Action"])
    if action == "start":
        watch.start(service, identifier)
    elif action == "health_status: healthy" and watch.is_known(identifier):
        watch.recover(service, identifier)
    elif action == "die" and watch.is_known(identifier):
        _ended(watch, service, identifier, int(attributes.get("exitCode", -1)))


def _look(watch: Watch) -> None:
    """One pass over all containers: what the events did not tell, and what those do that are awaited."""
    states = {state.service: state for state in _states(watch)}
    for state in states.values():
        if state.service not in watch.services or watch.services[state.service].dormant or not watch.is_known(state.id):
            continue
        if state.is_ready and not watch.services[state.service].job and watch.is_steady(state):
            watch.recover(state.service, state.id)
        elif watch.has_restarted(state) or (state.is_dead and state.started_at):
            _ended(watch, state.service, state.id, state.exit_code if state.is_dead else None)
        elif state.health == "unhealthy":
            watch.fail(state.service, unhealthy(state, watch.docker, watch.mask))
    tell_waits(watch, states)


def _ended(watch: Watch, service: str, identifier: str, exit_code: int | None) -> None:
    """A job that ended well is done; everything else that ends has failed. Who is asked for by name is no matter of ours."""
    if service not in watch.services or watch.services[service].dormant:
        return
    if watch.services[service].job and exit_code == 0:
        watch.failures.pop(service, None)
        watch.enter(service, "done")
    elif service not in watch.failures:
        memory = any(state.out_of_memory for state in _states(watch) if state.id == identifier)
        watch.fail(service, death(service, identifier, exit_code, watch.docker, watch.mask, memory=memory))


def _states(watch: Watch) -> list[ContainerState]:
    return watch.docker.containers(watch.plan.name)


def _raise_failures(watch: Watch) -> None:
    if watch.failures:
        raise failed(list(watch.failures.values()), watch.plan)


def _late(watch: Watch, limit: float) -> NotHealthyError:
    """Who is not healthy in time, and what each does."""
    tell_waits(watch, {state.service: state for state in _states(watch)})
    parts = [f"{name} ({watch.phases.get(name, 'not created')})" for name in watch.waiting]
    what = (
        f"not healthy after {limit:.0f} s: {', '.join(parts)}" if parts else f"Compose did not end within {limit:.0f} s"
    )
    look = watch.plan.verb("status")
    hint = f"the containers go on; look with `{look}`, or allow more with --timeout or `start_seconds:`"
    return NotHealthyError(what, hint=hint)
