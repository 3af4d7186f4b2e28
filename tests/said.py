"""What is told with a failed test: the last words of programs that it ran, and of what it runs in containers."""

from __future__ import annotations

import functools
import subprocess
from collections import deque
from collections.abc import Iterator

import pytest

PROGRAMS, LINES = 3, 30
_run: deque[subprocess.CompletedProcess | subprocess.SubprocessError] = deque(maxlen=PROGRAMS)


def remember() -> None:
    """From now on, how each `subprocess.run` of this process ended is kept."""
    original = subprocess.run

    @functools.wraps(original)
    def run(*words, **options):
        try:
            done = original(*words, **options)
        except subprocess.SubprocessError as error:
            _run.append(error)
            raise
        _run.append(done)
        return done

    subprocess.run = run


def forget() -> None:
    """The next test begins."""
    _run.clear()


def sections(item: pytest.Item) -> Iterator[tuple[str, str]]:
    """Headings and texts for the report of a test that failed."""
    for done in _run:
        words = done.args if isinstance(done, subprocess.CompletedProcess) else getattr(done, "cmd", "")
        command = words if isinstance(words, str) else " ".join(map(str, words))
        ended = getattr(done, "returncode", "no end in time")
        text = "".join(f"{name}:\n{tail(getattr(done, name, None))}\n" for name in ("stdout", "stderr"))
        yield f"ended with {ended}: {command[:200]}", text
    for name, value in getattr(item, "funcargs", {}).items():
        if hasattr(value, "evidence"):
            yield f"containers of `{name}`", value.evidence()


def tail(text: str | bytes | None) -> str:
    """The last lines of an output."""
    if text is None:
        return "  (not read)"
    shown = text.decode(errors="replace") if isinstance(text, bytes) else text
    return "\n".join(f"  {line}" for line in shown.splitlines()[-LINES:])
