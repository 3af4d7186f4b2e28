"""Verbs that need no engine: render, plan, schema."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from stackgen import console
from stackgen.cli.app import app
from stackgen.cli.options import DEFAULT_FILE, Groups, OutFolder, SpecFile
from stackgen.errors import ExitCode, StackError

if TYPE_CHECKING:
    from stackgen.verbs import Rendered, Stack

_Read = TypeVar("_Read")
_SILENCE_SECONDS = 2.0
"""The longest time without a word."""
_CHOICE = "a choice is kept in .stackgen/, which is not committed: where it is not, name the groups with --group"


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
    group: Groups = None,
) -> None:
    """Write docker-compose.yml, the gateway's configuration, .env and RUNBOOK.md.

    The groups that are active stay so for later verbs, until --group names others.
    """
    from stackgen import verbs

    stack = verbs.open_stack(file, out, groups=group or ())
    if check:
        found = verbs.differences(stack)
        console.diff(found)
        if found:
            console.say(f"{len(found)} file{'s' if len(found) > 1 else ''} would change; `stackgen render` writes them")
            if stack.plan.groups:
                console.say(f"active here: {', '.join(stack.plan.active_groups)}; {_CHOICE}")
            raise typer.Exit(ExitCode.PROBLEM)
        console.say("the rendered files are what the spec says")
        return
    tell_rendered(verbs.render_stack(stack, force=force), stack)


@app.command(
    short_help="Show what would be rendered, and why.",
    epilog="Example: stackgen plan --what-if models.chat.context=65536 --what-if gpus=2xh100-80gb",
)
def plan(
    file: SpecFile = DEFAULT_FILE,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON with a version.")] = False,
    what_if: Annotated[
        list[str] | None,
        typer.Option(
            "--what-if",
            metavar="PATH=VALUE",
            help="Plan as if the spec said so; may be repeated. Cards by number: gpus=2xh100-80gb.",
        ),
    ] = None,
    solve: Annotated[
        str | None,
        typer.Option("--solve", metavar="PATH", help="Find the largest number at a path with which everything fits."),
    ] = None,
    group: Groups = None,
) -> None:
    """Show what would be rendered and why: services, routes, cards with who holds how much of them, secrets.

    Nothing is kept, and no file is touched: --what-if, --solve and --group look alone.
    """
    from stackgen import plan as planning
    from stackgen import sources, verbs

    changes = [_read(sources.change_of, text, "--what-if") for text in what_if or ()]
    if what_if:
        console.say(f"as if the spec said: {', '.join(map(sources.describe, what_if))}")
    solved = None
    if solve is None:
        found = verbs.open_stack(file, changes=changes, groups=group or ()).plan
    else:
        _read(sources.path_of, solve, "--solve")
        solved = verbs.solve(file, solve, changes, groups=group or (), tell=_trials(solve))
        found = solved.plan
    if as_json:
        answer = solved.as_json() if solved else None
        console.data_json({**planning.as_json(found), "what_if": what_if or [], "solved": answer})
    else:
        console.data(f"{solved.sentence()}\n\n" if solved else "")
        console.data(planning.as_text(found))


def _read(reader: Callable[[str], _Read], text: str, option: str) -> _Read:
    """What an option says, or the error of wrong usage."""
    try:
        return reader(text)
    except StackError as error:
        message = f"{error.message}; {error.hint}" if error.hint else error.message
        raise typer.BadParameter(message, param_hint=option) from None


def _trials(path: str) -> Callable[[int], None]:
    """A function that tells what is tried, where it takes long."""
    begun = told = time.monotonic()

    def tell(value: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told > _SILENCE_SECONDS:
            told = now
            console.say(f"{now - begun:7.1f} s  trying {path}={value}")

    return tell


@app.command(short_help="Print the JSON schema of stack.yaml.", epilog="Example: stackgen schema > stack.schema.json")
def schema(
    *,
    facts: Annotated[bool, typer.Option("--facts", help="That of the files in profiles/facts/.")] = False,
) -> None:
    """Print the JSON schema of stack.yaml, for editors and CI."""
    from stackgen.plan import schema as schemas

    console.data_json(schemas.of_facts() if facts else schemas.of_spec())


def tell_rendered(rendered: Rendered, stack: Stack) -> None:
    """Say what was written, generated, and is missing."""
    from stackgen import verbs

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
    for line in verbs.group_lines(stack.plan):
        console.say(line)
    what = (
        f"{len(written.changed)} changed, {len(written.unchanged)} as before" if written.changed else "nothing changed"
    )
    console.say(f"{stack.out}: {what}", "ok")
