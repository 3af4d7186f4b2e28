"""The verbs: each parses, calls, prints. Their order here is their order in `--help`."""

from __future__ import annotations

import sys

from stackgen import console
from stackgen.cli import checking, facts, files, live, looking
from stackgen.cli.app import app
from stackgen.errors import ExitCode, StackError

__all__ = ["app", "checking", "facts", "files", "live", "looking", "main"]


def main() -> None:
    """The program: runs a verb, prints what went wrong, ends with the right code. Usage errors are typer's (2)."""
    try:
        app()
    except StackError as error:
        console.failure(error)
        sys.exit(ExitCode.PROBLEM)
    except KeyboardInterrupt:
        console.interrupted()
        sys.exit(ExitCode.INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the last door: whatever comes here is a bug and gets a report
        console.bug(error)
        sys.exit(ExitCode.BUG)
