"""Verbs that show what is thought: plan, schema."""

from __future__ import annotations

from typing import Annotated

import typer

from stackgen import console
from stackgen.cli import completion
from stackgen.cli.app import app
from stackgen.cli.options import DEFAULT_FILE, AsJson, Groups, SpecFile, read_option
from stackgen.cli.rendering import tell_interrupted
from stackgen.cli.silence import teller
from stackgen.documents import document


@app.command(
    short_help="Show what would be rendered, and why.",
    epilog="Example: stackgen plan --what-if models.chat.context=65536 --what-if gpus=2xh100-80gb",
)
def plan(
    file: SpecFile = DEFAULT_FILE,
    as_json: AsJson = False,
    what_if: Annotated[
        list[str] | None,
        typer.Option(
            "--what-if",
            metavar="PATH=VALUE",
            help="Plan as if the spec said so; may be repeated. Cards by number: gpus=2xh100-80gb.",
            autocompletion=completion.changes,
        ),
    ] = None,
    solve: Annotated[
        str | None,
        typer.Option(
            "--solve",
            metavar="PATH",
            help="Find the largest number at a path with which everything fits.",
            autocompletion=completion.paths,
        ),
    ] = None,
    group: Groups = None,
) -> None:
    """Show what would be rendered and why: services, routes, cards with who holds how much of them, secrets.

    Nothing is kept, and no file is touched: --what-if, --solve and --group look alone.
    """
    from stackgen import plan as planning
    from stackgen import sources, verbs

    changes = [read_option(sources.change_of, text, "--what-if") for text in what_if or ()]
    if what_if:
        console.say(f"as if the spec said: {', '.join(map(sources.describe, what_if))}")
    solved = None
    if solve is None:
        stack = verbs.open_stack(file, changes=changes, groups=group or ())
        tell_interrupted(stack.out)
        found = stack.plan
    else:
        read_option(sources.path_of, solve, "--solve")
        tell = teller(lambda value, seconds: f"{seconds:7.1f} s  trying {solve}={value}")
        solved = verbs.solve(file, solve, changes, groups=group or (), tell=tell)
        found = solved.plan
    if as_json:
        answer = solved.as_json() if solved else None
        told = {**planning.as_json(found), "what_if": what_if or [], "solved": answer}
        console.data_json(document("plan", told))
    else:
        console.data(f"{solved.sentence()}\n\n" if solved else "")
        console.text(planning.as_text(found))


@app.command(short_help="Print the JSON schema of stack.yaml.", epilog="Example: stackgen schema > stack.schema.json")
def schema(
    *,
    facts: Annotated[bool, typer.Option("--facts", help="That of the files in profiles/facts/.")] = False,
) -> None:
    """Print the JSON schema of stack.yaml, for editors and CI."""
    from stackgen.plan import schema as schemas

    console.data_json(schemas.of_facts() if facts else schemas.of_spec())
