"""Verbs that start and stop a stack: up, down."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from stackgen import console
from stackgen.cli import completion
from stackgen.cli.app import app
from stackgen.cli.options import DEFAULT_FILE, Groups, OutFolder, Simulate, SpecFile, before, finite
from stackgen.cli.rendering import tell_rendered
from stackgen.errors import ExitCode, StackError
from stackgen.simulators.faults import KINDS

if TYPE_CHECKING:
    from stackgen.runtime import Docker
    from stackgen.verbs import Rendered, Stack


@app.command(short_help="Start the stack and wait until it is healthy.", epilog="Example: stackgen up --timeout 1200")
def up(
    file: SpecFile = DEFAULT_FILE,
    out: OutFolder = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout",
            min=1,
            metavar="SECONDS",
            callback=finite,
            help="Longest wait in all.",
            show_default="what the services may take",
        ),
    ] = None,
    simulate: Simulate = False,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            metavar="SERVICE=KIND[:SECONDS]",
            help=f"Let a stand-in go wrong: {', '.join(KINDS)}. May be given more than once.",
            autocompletion=completion.faults,
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Make the network that the spec names without asking.")
    ] = False,
    group: Groups = None,
) -> None:
    """Render what changed, start the stack, wait until every service is healthy, make declared teams and keys.

    On a terminal a table shows what each service does; elsewhere each step is a line. It may be interrupted or killed at
    any time, and the next `up` continues; while one is at work, a second one waits for it.
    """
    from stackgen import files, runtime, verbs

    if fault and not simulate:
        raise typer.BadParameter("only stand-ins go wrong on request; add --simulate", param_hint="--fault")
    with before("nothing was started"):
        stack = verbs.open_stack(file, out, simulate=simulate, faults=fault or (), groups=group or ())
    if verbs.finish_interrupted(stack):
        console.say(f"{stack.out}: finished a write that was interrupted")
    files.require_untouched(stack.out, simulated=stack.plan.simulated)
    docker = runtime.connect()
    if simulate:
        verbs.refuse_what_is_real(stack.plan.name, docker)
    bring_up(stack, docker, timeout_seconds=timeout, yes=yes)


@app.command(short_help="Stop and remove the stack.", epilog="Example: stackgen down --volumes --yes")
def down(
    file: SpecFile = DEFAULT_FILE,
    volumes: Annotated[
        bool, typer.Option("--volumes", help="Delete the database and the downloaded models too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before data is deleted.")] = False,
    simulate: Simulate = False,
) -> None:
    """Stop and remove the stack; data and downloads stay unless --volumes is given."""
    from stackgen import runtime, verbs

    with before("nothing was stopped"):
        name = verbs.stack_name(file, simulate=simulate)
    docker = runtime.connect()
    if simulate:
        verbs.refuse_what_is_real(name, docker)
    doomed = docker.volumes(name) if volumes else []
    if doomed and not yes:
        console.say(f"this deletes: {', '.join(doomed)}")
        if not sys.stdin.isatty():
            raise StackError("nobody is there to ask", hint="add --yes to delete the data of this stack")
        if not console.confirmed("delete them?"):
            raise typer.Exit(ExitCode.PROBLEM)
    runtime.compose.down(name, volumes=volumes, report=lambda what: console.say(f"removed {what}"))
    left = verbs.leftovers(name, docker, volumes=volumes)
    if left:
        raise StackError(f"still there: {', '.join(left)}", hint="something else uses it: docker ps -a")
    if simulate and volumes:
        verbs.forget_simulation(file, docker, console.say)
    kept = [] if volumes else docker.volumes(name)
    console.say(f"{name} is down" + (f"; kept: {', '.join(kept)}" if kept else ""), "ok")


def bring_up(stack: Stack, docker: Docker, *, timeout_seconds: float | None = None, yes: bool = False) -> None:
    """Start a stack as `up` does, and say how it stands then; a rotation that began is finished.

    Args:
        stack: the stack.
        docker: the engine.
        timeout_seconds: longest wait; None: as long as the services may take.
        yes: make the network that the spec names without asking.

    Raises:
        StackError: it does not come up.
        typer.Exit: it is interrupted, or not whole.
    """
    from stackgen import verbs

    try:
        seconds, rendered = _rendered_and_started(stack, docker, timeout_seconds=timeout_seconds, yes=yes)
    except KeyboardInterrupt:
        go_on, remove = stack.plan.verb("up"), stack.plan.verb("down")
        console.interrupted(f"containers that exist go on; `{go_on}` continues, `{remove}` removes them")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    states = docker.containers(stack.plan.name)
    headline, *lines = verbs.final_lines(stack, seconds, states)
    console.say(headline, "ok")
    failures = _settle_access(replace(stack, plan=verbs.reached(stack.plan, states)), rendered)
    for line in lines:
        console.say(line)
    for failure in failures:
        console.failure(failure)
    if failures:
        raise typer.Exit(ExitCode.PROBLEM)


def _rendered_and_started(
    stack: Stack, docker: Docker, *, timeout_seconds: float | None, yes: bool
) -> tuple[float, Rendered]:
    """Render and start, one at a time; seconds that it took, and what was rendered."""
    from stackgen import runtime, vault

    file = runtime.lock.SIMULATION_FILE if stack.plan.simulated else runtime.lock.FILE
    folder = vault.prepare(stack.folder)
    with runtime.lock.turn(folder, timeout_seconds=timeout_seconds, say=console.say, file=file) as turn:
        rendered = _render(stack)
        _prepare(stack, docker, yes=yes)
        _put_to_sleep(stack, docker)
        with console.progress(runtime.start_order(stack.plan)) as report:
            seconds = runtime.up(
                stack.plan,
                stack.out,
                docker,
                turn=turn,
                timeout_seconds=timeout_seconds,
                report=report,
                mask=vault.masker(rendered.values),
            )
    return seconds, rendered


def _render(stack: Stack) -> Rendered:
    """Write what changed; a value that only the user has must be there."""
    from stackgen import verbs

    rendered = verbs.render_stack(stack, may_start=True)
    if any((rendered.written.changed, rendered.missing, rendered.differing, rendered.rotated, rendered.weak)):
        tell_rendered(rendered, stack)
    if rendered.missing:
        names = ", ".join(secret.name for secret in rendered.missing)
        raise StackError(
            f"no value for {names}", hint=f"`{stack.plan.verb(f'secrets set {rendered.missing[0].name}')}` takes it"
        )
    return rendered


def _prepare(stack: Stack, docker: Docker, *, yes: bool) -> None:
    """Make what the stack needs: stand-ins, a network where somebody agrees; name all that keeps it from starting."""
    from stackgen import runtime

    runtime.stand_ins.build(stack.plan, docker, lambda name: console.say(f"building {name} …"))
    outside = stack.plan.network.external
    if outside and not docker.has_network(outside):
        asked = not yes and sys.stdin.isatty() and sys.stderr.isatty()
        if yes or (asked and console.confirmed(f"there is no network `{outside}`; make it?")):
            runtime.compose.create_network(outside)
            console.say(f"made the network {outside}")
    refusals = list(runtime.preflight.findings(stack.plan, docker))
    for refusal in refusals:
        console.failure(refusal)
    if refusals:
        raise typer.Exit(ExitCode.PROBLEM)
    for warning in runtime.disk.warnings(stack.plan, docker):
        console.warn(warning)


def _put_to_sleep(stack: Stack, docker: Docker) -> None:
    """Remove what is of groups that sleep before anything starts: both together may not fit onto a card."""
    from stackgen import runtime, verbs

    services = verbs.still_awake(stack.plan, docker)
    for name, group in services.items():
        console.say(f"stopping {name}: its group `{group}` sleeps now …")
    if services:
        runtime.compose.remove(stack.out, [secret.name for secret in stack.plan.secrets], services)
        console.say(f"removed {', '.join(services)}")


def _settle_access(stack: Stack, rendered: Rendered) -> list[StackError]:
    """Tell what became of declared teams and keys; one that failed does not keep the others from being made.

    Returns:
        Why some failed.
    """
    from stackgen import access, verbs

    forgotten = verbs.forget_replaced(stack, rendered.values)
    entries = verbs.settle_access(stack, rendered.values)
    if entries:
        console.say(f"teams and keys at the gateway ({access.NOT_REHEARSED}):")
    for entry in entries:
        if not entry.has_failed:
            console.say(str(entry))
    return [*forgotten, *access.failures(entries)]
