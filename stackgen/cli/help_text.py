"""How help looks: it fits the terminal, examples stand in lines of their own, defaults are said plainly."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import typer

_DEFAULT = re.compile(r"\[default: \((.*?)\)(?=[;\]])", re.DOTALL)
_AT_LEAST = re.compile(r"x>=([\d.]+)")
_TYPE = re.compile(r" <(str|path|list\[\w+\])>$")
_EXAMPLES = re.compile(r"Examples?: ")


_TypersOwn: Any = typer.Context.formatter_class


class _Formatter(_TypersOwn):  # type: ignore[misc] # it has no public name
    """Options in a column that leaves their text two thirds of the width."""

    def write_dl(self, rows: Sequence[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write names with what they mean."""
        plain = [
            (_TYPE.sub("", name), _AT_LEAST.sub(r"\1 or more", _DEFAULT.sub(r"[default: \1", text)))
            for name, text in rows
        ]
        super().write_dl(plain, min(col_max, self.width // 3), col_spacing)


class _Context(typer.Context):
    formatter_class = _Formatter


def shape(command: Any) -> None:
    """Give a command its help."""
    command.context_class = _Context
    if command.epilog and _EXAMPLES.match(command.epilog):
        title, _, examples = command.epilog.partition(": ")
        command.epilog = "\n".join(("\b", f"{title}:", *(f"  {example}" for example in examples.split("; "))))
