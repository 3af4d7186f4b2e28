"""The verb that knows secrets: list, set, rotate. No value is ever shown, or taken from the command line."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from stackgen import console
from stackgen.cli import completion
from stackgen.cli.app import app
from stackgen.cli.options import DEFAULT_FILE, AsJson, BesideSpec, Simulate, before
from stackgen.cli.rendering import tell_interrupted
from stackgen.documents import document
from stackgen.errors import DockerError, ExitCode, StackError

if TYPE_CHECKING:
    from stackgen.runtime import Docker
    from stackgen.verbs import Secrets, Stack

_MOST_BYTES = 65_536

secrets = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    short_help="Show, set and rotate the secrets of the stack.",
    help="Show, set and rotate the secrets of the stack. They are kept in .stackgen/secrets.env beside the spec.",
    epilog="Examples: stackgen secrets list; stackgen secrets set HF_TOKEN; stackgen secrets rotate LITELLM_MASTER_KEY",
)
app.add_typer(secrets, name="secrets")


def _names(given: str | list[str]) -> str | list[str]:
    """What was given; a value among it is not repeated, for it is a secret.

    Raises:
        typer.BadParameter: there is one.
    """
    if any("=" in name for name in ([given] if isinstance(given, str) else given)):
        raise typer.BadParameter("give names alone: a value is typed without being shown, or comes from a pipe")
    return given


@secrets.command(
    "list", short_help="Show every secret and how it stands.", epilog="Example: stackgen secrets list --json"
)
def show(
    file: BesideSpec = DEFAULT_FILE,
    as_json: AsJson = False,
    simulate: Simulate = False,
) -> None:
    """Show name, kind, state, what each secret guards, who reads it and what it is for; never a value.

    States: kept (in .stackgen/secrets.env), from environment (kept at the next render), missing (yours to set),
    not made yet (generated at the next render), not set (optional), weak, unfit (refused at the next render).
    """
    from stackgen import verbs

    stack = verbs.open_stack(file, simulate=simulate)
    tell_interrupted(stack.out)
    found = verbs.secrets_of(stack, os.environ)
    if as_json:
        console.data_json(document("secrets list", {"stack": stack.plan.name, **found.as_json()}))
    else:
        header = ("name", "kind", "state", "guards", "read by", "purpose")
        rows = [
            (
                entry.name,
                entry.kind,
                entry.state.value,
                entry.guards or "-",
                ", ".join(entry.read_by) or "-",
                entry.purpose,
            )
            for entry in found.listed
        ]
        console.table([header, *rows], state_column=2)
    _tell(found, stack)


@secrets.command(
    "set",
    short_help="Keep a value that you have.",
    epilog="Examples: stackgen secrets set HF_TOKEN; pass show hub | stackgen secrets set HF_TOKEN",
)
def keep(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            callback=_names,
            autocompletion=completion.secrets,
            help="The secret, as `stackgen secrets list` calls it.",
        ),
    ],
    file: BesideSpec = DEFAULT_FILE,
    simulate: Simulate = False,
) -> None:
    """Keep a value in .stackgen/secrets.env: typed without being shown, or from a pipe, without the line break at its end.

    A secret that guards data which is there already is refused: `rotate` changes it where the data is, too.
    """
    from stackgen import verbs

    with before("nothing was kept"):
        stack = verbs.open_stack(file, simulate=simulate)
    verbs.secret_named(stack.plan, name)  # before somebody types a value for it
    tell_interrupted(stack.out)
    if verbs.keep_secret(stack, name, _value(name)):
        readers = ", ".join(verbs.readers(stack.plan, name))
        console.say(f"kept {name}; `{stack.plan.verb('up')}` gives it to {readers or 'the gateway'}", "ok")
    else:
        console.say(f"{name} has this value already", "ok")


@secrets.command(
    short_help="Make new values, and all that follows.",
    epilog="Example: stackgen secrets rotate POSTGRES_PASSWORD LITELLM_MASTER_KEY --yes",
)
def rotate(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME",
            callback=_names,
            autocompletion=completion.secrets,
            help="Secrets, as `stackgen secrets list` calls them.",
        ),
    ],
    file: BesideSpec = DEFAULT_FILE,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before services get new containers.")] = False,
    simulate: Simulate = False,
) -> None:
    """Make new values, tell the servers that keep the old ones in their data, and replace the containers that read them.

    It may be killed at any time: `stackgen up` finishes it. The old values are not kept anywhere; back
    .stackgen/secrets.env up afterwards. A secret with `source: environment` gets the value that your environment has now.
    """
    from stackgen import verbs

    with before("nothing was rotated"):
        stack = verbs.open_stack(file, simulate=simulate)
    verbs.refuse_rotation(stack, names, os.environ)
    docker = _engine(stack)
    running = docker is not None and any(state.status == "running" for state in docker.containers(stack.plan.name))
    for line in verbs.consequences(stack, names):
        console.say(line)
    if running:
        _agree(stack, yes=yes)
    for name in verbs.begin_rotation(stack, names, os.environ):
        console.say(f"finishing the rotation of {name}, which was interrupted")
    _finish(stack, docker if running else None)
    console.say("the old values are gone: back .stackgen/secrets.env up anew", "ok")


def _finish(stack: Stack, docker: Docker | None) -> None:
    """Bring a running stack up with its new values; of one that does not run, only files change."""
    from stackgen import verbs
    from stackgen.cli.live import bring_up
    from stackgen.cli.rendering import tell_rendered

    if docker:
        bring_up(stack, docker)
    else:
        tell_rendered(verbs.render_stack(stack), stack)
        console.say(f"nothing of {stack.plan.name} runs here: `{stack.plan.verb('up')}` starts it with the new values")


def _agree(stack: Stack, *, yes: bool) -> None:
    """Have somebody agree that services are away for a moment."""
    from stackgen import verbs

    if late := verbs.differences(stack):
        console.warn(f"the spec has changed since it was rendered: what changed in {len(late)} files comes up with it")
    if yes:
        return
    if not sys.stdin.isatty():
        raise StackError("nobody is there to ask", hint="add --yes to replace the containers that read it")
    if not console.confirmed("replace these containers now?"):
        raise typer.Exit(ExitCode.PROBLEM)


def _engine(stack: Stack) -> Docker | None:
    """The engine; None where none answers: then nothing of the stack runs that this machine could reach."""
    from stackgen import runtime, verbs

    try:
        docker = runtime.connect()
    except DockerError:
        return None
    if stack.plan.simulated:
        verbs.refuse_what_is_real(stack.plan.name, docker)
    return docker


def _value(name: str) -> str:
    """What somebody types without its being shown, or what a pipe brings."""
    if sys.stdin.isatty():
        return str(
            typer.prompt(f"value of {name} (not shown)", hide_input=True, err=True, default="", show_default=False)
        )
    raw = sys.stdin.buffer.read(_MOST_BYTES + 1)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise StackError(f"the value of {name} is no UTF-8 text", hint="a secret is one line of text") from None
    return text.removesuffix("\n").removesuffix("\r")


def _tell(found: Secrets, stack: Stack) -> None:
    """Say what is not as it should be."""
    for entry in found.listed:
        if entry.complaint:
            console.warn(entry.complaint)
    if found.strangers:
        console.say(f"nothing in this stack reads {', '.join(found.strangers)}, which .stackgen/secrets.env has too")
    if found.unfinished:
        console.warn(
            f"not everybody knows the new {', '.join(found.unfinished)} yet; `{stack.plan.verb('up')}` finishes it"
        )
