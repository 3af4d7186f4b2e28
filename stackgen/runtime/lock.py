"""One `up` at a time: a lock that the kernel frees when its holders are gone, however they end."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from stackgen.errors import StackError

FILE, SIMULATION_FILE = "up.lock", "simulation.lock"
"""A simulation's is beside its folder, which `down --simulate --volumes` removes."""
_LOOK_EVERY_SECONDS = 0.2


class Turn:
    """The right to change a stack. Compose holds it too, so that it outlives a killed `up` no longer than its Compose."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._since = time.time()

    def note(self, **more: Any) -> None:
        """Write down who works, for whoever finds the lock taken."""
        text = json.dumps({"pid": os.getpid(), "since": self._since, **more})
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, text.encode(), 0)


@contextmanager
def turn(
    folder: Path, *, timeout_seconds: float | None, say: Callable[[str], None], file: str = FILE
) -> Iterator[Turn]:
    """Wait for our turn and keep it to the end of the block.

    Args:
        folder: where the lock's file is; it exists.
        timeout_seconds: longest wait; None: for ever.
        say: told once who is waited for.
        file: the lock's name.

    Raises:
        StackError: the lock cannot be taken, or not in time.
    """
    path = folder / file
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StackError(f"the lock cannot be taken: {error.strerror}", where=str(path)) from None
    try:
        _wait(path, descriptor, timeout_seconds, say)
        own = Turn(descriptor)
        own.note()
        yield own
    finally:
        os.close(descriptor)


def _wait(path: Path, descriptor: int, timeout_seconds: float | None, say: Callable[[str], None]) -> None:
    began = time.monotonic()
    told = ""
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        holder = _holder(path)
        if _left_behind(holder, path):
            word = "an `up` that was killed left Compose at work; it is stopped"
            with contextlib.suppress(ProcessLookupError):
                os.killpg(holder["compose"], signal.SIGTERM)
        else:
            word = f"another `up` of this stack is at work{_who(holder)}; waiting for it"
        if word != told:
            say(word)
            told = word
        if timeout_seconds is not None and time.monotonic() - began > timeout_seconds:
            message = f"another `up` of this stack is still at work{_who(holder)} after {timeout_seconds:.0f} s"
            raise StackError(message, hint="wait for it, or end it with Ctrl-C where it runs")
        time.sleep(_LOOK_EVERY_SECONDS)


def _left_behind(holder: Mapping[str, Any], path: Path) -> bool:
    """Whether `up` itself is gone and its Compose works on. That it has the lock's file open proves that it is still it."""
    return not _has_open(holder.get("pid"), path) and _has_open(holder.get("compose"), path)


def _has_open(process: object, path: Path) -> bool:
    with contextlib.suppress(OSError):
        return any(_is_same(entry, path) for entry in Path(f"/proc/{process}/fd").iterdir())
    return False


def _is_same(entry: Path, path: Path) -> bool:
    try:
        return entry.samefile(path)
    except OSError:
        return False


def _holder(path: Path) -> Mapping[str, Any]:
    """What the holder wrote down; nothing where it is about to."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _who(holder: Mapping[str, Any]) -> str:
    if not {"pid", "since"} <= set(holder):
        return ""
    since = datetime.fromtimestamp(holder["since"]).astimezone().strftime("%H:%M:%S")
    return f" (process {holder['pid']}, since {since})"
