"""The only place that prints: data to stdout, talk to stderr; colour only on a terminal and never needed to understand."""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackgen import __version__
from stackgen.errors import SpecError, StackError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from stackgen.runtime import Progress

_STYLES = {
    "error": "bold red",
    "hint": "cyan",
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
_SERVICE_COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "bright_cyan", "bright_yellow", "bright_magenta")
_NAME_WIDTH = 16
_LONGEST_STATE = max(map(len, _STYLES))


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


def log_printer(services: Sequence[str]) -> Callable[[str, str], None]:
    """A function that prints a line of a service's log to stdout, the name before it, a colour each on a terminal.

    Without names it prints lines alone.
    """
    width = max(map(len, services), default=0)
    colours = dict(zip(services, cycle(_SERVICE_COLOURS), strict=False))

    def show(service: str, text: str) -> None:
        name = f"{service:<{width}} |" if width else ""
        if width and _paper().is_terminal:
            from rich.text import Text  # noqa: PLC0415

            _paper().print(Text.assemble((name, colours.get(service, "")), f" {text}"))
        else:
            data(f"{name} {text}".strip() + "\n" if width else f"{text}\n")

    return show


@contextmanager
def progress(services: Sequence[str]) -> Iterator[Callable[[Progress], None]]:
    """Where progress goes: a table that lives on a terminal and stays at the end, elsewhere a line for each news.

    Args:
        services: names of the rows, in their order.
    """
    from rich.console import Console  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415

    if not sys.stderr.isatty() or _talk().is_dumb_terminal:
        width = max(_NAME_WIDTH, *map(len, services))
        yield lambda step: _progress_line(step, width)
        return
    board = Board(services)
    screen = Console(stderr=True, highlight=False, markup=False, emoji=False)
    with Live(console=screen, get_renderable=board.table, refresh_per_second=4, redirect_stdout=False):
        yield board.take


class Board:
    """Rows of a stack that comes up: service, state, its own seconds, detail."""

    def __init__(self, services: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rows: dict[str, tuple[str, float, bool, str]] = dict.fromkeys(services, ("waiting", clock(), True, ""))

    def take(self, step: Progress) -> None:
        """What a service does now; its seconds go on from there."""
        began = step.own_seconds if step.is_over else self._clock() - step.own_seconds
        self._rows[step.service] = (step.phase, began, not step.is_over, step.detail)

    def table(self) -> Table:
        """The rows as they stand; the detail is cut to what the terminal has."""
        from rich.table import Column, Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        table = Table(
            Column("service", no_wrap=True),
            Column("state", no_wrap=True, min_width=_LONGEST_STATE),
            Column("seconds", no_wrap=True, justify="right"),
            Column("detail", no_wrap=True, overflow="ellipsis", ratio=1),
            box=None,
            expand=True,
            padding=(0, 2, 0, 0),
            header_style="dim",
        )
        for service, (state, seconds, moving, detail) in self._rows.items():
            shown = self._clock() - seconds if moving else seconds
            table.add_row(Text(service), Text(state, style=_STYLES.get(state, "")), f"{shown:.1f}", Text(detail))
        return table


def _progress_line(step: Progress, width: int) -> None:
    if step.is_news:
        took = f"{step.own_seconds:.1f} s after its start" if step.phase in {"healthy", "done"} else ""
        say(f"{step.seconds:7.1f} s  {step.service:<{width}} {step.phase:<9} {step.detail or took}".rstrip())


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
