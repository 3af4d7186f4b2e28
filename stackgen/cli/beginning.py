"""The verb that begins: init."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stackgen import console
from stackgen.cli import completion
from stackgen.cli.app import app
from stackgen.cli.options import read_option
from stackgen.errors import ExitCode, StackError

if TYPE_CHECKING:
    from stackgen.verbs import Ground, Proposed

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
    str,
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
        "--model", metavar="NAME=SOURCE", help="Serve this model under this id; repeatable. Alone, without --serve."
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
    serve: Serve = "",
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

    modalities = read_option(draft.asked_modalities, serve, "--serve") if serve else None
    named = _named(model or ())
    verbs.require_room(folder, ci or "", force=force)
    if not non_interactive and not (sys.stdin.isatty() and sys.stderr.isatty()):
        hint = "--non-interactive takes what is proposed; --serve, --model and --gpus say what you want"
        raise StackError("nobody is there to ask", hint=hint)
    try:
        where = verbs.ground(folder, gpus)
        _tell_ground(where)
        if not non_interactive and modalities is None and not named:
            modalities = _asked_serve()
        wishes = verbs.Wishes(serve=modalities, named=named, profiles=tuple(profile or ()))
        proposed = verbs.propose(where, wishes)
        _tell_proposed(proposed, where)
        if not non_interactive:
            _agree(folder)
        written = verbs.keep_spec(where, proposed, ci or "")
    except (KeyboardInterrupt, EOFError):
        console.interrupted("nothing was written")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    for path in written:
        console.say(f"wrote {path}")
    _tell_next(folder, written)


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

    console.say(f"what can be served: {', '.join(modalities())}")
    while True:
        usual = ",".join(usual_modalities())
        answer = console.asked("What should it serve?", usual)
        if answer == usual:
            return None
        try:
            return draft.asked_modalities(answer)
        except StackError as error:
            console.warn(f"{error.message}; {error.hint}")


def _tell_ground(where: Ground) -> None:
    """Say what was found."""
    found = where.machine
    if found is None:
        console.say("for another machine" if where.inventory.cards else "for a machine without a card")
    else:
        docker = f"Docker {where.docker}" if where.docker else "no Docker engine that answers"
        console.say(
            f"this machine: {found.processors} processors, {found.memory_gib:.0f} GiB of memory, "
            f"{found.disk_free_gib:.0f} GiB of disk free, {docker}"
        )
        for trouble in found.troubles:
            console.warn(trouble)
        if not found.cards:
            console.say(f"no card: {', '.join(found.notes)}")
        if where.docker and found.cards and found.cards[0].vendor == "nvidia" and not where.hands_out_cards:
            console.warn(
                "Docker hands out no NVIDIA cards yet: install the NVIDIA Container Toolkit before `stackgen up`"
            )
    for card, count in Counter(one.card for one in where.inventory.cards).items():
        console.say(f"{count} x {card.name}, {card.visible_gib:.4g} GiB for programs")
    for note in where.inventory.notes:
        console.warn(note)


def _tell_proposed(proposed: Proposed, where: Ground) -> None:
    """Say which models were chosen, who holds how much of which card, and what is not known for sure."""
    from stackgen import verbs

    console.say("")
    for line in verbs.proposal_lines(proposed):
        console.say(line)
    for modality in proposed.left_out:
        console.say(f"{modality} is left out: no card has room for it; --serve …,{modality} puts it onto the processor")
    free_gib = where.machine.disk_free_gib if where.machine else None
    needed_gib = proposed.plan.disk.gib
    console.say(f"to download: about {needed_gib:.0f} GiB of images and weights")
    if free_gib is not None and needed_gib > free_gib:
        console.warn(
            f"the disk of {where.folder} has {free_gib:.0f} GiB free; Docker may keep its images on another one"
        )
    for warning in proposed.plan.warnings:
        console.warn(warning)
    console.say("")


def _tell_next(folder: Path, written: tuple[str, ...]) -> None:
    """Say how it goes on."""
    spec = "" if folder == _HERE else f" {shlex.quote(written[0])}"
    console.say(f"next: stackgen plan{spec} shows what fits and why; stackgen up{spec} renders and starts it", "ok")
