"""The table of docs/architecture.md: every floor with its rooms, from the linter's contract and the rooms' own first lines."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import reference

ROOT = Path(__file__).resolve().parent.parent


def blocks() -> Mapping[str, str]:
    """Name and content of each block."""
    return {"floors": reference.lines([["floor", "room", "what lives there"], *rooms()])}


def rooms() -> Iterator[list[str]]:
    """A row for each room, from the top down."""
    data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = next(entry["layers"] for entry in data["tool"]["importlinter"]["contracts"] if entry["type"] == "layers")
    for number, layer in enumerate(reversed(layers)):
        for name in layer.split(" | "):
            room = name.removeprefix("stackgen.")
            yield [str(number), f"`{room}`", first_sentence(room)]


def first_sentence(room: str) -> str:
    """What a room says of itself first."""
    package = ROOT / "stackgen" / room / "__init__.py"
    file = package if package.is_file() else package.parent.with_suffix(".py")
    said = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return said.split("\n\n")[0].split(". ")[0].rstrip(".")
