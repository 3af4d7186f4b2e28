"""The largest number at one place of a spec with which everything still fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from stackgen import sources
from stackgen.errors import SpecError, StackError
from stackgen.plan import Plan
from stackgen.plan.halving import largest
from stackgen.plan.schema import whole_numbers_at
from stackgen.records import dataclass
from stackgen.sources import Change, describe, nearest
from stackgen.verbs.stack import open_stack

_LARGEST = 2**30
_STEPS = {"context": 1024, "kv_cache_memory_bytes": 2**26}
"""Numbers that are worth telling apart, by the name of the key; elsewhere every one."""


@dataclass(frozen=True)
class Solved:
    """An answer: the number, the plan with it, and why the next one does not fit."""

    path: str
    value: int
    plan: Plan
    limit: str
    step: int

    def sentence(self) -> str:
        """The answer for people."""
        return f"{self.path}: {self.value} is the most; with {self.value + self.step}: {self.limit}"

    def as_json(self) -> dict[str, Any]:
        """The answer for programs: the number, and why that number and one step more does not fit."""
        return {"path": self.path, "value": self.value, "step": self.step, "limit": self.limit}


@dataclass(frozen=True)
class _Trials:
    """Plans with a number of steps at a path; each is made once."""

    file: Path
    keys: tuple[str, ...]
    step: int
    changes: Sequence[Change]
    groups: Sequence[str]
    tell: Callable[[int], None]
    plans: dict[int, Plan] = field(default_factory=dict)
    refusals: dict[int, SpecError] = field(default_factory=dict)
    limits: dict[int, str] = field(default_factory=dict)

    def fits(self, count: int) -> bool:
        """Whether it can be planned, and the cache holds the requests where it is their number."""
        if count not in self.plans and count not in self.limits:
            value = count * self.step
            self.tell(value)
            try:
                tried = (*self.changes, Change(self.keys, value))
                plan = open_stack(self.file, changes=tried, groups=self.groups, suggest=count == 1).plan
            except SpecError as error:
                self.refusals[count] = error
                self.limits[count] = error.problems[0].message.partition("\n")[0]
                return False
            short = _short_cache(plan, self.keys, value)
            if short:
                self.limits[count] = short
            else:
                self.plans[count] = plan
        return count in self.plans


def solve(
    file: Path,
    path: str,
    changes: Sequence[Change] = (),
    groups: Sequence[str] = (),
    tell: Callable[[int], None] = lambda _: None,
) -> Solved:
    """Find the largest number at a path of the spec, in large steps for contexts and bytes and of 1 for the rest.

    Args:
        file: the spec, or its folder.
        path: where the number stands, as models.chat.context.
        changes: what is tried beside it.
        groups: names of groups that are to be active.
        tell: hears each number before it is tried.

    Raises:
        StackError: no whole number stands at the path, or nothing limits it.
        SpecError: no number fits.
    """
    keys = sources.path_of(path)
    _require_number(file, keys, changes)
    step = _STEPS.get(keys[-1], 1)
    trials = _Trials(file, keys, step, changes, groups, tell)
    first = next((count for count in _doubled(1) if trials.fits(count)), None)
    if first is None:
        if 1 in trials.refusals:
            raise trials.refusals[1]
        raise StackError(f"{describe(path)} has no number that fits: {trials.limits[1]}")
    found = _last(first, trials.fits)
    if found is None:
        raise StackError(
            f"nothing limits {describe(path)}", hint="name a number that costs memory, as models.chat.context"
        )
    return Solved(path, found * step, trials.plans[found], trials.limits[found + 1], step)


def _require_number(file: Path, keys: tuple[str, ...], changes: Sequence[Change]) -> None:
    """Refuse a path at which no whole number can stand, or one of an entry that the spec does not have."""
    document = sources.load(file, (*changes, Change(keys, 1))).document
    known = whole_numbers_at(document.data, keys[:-1])
    if keys[-1] not in known:
        message = f"no whole number stands at {describe('.'.join(keys))}, so there is no largest one"
        hint = nearest(keys[-1], known) or "name a number that costs memory, as models.chat.context"
        raise StackError(message, hint=f"{hint}; --what-if tries a value of any kind")


def _short_cache(plan: Plan, keys: tuple[str, ...], requests: int) -> str:
    """Why so many requests at the same time are more than there is room for; empty where they fit, or another key is meant."""
    if keys[0] != "models" or keys[2:] != ("concurrency",):
        return ""
    served = (one.name for one in plan.instances if any(model.id == keys[1] for model in one.models))
    for name in served:
        held = plan.memory[name].held if name in plan.memory else None
        if held and held.requests < requests:
            return f"the cache of {name} holds {held.shown_requests} requests of full length"
    return ""


def _doubled(count: int) -> Iterator[int]:
    while count <= _LARGEST:
        yield count
        count *= 2


def _last(first: int, fits: Callable[[int], bool]) -> int | None:
    """The last count that fits, from one that does: doubled until one does not, then halved in between."""
    high = next((count for count in _doubled(2 * first) if not fits(count)), None)
    if high is None:
        return None
    return largest(high // 2, high - 1, 1, fits)
