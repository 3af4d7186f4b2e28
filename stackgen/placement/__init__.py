"""Demands for memory onto cards: feasible, then on the fewest slots, then with the largest smallest headroom.

Pure and deterministic: no clock, no chance; the same slots and demands in any order give the same answer.
This room imports nothing of ours and knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Iterable

from stackgen.placement.model import Barrier, Demand, Obstacle, Placement, Shape, Slot, Unplaced
from stackgen.placement.puzzle import numbered
from stackgen.placement.report import placement, unplaced
from stackgen.placement.search import best_found

__all__ = ["Barrier", "Demand", "Obstacle", "Placement", "Shape", "Slot", "Unplaced", "place"]


def place(slots: Iterable[Slot], demands: Iterable[Demand]) -> Placement | Unplaced:
    """Put every demand on slots, or say what does not fit and whether that is proven.

    Raises:
        ValueError: an id comes twice, or a shape wants fewer than one slot.
    """
    numbers = numbered(slots, demands)
    found = best_found(numbers)
    return unplaced(numbers, found) if found.left else placement(numbers, found)
