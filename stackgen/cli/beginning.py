"""The verb that begins: init."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stackgen import console
from stackgen.cli import completion, first_talk
from stackgen.cli.app import app
from stackgen.cli.options import read_option
from stackgen.errors import ExitCode, StackError

if TYPE_CHECKING:
    from stackgen.verbs import Ground, Wishes

_HERE = Path()


class Service(StrEnum):
    """Where a workflow can run."""

    github = "github"
    gitlab = "gitlab"


Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="Folder of the spec; made where it is not there.", show_default="here")
]
NonInteractive = Annotated[bool, typer.Option("--non-interactive", help="Ask nothing; take what is proposed.")]
Serve = Annotated[
    str | None,
    typer.Option(
        "--serve",
        metavar="LIST",
        help="What to serve, with commas between: chat, vision, embedding, rerank, transcription, speech.",
        show_default="chat, embedding, and rerank where a card has room",
    ),
]
NamedModels = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="NAME=SOURCE",
        help="Serve this model under this id; repeatable. Alone, without --serve.",
        autocompletion=completion.named_sources,
    ),
]
Cards = Annotated[
    str | None,
    typer.Option(
        "--gpus",
        metavar="LIST",
        help="Cards of another machine: 2xrtx-4090,1xl4 or none.",
        show_default="look",
        autocompletion=completion.counted_cards,
    ),
]
Profiles = Annotated[
    list[str] | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="Profile of the spec; repeatable.",
        show_default="of the cards",
        autocompletion=completion.profiles,
    ),
]
Workflow = Annotated[
    Service | None, typer.Option("--ci", help="Write a workflow that proves what is committed.", show_default=False)
]


@app.command(
    short_help="Write a first stack.yaml for this machine, or for another one.",
    epilog="Examples: stackgen init; stackgen init campus --serve chat,vision,embedding; "
    "stackgen init server --non-interactive --gpus 2xrtx-4090 --ci github; "
    "stackgen init lab --non-interactive --model chat=Qwen/Qwen3-8B --model embed=BAAI/bge-m3",
)
def init(
    folder: Folder = _HERE,
    non_interactive: NonInteractive = False,
    serve: Serve = None,
    model: NamedModels = None,
    gpus: Cards = None,
    profile: Profiles = None,
    ci: Workflow = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a stack.yaml that is there.")] = False,
) -> None:
    """Look at cards, memory, disk and Docker, propose models that fit, and write a stack.yaml that renders at once.

    Beside it: its schema for editors, lines of .gitignore, and with --ci a workflow. Nothing is downloaded or started.
    """
    from stackgen import draft, verbs

    modalities = None if serve is None else read_option(draft.asked_modalities, serve, "--serve")
    named = _named(model or ())
    verbs.require_room(folder, ci or "", force=force)
    wishes = verbs.Wishes(serve=modalities, named=named, profiles=_known_profiles(profile or (), folder))
    described = None if gpus is None else _described(gpus, folder)
    if not non_interactive and not console.hears():
        hint = "--non-interactive takes what is proposed; --serve, --model and --gpus say what you want"
        raise StackError("nobody is there to ask", hint=hint)
    try:
        where = described or verbs.ground(folder)
        written = _written(where, wishes, ci or "", asks=not non_interactive, force=force)
    except (KeyboardInterrupt, EOFError) as end:
        console.interrupted(str(end) or "nothing was written")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    first_talk.tell_written(written, folder)


def _written(where: Ground, wishes: Wishes, ci: str, *, asks: bool, force: bool) -> tuple[str, ...]:
    """Tell, ask where somebody is there, and write.

    Raises:
        typer.Exit: nobody agrees.
    """
    from stackgen import verbs

    first_talk.tell_ground(where)
    if asks and wishes.serve is None and not wishes.named:
        wishes = replace(wishes, serve=_asked_serve())
    proposed = verbs.propose(where, wishes)
    first_talk.tell_proposed(proposed, where)
    if asks:
        _agree(where.folder)
    return verbs.keep_spec(where, proposed, ci, force=force)


def _named(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The ids and sources of models that somebody names.

    Raises:
        typer.BadParameter: one has another form, or an id comes twice.
    """
    from stackgen import draft

    named = tuple(read_option(draft.named_model, text, "--model") for text in texts)
    twice = [name for name, count in Counter(name for name, _ in named).items() if count > 1]
    if twice:
        raise typer.BadParameter(f"`{twice[0]}` names two models", param_hint="--model")
    return named


def _known_profiles(names: Sequence[str], folder: Path) -> tuple[str, ...]:
    """The profiles that somebody names, each once.

    Raises:
        typer.BadParameter: there is none of that name.
    """
    from stackgen import verbs

    for name in names:
        read_option(partial(verbs.profile, folder), name, "--profile")
    return tuple(dict.fromkeys(names))


def _described(gpus: str, folder: Path) -> Ground:
    """The cards of another machine.

    Raises:
        typer.BadParameter: it is no list of known ones.
        SpecError: a facts file beside the spec is wrong.
    """
    from stackgen import draft, verbs

    known = verbs.known_cards(folder)
    return verbs.Ground(folder=folder, inventory=read_option(partial(draft.described, known=known), gpus, "--gpus"))


def _agree(folder: Path) -> None:
    """Have somebody agree to what is written.

    Raises:
        typer.Exit: nobody does.
    """
    if console.asked(f"Write {folder / 'stack.yaml'}?", "yes").lower() not in {"y", "yes"}:
        console.say("nothing was written")
        raise typer.Exit(ExitCode.PROBLEM)


def _asked_serve() -> tuple[str, ...] | None:
    """What to serve, asked until it is understood; None for the usual."""
    from stackgen import draft
    from stackgen.facts.proposals import modalities, usual_modalities

    console.say_folded(f"what can be served: {', '.join(modalities())}")
    while True:
        usual = ",".join(usual_modalities())
        answer = console.asked("What should it serve?", usual)
        if answer == usual:
            return None
        try:
            return draft.asked_modalities(answer)
        except StackError as error:
            console.warn(f"{error.message}; {error.hint}")
