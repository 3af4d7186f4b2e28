"""What engines that run tell of their memory: compared with the plan by `check`, kept by `check --record`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from stackgen import facts, files, measuring, runtime, smoke
from stackgen.facts import Measured
from stackgen.files.disk import text_of
from stackgen.measuring import Comparison
from stackgen.parts import Instance, service_url
from stackgen.plan import Plan
from stackgen.plan.planned import planned
from stackgen.report import Finding, Report, memory_finding, memory_name
from stackgen.runtime import ContainerState
from stackgen.runtime.logs import Window, past
from stackgen.sources import Layer
from stackgen.verbs.stack import Stack

RECORD_HINT = "`stackgen check --record` keeps what was measured for the next plan"
_METRICS_SECONDS = 10.0
"""A server that works tells them at once; one that hangs was waited for already, when models were asked."""
_OK = 200


def add(
    report: Report, plan: Plan, docker: runtime.Docker, states: Sequence[ContainerState], inside: smoke.Transport
) -> None:
    """Add what every engine whose lines are known told of its memory since it was started.

    Args:
        report: takes findings, figures and warnings.
        plan: what was expected.
        docker: gives the logs.
        states: the containers.
        inside: asks for /metrics inside the network.
    """
    there = {state.service: state for state in states}
    metrics = _metrics(plan, there, inside)
    for instance in plan.instances:
        if facts.memory_lines(instance.engine) is None:
            continue
        reason, comparison = _compared(plan, instance, docker, there.get(instance.name), metrics)
        if comparison is None:
            report.memory.append(Finding(memory_name(instance.name), skipped=reason, service=instance.name))
            continue
        report.memory.append(memory_finding(comparison))
        report.measured.append(comparison)
        report.warnings += tuple(comparison.warnings)
    if not plan.simulated and any(figure.is_off for found in report.measured for figure in found.figures):
        report.warnings += (RECORD_HINT,)


def record_measured(stack: Stack, report: Report, today: date) -> list[str]:
    """Keep beside the spec what engines told of their memory.

    Args:
        stack: a real one.
        report: what `check` found of it.
        today: the day that it is kept under.

    Returns:
        What was kept and what was not, a sentence each.

    Raises:
        StackError: the file cannot be read or written, or is none of ours.
    """
    unfit = {finding.service for finding in report.containers if finding.complaints}
    rows: list[Measured] = []
    told = []
    for comparison in report.measured:
        name = comparison.instance.name
        reason = "its container is not as the spec says" if name in unfit else measuring.why_not(comparison.instance)
        row = None if reason else measuring.row_of(comparison, today.isoformat())
        if row is None:
            told.append(f"not recorded: {name}, {reason or 'its engine told nothing of weights'}")
        else:
            rows.append(row)
    if not rows:
        return [*told, f"nothing was recorded: {measuring.FILE} is as it was"]
    path = stack.folder / measuring.FILE
    with files.turn(stack.folder):
        update = measuring.updated(text_of(path), measuring.one_of_each(rows))
        files.put(path, update.text)
    counts = [f"{count} {what}" for count, what in ((update.new, "new"), (update.replaced, "replaced")) if count]
    return [*told, f"wrote {measuring.FILE}: {', '.join(counts)}"]


def _compared(
    plan: Plan, instance: Instance, docker: runtime.Docker, state: ContainerState | None, metrics: Mapping[str, str]
) -> tuple[str, Comparison | None]:
    """What one engine told, or the reason why it told nothing."""
    if state is None or not state.is_ready:
        return "it does not run, or is not ready yet", None
    if len(instance.models) > 1:
        return "several models share its process, and its log does not tell them apart", None
    known = facts.memory_lines(instance.engine)
    assert known is not None  # noqa: S101 - the caller looked
    refusals: list[str] = []
    lines = past(docker, [state], Window(tail=None, since=state.started), lambda _, why: refusals.append(why))
    log = "\n".join(measuring.until_ready((line.text for line in lines), known))
    reading = measuring.read(known, log, metrics.get(instance.name, ""), on_cards=instance.on_gpu)
    if reading.is_empty:
        return "; ".join(refusals) or "its log says nothing of memory", None
    wanted = _declared_concurrency(plan, instance)
    return "", Comparison(instance=instance, reading=reading, planned=planned(plan, instance), wanted=wanted)


def _declared_concurrency(plan: Plan, instance: Instance) -> int | None:
    """What the spec itself says: a profile's number is a limit for all kinds of models, and promises nobody anything."""
    served = instance.models[0]
    origin = plan.origin((*served.path, "concurrency"))
    return served.model.concurrency if origin and origin.layer is Layer.SPEC else None


def _metrics(plan: Plan, there: Mapping[str, ContainerState], inside: smoke.Transport) -> dict[str, str]:
    """The text of /metrics of each instance that runs and tells of its memory there."""
    told = {service.name: service.metrics for service in plan.services if service.metrics}
    asked = [
        (instance.name, metrics)
        for instance in plan.instances
        if (metrics := told.get(instance.name)) and _tells_in_metrics(instance, there.get(instance.name))
    ]
    if not asked:
        return {}
    requests = [
        smoke.Request(
            url=service_url(name, metrics.port, metrics.path),
            headers={},
            body={},
            method="GET",
            timeout_seconds=_METRICS_SECONDS,
        )
        for name, metrics in asked
    ]
    replies = inside(requests)
    return {name: reply.body for (name, _), reply in zip(asked, replies, strict=True) if reply.status == _OK}


def _tells_in_metrics(instance: Instance, state: ContainerState | None) -> bool:
    known = facts.memory_lines(instance.engine)
    return known is not None and bool(known.series) and state is not None and state.is_ready
