"""Bring a rendered stack up: Compose changes, the SDK follows, and whoever waits hears why.

Events begin before Compose does, so that none is missed; a slow look at all containers is the net below them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from stackgen.plan import Plan
from stackgen.runtime import compose
from stackgen.runtime.container import ContainerState
from stackgen.runtime.engine import Docker
from stackgen.runtime.follow import News, follow, pump_compose, pump_events
from stackgen.runtime.lock import Turn
from stackgen.runtime.watch import Progress, Watch

_END_OF_COMPOSE_SECONDS = 20.0


def up(
    plan: Plan,
    folder: Path,
    docker: Docker,
    *,
    turn: Turn,
    timeout_seconds: float | None,
    report: Callable[[Progress], None],
    mask: Callable[[str], str],
) -> float:
    """Start what is not running, replace what changed, wait until every service is healthy.

    Args:
        plan: the stack.
        folder: its rendered files.
        docker: the engine.
        turn: the right to change the stack.
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
    watch.before = {state.id: state for state in present}
    outdated = _outdated(plan, folder, present)
    if outdated:
        compose.stop(folder, [secret.name for secret in plan.secrets], outdated)
    budgets = budgets_seconds(plan) if timeout_seconds is None else dict.fromkeys(watch.services, timeout_seconds)
    news: News = News()
    with ExitStack() as ending:
        _begin(watch, folder, turn, news, ending)
        follow(watch, news, budgets)
    return watch.seconds


def _begin(watch: Watch, folder: Path, turn: Turn, news: News, ending: ExitStack) -> None:
    """Listen, then start Compose; whatever began is ended with the stack of endings, last first."""
    stream, close = watch.docker.events(watch.plan.name, since=time.time())
    ending.callback(close)
    threading.Thread(target=pump_events, args=(stream, news), daemon=True).start()
    names = [secret.name for secret in watch.plan.secrets]
    process = compose.start_up(folder, names, keep_open=turn.descriptor)
    reader = threading.Thread(target=pump_compose, args=(process, news), daemon=True)
    ending.callback(reader.join, _END_OF_COMPOSE_SECONDS)
    ending.callback(_end, process)
    reader.start()
    turn.note(compose=process.pid)


def start_order(plan: Plan) -> tuple[str, ...]:
    """Names of the services that are started, each behind those that it waits for."""
    services = {service.name: service for service in plan.services}
    found: dict[str, None] = {}

    def visit(name: str) -> None:
        service = services[name]
        for before in service.waits_for:
            if before in services and before not in found:
                visit(before)
        if not service.dormant:
            found[name] = None

    for name in services:
        visit(name)
    return tuple(found)


def budgets_seconds(plan: Plan) -> dict[str, float]:
    """The longest time from the start that each service may take: its own budget after those that it waits for."""
    services = {service.name: service for service in plan.services}
    found: dict[str, float] = {}

    def total(name: str) -> float:
        if name not in found:
            service = services[name]
            before = map(total, services.keys() & service.waits_for)
            found[name] = service.start_budget_seconds + max(before, default=0.0)
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
        if state.status != "running" or state.started is None:
            continue
        began = state.started.timestamp()
        if any((folder / file.path).stat().st_mtime > began for file in files.get(state.service, ())):
            found.append(state.service)
    return found


def _end(process: subprocess.Popen[str]) -> None:
    """Ask Compose and its plugin to stop where we stop first; containers that they made so far stay.

    Not by SIGINT: whoever starts stackgen in the background makes its children deaf to that.
    """
    if process.poll() is not None:
        return
    with suppress(ProcessLookupError):  # it may end at this very moment
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(_END_OF_COMPOSE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
