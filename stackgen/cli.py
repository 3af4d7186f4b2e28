"""The verbs: each parses, calls, prints."""

from __future__ import annotations

import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stackgen import __version__, console
from stackgen.errors import ExitCode, StackError

if TYPE_CHECKING:
    from stackgen.runtime import Progress
    from stackgen.verbs import Rendered, Stack

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="One stack.yaml becomes an OpenAI-compatible platform on your own GPUs.\n\n"
    "Write stack.yaml, then: stackgen plan, stackgen render, stackgen up, stackgen check.",
    epilog="Exit codes: 0 done, 1 a problem that you can mend, 2 wrong usage, 3 a bug of stackgen, 130 interrupted.",
)

SpecFile = Annotated[Path, typer.Argument(metavar="FILE", help="The spec, or its folder.", show_default="stack.yaml")]
OutFolder = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="Folder of the rendered files.", show_default="rendered/ beside the spec"
    ),
]
DEFAULT_FILE = Path("stack.yaml")


class Format(StrEnum):
    """How a report is written."""

    table = "table"
    json = "json"


def _version(value: bool) -> None:  # noqa: FBT001 - typer's callback
    if value:
        console.data(f"stackgen {__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Options of stackgen itself."""


@app.command(
    short_help="Write the files of the stack.", epilog="Example: stackgen render campus/stack.yaml --out /srv/campus"
)
def render(
    file: SpecFile = DEFAULT_FILE,
    out: OutFolder = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; print the difference and exit with 1 where there is one.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that were edited by hand.")] = False,
) -> None:
    """Write docker-compose.yml, the gateway's configuration, .env and RUNBOOK.md."""
    from stackgen import verbs

    stack = verbs.open_stack(file, out)
    if check:
        found = verbs.differences(stack)
        console.diff(found)
        if found:
            console.say(f"{len(found)} file{'s' if len(found) > 1 else ''} would change; `stackgen render` writes them")
            raise typer.Exit(ExitCode.PROBLEM)
        console.say("the rendered files are what the spec says")
        return
    _tell_rendered(verbs.render_stack(stack, force=force), stack)


@app.command(short_help="Show what would be rendered, and why.", epilog="Example: stackgen plan --json | jq .routes")
def plan(
    file: SpecFile = DEFAULT_FILE,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON with a version.")] = False,
) -> None:
    """Show what would be rendered and why: services, routes, cards, secrets."""
    from stackgen import plan as planning
    from stackgen import verbs

    found = verbs.open_stack(file).plan
    if as_json:
        console.data_json(planning.as_json(found))
    else:
        console.data(planning.as_text(found))


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
            help="Longest wait in all.",
            show_default="what the services may take",
        ),
    ] = None,
) -> None:
    """Render what changed, start the stack, wait until every service is healthy, make declared teams and keys."""
    from stackgen import files, runtime, vault, verbs

    stack = verbs.open_stack(file, out)
    files.require_untouched(stack.out)
    docker = runtime.connect()
    rendered = verbs.render_stack(stack)
    if rendered.written.changed or rendered.missing or rendered.differing:
        _tell_rendered(rendered, stack)
    if rendered.missing:
        names = ", ".join(secret.name for secret in rendered.missing)
        raise StackError(f"no value for {names}", hint=f"write it into {stack.folder / vault.FOLDER / vault.FILE}")
    refusals = list(runtime.preflight.findings(stack.plan, docker))
    for refusal in refusals:
        console.failure(refusal)
    if refusals:
        raise typer.Exit(ExitCode.PROBLEM)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        seconds = runtime.up(
            stack.plan,
            stack.out,
            docker,
            timeout_seconds=timeout,
            report=_tell_progress,
            mask=vault.masker(rendered.values),
        )
    except KeyboardInterrupt:
        console.interrupted("containers that exist go on; `stackgen up` continues, `stackgen down` removes them")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    console.say(f"{stack.plan.name} is up after {seconds:.0f} s: {stack.plan.gateway_url}/v1", "ok")
    _settle_access(stack, rendered)
    console.say("next: stackgen check")


@app.command(short_help="Stop and remove the stack.", epilog="Example: stackgen down --volumes --yes")
def down(
    file: SpecFile = DEFAULT_FILE,
    volumes: Annotated[
        bool, typer.Option("--volumes", help="Delete the database and the downloaded models too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before data is deleted.")] = False,
) -> None:
    """Stop and remove the stack; data and downloads stay unless --volumes is given."""
    from stackgen import runtime, verbs

    name = verbs.stack_name(file)
    docker = runtime.connect()
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
    kept = [] if volumes else docker.volumes(name)
    console.say(f"{name} is down" + (f"; kept: {', '.join(kept)}" if kept else ""), "ok")


@app.command(short_help="Show services beside their containers.", epilog="Example: stackgen status campus/stack.yaml")
def status(file: SpecFile = DEFAULT_FILE) -> None:
    """Show each service of the spec beside its container."""
    from stackgen import runtime, verbs

    stack = verbs.open_stack(file)
    states = {state.service: state for state in runtime.connect().containers(stack.plan.name)}
    rows = [("service", "state", "health", "restarts", "since", "image")]
    for name in sorted(stack.plan.service_names | set(states)):
        state = states.get(name)
        if state is None:
            rows.append((name, "absent", "-", "-", "-", "-"))
        else:
            since = state.started_at[:19].replace("T", " ") or "-"
            rows.append((name, state.status, state.health or "-", str(state.restarts), since, state.image))
    console.table(rows, state_column=2)


@app.command(
    short_help="Prove files, containers and models.",
    epilog="Examples: stackgen check --static (needs no engine); stackgen check --format json",
)
def check(
    file: SpecFile = DEFAULT_FILE,
    out: OutFolder = None,
    static: Annotated[bool, typer.Option("--static", help="Only what needs no running stack.")] = False,
    form: Annotated[Format, typer.Option("--format", help="How the report is written.")] = Format.table,
) -> None:
    """Prove the files, send real requests to every model, at the gateway and at its engine, compare teams and keys."""
    from stackgen import verbs

    stack = verbs.open_stack(file, out)
    found = verbs.static_report(stack)
    if not static:
        console.say("sending requests to every model …")
        verbs.add_live(found, stack)
    if form is Format.json:
        console.data_json(found.as_json())
    else:
        console.table(list(found.rows()), state_column=0)
        for sentence in found.sentences():
            console.say(sentence)
    if not found.ok:
        raise typer.Exit(ExitCode.PROBLEM)


@app.command(short_help="Print the JSON schema of stack.yaml.", epilog="Example: stackgen schema > stack.schema.json")
def schema() -> None:
    """Print the JSON schema of stack.yaml, for editors and CI."""
    from stackgen.plan import schema as schemas

    console.data_json(schemas.of_spec())


def main() -> None:
    """The program: runs a verb, prints what went wrong, ends with the right code. Usage errors are typer's (2)."""
    try:
        app()
    except StackError as error:
        console.failure(error)
        sys.exit(ExitCode.PROBLEM)
    except KeyboardInterrupt:
        console.interrupted()
        sys.exit(ExitCode.INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the last door: whatever comes here is a bug and gets a report
        console.bug(error)
        sys.exit(ExitCode.BUG)


def _interrupt(*_: object) -> None:
    """What CI and systemd send ends a verb as Ctrl-C does."""
    raise KeyboardInterrupt


def _tell_rendered(rendered: Rendered, stack: Stack) -> None:
    written = rendered.written
    for path in written.changed:
        console.say(f"wrote {path}")
    for path in written.removed:
        console.say(f"removed {path}")
    for name in rendered.generated:
        console.say(f"generated {name}")
    for secret in rendered.missing:
        console.warn(
            f"{secret.name} has no value yet: write it into .stackgen/secrets.env before `stackgen up`; it {secret.purpose}"
        )
    for name in rendered.differing:
        console.warn(
            f"{name} has another value in your environment than in .stackgen/secrets.env, which counts; "
            "delete its line there to take the new one"
        )
    for warning in stack.plan.warnings:
        console.warn(warning)
    what = (
        f"{len(written.changed)} changed, {len(written.unchanged)} as before" if written.changed else "nothing changed"
    )
    console.say(f"{stack.out}: {what}", "ok")


def _settle_access(stack: Stack, rendered: Rendered) -> None:
    """Tell what became of declared teams and keys; one that failed does not keep the others from being made."""
    from stackgen import access, verbs

    entries = verbs.settle_access(stack, rendered.values)
    if entries:
        console.say(f"teams and keys at the gateway ({access.NOT_REHEARSED}):")
    for entry in entries:
        if not entry.has_failed:
            console.say(str(entry))
    failures = list(access.failures(entries))
    for failure in failures:
        console.failure(failure)
    if failures:
        raise typer.Exit(ExitCode.PROBLEM)


def _tell_progress(step: Progress) -> None:
    console.say(f"{step.seconds:7.1f} s  {step.service:<16} {step.phase:<9} {step.detail}".rstrip())


if __name__ == "__main__":
    main()
