"""Arguments that several verbs share, and how one is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from stackgen.cli import completion
from stackgen.console import called
from stackgen.errors import StackError

_Read = TypeVar("_Read")

DEFAULT_FILE = Path("stack.yaml")


def named_spec(file: Path) -> Path:
    """Messages show commands about this spec from here on."""
    called.name(spec="" if file == DEFAULT_FILE else str(file))
    return file


def named_specs(files: list[Path] | None) -> list[Path] | None:
    """As of one spec; of several nobody knows which one a message is about."""
    if files and len(files) == 1:
        named_spec(files[0])
    return files


def _named_out(folder: Path | None) -> Path | None:
    called.name(out=str(folder or ""))
    return folder


SpecFile = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="The spec, or its folder.", show_default="stack.yaml", callback=named_spec),
]
BesideSpec = Annotated[
    Path,
    typer.Option(
        "--file", metavar="FILE", help="The spec, or its folder.", show_default="stack.yaml", callback=named_spec
    ),
]
OutFolder = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Folder of the rendered files.",
        show_default="rendered/ beside the spec",
        callback=_named_out,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON with a version.")]
Simulate = Annotated[
    bool, typer.Option("--simulate", help="The simulation beside the stack: stand-ins in the place of engines.")
]
Groups = Annotated[
    list[str] | None,
    typer.Option(
        "--group",
        metavar="NAME",
        help="Make this group of models active; one of each exclusion.",
        autocompletion=completion.groups,
    ),
]


def read_option(reader: Callable[[str], _Read], text: str, option: str) -> _Read:
    """What an option says.

    Raises:
        typer.BadParameter: the reader refuses it.
    """
    try:
        return reader(text)
    except StackError as error:
        message = f"{error.message}; {error.hint}" if error.hint else error.message
        raise typer.BadParameter(message, param_hint=option) from None
