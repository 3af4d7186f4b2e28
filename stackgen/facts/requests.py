"""Why requests fail: kinds of refusals by their texts and statuses, and what each means at the gateway and at the engine."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from stackgen.facts.files import document
from stackgen.records import dataclass


@dataclass(frozen=True, kw_only=True)
class RequestCause:
    """A kind of refused request, known by texts or by the HTTP status."""

    cause: str
    texts: tuple[str, ...] = ()
    statuses: frozenset[int] = frozenset()


@cache
def request_causes() -> tuple[RequestCause, ...]:
    """Kinds of refused requests, most telling first."""
    return tuple(
        RequestCause(
            cause=entry["cause"], texts=tuple(entry.get("texts", ())), statuses=frozenset(entry.get("statuses", ()))
        )
        for entry in document("request_failures.json")["causes"]
    )


@cache
def request_advice(hop: str) -> Mapping[str, str]:
    """What each kind means where it comes up, and the next step, with {names} to fill in; `hop` is `gateway` or `engine`."""
    return MappingProxyType(document("request_failures.json")[hop])
