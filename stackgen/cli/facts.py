"""The verb that knows cards and models: facts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stackgen import console
from stackgen.cli import completion
from stackgen.cli.app import app
from stackgen.cli.options import DEFAULT_FILE, AsJson, BesideSpec, before
from stackgen.documents import document
from stackgen.errors import ExitCode, StackError

if TYPE_CHECKING:
    from stackgen.lookup import Found

facts = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    short_help="Show and add what is known of cards and models.",
    help="Show and add what is known of cards and models: the numbers that the plan reckons with.",
    epilog="Examples: stackgen facts add Qwen/Qwen3-8B; stackgen facts show Qwen/Qwen3-8B",
)
app.add_typer(facts, name="facts")


@facts.command(
    short_help="Look at a model, and keep its numbers beside the spec.",
    epilog="Examples: stackgen facts add Qwen/Qwen3-8B; stackgen facts add ./weights/house-7b --as /models/house-7b; "
    "stackgen facts add Qwen/Qwen3-8B-GGUF:Qwen3-8B-Q4_K_M.gguf --as hf.co/Qwen/Qwen3-8B-GGUF:Q4_K_M",
)
def add(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE", help="owner/model, owner/model:file.gguf, ./folder or ./file.gguf"),
    ],
    file: BesideSpec = DEFAULT_FILE,
    model: Annotated[
        str, typer.Option("--as", metavar="NAME", help="What `source` of the spec calls it.", show_default="SOURCE")
    ] = "",
    kind: Annotated[
        str,
        typer.Option("--kind", metavar="KIND", help="What it is: llm, vlm, embedding, …", show_default="what it says"),
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Overwrite a facts file that was edited by hand.")] = False,
) -> None:
    """Read config.json and the sizes of the weights, or the header of a GGUF file; weights are not downloaded.

    The numbers go into profiles/facts/ beside the spec, with the revision that they were read from. Commit the file:
    then the plan is the same where there is no network. Gated models need HF_TOKEN, from the environment or from
    .stackgen/secrets.env.
    """
    from stackgen import facts as known_facts
    from stackgen import lookup, verbs

    if model and len(sources) > 1:
        raise typer.BadParameter("it names one model, and several are given", param_hint="--as")
    if kind and kind not in known_facts.kinds():
        raise typer.BadParameter(f"`{kind}` is none of {', '.join(known_facts.kinds())}", param_hint="--kind")
    folder = verbs.folder_of(file)
    token = verbs.hub_token(folder, os.environ)
    with before("nothing was written"):
        verbs.facts_beside(folder)  # before anybody asks the hub
    failures = []
    for source in sources:
        try:
            found = lookup.look(source, model=model, kind=kind, token=token)
            kept = verbs.keep_facts(folder, found, verbs.facts_beside(folder), force=force)
        except StackError as error:
            failures.append(error)
            continue
        console.say(f"{'wrote' if kept.changed else 'as before:'} {kept.path}", "ok")
        _tell(found)
        if kept.shipped:
            console.say(f"{found.model} came with stackgen too; {kept.path} counts instead now")
    for failure in failures:
        console.failure(failure)
    if failures:
        raise typer.Exit(ExitCode.PROBLEM)


@facts.command(
    short_help="Show what is known of a card or a model, and who says so.",
    epilog="Examples: stackgen facts show; stackgen facts show l40s; stackgen facts show Qwen/Qwen3-8B --json",
)
def show(
    identifier: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="A card or a model; all of them where left out.",
            show_default=False,
            autocompletion=completion.facts,
        ),
    ] = "",
    file: BesideSpec = DEFAULT_FILE,
    as_json: AsJson = False,
) -> None:
    """Show what is known of a card or a model, what of it is an estimate, and which file says so."""
    from stackgen import verbs

    folder = verbs.folder_of(file) if file != DEFAULT_FILE or file.exists() else Path.cwd()
    known = verbs.facts_beside(folder)
    if as_json:
        console.data_json(document("facts show", verbs.data_of_facts(known, identifier)))
        return
    console.table(list(verbs.lines_of_fact(known, identifier) if identifier else verbs.rows_of_facts(known)))


def _tell(found: Found) -> None:
    """Say what was read, in one line, and what could not be."""
    numbers = found.numbers
    parts = [found.kind, f"{numbers['weights_gib']:.2f} GiB"]
    parts += [f"{numbers['layers']} layers"] if numbers.get("layers") else []
    parts += [f"{numbers['longest_context']} tokens"] if numbers.get("longest_context") else []
    console.say(f"{found.model}: {', '.join(parts)}, from {found.source}")
    for note in found.notes:
        console.warn(f"{found.model}: {note}")
