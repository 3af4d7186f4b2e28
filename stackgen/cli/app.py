"""The program that the verbs belong to."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from stackgen import __version__, console

VERBS = ("render", "plan", "up", "status", "logs", "check", "down", "facts", "schema")
"""In the order in which `--help` shows them."""


class _InOrder(TyperGroup):
    """Verbs in the order in which people need them, wherever they stand."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the verbs."""
        return sorted(super().list_commands(ctx), key=VERBS.index)


app = typer.Typer(
    cls=_InOrder,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="One stack.yaml becomes an OpenAI-compatible platform on your own GPUs.\n\n"
    "Write stack.yaml, then: stackgen plan, stackgen render, stackgen up, stackgen check.",
    epilog="Exit codes: 0 done, 1 a problem that you can mend, 2 wrong usage, 3 a bug of stackgen, 130 interrupted.",
)


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
