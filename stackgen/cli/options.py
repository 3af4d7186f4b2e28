"""Arguments that several verbs share, and how one is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isinf
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from stackgen import interrupts
from stackgen.cli import completion
from stackgen.console import called
from stackgen.errors import StackError, with_outcome

_Read = TypeVar("_Read")

DEFAULT_FILE = Path("stack.yaml")


def named_spec(file: Path) -> Path:
    """Messages show commands about this spec from here on.

    Raises:
        BadParameter: it is no file.
    """
    if str(file) == "-":
        raise typer.BadParameter(
            "a spec is a file, for its profiles and facts stand beside it; name the file or its folder"
        )
    called.name(spec="" if file == DEFAULT_FILE else str(file))
    return file


def named_specs(files: list[Path] | None) -> list[Path] | None:
    """As of one spec; of several nobody knows which one a message is about."""
    if files and len(files) == 1:
        named_spec(files[0])
    return files


def finite(seconds: float | None) -> float | None:
    """A number of seconds that ends.

    Raises:
        BadParameter: it is infinite.
    """
    if seconds is not None and isinf(seconds):
        raise typer.BadParameter("it must end some time; write a number of seconds")
    return seconds


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


@contextmanager
def before(outcome: str) -> Iterator[None]:
    """Whatever comes before a verb does something: where that is refused or interrupted, it is said what was not done.

    Args:
        outcome: what was left undone, as "nothing was written".

    Raises:
        StackError: what was raised, with these words.
        KeyboardInterrupt: the same.
    """
    try:
        with interrupts.told(outcome):
            yield
    except StackError as error:
        raise with_outcome(error, outcome) from None
