"""How long an engine may take to start: what the spec or a profile says, else what its weights ask for."""

from __future__ import annotations

import math
from collections.abc import Iterable

from stackgen import facts
from stackgen.parts import Instance, ServedModel
from stackgen.records import dataclass
from stackgen.sources import Path

_MINUTE_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class StartBudget:
    """The longest time from start to healthy, and who says so."""

    seconds: int
    path: Path = ()
    """In the merged spec; empty where nobody wrote it."""
    why: str = ""


def without_weights(instance: Instance, seconds: int) -> StartBudget:
    """Of a server that loads its models later: `seconds` where nobody wrote another time."""
    return _longest(instance.models) or StartBudget(seconds=seconds, why="it starts without its models")


def with_weights(instance: Instance) -> StartBudget:
    """Of a server that fetches and loads all its models before it is healthy, over a slow line and from a slow disk.

    Models of which nobody wrote a time are loaded one after another; weights that nobody knows take a fixed figure.
    """
    written = _longest(instance.models)
    silent = [served for served in instance.models if served.model.start_seconds is None]
    derived = _derived(instance.engine, {served.model.source: served for served in silent}.values())
    if written and (not silent or written.seconds >= derived.seconds):
        return written
    return derived


def _derived(engine: str, models: Iterable[ServedModel]) -> StartBudget:
    times = facts.start_times(engine)
    fetched_gib, read_gib, unknown = 0.0, 0.0, list[str]()
    for served in models:
        gib = facts.files_gib(served.known) if served.known else times.unknown_weights_gib
        read_gib += gib
        fetched_gib += 0.0 if served.model.source.startswith("/") else gib
        if served.known is None:
            unknown.append(served.id)
    seconds = math.ceil(times.seconds(fetched_gib, read_gib) / _MINUTE_SECONDS) * _MINUTE_SECONDS
    parts = [f"{times.base_seconds} s for the engine"]
    if fetched_gib:
        parts.append(f"{fetched_gib:.1f} GiB fetched at {times.fetch_mib_per_second:g} MiB/s")
    parts.append(f"{read_gib:.1f} GiB read at {times.read_mib_per_second:g} MiB/s")
    guessed = f"; {times.unknown_weights_gib:g} GiB taken for {' and '.join(unknown)}" if unknown else ""
    return StartBudget(seconds=seconds, why=f"{', '.join(parts)}{guessed}")


def _longest(models: Iterable[ServedModel]) -> StartBudget | None:
    """The longest time that anybody wrote."""
    found: StartBudget | None = None
    for served in models:
        seconds = served.model.start_seconds
        if seconds is not None and (found is None or seconds > found.seconds):
            found = StartBudget(seconds=seconds, path=(*served.path, "start_seconds"))
    return found
