"""The verbs: each parses, calls, prints. Their order here is their order in `--help`."""

from __future__ import annotations

import os
import signal
import sys
from itertools import takewhile
from pathlib import Path

import typer
from typer.exceptions import TyperException

from stackgen import console, trace
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
]


def main() -> None:
    """The program: runs a verb, prints what went wrong, ends with the right code."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # whoever started us has closed it
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open to the end
    console.speak(console.Volume.usual)
    console.called.name(spec="", out="")
    trace.watch(console.patience)
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
                usage.error_of(error, [PROGRAM_NAME, *takewhile(words_of_verbs().__contains__, sys.argv[1:])])
            )
        sys.exit(ExitCode.USAGE)
    except typer.Abort:
        console.interrupted()
        sys.exit(ExitCode.INTERRUPTED)
    except console.ReaderGoneError:
        _end_as_others_do()
    except Exception as error:  # noqa: BLE001 - the last door: whatever comes here is a bug and gets a report
        _report(error)
        sys.exit(ExitCode.BUG)


def _complete() -> int | str | None:
    """Answer a shell; the exit code. Whatever goes wrong, the line that somebody is typing stays clean."""
    try:
        with completion.without_rich():
            app(prog_name=PROGRAM_NAME, standalone_mode=False)
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
    named = next((path for word in words if (path := Path(word)).suffix in {".yaml", ".yml"}), DEFAULT_FILE)
    text = bugs.report_text(error, words, words_of_verbs(), named)
    console.bug(error, bugs.keep_report(text), text)
