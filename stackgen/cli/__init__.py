"""The verbs: each parses, calls, prints. Their order here is their order in `--help`."""

from __future__ import annotations

import errno
import os
import signal
import sys
from itertools import takewhile
from pathlib import Path

import typer
from typer.exceptions import TyperException

from stackgen import console, interrupts, trace
from stackgen.cli import (
    beginning,
    checking,
    completion,
    explaining,
    facts,
    files,
    live,
    looking,
    rendering,
    secrets,
    shells,
    usage,
)
from stackgen.cli.app import COMPLETION_VARIABLE, PROGRAM_NAME, app, words_of_verbs
from stackgen.cli.options import DEFAULT_FILE
from stackgen.errors import ExitCode, StackError

__all__ = [
    "app",
    "beginning",
    "checking",
    "completion",
    "explaining",
    "facts",
    "files",
    "live",
    "looking",
    "main",
    "rendering",
    "secrets",
    "shells",
]


_TO_BE_FORESEEN = frozenset({errno.ENOENT, errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENOTSUP})


def main() -> None:
    """The program: runs a verb, prints what went wrong, ends with the right code."""
    _prepare()
    if COMPLETION_VARIABLE in os.environ:
        sys.exit(_complete())
    try:
        sys.exit(app(prog_name=PROGRAM_NAME, standalone_mode=False, terminal_width=console.help_width()))
    except StackError as error:
        console.failure(error)
        sys.exit(ExitCode.PROBLEM)
    except TyperException as error:
        if str(error).startswith("Usage:"):  # a group of verbs alone shows its help
            console.talk_help(str(error))
        else:
            console.failure(
                usage.error_of(error, [PROGRAM_NAME, *takewhile((words_of_verbs() - {""}).__contains__, sys.argv[1:])])
            )
        sys.exit(ExitCode.USAGE)
    except (typer.Abort, KeyboardInterrupt) as end:
        console.interrupted(str(end))
        sys.exit(ExitCode.INTERRUPTED)
    except console.ReaderGoneError:
        _end_as_others_do()
    except Exception as error:  # noqa: BLE001 - the last door: what no disk says is a bug and gets a report
        sys.exit(_told(error))


def _told(error: Exception) -> ExitCode:
    """Tell what nobody foresaw: what a disk answers, or a bug."""
    if interrupts.is_behind(error):
        console.interrupted()
        return ExitCode.INTERRUPTED
    if (refusal := _refusal_of_disk(error)) is not None:
        console.failure(refusal)
        return ExitCode.PROBLEM
    _report(error)
    return ExitCode.BUG


def _refusal_of_disk(error: Exception) -> StackError | None:
    """A disk or a share that answers no more, which any look at a file may meet; None for what verbs must foresee."""
    from stackgen.facts.refusals import file_refusal, refused

    if not isinstance(error, OSError) or not error.filename or error.errno in _TO_BE_FORESEEN:
        return None
    path = Path(os.fsdecode(error.filename))
    return refused("a file cannot be read or written", error, path) if file_refusal(error.errno or 0) else None


def _prepare() -> None:
    """Whatever was said before in this process, this run begins anew."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # whoever started us has closed it
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open to the end
    console.speak(console.Volume.usual)
    console.called.name(spec="", out="")
    trace.watch(console.patience)
    shells.teach()


def _complete() -> int | str | None:
    """Answer a shell; the exit code. Whatever goes wrong, the line that somebody is typing stays clean."""
    try:
        with completion.without_rich():
            program = typer.main.get_command(app)
            console.data(f"{shells.answer(program, PROGRAM_NAME, COMPLETION_VARIABLE)}\n")
    except SystemExit as end:
        return end.code
    except Exception:  # noqa: BLE001 - a message would be typed into the user's line
        return ExitCode.PROBLEM
    return ExitCode.DONE


def _end_as_others_do() -> None:
    """Whoever read us went away (`| head`): end by the signal that ends other programs then."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGPIPE)


def _report(error: Exception) -> None:
    """Keep what a maintainer needs in a file."""
    from stackgen.verbs import bugs

    words = sys.argv[1:]
    named = [path for word in words if bugs.is_spec(path := Path(word.rpartition("=")[2]))]
    text = bugs.report_text(error, words, words_of_verbs(), [*named, DEFAULT_FILE])
    console.bug(error, bugs.keep_report(text), text)
