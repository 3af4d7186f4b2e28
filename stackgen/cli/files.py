"""Verbs that need no engine: render, plan, schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stackgen import console
from stackgen.cli.app import app
from stackgen.cli.options import DEFAULT_FILE, OutFolder, SpecFile
from stackgen.errors import ExitCode

if TYPE_CHECKING:
    from stackgen.verbs import Rendered, Stack


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
    tell_rendered(verbs.render_stack(stack, force=force), stack)


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


@app.command(short_help="Print the JSON schema of stack.yaml.", epilog="Example: stackgen schema > stack.schema.json")
def schema() -> None:
    """Print the JSON schema of stack.yaml, for editors and CI."""
    from stackgen.plan import schema as schemas

    console.data_json(schemas.of_spec())


def tell_rendered(rendered: Rendered, stack: Stack) -> None:
    """Say what was written, generated, and is missing."""
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
