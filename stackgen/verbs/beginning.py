"""A first spec: the best set of models that the planner accepts for a machine."""

from __future__ import annotations

from collections.abc import Iterator

from stackgen import draft
from stackgen.draft import Draft
from stackgen.plan import Plan
from stackgen.plan.picture import card_title
from stackgen.records import dataclass
from stackgen.verbs.facts import facts_beside
from stackgen.verbs.finding import Ground
from stackgen.verbs.trying import Bench


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What somebody wants of a first spec."""

    serve: tuple[str, ...] | None = None
    """Modalities to serve; None for the usual ones, or for the named models alone."""
    named: tuple[tuple[str, str], ...] = ()
    """Ids and sources of models."""
    profiles: tuple[str, ...] = ()
    """Empty for those of the cards."""


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """A spec that the planner accepts."""

    draft: Draft
    text: str
    plan: Plan
    left_out: tuple[str, ...]
    """Modalities that would have been proposed, and have no room."""

    @property
    def modalities(self) -> tuple[str, ...]:
        """What it serves, each once."""
        return tuple(dict.fromkeys(modality for model in self.draft.models for modality in model.keys["modalities"]))


def propose(where: Ground, wishes: Wishes) -> Proposed:
    """The best set of models that the planner accepts.

    Raises:
        StackError: not even the smallest fits, or what was named is wrong.
        SpecError: profiles or facts files beside the spec are wrong.
    """
    bench = Bench(where, wishes.profiles)
    known = facts_beside(where.folder).catalogue.models
    slots = draft.slots_for(wishes.serve, wishes.named, known, has_cards=bool(bench.cards))
    picks = None
    if bench.cards:
        picks = draft.choose(draft.on_cards(slots, all_of_them=not bench.has_processor), bench.fit)
    if picks is None and bench.has_processor:
        picks = draft.choose(slots, bench.fit)
    if picks is None:
        raise bench.refusal(slots)
    found = bench.alone(bench.accepted(picks))
    filled = {modality for pick in picks.values() for modality in pick.proposal.modalities}
    left_out = tuple(slot.modality for slot in slots if slot.is_optional and slot.modality not in filled)
    return Proposed(draft=found.draft, text=found.text, plan=found.plan, left_out=left_out)


def proposal_lines(proposed: Proposed) -> Iterator[str]:
    """The models with where they run and why they were chosen, then each card with what is taken of it."""
    places = {
        model.id: ", ".join(gpu.id for gpu in instance.gpus) or "processor"
        for instance in reversed(proposed.plan.instances)
        for model in instance.models
    }
    rows = [(model.id, str(model.keys["source"]), places[model.id], model.why) for model in proposed.draft.models]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        yield "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]).rstrip()
    for card in proposed.plan.cards:
        uses = ", ".join(f"{use.instance} {use.taken_gib:.1f} GiB" for use in card.uses if use.taken_gib is not None)
        yield f"{card_title(card)}" + (f": {uses}" if uses else "")
