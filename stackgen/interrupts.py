"""Ctrl-C, and what else ends a program from outside: every verb ends alike, and what has to be whole is done first.

A terminal sends SIGINT for Ctrl-C and SIGHUP when it is closed; CI and systemd send SIGTERM. Each is a KeyboardInterrupt
here. Its text says how things stand, where somebody knows that: "nothing was written".
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ECHO_SECONDS = 2.0
"""A shell sends SIGHUP once more after the terminal did, and people press twice: what comes so soon is the same wish."""
_now: dict[str, Any] = {"depth": 0, "waiting": False, "heard": float("-inf")}


def listen() -> None:
    """Hear them from here on, but for those that whoever started us keeps from us, as `nohup` does."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _hear)


@contextmanager
def whole(outcome: str = "") -> Iterator[None]:
    """What is done in here is done to its end: an interrupt waits for it. Only for what takes a moment.

    Args:
        outcome: how things stand then, for the person who interrupted.

    Raises:
        KeyboardInterrupt: one waited.
    """
    _now["depth"] += 1
    is_done = False
    try:
        yield
        is_done = True
    finally:
        _now["depth"] -= 1
        if _now["waiting"] and not _now["depth"]:
            _now["waiting"] = False
            raise KeyboardInterrupt(*([outcome] if outcome and is_done else ()))


@contextmanager
def told(outcome: str) -> Iterator[None]:
    """An interrupt in here says how things stand, where nobody further inside said it.

    Raises:
        KeyboardInterrupt: there was one.
    """
    try:
        yield
    except KeyboardInterrupt as end:
        raise KeyboardInterrupt(*(end.args or filter(None, [outcome]))) from None


def is_behind(error: BaseException | None) -> bool:
    """Whether an error is an interrupt, or what Python makes of one in the midst of a class: a RuntimeError."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__
    return error is not None


def _hear(*_: object) -> None:
    if _now["depth"]:
        _now["waiting"] = True
        return
    before, _now["heard"] = _now["heard"], time.monotonic()
    if _now["heard"] - before > _ECHO_SECONDS:
        raise KeyboardInterrupt
