"""A spec that was read, planned and rendered."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stackgen import files, render, runtime, sources, vault
from stackgen import plan as planning
from stackgen.errors import DriftError, StackError
from stackgen.parts import Secret
from stackgen.plan import Plan
from stackgen.render import stand_in
from stackgen.render.env import env_file
from stackgen.simulators.faults import KINDS, Fault
from stackgen.sources import describe, nearest, printable
from stackgen.spec import SIMULATION_SUFFIX
from stackgen.verbs import choice

OUTPUT_FOLDER = "rendered"
_SIMULATION_FOLDER = "simulation"
_FAULTS_FILE = "faults.json"


@dataclass(frozen=True)
class Stack:
    """A spec that was read and planned, and where its files are."""

    plan: Plan
    folder: Path
    """The spec's."""
    home: Path
    """Where its secrets are kept: the spec's folder, or that of the simulation."""
    out: Path
    chosen: tuple[str, ...] = ()
    """Groups to be kept as the active ones; none where nobody chose now."""

    def files(self) -> tuple[render.File, ...]:
        """What is rendered, seen from where it is written."""
        return render.files(self.plan, os.path.relpath(self.folder, self.out))

    def values(self) -> dict[str, str]:
        """The kept secrets by name.

        Raises:
            StackError: they cannot be read.
        """
        return vault.read(self.home / vault.FOLDER / vault.FILE)


@dataclass(frozen=True)
class Rendered:
    """What a render did."""

    written: files.Written
    generated: tuple[str, ...]
    missing: tuple[Secret, ...]
    values: Mapping[str, vault.SecretValue]
    differing: tuple[str, ...]


def open_stack(
    file: Path,
    out: Path | None = None,
    *,
    simulate: bool = False,
    faults: Sequence[str] | None = None,
    changes: Sequence[sources.Change] = (),
    groups: Sequence[str] = (),
    suggest: bool = True,
) -> Stack:
    """Read and plan a spec.

    Args:
        file: the spec, or its folder.
        out: folder of the rendered files.
        simulate: plan its simulation.
        changes: what is tried in the place of what the spec says; never write such a stack.
        faults: `SERVICE=KIND[:SECONDS]` for stand-ins; None: those that the simulation was started with.
        groups: names of groups that are to be active; kept when the stack is rendered.
        suggest: whether changes are tried where something does not fit.

    Raises:
        SpecError: every problem it has.
        StackError: there is no such fault or no such stand-in.
    """
    loaded = sources.load(file, changes)
    home = simulation_home(loaded.folder) if simulate else loaded.folder
    plan = planning.make(loaded, active=choice.wanted(loaded.spec, groups, home, loaded.folder), suggest=suggest)
    if simulate:
        wanted = _faults(plan, faults) if faults is not None else _kept_faults(home)
        plan = planning.simulated(plan, planning.StandIns(reference=stand_in.reference, faults=wanted))
    chosen = plan.active_groups if groups else ()
    return Stack(plan, loaded.folder, home, out.absolute() if out else home / OUTPUT_FOLDER, chosen)


def simulation_home(folder: Path) -> Path:
    """Where the simulation of a spec in a folder has its files and secrets."""
    return folder / vault.FOLDER / _SIMULATION_FOLDER


def stack_name(file: Path, *, simulate: bool = False) -> str:
    """The project name of a stack, even of one whose spec is otherwise broken: `down` must always work.

    Raises:
        StackError: the spec has no usable name.
    """
    loaded = sources.load(file)
    name = loaded.document.data.get("name")
    problems = [problem for problem in loaded.problems if problem.place == loaded.place(("name",))]
    if problems or not isinstance(name, str):
        raise loaded.failure(problems or loaded.problems)
    return f"{name}{SIMULATION_SUFFIX}" if simulate else name


def render_stack(stack: Stack, *, force: bool = False) -> Rendered:
    """Settle the secrets and write every file.

    Raises:
        DriftError: a file was edited by hand.
        StackError: secrets or files cannot be read or written.
    """
    if stack.plan.simulated:
        vault.prepare(stack.folder)  # keeps all of .stackgen out of git
    with vault.locked(stack.home):
        found = vault.settle(
            stack.home,
            stack.plan.secrets,
            environment=os.environ,
            volume_exists=lambda volume: _holds_data(stack.plan, volume),
            removal=stack.plan.verb("down --volumes"),
        )
        env = env_file(stack.plan, {name: value.reveal() for name, value in found.values.items()})
        known = vault.rendered_env_digest(stack.home, stack.out)
        written = _written(stack, env, known, force=force)
        vault.keep_rendered_env_digest(stack.home, stack.out, files.digest(env))
        if stack.chosen:
            choice.keep(stack.home, stack.chosen)
        if stack.plan.simulated:
            _keep_faults(stack)
    return Rendered(written, found.generated, found.missing, found.values, found.differing)


def _written(stack: Stack, env: str, env_digest: str | None, *, force: bool) -> files.Written:
    try:
        return files.write(stack.out, stack.files(), stack=stack.plan.name, env=env, env_digest=env_digest, force=force)
    except DriftError as error:
        if not stack.plan.simulated:
            raise
        is_home = stack.out == stack.home / OUTPUT_FOLDER
        hint = files.DROP_A_SIMULATION if is_home else "leave --out away: a simulation has a folder of its own"
        raise DriftError(error.message, where=error.where, hint=hint) from None


def differences(stack: Stack) -> list[str]:
    """Unified diffs between the output folder and what would be rendered now."""
    return list(files.differences(stack.out, stack.files()))


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


def _faults(plan: Plan, wanted: Sequence[str]) -> dict[str, str]:
    """What goes wrong, by service.

    Raises:
        StackError: there is no such fault, or no such stand-in.
    """
    names = planning.stand_in_names(plan)
    found: dict[str, str] = {}
    for text in wanted:
        service, _, fault = text.partition("=")
        if service not in names:
            raise StackError(f"there is no stand-in {describe(service)}", hint=nearest(service, names))
        complaint = _fault_complaint(fault)
        if complaint:
            kinds = "; ".join(f"{kind}: {what}" for kind, what in KINDS.items())
            raise StackError(f"--fault {printable(text)}: {complaint}", hint=kinds)
        if service in found:
            hint = f"{service}={found[service]} and {printable(text)} are asked for; leave one out"
            raise StackError(f"a stand-in has one fault at a time, and {service} is given two", hint=hint)
        found[service] = fault
    return found


def _fault_complaint(fault: str) -> str | None:
    if not fault:
        return "no fault is named"
    try:
        Fault.of(fault)
    except ValueError as error:
        return str(error)
    return None


def _kept_faults(home: Path) -> dict[str, str]:
    try:
        data = json.loads((home / _FAULTS_FILE).read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            raise ValueError(f"{_FAULTS_FILE} holds no faults by service")  # noqa: TRY301, TRY004 - told like broken JSON
    except FileNotFoundError:
        return {}
    except (OSError, TypeError, ValueError) as error:
        hint = "stackgen up --simulate writes it anew"
        raise StackError(f"the faults of the simulation cannot be read: {error}", hint=hint) from None
    return {str(service): str(fault) for service, fault in data.items()}


def _keep_faults(stack: Stack) -> None:
    """Later verbs must know which faults are meant, or they would take them for drift."""
    given = {
        service.name: str(service.environment[planning.FAULT_VARIABLE].value)
        for service in stack.plan.services
        if planning.FAULT_VARIABLE in service.environment
    }
    (stack.home / _FAULTS_FILE).write_text(json.dumps(given), encoding="utf-8")
