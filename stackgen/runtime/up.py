"""Bring a rendered stack up: Compose changes, the SDK follows, and whoever waits hears why.

Events begin before Compose does, so that none is missed; a slow look at all containers is the net below them.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from stackgen.errors import DockerError, NotHealthyError, StackError
from stackgen.plan import Plan
from stackgen.runtime import compose
from stackgen.runtime.engine import SERVICE_LABEL, ContainerState, Docker, explained
from stackgen.runtime.watch import Progress, Watch, death, late, reason, tell_waits, unhealthy

_LOOK_EVERY_SECONDS = 2.0
_WORD_EVERY_SECONDS = 15.0
_END_OF_COMPOSE_SECONDS = 20.0


def up(
    plan: Plan,
    folder: Path,
    docker: Docker,
    *,
    timeout_seconds: float | None,
    report: Callable[[Progress], None],
    mask: Callable[[str], str],
) -> float:
    """Start what is not running, replace what changed, wait until every service is healthy.

    Args:
        plan: the stack.
        folder: its rendered files.
        docker: the engine.
        timeout_seconds: longest time in all; None: as long as the services may take by their own budgets.
        report: called with every step.
        mask: takes secrets out of a text.

    Returns:
        Seconds that it took.

    Raises:
        NotHealthyError: a service died, or was not healthy in time; the message ends with its last log lines. Where the
            others can do without it, they are brought up first.
        DockerError: Compose or the engine refuses.
    """
    watch = Watch(plan, docker, report, mask)
    present = docker.containers(plan.name)
    watch.before = {state.id: state.restarts for state in present}
    secret_names = [secret.name for secret in plan.secrets]
    outdated = _outdated(plan, folder, present)
    if outdated:
        compose.stop(folder, secret_names, outdated)
    budgets = budgets_seconds(plan) if timeout_seconds is None else dict.fromkeys(watch.services, timeout_seconds)
    news: queue.Queue[tuple[str, Any]] = queue.Queue()
    stream, close = docker.events(plan.name, since=int(time.time()))
    threading.Thread(target=_pump_events, args=(stream, news), daemon=True).start()
    process = compose.start_up(folder, secret_names)
    reader = threading.Thread(target=_pump_compose, args=(process, news), daemon=True)
    reader.start()
    try:
        _follow(watch, news, budgets)
    finally:
        close()
        _end(process)
        reader.join(_END_OF_COMPOSE_SECONDS)
    return watch.seconds


def budgets_seconds(plan: Plan) -> dict[str, float]:
    """The longest time from the start that each service may take: its own budget after those that it waits for."""
    services = {service.name: service for service in plan.services}
    found: dict[str, float] = {}

    def total(name: str) -> float:
        if name not in found:
            service = services[name]
            before = {*(need.service for need in service.needs), *(service.raw.get("depends_on") or ())}
            found[name] = service.start_budget_seconds + max(map(total, before & set(services)), default=0.0)
        return found[name]

    return {name: total(name) for name in services}


def _outdated(plan: Plan, folder: Path, present: list[ContainerState]) -> list[str]:
    """Services that run since before a file was written which they read.

    Compose sees a changed file by its label. It sees nothing where a hand edit was undone: the label is as before, but
    the container still reads what was edited, for a mounted file is the one that was there when the container started.
    """
    files = {service.name: service.config_files for service in plan.services}
    found = []
    for state in present:
        if state.status != "running":
            continue
        started = datetime.fromisoformat(state.started_at).timestamp()
        if any((folder / file.path).stat().st_mtime > started for file in files.get(state.service, ())):
            found.append(state.service)
    return found


def _follow(watch: Watch, news: queue.Queue[tuple[str, Any]], budgets: Mapping[str, float]) -> None:
    """Until everything is up or given up, or whatever is still awaited has used up its time."""
    next_look = 0.0
    next_word = _WORD_EVERY_SECONDS
    while True:
        with contextlib.suppress(queue.Empty):
            kind, item = news.get(timeout=0.25)
            _hear(watch, kind, item)
        if watch.seconds >= next_look:
            _look(watch)
            next_look = watch.seconds + _LOOK_EVERY_SECONDS
        if watch.compose_done and not watch.waiting:
            _raise_failures(watch)
            return
        limit = _limit(watch, budgets)
        if watch.seconds > limit:
            raise late(watch, limit)
        if watch.seconds >= next_word:
            tell_waits(watch)
            next_word = watch.seconds + _WORD_EVERY_SECONDS


def _limit(watch: Watch, budgets: Mapping[str, float]) -> float:
    """The longest budget; that of a job, which is long, counts only when nothing but jobs is awaited."""
    servers = [name for name, service in watch.services.items() if not service.job]
    among = servers if set(watch.waiting) & set(servers) else list(budgets)
    return max(budgets[name] for name in among)


def _hear(watch: Watch, kind: str, item: Any) -> None:
    if kind == "event":
        _hear_event(watch, item)
    elif kind == "compose":
        watch.compose_lines.append(item)
        event = compose.parse_event(item)
        name = str(event.get("id", ""))
        status = str(event.get("text") or event.get("status") or "")
        if name in watch.services and status in {"Pulling", "Pulled"}:
            watch.enter(name, status.lower())
    elif item == 0:
        watch.compose_done = True
        _look(watch)
    else:
        _look(watch)
        _raise_failures(watch)
        raise _compose_failure(watch)


def _hear_event(watch: Watch, event: Mapping[str, Any]) -> None:
    attributes = event["Actor"]["Attributes"]
    service, identifier = attributes.get(SERVICE_LABEL, ""), event["Actor"]["ID"]
    action = str(event["Action"])
    if action == "start":
        watch.started.add(identifier)
        watch.enter(service, "starting")
    elif action == "health_status: healthy":
        _recovered(watch, service)
    elif action == "die" and (identifier not in watch.before or identifier in watch.started or watch.compose_done):
        _ended(watch, service, identifier, int(attributes.get("exitCode", -1)))


def _look(watch: Watch) -> None:
    """One pass over all containers: what the events did not tell."""
    for state in watch.docker.containers(watch.plan.name):
        if state.service not in watch.services:
            continue
        grown = state.restarts > watch.before.get(state.id, 0)
        known = state.id not in watch.before or watch.compose_done
        if known and state.is_ready and not watch.services[state.service].job:
            _recovered(watch, state.service)
        elif known and (grown or (state.is_dead and state.started_at)):
            _ended(watch, state.service, state.id, state.exit_code if state.is_dead else None)
        elif known and state.health == "unhealthy":
            watch.fail(state.service, unhealthy(watch, state))
        elif state.status == "created":
            watch.enter(state.service, "created", reason(watch, state.service))


def _recovered(watch: Watch, service: str) -> None:
    """It is healthy, perhaps after Docker started it again."""
    watch.failures.pop(service, None)
    watch.enter(service, "healthy")


def _ended(watch: Watch, service: str, identifier: str, exit_code: int | None) -> None:
    """A job that ended well is done; everything else that ends has failed. Docker forgets the code where it starts again."""
    if service in watch.services and watch.services[service].job and exit_code == 0:
        watch.failures.pop(service, None)
        watch.enter(service, "done")
    else:
        watch.fail(service, death(watch, service, identifier, exit_code))


def _raise_failures(watch: Watch) -> None:
    found = list(watch.failures.items())
    if not found:
        return
    message = "\n".join(error.message for _, error in found)
    names = " ".join(service for service, _ in found)
    hint = f"the other services go on; the whole log: docker compose -p {watch.plan.name} logs {names}"
    raise NotHealthyError(message, hint=hint)


def _compose_failure(watch: Watch) -> StackError:
    said = watch.mask(compose.tail(watch.compose_lines))
    failure = explained(said)
    return DockerError(failure.message, hint=failure.hint or "`stackgen status` shows what is there")


def _pump_events(stream: Iterator[Any], news: queue.Queue[tuple[str, Any]]) -> None:
    """The stream ends when it is closed; a broken one is made up for by looking."""
    with contextlib.suppress(Exception):
        for event in stream:
            news.put(("event", event))


def _pump_compose(process: subprocess.Popen[str], news: queue.Queue[tuple[str, Any]]) -> None:
    assert process.stderr is not None  # noqa: S101 - it was asked for
    with process.stderr:
        for line in process.stderr:
            if line.strip():
                news.put(("compose", line.strip()))
    news.put(("compose ended", process.wait()))


def _end(process: subprocess.Popen[str]) -> None:
    """Ask Compose and its plugin to stop where we stop first; containers that they made so far stay.

    Not by SIGINT: whoever starts stackgen in the background makes its children deaf to that.
    """
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(_END_OF_COMPOSE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
