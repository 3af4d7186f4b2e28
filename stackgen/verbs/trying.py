"""Sets of models on trial: each becomes the very text that would be written, once, and the planner says what it thinks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from stackgen import draft, sources
from stackgen import plan as planning
from stackgen.draft import Draft, DraftModel, Fit, Pick, Picks, Slot
from stackgen.errors import SpecError, StackError
from stackgen.facts.proposals import Proposal, usual_profiles
from stackgen.plan import Plan
from stackgen.plan.model import Verdict
from stackgen.records import dataclass
from stackgen.sources import ACCELERATOR_OF_VENDOR, Loaded, Shelf
from stackgen.verbs.finding import Ground

_PROCESSOR = "cpu"


@dataclass(frozen=True)
class Accepted:
    """A draft as it would be written, and its plan."""

    draft: Draft
    text: str
    plan: Plan

    @property
    def fit(self) -> Fit:
        """How well everything of it fits."""
        cards = [card.verdict for card in self.plan.cards]
        verdicts = [*cards, *(memory.verdict for memory in self.plan.memory.values())]
        return Fit.FITS if all(verdict is Verdict.FITS for verdict in verdicts) else Fit.TIGHT

    @property
    def shares_a_card(self) -> bool:
        """Whether several engines are on one card."""
        return any(len(card.uses) > 1 for card in self.plan.cards)


@dataclass
class Bench:
    """Where sets of models are tried."""

    where: Ground
    profiles: tuple[str, ...]
    """Those that somebody names; empty for those of the cards."""
    _tried: dict[str, Accepted | SpecError] = field(default_factory=dict)

    @cached_property
    def cards(self) -> tuple[draft.DraftCard, ...]:
        """The cards; none where profiles are named that are for the processor alone."""
        return () if self._named_accelerators == {_PROCESSOR} else self.where.inventory.cards

    @property
    def has_processor(self) -> bool:
        """Whether there are images for the processor: in the profiles that are named, or in one that is added."""
        return not self.profiles or not self.cards or _PROCESSOR in self._named_accelerators

    @cached_property
    def _named_accelerators(self) -> set[str]:
        """What the profiles are for that somebody names."""
        if not self.profiles:
            return set()
        head = Draft(name=draft.NAMELESS, profiles=self.profiles, cards=(), models=())
        return {profile.accelerator for profile, _ in self._loaded(draft.written(head)).profiles if profile.accelerator}

    @cached_property
    def accelerator(self) -> str:
        """The software of the cards.

        Raises:
            StackError: no image runs on them.
        """
        if not self.cards:
            return _PROCESSOR
        card = self.cards[0].card
        accelerator = ACCELERATOR_OF_VENDOR.get(card.vendor, card.vendor)
        if not usual_profiles(accelerator, together=False) and not self.profiles:
            hint = "--gpus none proposes models for the processor"
            raise StackError(f"no profile has images for cards like {card.name}", hint=hint)
        return accelerator

    def fit(self, picks: Picks) -> Fit:
        """How well a set fits; refused too where a model would follow another one of its process onto the processor."""
        try:
            found = self.accepted(picks)
        except SpecError:
            return Fit.REFUSED
        on_cards = {model.id for instance in found.plan.instances if instance.on_gpu for model in instance.models}
        wanted = {name for name, pick in picks.items() if self.cards and not pick.proposal.on_processor}
        return found.fit if on_cards == wanted else Fit.REFUSED

    def accepted(self, picks: Picks) -> Accepted:
        """A set as the planner accepts it.

        Raises:
            SpecError: it is refused.
        """
        return self._accepted(self._draft(picks))

    def alone(self, found: Accepted) -> Accepted:
        """The same without the profile for shared cards, where no card is shared and none would be."""
        profiles = usual_profiles(self.accelerator, together=False)
        shared = usual_profiles(self.accelerator, together=True)
        if self.profiles or profiles == shared or found.shares_a_card:
            return found
        names = tuple(name for name in found.draft.profiles if name in {*profiles, _PROCESSOR})
        try:
            other = self._accepted(replace(found.draft, profiles=names))
        except SpecError:
            return found
        return found if other.shares_a_card or other.fit < found.fit else other

    def refusal(self, slots: Sequence[Slot]) -> StackError:
        """Why not even the smallest is accepted, in the planner's words: on cards, where there are any."""
        wanted: dict[str, Pick] = {}
        for slot in slots:
            offers = [offer for offer in slot.proposals if not offer.on_processor] or slot.proposals
            wanted[slot.id] = Pick(offers[-1], len(offers[-1].settings) - 1)
        try:
            planning.make(self._loaded(draft.written(self._draft(wanted))))
        except SpecError as error:
            own = [problem for problem in error.problems if Path(problem.place.file).name != sources.FILE_NAME]
            if own:
                return SpecError(own)
            text = "\n".join(problem.message for problem in error.problems)
            hint = next((problem.hint for problem in error.problems if problem.hint), "")
            return StackError(f"this stack.yaml would be refused: {text}", hint=hint)
        return StackError("these models do not fit together", hint="ask for fewer with --serve, or name smaller ones")

    def _draft(self, picks: Picks) -> Draft:
        on_cards = {pick.proposal.engine for pick in picks.values() if not pick.proposal.on_processor}
        profiles = self.profiles or self._profiles(
            together=len(on_cards) > 1, on_processor=any(pick.proposal.on_processor for pick in picks.values())
        )
        models = tuple(self._model(identifier, pick.proposal, pick.settings) for identifier, pick in picks.items())
        return Draft(name=draft.name_of(self.where.folder), profiles=profiles, cards=self.cards, models=models)

    def _profiles(self, *, together: bool, on_processor: bool) -> tuple[str, ...]:
        found = usual_profiles(self.accelerator, together=together)
        return (*found, _PROCESSOR) if self.cards and on_processor else found

    def _model(self, identifier: str, proposal: Proposal, settings: Mapping[str, Any]) -> DraftModel:
        keys: dict[str, Any] = {
            "source": proposal.source,
            "engine": proposal.engine,
            "modalities": proposal.modalities,
            "public_names": (proposal.name,),
        }
        if self.cards and proposal.on_processor:
            keys["gpus"] = ()
        keys |= settings
        keys |= {"tools": True} if proposal.tools else {}
        keys |= {"reasoning": True} if proposal.reasoning else {}
        return DraftModel(id=identifier, keys=keys, why=proposal.why)

    def _accepted(self, made: Draft) -> Accepted:
        text = draft.written(made)
        if text not in self._tried:
            try:
                plan = planning.make(self._loaded(text), suggest=False)
                self._tried[text] = Accepted(made, text, plan)
            except SpecError as error:
                self._tried[text] = error
        found = self._tried[text]
        if isinstance(found, SpecError):
            raise found
        return found

    def _loaded(self, text: str) -> Loaded:
        return sources.load_text(text, self._shelf)

    @cached_property
    def _shelf(self) -> Shelf:
        return Shelf(self.where.folder.absolute(), self.where.new_cards)
