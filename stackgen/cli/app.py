"""The program that the verbs belong to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from stackgen import __version__, console
from stackgen.cli import declared, help_text, unwritten, volume

PROGRAM_NAME = "stackgen"
_EMPTY_OPTION = re.compile(r"--[a-z-]+=")
COMPLETION_VARIABLE = "_STACKGEN_COMPLETE"
"""Set by a shell that asks what may come next; typer makes the name from the program's."""
GROUPS = {
    "Write": ("init", "render", "secrets"),
    "Understand": ("plan", "explain", "config", "profiles", "facts", "schema"),
    "Run": ("up", "status", "logs", "check", "down"),
}
"""The verbs in the order in which `--help` shows them, below what they are for."""
_VERB_WIDTH = max(len(verb) for verbs in GROUPS.values() for verb in verbs)


def _with_all_below(command: Any) -> Iterator[Any]:
    """A command and every one below it."""
    yield command
    for below in getattr(command, "commands", {}).values():
        yield from _with_all_below(below)


def _shape(command: Any) -> None:
    """What every command has, and all below it."""
    for one in _with_all_below(command):
        unwritten.leave_alone(one)
        volume.give_to(one)
        help_text.shape(one)


@contextmanager
def _interrupts_told() -> Iterator[None]:
    """Typer would end the program after Ctrl-C without a word.

    Raises:
        Abort: in the place of KeyboardInterrupt.
    """
    try:
        yield
    except KeyboardInterrupt as end:
        raise typer.Abort(*end.args) from None


def _refuse_empty(words: Sequence[str]) -> None:
    """A word of the command line says something; `--out ""` would be this folder.

    Raises:
        BadParameter: one is empty, as of a variable that is not set.
    """
    for before, word in pairwise(("", *words)):
        if word == "" or _EMPTY_OPTION.fullmatch(word):
            option = word.removesuffix("=") or (before if before.startswith("-") else "")
            message = "a value is empty: fill it in or leave it away; is a variable of your shell unset?"
            raise typer.BadParameter(message, param_hint=option or None)


class Program(TyperGroup):
    """Verbs in the order in which people need them, below what they are for; each may be quiet or verbose."""

    commands: Any

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        _shape(self)
        self.commands = declared.Commands(app.declared, _shape)

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **more: Any) -> Any:
        """Read the command line.

        Raises:
            BadParameter: a word of it is empty.
        """
        if not more.get("resilient_parsing"):
            _refuse_empty(args)
        with _interrupts_told():
            return super().make_context(info_name, args, parent, **more)

    def invoke(self, ctx: Any) -> Any:
        """Run the verb."""
        with _interrupts_told():
            return super().invoke(ctx)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's
        """Names of the verbs."""
        return [verb for verbs in GROUPS.values() for verb in verbs if verb in self.commands]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the verbs of each group with what they do."""
        known = self.list_commands(ctx)
        for group, verbs in GROUPS.items():
            rows = [(verb.ljust(_VERB_WIDTH), self.commands.short_help(verb)) for verb in verbs if verb in known]
            if rows:
                with formatter.section(group):
                    formatter.write_dl(rows)


app = declared.Program(
    cls=Program,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="One stack.yaml becomes an OpenAI-compatible platform on your own GPUs.\n\n"
    "Begin with stackgen init, then: stackgen plan, stackgen render, stackgen up, stackgen check.",
    epilog="Exit codes: 0 done, 1 a problem that you can mend, 2 wrong usage, 3 a bug of stackgen, 130 interrupted.",
)


def verbs_with(option: str) -> list[str]:
    """The verbs that take an option, as they are typed."""
    return sorted(_with_option(typer.main.get_command(app), option, ()))


def _with_option(command: Any, option: str, words: tuple[str, ...]) -> Iterator[str]:
    if any(option in parameter.opts for parameter in command.params) and words:
        yield " ".join((PROGRAM_NAME, *words))
    for name, below in getattr(command, "commands", {}).items():
        yield from _with_option(below, option, (*words, name))


def words_of_verbs() -> set[str]:
    """The names of all verbs, those below others included."""
    return {str(command.name) for command in _with_all_below(typer.main.get_command(app))}


def _version(value: bool) -> None:  # noqa: FBT001 - typer's callback
    if value:
        console.data(f"stackgen {__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Options of stackgen itself."""
