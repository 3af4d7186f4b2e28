"""Margins with which cards are planned, each with its reason beside it in planning.json."""

from __future__ import annotations

from functools import cache

from stackgen.facts.files import document
from stackgen.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Margins:
    """What is left free, and why it is that much stands in planning.json."""

    shared_reserve_gib: float
    """On a card with several tenants."""
    usual_share: float
    """Of a card that an engine has for itself, as far as what it takes beside that leaves the reserve free."""
    usual_share_unified: float
    """The same of memory that the processor shares."""
    usual_requests: int
    """Answered at the same time, where nobody says how many."""
    largest_share: float
    """That is planned at all."""
    cache_margin: float
    """Cache beyond what requests were computed to need, as a part of it."""
    cache_margin_estimate: float
    """The same where sizes are estimates."""
    tight_headroom: float
    """Part of a card below which what is left is called tight."""


@cache
def margins() -> Margins:
    """The margins of this release."""
    return Margins(**{name: entry["value"] for name, entry in document("planning.json").items()})
