"""How much is said, on every verb: --quiet and --verbose, declared once and given to each command of a program."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

import typer

from stackgen import console


def _choose(context: typer.Context, wanted: bool, volume: console.Volume) -> None:  # noqa: FBT001 - typer's callback
    """Speak like this from here on.

    Raises:
        typer.BadParameter: the command line asks for both.
    """
    if not wanted or context.resilient_parsing:
        return
    if console.volume() not in {console.Volume.usual, volume}:
        raise typer.BadParameter("--quiet and --verbose contradict each other; drop one")
    console.speak(volume)


def _quiet(context: typer.Context, value: bool) -> None:  # noqa: FBT001 - typer's form of a callback
    _choose(context, value, console.Volume.quiet)


def _verbose(context: typer.Context, value: bool) -> None:  # noqa: FBT001 - typer's form of a callback
    _choose(context, value, console.Volume.verbose)


_declared = typer.Typer(add_completion=False)


@_declared.command()
def _options(
    *,
    _quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", callback=_quiet, expose_value=False, help="Say only warnings and errors."),
    ] = False,
    _verbose: Annotated[
        bool,
        typer.Option(
            "--verbose", "-v", callback=_verbose, expose_value=False, help="Say too what is read and run, and when."
        ),
    ] = False,
) -> None:
    """Hold the options; nobody calls it."""


@cache
def _made() -> Any:
    return typer.main.get_command(_declared)


def give_to(command: Any) -> None:
    """Let a command take the options."""
    command.params.extend(_made().params)
