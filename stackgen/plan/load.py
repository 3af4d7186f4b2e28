"""What is taken of a card at once, where models take turns."""

from __future__ import annotations

from collections.abc import Iterable

from stackgen.parts import Group


def load_gib(claims: Iterable[tuple[Group | None, float]]) -> float:
    """The most that is taken at once: by what always runs, and by the largest group of each exclusion."""
    claimed = list(claims)
    largest = largest_groups(claimed)
    return sum(gib for group, gib in claimed if group is None or group in largest)


def largest_groups(claims: Iterable[tuple[Group | None, float]]) -> frozenset[Group]:
    """Of each exclusion the group that takes most; of two that take as much the later one by name."""
    taken: dict[Group, float] = {}
    for group, gib in claims:
        if group is not None:
            taken[group] = taken.get(group, 0.0) + gib
    ordered = sorted(taken, key=lambda group: (taken[group], group.name))
    return frozenset({group.exclusion: group for group in ordered}.values())
