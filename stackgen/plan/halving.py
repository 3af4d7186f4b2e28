"""The largest number that fits, found by halving."""

from __future__ import annotations

from collections.abc import Callable


def largest(least: int, most: int, step: int, fits: Callable[[int], bool]) -> int | None:
    """The largest multiple of a step between two numbers that fits; None where not even the least one does."""
    low, high = -(-least // step), most // step
    if high < low or not fits(low * step):
        return None
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle * step) else (low, middle - 1)
    return low * step
