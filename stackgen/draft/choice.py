"""Which models go onto a machine: proposals are tried, best first, and the planner alone says what fits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Any

from stackgen.facts.proposals import Proposal
from stackgen.records import dataclass


class Fit(IntEnum):
    """How well a set of models fits; more is better."""

    REFUSED = 0
    TIGHT = 1
    """It starts, and holds fewer requests than it is asked for, or nobody knows its numbers."""
    FITS = 2


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A place for one model."""

    id: str
    modality: str
    """What it is for."""
    proposals: tuple[Proposal, ...]
    is_optional: bool = False
    """Whether it stays empty where no card has room."""


@dataclass(frozen=True)
class Pick:
    """A proposal with one of its settings; the position counts from the largest."""

    proposal: Proposal
    position: int

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings."""
        return self.proposal.settings[self.position]


Picks = Mapping[str, Pick]
"""By the id of the slot; a slot that stays empty is not there."""
Judge = Callable[[Picks], Fit]


def choose(slots: Sequence[Slot], judge: Judge) -> Picks | None:
    """Fill the slots in their order: a better model first, then a place on a card, then larger settings.

    Models are picked with their least settings beside the last proposal of each slot that comes later; then the settings
    grow, those of the first slot first.

    Args:
        slots: what is asked for, the most important first.
        judge: asks the planner.

    Returns:
        The picks; None where not even the last proposals fit.
    """
    picks: dict[str, Pick] = {}
    for position, slot in enumerate(slots):
        if _is_covered(slot, picks):
            continue
        found = _picked(slot, picks, slots[position + 1 :], judge)
        if found is None and not slot.is_optional:
            return None
        if found is not None:
            picks[slot.id] = found
    for identifier, pick in picks.items():
        picks[identifier] = _grown(identifier, pick, picks, judge)
    return picks


def _is_covered(slot: Slot, picks: Picks) -> bool:
    """Whether a model that was picked does this too: one that chats and sees."""
    return any(slot.modality in pick.proposal.modalities for pick in picks.values())


def _picked(slot: Slot, before: Picks, later: Sequence[Slot], judge: Judge) -> Pick | None:
    """The best proposal that fits; where none does, the best that is accepted, unless the slot may stay empty."""
    tight = None
    for proposal in slot.proposals:
        if slot.is_optional and proposal.on_processor:
            continue
        candidate = _least(proposal)
        fit = judge(_completed({**before, slot.id: candidate}, later))
        if fit is Fit.FITS:
            return candidate
        if fit is Fit.TIGHT and tight is None:
            tight = candidate
    return None if slot.is_optional else tight


def _completed(picks: Mapping[str, Pick], later: Sequence[Slot]) -> Picks:
    """Picks with the least of every slot that must be filled later."""
    whole = dict(picks)
    for slot in later:
        if not slot.is_optional and not _is_covered(slot, whole):
            whole[slot.id] = _least(_last(slot, whole))
    return whole


def _last(slot: Slot, picks: Picks) -> Proposal:
    """The last proposal of a slot; where its engine runs already, the last one for the same place."""
    places = {pick.proposal.engine: pick.proposal.on_processor for pick in picks.values()}
    beside = [one for one in slot.proposals if places.get(one.engine) is one.on_processor]
    return (beside or slot.proposals)[-1]


def _least(proposal: Proposal) -> Pick:
    return Pick(proposal, len(proposal.settings) - 1)


def _grown(identifier: str, pick: Pick, picks: Picks, judge: Judge) -> Pick:
    """The largest settings of a model with which everything fits as well as it does now."""
    now = judge(picks)
    larger = (Pick(pick.proposal, position) for position in range(pick.position))
    return next((more for more in larger if judge({**picks, identifier: more}) >= now), pick)
