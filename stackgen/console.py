"""The only place that prints: data to stdout, talk to stderr; colour only on a terminal and never needed to understand."""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackgen import __version__
from stackgen.errors import SpecError, StackError

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {
    "error": "bold red",
    "hint": "cyan",
    "warning": "yellow",
    "ok": "green",
    "healthy": "green",
    "failed": "bold red",
    "skipped": "yellow",
}


@cache
def _talk() -> Console:
    from rich.console import Console  # noqa: PLC0415 - `--help` must not pay for it

    return Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)


@cache
def _paper() -> Console:
    from rich.console import Console  # noqa: PLC0415

    return Console(soft_wrap=True, highlight=False, markup=False, emoji=False)


def say(text: str, style: str = "") -> None:
    """A line for the person who waits (stderr)."""
    _talk().print(text, style=_STYLES.get(style, ""))


def warn(text: str) -> None:
    """A warning (stderr)."""
    _labelled("warning", text)


def data(text: str) -> None:
    """Text that a program may read (stdout), byte for byte."""
    sys.stdout.write(text)
    sys.stdout.flush()


def data_json(value: Any) -> None:
    """JSON to stdout."""
    data(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def diff(texts: Iterable[str]) -> None:
    """Unified diffs to stdout, in colour on a terminal."""
    for text in texts:
        for line in text.splitlines():
            style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
            _paper().print(line, style=style)


def table(rows: Sequence[Sequence[str]], *, state_column: int | None = None) -> None:
    """Columns to stdout; the words of one column in colour. No line is cut."""
    from rich.text import Text  # noqa: PLC0415

    widths = [
        max((len(row[column]) for row in rows if len(row) > column), default=0)
        for column in range(max(map(len, rows), default=0))
    ]
    for row in rows:
        line = Text()
        for column, cell in enumerate(row):
            last = column == len(row) - 1
            line.append(
                cell if last else cell.ljust(widths[column] + 2),
                style=_STYLES.get(cell, "") if column == state_column else "",
            )
        line.rstrip()
        _paper().print(line)


def failure(error: StackError) -> None:
    """An error with its hint; every problem of a spec."""
    if isinstance(error, SpecError):
        for problem in error.problems:
            _labelled("error", f"{problem.place}: {problem.message}")
            _hint(problem.hint)
        say(f"{error.message}; nothing was written")
        return
    _labelled("error", f"{error.where}: {error.message}" if error.where else error.message)
    _hint(error.hint)


def confirmed(question: str) -> bool:
    """Ask on the terminal; only a written yes counts."""
    _talk().print(f"{question} [y/N] ", end="")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def interrupted(text: str = "") -> None:
    """After Ctrl-C."""
    say(f"\ninterrupted{f': {text}' if text else ''}")


def bug(error: BaseException) -> None:
    """An error that is ours: a report in a file, no traceback on the screen."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    text = "".join(traceback.format_exception(error))
    machine = f"stackgen {__version__}, Python {platform.python_version()}, {platform.platform()}"
    report = f"{machine}\nverb: {' '.join(sys.argv[1:2])}\n\n{text}"
    descriptor, path = tempfile.mkstemp(prefix=f"stackgen-bug-{stamp}-", suffix=".txt")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(report)
    _labelled("error", f"this is a bug of stackgen: {type(error).__name__}")
    _hint(f"please send the report with your stack.yaml: {Path(path)}")


def _hint(text: str) -> None:
    if text:
        say("")
        _labelled("hint", text)
    say("")


def _labelled(label: str, text: str) -> None:
    from rich.text import Text  # noqa: PLC0415

    _talk().print(Text.assemble((f"{label}:", _STYLES[label]), f" {text}"))
