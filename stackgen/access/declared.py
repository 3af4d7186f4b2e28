"""What the spec declares about teams and keys, in the gateway's own words, and what of it the gateway lacks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from enum import Enum
from typing import Any

from stackgen.errors import StackError
from stackgen.plan import Plan
from stackgen.records import dataclass
from stackgen.sources import printable
from stackgen.spec import Allowance

_WORDS = {"max_budget": "budget", "budget_duration": "budget_days", "rpm_limit": "rpm", "tpm_limit": "tpm"}
_WORDS |= {"team_id": "team", "team_alias": "name", "key_alias": "name"}


class Kind(Enum):
    """What is declared."""

    TEAM = "team"
    KEY = "key"


class State(Enum):
    """How a declared team or key stands at the gateway."""

    SAME = "unchanged"
    MISSING = "missing"
    DIFFERENT = "different"
    CREATED = "created"
    UPDATED = "updated"
    UNANSWERED = "unanswered"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A declared team or key, in the gateway's own words."""

    kind: Kind
    name: str
    """Its id in the spec."""
    settings: Mapping[str, Any]
    """Everything that the spec decides; None where it sets no limit."""

    @property
    def what(self) -> str:
        """What people call it."""
        return f"{self.kind.value} {self.name}"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A declared team or key beside what the gateway has."""

    wanted: Wanted
    state: State
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Settings that differ."""
    words: str = ""
    """What differs, or why it failed."""
    hint: str = ""
    closed: str = ""
    """Why it lets nobody in, though it is as declared; the gateway's people did that."""

    @property
    def has_failed(self) -> bool:
        """Whether nobody knows how it stands, or the gateway refused."""
        return self.state in {State.FAILED, State.UNANSWERED}

    def __str__(self) -> str:
        if self.state in {State.CREATED, State.UPDATED}:
            return f"{self.state.value} {self.wanted.what}" + (f": {self.words}" if self.words else "")
        details = "; ".join(filter(None, (self.words, self.closed)))
        return f"{self.wanted.what}: {self.state.value}" + (f"; {details}" if details else "")


def wanted(plan: Plan) -> tuple[Wanted, ...]:
    """Every declared team, then every declared key; none where the gateway has no database."""
    gateway = plan.gateway
    if not gateway.database:
        return ()
    teams = (
        Wanted(kind=Kind.TEAM, name=name, settings={"team_alias": name, **_allowed(team)})
        for name, team in gateway.teams.items()
    )
    keys = (
        Wanted(kind=Kind.KEY, name=name, settings={"key_alias": name, "team_id": key.team, **_allowed(key)})
        for name, key in gateway.keys.items()
    )
    return (*teams, *keys)


def failures(entries: Sequence[Entry]) -> Iterator[StackError]:
    """What went wrong; those that failed for the same reason in one error."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        if entry.has_failed:
            reasons.setdefault((entry.words, entry.hint), []).append(entry.wanted.what)
    for (words, hint), names in reasons.items():
        yield StackError(f"{', '.join(names)}: {words}", hint=hint)


def differences(entry: Wanted, found: Mapping[str, Any]) -> dict[str, Any]:
    """Settings whose value at the gateway is another one."""
    return {name: value for name, value in entry.settings.items() if not _same(value, found.get(name))}


def told(entry: Wanted, found: Mapping[str, Any]) -> str:
    """The differences in the words of a spec."""
    changes = differences(entry, found).items()
    return ", ".join(f"{_WORDS.get(name, name)} {_told(found.get(name))} -> {_told(value)}" for name, value in changes)


def closed(found: Mapping[str, Any]) -> str:
    """Why a team or key that is as declared lets nobody in; empty where it does."""
    if found.get("blocked"):
        return "somebody blocked it at the gateway"
    return "it has expired" if found.get("status") == "expired" else ""


def _allowed(allowance: Allowance) -> dict[str, Any]:
    days = allowance.budget_days
    return {
        "models": list(dict.fromkeys(allowance.models)),
        "max_budget": allowance.budget,
        "budget_duration": f"{days}d" if days else None,
        "rpm_limit": allowance.rpm,
        "tpm_limit": allowance.tpm,
    }


def _same(value: Any, found: Any) -> bool:
    """Whether the gateway has a value; the order of models says nothing."""
    if isinstance(value, list):
        return sorted(value) == sorted({str(name) for name in found} if isinstance(found, list) else ())
    return bool(value == found)


def _told(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return " ".join(printable(str(name)) for name in value) or "all"
    if isinstance(value, float):
        return f"{value:.10g}"
    return "none" if value is None else printable(str(value))
