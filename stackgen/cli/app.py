"""The program that the verbs belong to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from stackgen import __version__, console
from stackgen.cli import declared, help_text, volume

PROGRAM_NAME = "stackgen"
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
        volume.give_to(one)
        help_text.shape(one)


class _Program(TyperGroup):
    """Verbs in the order in which people need them, below what they are for; each may be quiet or verbose."""

    commands: Any

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        _shape(self)
        self.commands = declared.Commands(app.declared, _shape)

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; typer would end the program after Ctrl-C without a word."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Abort from None

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
    cls=_Program,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="One stack.yaml becomes an OpenAI-compatible platform on your own GPUs.\n\n"
    "Begin with stackgen init, then: stackgen plan, stackgen render, stackgen up, stackgen check.",
    epilog="Exit codes: 0 done, 1 a problem that you can mend, 2 wrong usage, 3 a bug of stackgen, 130 interrupted.",
)


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
