"""What long work says meanwhile: nobody waits longer than two seconds without a word."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from stackgen import console

_What = TypeVar("_What")
_LONGEST_SECONDS = 2.0


def teller(words: Callable[[_What, float], str]) -> Callable[[_What], None]:
    """A function that is told each step, and says one where nothing was said for long.

    Args:
        words: the line about a step, and the seconds since the beginning.
    """
    begun = told = time.monotonic()

    def tell(step: _What) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told > _LONGEST_SECONDS:
            told = now
            console.say(words(step, now - begun))

    return tell
