"""Arguments that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SpecFile = Annotated[Path, typer.Argument(metavar="FILE", help="The spec, or its folder.", show_default="stack.yaml")]
OutFolder = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="Folder of the rendered files.", show_default="rendered/ beside the spec"
    ),
]
DEFAULT_FILE = Path("stack.yaml")
Simulate = Annotated[
    bool, typer.Option("--simulate", help="The simulation beside the stack: stand-ins in the place of engines.")
]
Groups = Annotated[
    list[str] | None,
    typer.Option("--group", metavar="NAME", help="Make this group of models active; one of each exclusion."),
]
