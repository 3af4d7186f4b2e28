"""The verb that proves: check."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stackgen import console
from stackgen.cli import completion
from stackgen.cli.app import app
from stackgen.cli.options import DEFAULT_FILE, OutFolder, Simulate, SpecFile, finite
from stackgen.cli.rendering import tell_finished
from stackgen.errors import ExitCode

if TYPE_CHECKING:
    from stackgen.report import Report


class Format(StrEnum):
    """How a report is written."""

    table = "table"
    json = "json"
    junit = "junit"


Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Ask this model alone, by id or public name; repeatable.",
        show_default="all",
        autocompletion=completion.models,
    ),
]
Modalities = Annotated[
    list[str] | None,
    typer.Option(
        "--modality",
        metavar="NAME",
        help="Ask for this alone, e.g. chat; repeatable.",
        show_default="all",
        autocompletion=completion.modalities,
    ),
]
Tokens = Annotated[
    int, typer.Option("--budget-tokens", min=1, metavar="N", help="Most that all requests together may read and write.")
]
Seconds = Annotated[
    float,
    typer.Option(
        "--budget-seconds", min=1, metavar="S", callback=finite, help="Most that all requests together may take."
    ),
]


@app.command(
    short_help="Prove files, containers and models.",
    epilog="Examples: stackgen check --static (needs no engine); stackgen check --model qwen3 --format junit --output check.xml",
)
def check(
    file: SpecFile = DEFAULT_FILE,
    out: OutFolder = None,
    static: Annotated[bool, typer.Option("--static", help="Only what needs no running stack.")] = False,
    model: Models = None,
    modality: Modalities = None,
    form: Annotated[Format, typer.Option("--format", help="How the report is written.")] = Format.table,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="PATH", help="Write the report here and not to stdout.")
    ] = None,
    budget_tokens: Tokens = 20_000,
    budget_seconds: Seconds = 300,
    record: Annotated[
        bool, typer.Option("--record", help="Keep what engines told of their memory for the next plan.")
    ] = False,
    simulate: Simulate = False,
) -> None:
    """Prove the files, the containers and every model, at the gateway and at its engine, compare memory, teams and keys.

    Each ability of each model gets a small real request; what no longer fits into the budget is listed as skipped.
    """
    from stackgen import files, smoke, verbs

    if record and (static or simulate):
        why = "no engine is asked with --static" if static else "stand-ins measure nothing"
        raise typer.BadParameter(f"{why}; leave one of them away", param_hint="--record")
    if as_json and form is Format.junit:
        raise typer.BadParameter("--json and --format junit contradict each other; choose one")
    if output and output.is_dir():
        raise typer.BadParameter(f"`{output}` is a folder; name a file in it", param_hint="--output")
    stack = verbs.open_stack(file, out, simulate=simulate)
    wishes = smoke.Wishes(
        models=tuple(model or ()), modalities=tuple(modality or ()), tokens=budget_tokens, seconds=budget_seconds
    )
    smoke.chosen(stack.plan, wishes)
    if output:
        files.make_room(output)
    tell_finished(stack)
    found = verbs.static_report(stack)
    if not static:
        verbs.add_live(found, stack, wishes, console.say)
    _show(found, Format.json if as_json else form, output)
    if record:
        for sentence in verbs.record_measured(stack, found, datetime.now(UTC).date()):
            console.say(sentence)
    if not found.ok:
        raise typer.Exit(ExitCode.PROBLEM)


def _show(found: Report, form: Format, output: Path | None) -> None:
    """Print the report, or write it; people read the sentences, also where the file cannot be written."""
    from stackgen import files, report
    from stackgen.report import forms

    write = {Format.table: forms.as_text, Format.json: forms.as_json, Format.junit: forms.as_junit}[form]
    if output is None and form is not Format.table:
        console.data(write(found))
        return
    if output is None:
        if found.simulated:
            console.data(f"{report.SIMULATED}\n")
        console.table(list(found.rows()), state_column=0)
    for sentence in found.sentences():
        console.say(sentence)
    if output is not None:
        files.put(output, write(found))
        console.say(f"wrote {output}")
