"""What the verbs do, without printing: each joins the rooms below (plan, render, files, vault, runtime, smoke)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stackgen import access, files, render, runtime, smoke, sources, vault
from stackgen import plan as planning
from stackgen.backing import litellm
from stackgen.errors import DockerError, StackError
from stackgen.parts import Secret
from stackgen.plan import Plan
from stackgen.render.compose import CONTENT_LABEL
from stackgen.render.env import env_file
from stackgen.render.litellm import complaints as gateway_complaints
from stackgen.report import Finding, Report, access_finding, access_skipped

OUTPUT_FOLDER = "rendered"

_to_the_gateway = partial(smoke.from_this_host, timeout_seconds=access.TIMEOUT_SECONDS)


@dataclass(frozen=True)
class Stack:
    """A spec that was read and planned, and where its files are."""

    plan: Plan
    folder: Path
    out: Path

    def files(self) -> tuple[render.File, ...]:
        """What is rendered, seen from where it is written."""
        return render.files(self.plan, os.path.relpath(self.folder, self.out))


@dataclass(frozen=True)
class Rendered:
    """What a render did."""

    written: files.Written
    generated: tuple[str, ...]
    missing: tuple[Secret, ...]
    values: Mapping[str, vault.SecretValue]
    differing: tuple[str, ...]


def open_stack(file: Path, out: Path | None = None) -> Stack:
    """Read and plan a spec.

    Raises:
        SpecError: every problem it has.
    """
    loaded = sources.load(file)
    return Stack(planning.make(loaded), loaded.folder, out.absolute() if out else loaded.folder / OUTPUT_FOLDER)


def stack_name(file: Path) -> str:
    """The name of a stack, even of one whose spec is otherwise broken: `down` must always work.

    Raises:
        StackError: the spec has no usable name.
    """
    loaded = sources.load(file)
    name = loaded.document.data.get("name")
    problems = [problem for problem in loaded.problems if problem.place == loaded.place(("name",))]
    if problems or not isinstance(name, str):
        raise loaded.failure(problems or loaded.problems)
    return name


def render_stack(stack: Stack, *, force: bool = False) -> Rendered:
    """Settle the secrets and write every file.

    Raises:
        DriftError: a file was edited by hand.
        StackError: secrets or files cannot be read or written.
    """
    rendered = stack.files()
    with vault.locked(stack.folder):
        found = vault.settle(
            stack.folder,
            stack.plan.secrets,
            environment=os.environ,
            volume_exists=lambda volume: _holds_data(stack.plan, volume),
        )
        env = env_file(stack.plan, {name: value.reveal() for name, value in found.values.items()})
        known = vault.rendered_env_digest(stack.folder, stack.out)
        written = files.write(stack.out, rendered, stack=stack.plan.name, env=env, env_digest=known, force=force)
        vault.keep_rendered_env_digest(stack.folder, stack.out, files.digest(env))
    return Rendered(written, found.generated, found.missing, found.values, found.differing)


def differences(stack: Stack) -> list[str]:
    """Unified diffs between the output folder and what would be rendered now."""
    return list(files.differences(stack.out, stack.files()))


def static_report(stack: Stack) -> Report:
    """Everything that can be proven without an engine."""
    return Report(stack.plan.name, static=list(_static_findings(stack)), warnings=stack.plan.warnings)


def add_live(report: Report, stack: Stack) -> None:
    """Add what runs and what it answers; what keeps us from looking is a finding too."""
    try:
        docker = runtime.connect()
        report.containers += _container_findings(stack, docker)
        report.results += _live_results(stack, docker)
        report.access += _access_findings(stack, docker)
    except StackError as error:
        report.containers.append(Finding("running stack", (error.message,), hint=error.hint))
        report.access += access_skipped(access.wanted(stack.plan), "nobody could look at the running stack")


def settle_access(stack: Stack, values: Mapping[str, vault.SecretValue]) -> list[access.Entry]:
    """Make the declared teams and keys at the gateway; none where it has no database.

    Returns:
        How each stands now; those that failed are for `access.failures`.

    Raises:
        StackError: a value that is needed is not there.
    """
    return access.settle(stack.plan, _to_the_gateway, values) if access.wanted(stack.plan) else []


def leftovers(name: str, docker: runtime.Docker, *, volumes: bool) -> list[str]:
    """What is still there of a stack after `down`."""
    found = [f"container {state.service}" for state in docker.containers(name)]
    found += [f"network {network}" for network in docker.networks(name)]
    return found + [f"volume {volume}" for volume in docker.volumes(name)] if volumes else found


def _static_findings(stack: Stack) -> Iterator[Finding]:
    """The plan itself is proven by being there."""
    plan = stack.plan
    yield Finding("spec and plan")
    yield _drift(stack)
    config = stack.out / litellm.CONFIG.path
    if not (stack.out / render.COMPOSE_FILE).is_file():
        yield Finding("gateway file", skipped="nothing is rendered")
        yield Finding("docker compose config", skipped="nothing is rendered")
        return
    yield Finding(
        "gateway file", tuple(gateway_complaints(plan, config)), hint="`stackgen render --force` writes it anew"
    )
    try:
        runtime.compose.version()
    except DockerError as error:
        yield Finding("docker compose config", skipped=f"{error.message}; {error.hint}")
        return
    yield Finding(
        "docker compose config", tuple(runtime.compose.complaints(stack.out, [secret.name for secret in plan.secrets]))
    )


def _container_findings(stack: Stack, docker: runtime.Docker) -> Iterator[Finding]:
    """Whether every service of the plan runs and is healthy, and whether foreign ones are left over."""
    states = {state.service: state for state in docker.containers(stack.plan.name)}
    digests = {file.path: file.digest for file in stack.files()}
    for service in stack.plan.services:
        state = states.get(service.name)
        if state is None and service.dormant:
            yield Finding(service.name, skipped="it is started by its name alone")
        elif state is None:
            yield Finding(service.name, ("it has no container",), hint="stackgen up")
        elif service.job and (state.is_done or state.status == "running"):
            yield Finding(service.name, skipped="" if state.is_done else "it is still at work")
        elif not state.is_ready:
            health = f", {state.health}" if state.health else ""
            code = f" (exit code {state.exit_code})" if state.is_dead else ""
            yield Finding(
                service.name,
                (f"{state.status}{health}{code}",),
                hint=f"docker compose -p {stack.plan.name} logs {service.name}",
            )
        elif state.image != service.image_reference:
            yield Finding(
                service.name, (f"runs {state.image}, the spec says {service.image_reference}",), hint="stackgen up"
            )
        elif any(
            state.labels.get(f"{CONTENT_LABEL}.{file.path}") != digests[file.path] for file in service.config_files
        ):
            yield Finding(service.name, ("it runs an older render than the spec says",), hint="stackgen up")
        else:
            yield Finding(service.name)
    for name in sorted(set(states) - stack.plan.service_names):
        yield Finding(name, ("it runs, but the spec does not have it",), hint="stackgen up")


def _live_results(stack: Stack, docker: runtime.Docker) -> list[smoke.Result]:
    """Real requests from this host and from inside the network; none where no container of the stack is there.

    Raises:
        StackError: containers run, but the key of their gateway is not beside the spec.
    """
    states = docker.containers(stack.plan.name)
    if not states:
        return []
    values = vault.read(stack.folder / vault.FOLDER / vault.FILE)
    mask = vault.masker({name: vault.SecretValue(value) for name, value in values.items()})
    gateway = next((state for state in states if state.service == litellm.NAME), None)
    if gateway is None or gateway.status != "running":
        inside = smoke.unreachable(f"{litellm.NAME} does not run, and requests inside the network start from it")
    else:
        identifier = gateway.id
        inside = smoke.by_script(lambda program, stdin: docker.execute(identifier, ["python", "-c", program], stdin))
    return smoke.run(stack.plan, smoke.masked(smoke.from_this_host, mask), smoke.masked(inside, mask), values)


def _access_findings(stack: Stack, docker: runtime.Docker) -> Iterator[Finding]:
    """Whether the declared teams and keys are at the gateway, as they are declared."""
    wanted = access.wanted(stack.plan)
    states = docker.containers(stack.plan.name) if wanted else []
    if not any(state.service == litellm.NAME and state.status == "running" for state in states):
        yield from access_skipped(wanted, f"{litellm.NAME} does not run")
        return
    values = vault.read(stack.folder / vault.FOLDER / vault.FILE)
    secrets = {name: vault.SecretValue(value) for name, value in values.items()}
    for entry in access.look(stack.plan, _to_the_gateway, secrets):
        yield access_finding(entry)


def _drift(stack: Stack) -> Finding:
    rendered = stack.files()
    if files.is_interrupted(stack.out):
        return Finding("files", ("a write was interrupted",), hint="stackgen render")
    if not (stack.out / render.COMPOSE_FILE).exists():
        return Finding("files", ("nothing is rendered",), hint="stackgen render")
    edited = set(files.hand_edits(stack.out))
    stale = {file.path for file in rendered if _differs(stack.out / file.path, file.text)}
    complaints = [f"{path}: edited by hand since stackgen wrote it" for path in sorted(edited)]
    complaints += [f"{path}: the spec says something else by now" for path in sorted(stale - edited)]
    hint = (
        "`stackgen render --check` shows the difference, `stackgen render --force` drops it"
        if edited
        else "stackgen render"
    )
    return Finding("files", tuple(complaints), hint=hint)


def _differs(path: Path, text: str) -> bool:
    try:
        return path.read_bytes() != text.encode()
    except OSError:
        return True


def _holds_data(plan: Plan, storage: str) -> bool:
    """Whether data waits in a storage; on a machine without an engine no volume does."""
    where = plan.kept_in(storage)
    if where.startswith("/"):
        folder = Path(where)
        return folder.is_dir() and any(folder.iterdir())
    try:
        return runtime.connect().has_volume(where)
    except StackError:
        return False
