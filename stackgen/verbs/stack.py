"""A spec that was read and planned."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from stackgen import plan as planning
from stackgen import render, sources, vault
from stackgen.errors import StackError
from stackgen.plan import Plan
from stackgen.records import dataclass
from stackgen.simulators.faults import KINDS, Fault
from stackgen.sources import describe, nearest, printable
from stackgen.spec import SIMULATION_SUFFIX
from stackgen.verbs import choice

OUTPUT_FOLDER = "rendered"
_SIMULATION_FOLDER = "simulation"
FAULTS_FILE = "faults.json"


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
    kept_groups: tuple[str, ...] | None = None
    """Groups that were kept as the active ones when it was planned; None where nobody had chosen."""

    def files(self) -> tuple[render.File, ...]:
        """What is rendered, seen from where it is written."""
        return self._files

    @cached_property
    def _files(self) -> tuple[render.File, ...]:
        return render.files(self.plan, os.path.relpath(self.folder, self.out))

    def values(self) -> dict[str, str]:
        """The kept secrets by name.

        Raises:
            StackError: they cannot be read.
        """
        return vault.read(self.home / vault.FOLDER / vault.FILE)


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
    kept = choice.kept_by(loaded.spec, home, loaded.folder)
    plan = planning.make(loaded, active=choice.wanted(loaded.spec, groups, kept), suggest=suggest)
    if simulate:
        from stackgen.render import stand_in  # noqa: PLC0415 - it packs archives, which `render` never does

        wanted = _faults(plan, faults) if faults is not None else _kept_faults(home)
        plan = planning.simulated(plan, planning.StandIns(reference=stand_in.reference, faults=wanted))
    chosen = plan.active_groups if groups else ()
    return Stack(plan, loaded.folder, home, out.absolute() if out else home / OUTPUT_FOLDER, chosen, kept)


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
        data = json.loads((home / FAULTS_FILE).read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            raise ValueError(f"{FAULTS_FILE} holds no faults by service")  # noqa: TRY301, TRY004 - told like broken JSON
    except FileNotFoundError:
        return {}
    except (OSError, TypeError, ValueError) as error:
        hint = "stackgen up --simulate writes it anew"
        raise StackError(f"the faults of the simulation cannot be read: {error}", hint=hint) from None
    return {str(service): str(fault) for service, fault in data.items()}
