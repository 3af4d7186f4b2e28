"""The only place that prints: data to stdout, talk to stderr; colour only on a terminal and never needed to understand."""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import IntEnum
from itertools import cycle
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from stackgen import trace
from stackgen.console import called
from stackgen.console.board import NAME_WIDTH, Board, line_of
from stackgen.console.paint import STYLES, folded, painted, shows_movement, width_of
from stackgen.errors import JoinedError, SpecError, StackError

if TYPE_CHECKING:
    from stackgen.runtime import Progress

__all__ = [
    "Board", "ReaderGoneError", "Volume", "asked", "bug", "called", "confirmed", "data", "data_json", "detail", "diff", "failure",
    "hears", "help_width", "interrupted", "log_printer",
    "patience", "progress", "say", "say_folded", "speak", "table", "talk_help", "text", "volume", "warn",
]  # fmt: skip

_SERVICE_COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "bright_cyan", "bright_yellow", "bright_magenta")
_DIFF_COLOURS = {"+": "green", "-": "red", "@": "cyan"}
_WIDEST_HELP = 100
_PATIENCE_SECONDS = 2.0
"""The longest time without a word."""
_BEGUN = time.monotonic()
"""When the program started, for the times of details."""


class ReaderGoneError(Exception):
    """Nobody reads what we print any more, as behind `| head`."""


class Volume(IntEnum):
    """How much is said."""

    quiet = 0
    usual = 1
    verbose = 2


_spoken: dict[str, Any] = {"volume": Volume.usual, "patient": False}


def speak(volume: Volume) -> None:
    """Say as much from here on."""
    _spoken["volume"] = volume
    trace.listen(detail if volume is Volume.verbose else None)


def volume() -> Volume:
    """How much is said now."""
    return Volume(_spoken["volume"])


def say(text: str, style: str = "") -> None:
    """A line for the person who waits (stderr); not with --quiet."""
    if volume() > Volume.quiet:
        _talk((text, STYLES.get(style, "")))


def say_folded(text: str, style: str = "") -> None:
    """As `say`; what is wider than the terminal goes on below its column."""
    for piece in folded(called.as_called(text), width_of(sys.stderr)):
        say(piece, style)


def detail(text: str) -> None:
    """A line for the person who looks for a fault (stderr); with --verbose alone."""
    if volume() is Volume.verbose:
        _talk((f"{time.monotonic() - _BEGUN:7.2f} s  {text}", STYLES["detail"]))


def warn(text: str) -> None:
    """A warning (stderr)."""
    _labelled("warning", text)


def data(text: str) -> None:
    """Text that a program may read (stdout), byte for byte."""
    _write(sys.stdout, text)


def data_json(value: Any) -> None:
    """JSON to stdout."""
    data(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def text(lines: str) -> None:
    """Lines that people read (stdout); what is wider than a terminal goes on below its column."""
    width = width_of(sys.stdout)
    data("".join(f"{piece}\n" for line in called.as_called(lines).splitlines() for piece in folded(line, width)))


def help_width() -> int:
    """Columns that a help text may take: all of a narrow terminal, a readable part of a wide one."""
    return min(shutil.get_terminal_size().columns, _WIDEST_HELP)


def talk_help(text: str) -> None:
    """The help that is shown in the place of a verb (stderr)."""
    _talk((text, ""))


def diff(texts: Iterable[str]) -> None:
    """Unified diffs to stdout, in colour on a terminal."""
    for changes in texts:
        for line in changes.splitlines():
            _print(sys.stdout, (line, _DIFF_COLOURS.get(line[:1], "")))


def table(rows: Sequence[Sequence[str]], *, state_column: int | None = None) -> None:
    """Columns to stdout; the words of one column in colour. No word is cut."""
    rows = [[called.as_called(cell) for cell in row] for row in rows]
    widths = [
        max((len(row[column]) for row in rows if len(row) > column), default=0)
        for column in range(max(map(len, rows), default=0))
    ]
    for row in rows:
        cells = [cell.ljust(widths[column] + 2) for column, cell in enumerate(row)]
        first, *others = folded("".join(cells).rstrip(), width_of(sys.stdout))
        begin = end = 0
        if state_column is not None and state_column < len(row):
            begin = len("".join(cells[:state_column]))
            end = begin + len(row[state_column])
        state = first[begin:end]
        _print(sys.stdout, (first[:begin], ""), (state, STYLES.get(state, "")), (first[end:], ""))
        for piece in others:
            _print(sys.stdout, (piece, ""))


def log_printer(services: Sequence[str]) -> Callable[[str, str], None]:
    """A function that prints a line of a service's log to stdout, the name before it, a colour each on a terminal.

    Without names it prints lines alone.
    """
    width = max(map(len, services), default=0)
    colours = dict(zip(services, cycle(_SERVICE_COLOURS), strict=False))

    def show(service: str, text: str) -> None:
        name = f"{service:<{width}} |" if width else ""
        line = f" {text}".rstrip() if width else text
        _print(sys.stdout, (name, colours.get(service, "")), (line, ""))

    return show


@contextmanager
def patience(what: str) -> Iterator[None]:
    """Say what is being done where it takes long; of phases inside each other only the outer one."""
    if threading.current_thread() is not threading.main_thread() or _spoken["patient"]:
        yield
        return
    timer = threading.Timer(_PATIENCE_SECONDS, say, (f"{what} …",))
    timer.daemon = True
    _spoken["patient"] = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        _spoken["patient"] = False


@contextmanager
def progress(services: Sequence[str]) -> Iterator[Callable[[Progress], None]]:
    """Where progress goes: a table that lives on a terminal and stays at the end, elsewhere a line for each news.

    Args:
        services: names of the rows, in their order.
    """
    if volume() is Volume.quiet:
        yield lambda _: None
        return
    if not shows_movement(sys.stderr):
        width = max(NAME_WIDTH, *map(len, services))
        yield lambda step: _say_news(line_of(step, width))
        return
    from rich.console import Console  # noqa: PLC0415 - only a board on a terminal needs it
    from rich.live import Live  # noqa: PLC0415 - likewise

    board = Board(services)
    screen = Console(stderr=True, highlight=False, markup=False, emoji=False)
    with Live(console=screen, get_renderable=board.table, refresh_per_second=4, redirect_stdout=False):
        yield board.take


def failure(error: StackError) -> None:
    """An error with its hint; every problem of a spec, every error of several."""
    if isinstance(error, JoinedError):
        for each in error.errors:
            failure(each)
        return
    if isinstance(error, SpecError):
        for problem in error.problems:
            _labelled("error", f"{problem.place}: {problem.message}")
            _hint(problem.hint)
        _talk((error.message, ""))
        return
    _labelled("error", f"{error.where}: {error.message}" if error.where else error.message)
    _hint(error.hint)


def confirmed(question: str) -> bool:
    """Ask on the terminal; only a written yes counts."""
    _write(sys.stderr, f"{question} [y/N] ")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def hears() -> bool:
    """Whether somebody sits there: a terminal asks and answers. A stream that is closed is None."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def asked(question: str, default: str) -> str:
    """Ask on the terminal; Enter alone means the default.

    Raises:
        EOFError: nobody answers any more.
    """
    _write(sys.stderr, f"{question} [{default}] ")
    answer = sys.stdin.readline()
    if not answer:
        raise EOFError
    return answer.strip() or default


def interrupted(text: str = "") -> None:
    """After Ctrl-C; where the terminal is gone, nobody is there to be told."""
    with suppress(ReaderGoneError, StackError):
        _talk((f"\ninterrupted{f': {text}' if text else ''}", ""))


def bug(error: BaseException, report: Path | None, text: str = "") -> None:
    """An error that is ours: no traceback on the screen where a file holds it.

    Args:
        error: what was raised.
        report: the file; None where none could be written.
        text: the report, shown where no file holds it.
    """
    _labelled("error", f"this is a bug of stackgen: {type(error).__name__}")
    if report:
        _hint(f"please send this report; it holds no values of your spec and no secrets: {report}")
        return
    _talk((text, ""))
    _hint("please send the lines above; no file could be written for them")


def _hint(text: str) -> None:
    if text:
        _talk(("", ""))
        _labelled("hint", text)
    _talk(("", ""))


def _say_news(line: str) -> None:
    if line:
        say(line)


def _labelled(label: str, text: str) -> None:
    _talk((f"{label}:", STYLES[label]), (f" {text}", ""))


def _talk(*parts: tuple[str, str]) -> None:
    """A line for people, on stderr."""
    _print(sys.stderr, *((called.as_called(text), style) for text, style in parts))


def _print(stream: IO[str], *parts: tuple[str, str]) -> None:
    _write(stream, painted(parts, stream) + "\n")


def _write(stream: IO[str], text: str) -> None:
    """Write at once.

    Raises:
        ReaderGoneError: nobody reads it.
        StackError: there is no room for it.
    """
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        raise ReaderGoneError from None
    except OSError as error:
        hint = "look at what stands behind > or | on the command line"
        raise StackError(f"the output cannot be written: {error.strerror}", hint=hint) from None
    except UnicodeEncodeError:  # a terminal or file of another encoding than UTF-8
        stream.write(text.encode("ascii", "backslashreplace").decode("ascii"))
        stream.flush()
