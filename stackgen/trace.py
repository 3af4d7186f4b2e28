"""What is done on the way: files that are read, programs that are run, phases and how long they take.

`--verbose` listens to all of it, and who waits hears of a phase that takes long. A sentence never holds a secret: whoever
tells one says names, paths and numbers.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Watcher = Callable[[str], AbstractContextManager[None]]
_listeners: list[Callable[[str], None]] = []
_watchers: list[_Watcher] = []


def listen(listener: Callable[[str], None] | None) -> None:
    """Tell everything to this one from here on; None: to nobody."""
    _listeners[:] = [listener] if listener else []


def watch(watcher: _Watcher) -> None:
    """Let this one stand beside every phase from here on."""
    _watchers[:] = [watcher]


def tell(sentence: str) -> None:
    """Say what was done."""
    for listener in _listeners:
        listener(sentence)


@contextmanager
def timing(what: str) -> Iterator[None]:
    """A phase: say what it is and how long it took, also where it failed.

    Args:
        what: what is being done, as "planning".
    """
    begun = time.monotonic()
    watched = _watchers[0](what) if _watchers else nullcontext()
    try:
        with watched:
            yield
    finally:
        tell(f"{what}: {time.monotonic() - begun:.2f} s")


def timed(what: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """The same for every call of a function."""

    def around(function: Callable[_P, _R]) -> Callable[_P, _R]:
        @functools.wraps(function)
        def told(*words: _P.args, **named: _P.kwargs) -> _R:
            with timing(what):
                return function(*words, **named)

        return told

    return around
