"""Verbs that tell where values come from: explain, config, profiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stackgen import console
from stackgen.cli import completion
from stackgen.cli.app import app
from stackgen.cli.options import DEFAULT_FILE, AsJson, BesideSpec, OutFolder, SpecFile
from stackgen.cli.rendering import tell_interrupted
from stackgen.documents import document
from stackgen.errors import ExitCode, SpecError, StackError

if TYPE_CHECKING:
    from stackgen.explain import Listed, Told

_LONGEST_VALUE = 40

profiles = typer.Typer(
    invoke_without_command=True,
    rich_markup_mode=None,
    short_help="List the profiles, and show every key of one.",
    help="List the profiles that came with stackgen, and those in profiles/ beside the spec, which take their place.",
    epilog="Examples: stackgen profiles; stackgen profiles show nvidia",
)
app.add_typer(profiles, name="profiles")


@app.command(
    short_help="Tell where a value comes from, what it beat, and what it becomes.",
    epilog="Examples: stackgen explain models.chat.context; stackgen explain docker-compose.yml:37; "
    "stackgen explain stack.yaml:14; stackgen explain services.litellm",
)
def explain(
    question: Annotated[
        str,
        typer.Argument(
            metavar="PATH|FILE:LINE",
            help="A path with dots, or a line of any file of the stack.",
            autocompletion=completion.places,
        ),
    ],
    file: BesideSpec = DEFAULT_FILE,
    out: OutFolder = None,
    as_json: AsJson = False,
) -> None:
    """Tell who said a value, what it took the place of, what was reckoned, and which lines of the files it becomes.

    PATH leads into the spec (models.chat.context), to a service (services.vllm-chat) or to an image (images.litellm); it
    may be a value that nobody wrote. FILE:LINE is a line of the spec, of a profile, of a facts file or of a rendered file,
    which need not be written yet. Secrets are masked.
    """
    from stackgen import verbs

    opened = verbs.open_asked(file, out)
    tell_interrupted(opened.out)
    failure = verbs.masked_failure(opened)
    try:
        found = verbs.answer(opened, question)
    except StackError as error:
        if failure:
            console.failure(failure)
        raise StackError(opened.asked.mask.text(error.message), hint=error.hint, where=error.where) from None
    if as_json:
        told = {**found.as_json(opened.shown_out), "problems": _problems(failure)}
        console.data_json(document("explain", told))
    else:
        console.text("".join(f"{line}\n" for line in found.lines(opened.shown_out)))
    _end(failure)


@app.command(
    short_help="Print the merged spec, with who says each value.",
    epilog="Examples: stackgen config; stackgen config campus/stack.yaml > whole.yaml; stackgen config --json | jq .values",
)
def config(file: SpecFile = DEFAULT_FILE, as_json: AsJson = False) -> None:
    """Print what the spec and its profiles say together, as YAML with the origin of each value.

    What nobody says stands as a comment: what the planner decided, and defaults. The output is a spec itself, which needs
    none of the profiles. Secrets that somebody wrote into the spec are masked.
    """
    from stackgen import verbs
    from stackgen.explain import config_json, config_yaml

    opened = verbs.open_asked(file)
    failure = verbs.masked_failure(opened)
    if as_json:
        console.data_json(document("config", {**config_json(opened.asked), "problems": _problems(failure)}))
    else:
        console.data(config_yaml(opened.asked))
    _end(failure)


@profiles.callback()
def list_profiles(context: typer.Context, file: BesideSpec = DEFAULT_FILE, as_json: AsJson = False) -> None:
    """List the profiles."""
    if context.invoked_subcommand is not None:
        return
    from stackgen import verbs

    named = verbs.named_profiles(file)
    found = verbs.profiles(verbs.folder_beside(file))
    if as_json:
        listed = [{**_about(one), "applied": one.name in named or one.name == found[0].name} for one in found]
        console.data_json(document("profiles", {"profiles": listed}))
    else:
        rows = [("profile", "cards", "where", "applied", "for")]
        for one in found:
            applied = "always" if one.name == found[0].name else "yes" if one.name in named else "-"
            rows.append((one.name, one.accelerator or "all", one.where, applied, one.about or "cannot be read"))
        console.table(rows)
    _end(_failure_of(found))


@profiles.command(
    short_help="Show every key of a profile.",
    epilog="Examples: stackgen profiles show nvidia; stackgen profiles show house --json",
)
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The profile.", autocompletion=completion.profiles)],
    file: BesideSpec = DEFAULT_FILE,
    as_json: AsJson = False,
) -> None:
    """Show what a profile says, with place and meaning; then what it could say, with what counts where it does not."""
    from stackgen import verbs
    from stackgen.explain import sayable, told
    from stackgen.sources import DEFAULT_PROFILE, printable

    folder = verbs.folder_beside(file)
    found = verbs.profile(folder, name)
    unsaid = sayable(found, verbs.profile(folder, DEFAULT_PROFILE))
    if as_json:
        said, could = ([_told(one) for one in keys] for keys in (told(found), unsaid))
        console.data_json(document("profiles show", {**_about(found), "says": said, "could_say": could}))
    else:
        console.data(f"{found.name}: {found.about} ({found.where}, cards: {found.accelerator or 'all'})\n")
        _table("it says", [(printable(one.path), _short(one.value), one.where, one.meaning) for one in told(found)])
        rows = [(printable(one.path), _short(one.kind), _short(one.value), one.meaning) for one in unsaid]
        _table("it could say: key, type, what counts where it is left out, meaning", rows)
    _end(_failure_of((found,)))


def _table(title: str, rows: Sequence[tuple[str, ...]]) -> None:
    if rows:
        console.data(f"\n{title}\n")
        console.table([(f"  {row[0]}", *row[1:]) for row in rows])


def _short(value: Any) -> str:
    from stackgen.explain.rendered import in_line
    from stackgen.sources import printable

    text = "-" if value is None else printable(in_line(value))
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _about(listed: Listed) -> dict[str, Any]:
    return {
        "name": listed.name,
        "about": listed.about,
        "accelerator": listed.accelerator or None,
        "where": listed.where,
    }


def _told(told: Told) -> dict[str, Any]:
    return {
        "path": told.path,
        "value": told.value,
        "where": told.where or None,
        "type": told.kind or None,
        "meaning": told.meaning or None,
    }


def _failure_of(found: tuple[Listed, ...]) -> SpecError | None:
    problems = [problem for one in found for problem in one.problems]
    return SpecError(problems) if problems else None


def _problems(failure: SpecError | None) -> list[dict[str, str]]:
    return [
        {"where": str(problem.place), "message": problem.message, "hint": problem.hint}
        for problem in (failure.problems if failure else ())
    ]


def _end(failure: SpecError | None) -> None:
    """Tell the problems of a spec that was answered about as far as it could be.

    Raises:
        Exit: there are some.
    """
    if failure:
        console.failure(failure)
        raise typer.Exit(ExitCode.PROBLEM)
