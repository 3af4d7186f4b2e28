"""Colour and width of lines for people: both only where a terminal shows them, and nothing is lost without."""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Sequence
from typing import IO

_USUAL_COLUMNS = 80
"""Of a terminal that does not know its own, as one over a serial line."""
STYLES = {
    "error": "bold red",
    "hint": "cyan",
    "detail": "dim",
    "warning": "yellow",
    "ok": "green",
    "healthy": "green",
    "done": "green",
    "waiting": "dim",
    "starting": "cyan",
    "pulling": "cyan",
    "downloading model": "cyan",
    "loading model": "cyan",
    "warming up": "cyan",
    "failed": "bold red",
    "skipped": "yellow",
    "running": "green",
    "unhealthy": "bold red",
    "absent": "bold red",
}
"""How a word looks that stands for a state or a kind of line."""
COLOURS = {
    "bold red": "1;31", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "magenta": "35", "cyan": "36",
    "bright_yellow": "93", "bright_magenta": "95", "bright_cyan": "96",
}  # fmt: skip
"""SGR parameters, as ECMA-48 and xterm number them."""
_DUMB = frozenset({"dumb", "unknown"})
_GAP = re.compile(r" {2,}(?=\S)")
_NARROWEST_CELL = 24
_INDENT = 2


def is_coloured(stream: IO[str]) -> bool:
    """Whether a stream shows colours: a terminal that can, and nobody who forbids it (https://no-color.org)."""
    return not os.environ.get("NO_COLOR") and shows_movement(stream)


def shows_movement(stream: IO[str]) -> bool:
    """Whether a stream is a terminal that knows more than lines."""
    return os.environ.get("TERM", "").lower() not in _DUMB and stream.isatty()


def painted(parts: Sequence[tuple[str, str]], stream: IO[str]) -> str:
    """Texts joined, each in its colour where the stream shows any.

    Args:
        parts: text and colour; an empty colour is none.
        stream: where it will be written.
    """
    if not is_coloured(stream):
        return "".join(text for text, _ in parts)
    return "".join(f"\x1b[{COLOURS[colour]}m{text}\x1b[0m" if colour and text else text for text, colour in parts)


def width_of(stream: IO[str]) -> int | None:
    """Columns of a terminal; None for a file or a pipe, where a line is as long as it is."""
    if not stream.isatty():
        return None
    said = os.environ.get("COLUMNS", "")
    columns = int(said) if said.isdecimal() else os.get_terminal_size(stream.fileno()).columns
    return columns or _USUAL_COLUMNS


def folded(line: str, width: int | None) -> list[str]:
    """A line in pieces that fit; what follows stands below the last of its columns that leaves room.

    Args:
        line: cells with two spaces or more between them.
        width: columns of the terminal; None leaves the line whole.
    """
    if width is None or len(line) <= width:
        return [line]
    own = len(line) - len(line.lstrip())
    room = {gap.end(): width - gap.end() for gap in _GAP.finditer(line)}
    starts = [end for end in room if own < end and max(_NARROWEST_CELL, *map(len, line[end:].split())) <= room[end]]
    start = starts[-1] if starts else own
    indent = start if starts else min(own + _INDENT, width // 4)
    pieces = textwrap.wrap(
        line[start:],
        width,
        initial_indent=line[:start],
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [piece.rstrip() for piece in pieces] or [line]
