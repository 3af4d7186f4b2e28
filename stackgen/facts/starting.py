"""How long engines take to start with their weights, each figure with its reason beside it in starting.json."""

from __future__ import annotations

from functools import cache

from stackgen.facts.files import document
from stackgen.records import dataclass

_MIB_PER_GIB = 1024


@dataclass(frozen=True, kw_only=True)
class StartTimes:
    """What an engine that starts with its weights is given, on slow lines and slow disks."""

    base_seconds: int
    """Without its weights: programs, compilation, graphs."""
    unknown_weights_gib: float
    """Taken for weights that nobody knows."""
    fetch_mib_per_second: float
    read_mib_per_second: float

    def seconds(self, fetched_gib: float, read_gib: float) -> float:
        """Time to be healthy where so much is fetched, and so much read."""
        fetching = fetched_gib * _MIB_PER_GIB / self.fetch_mib_per_second
        return self.base_seconds + fetching + read_gib * _MIB_PER_GIB / self.read_mib_per_second


@cache
def start_times(engine: str) -> StartTimes:
    """What an engine is given for its start."""
    data = document("starting.json")
    own = data["engines"][engine]
    return StartTimes(
        base_seconds=own["base_seconds"],
        unknown_weights_gib=own["unknown_weights_gib"],
        fetch_mib_per_second=data["fetch_mib_per_second"]["value"],
        read_mib_per_second=data["read_mib_per_second"]["value"],
    )
