"""What `check` looks at: files, containers, requests, teams and keys."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from stackgen import access, files, render, runtime, smoke, vault
from stackgen.backing import litellm
from stackgen.errors import DockerError, StackError
from stackgen.render.litellm import complaints as gateway_complaints
from stackgen.report import Finding, Report, access_finding, access_skipped
from stackgen.verbs import containers, memory
from stackgen.verbs.drift import Measure, measure_of
from stackgen.verbs.running import reached, to_the_gateway
from stackgen.verbs.stack import Stack


def static_report(stack: Stack) -> Report:
    """Everything that can be proven without an engine."""
    plan = stack.plan
    findings = files.steadily(stack.out, lambda: list(_static_findings(stack)))
    return Report(plan.name, static=findings, warnings=plan.warnings, simulated=plan.simulated)


def add_live(
    report: Report,
    stack: Stack,
    wishes: smoke.Wishes = smoke.Wishes(),  # noqa: B008 - it is frozen
    tell: Callable[[str], None] = lambda _: None,
) -> None:
    """Add what runs and what it answers; what keeps us from looking is a finding too.

    Args:
        report: takes the findings.
        stack: the stack.
        wishes: whom to ask, found good by `smoke.chosen`, and what all requests together may cost.
        tell: hears how far it is.
    """
    try:
        docker = runtime.connect()
        states = docker.containers(stack.plan.name)
        values = stack.values() if states else {}
        measure = measure_of(stack, values) if states else Measure()
        report.containers += containers.findings(stack.plan, measure, states)
        report.warnings += (*containers.warnings(states), *filter(None, [measure.warning]))
        if states:
            tell("sending requests …" if wishes.models or wishes.modalities else "sending requests to every model …")
            report.containers += containers.proofs(stack.plan, docker, states, values)
            host, inside = _ways(docker, states, values)
            _add_results(report, stack, states, values, wishes, tell, host, inside)
            memory.add(report, stack.plan, docker, states, inside)  # some load a model at its first request
        report.access += _access_findings(stack, docker)
    except StackError as error:
        report.containers.append(Finding("running stack", (error.message,), hint=error.hint))
        report.access += access_skipped(access.wanted(stack.plan), "nobody could look at the running stack")


def _static_findings(stack: Stack) -> Iterator[Finding]:
    """The plan itself is proven by being there."""
    plan = stack.plan
    yield Finding("spec and plan")
    yield files_finding(stack)
    config = stack.out / litellm.CONFIG.path
    unread = ""
    if not (stack.out / render.COMPOSE_FILE).is_file():
        unread = "nothing is rendered"
    elif files.is_interrupted(stack.out):
        unread = "a write was interrupted"
    if unread:
        yield Finding("gateway file", skipped=unread)
        yield Finding("docker compose config", skipped=unread)
        return
    yield Finding(
        "gateway file",
        tuple(gateway_complaints(plan, config)),
        hint=files.DROP_A_SIMULATION if plan.simulated else "`stackgen render --force` writes it anew",
        service=litellm.NAME,
    )
    try:
        runtime.compose.version()
    except DockerError as error:
        yield Finding("docker compose config", skipped=f"{error.message}; {error.hint}")
        return
    secrets, groups = [secret.name for secret in plan.secrets], [group.name for group in plan.groups]
    yield Finding("docker compose config", tuple(runtime.compose.complaints(stack.out, secrets, groups)))


def _ways(
    docker: runtime.Docker, states: Sequence[runtime.ContainerState], values: Mapping[str, str]
) -> tuple[smoke.Transport, smoke.Transport]:
    """From this host, and from the gateway's place inside the network."""
    mask = vault.masker(vault.hidden(values))
    gateway = next((state for state in states if state.service == litellm.NAME), None)
    if gateway is None or gateway.status != "running":
        inside = f"{litellm.NAME} does not run, and requests inside the network start from it"
        return smoke.unreachable(f"{litellm.NAME} does not run"), smoke.unreachable(inside)
    identifier = gateway.id
    script = smoke.by_script(
        lambda program, stdin, seconds: docker.execute(
            identifier, ["python", "-c", program], stdin, timeout_seconds=seconds
        )
    )
    return smoke.masked(smoke.from_this_host, mask), smoke.masked(script, mask)


def _add_results(
    report: Report,
    stack: Stack,
    states: Sequence[runtime.ContainerState],
    values: Mapping[str, str],
    wishes: smoke.Wishes,
    tell: Callable[[str], None],
    host: smoke.Transport,
    inside: smoke.Transport,
) -> None:
    """Real requests from this host and from inside the network."""
    began = time.monotonic()
    plan = reached(stack.plan, states)
    report.results += smoke.run(plan, host, inside, values, wishes, exact=report.simulated, tell=tell)
    report.seconds = time.monotonic() - began
    report.diagnosis = tuple(smoke.diagnosis(plan, report.results))


def _access_findings(stack: Stack, docker: runtime.Docker) -> Iterator[Finding]:
    """Whether the declared teams and keys are at the gateway, as they are declared."""
    wanted = access.wanted(stack.plan)
    states = docker.containers(stack.plan.name) if wanted else []
    if not any(state.service == litellm.NAME and state.status == "running" for state in states):
        yield from access_skipped(wanted, f"{litellm.NAME} does not run")
        return
    for entry in access.look(reached(stack.plan, states), to_the_gateway, vault.hidden(stack.values())):
        yield access_finding(entry, stack.plan.verb("up"))


def files_finding(stack: Stack) -> Finding:
    """Whether the rendered files are what the spec says and what stackgen wrote."""
    return files.steadily(stack.out, lambda: _files_finding(stack))


def _files_finding(stack: Stack) -> Finding:
    rendered = stack.files()
    again = stack.plan.verb("up") if stack.plan.simulated else "stackgen render"
    if files.is_interrupted(stack.out):
        return Finding("files", ("a write was interrupted",), hint=again)
    if not (stack.out / render.COMPOSE_FILE).exists():
        return Finding("files", ("nothing is rendered",), hint=again)
    edited = set(files.hand_edits(stack.out))
    stale = {file.path for file in rendered if _differs(stack.out / file.path, file.text)}
    complaints = [f"{path}: edited by hand since stackgen wrote it" for path in sorted(edited)]
    complaints += [f"{path}: the spec says something else by now" for path in sorted(stale - edited)]
    if edited:
        again = files.remedy(simulated=stack.plan.simulated)
    return Finding("files", tuple(complaints), hint=again)


def _differs(path: Path, text: str) -> bool:
    try:
        return path.read_bytes() != text.encode()
    except OSError:
        return True
