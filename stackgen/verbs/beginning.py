"""A first spec: what a machine has, what it could serve, and the files that say so."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from stackgen import draft, machine, runtime, sources
from stackgen import plan as planning
from stackgen.draft import Draft, DraftModel, Fit, Inventory, Picks, Slot
from stackgen.errors import SpecError, StackError
from stackgen.facts import Card
from stackgen.facts.proposals import Proposal, usual_profiles
from stackgen.machine import Machine
from stackgen.plan import Plan
from stackgen.plan.model import Verdict
from stackgen.plan.picture import card_title
from stackgen.records import dataclass
from stackgen.sources import ACCELERATOR_OF_VENDOR, Loaded, card_of
from stackgen.spec import SIMULATION_SUFFIX, CardEntry
from stackgen.verbs.facts import facts_beside

_PROCESSOR = "cpu"
_LONGEST_NAME = 40
_NOT_IN_A_NAME = re.compile(r"[^a-z0-9]+")
_NAMELESS = "stack"


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Where a spec is to stand, and the cards that it is for."""

    folder: Path
    inventory: Inventory
    machine: Machine | None
    """None where another machine is described."""
    docker: str
    """Docker's version; empty where none answers."""
    hands_out_cards: bool

    @property
    def new_cards(self) -> dict[str, Card]:
        """Kinds of cards that no facts file says yet."""
        entries = self.inventory.new.items()
        return {identifier: card_of(identifier, CardEntry.model_validate(entry)) for identifier, entry in entries}


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
    """What would have been proposed, and has no room."""


def ground(folder: Path, gpus: str | None) -> Ground:
    """Look at this machine, or at what somebody says of another one.

    Args:
        folder: where the spec is to stand; it need not be there.
        gpus: cards of another machine, as 2xrtx-4090; None for those that are here.

    Raises:
        StackError: the cards are no list of known ones.
        SpecError: a facts file beside the spec is wrong.
    """
    known = facts_beside(folder).catalogue.cards
    if gpus is not None:
        return Ground(
            folder=folder, inventory=draft.described(gpus, known), machine=None, docker="", hands_out_cards=True
        )
    found = machine.look(folder)
    version, hands_out = _docker()
    return Ground(
        folder=folder,
        inventory=draft.identified(found.cards, known),
        machine=found,
        docker=version,
        hands_out_cards=hands_out,
    )


def _docker() -> tuple[str, bool]:
    """Version of the engine, and whether containers get cards of it."""
    try:
        docker = runtime.connect()
        return docker.version(), docker.hands_out_nvidia_cards()
    except StackError:
        return "", False


def propose(where: Ground, wishes: Wishes) -> Proposed:
    """The best set of models that the planner accepts.

    Raises:
        StackError: not even the smallest fits, or what was named is wrong.
        SpecError: profiles or facts files beside the spec are wrong.
    """
    bench = _Bench(where, wishes)
    known = facts_beside(where.folder).catalogue.models
    slots = draft.slots_for(wishes.serve, wishes.named, known, has_cards=bool(bench.cards))
    picks = None
    if bench.cards:
        picks = draft.choose(draft.on_cards(slots, all_of_them=not bench.has_processor), bench.fit)
    if picks is None and bench.has_processor:
        picks = draft.choose(slots, bench.fit)
    if picks is None:
        raise bench.refusal(slots)
    made = bench.draft(picks)
    plan = bench.plan(made)
    alone = bench.alone(made, plan)
    if alone is not None:
        made, plan = alone
    filled = {modality for pick in picks.values() for modality in pick.proposal.modalities}
    left_out = tuple(slot.modality for slot in slots if slot.is_optional and slot.modality not in filled)
    return Proposed(draft=made, text=draft.written(made), plan=plan, left_out=left_out)


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


@dataclass
class _Bench:
    """Where sets of models are tried: each becomes the very text that would be written, and is planned."""

    where: Ground
    wishes: Wishes
    tried: dict[str, Fit] = field(default_factory=dict)

    @cached_property
    def cards(self) -> tuple[draft.DraftCard, ...]:
        """The cards; none where profiles are named that are for the processor alone."""
        return () if self._named_accelerators == {_PROCESSOR} else self.where.inventory.cards

    @property
    def has_processor(self) -> bool:
        """Whether there are images for the processor: in the profiles that are named, or in one that is added."""
        return not self.wishes.profiles or not self.cards or _PROCESSOR in self._named_accelerators

    @cached_property
    def _named_accelerators(self) -> set[str]:
        """What the profiles are for that somebody names."""
        if not self.wishes.profiles:
            return set()
        head = Draft(name=_NAMELESS, profiles=self.wishes.profiles, cards=(), models=())
        return {profile.accelerator for profile, _ in self._loaded(head).profiles if profile.accelerator}

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
        if not usual_profiles(accelerator, together=False) and not self.wishes.profiles:
            hint = "--gpus none proposes models for the processor"
            raise StackError(f"no profile has images for cards like {card.name}", hint=hint)
        return accelerator

    def draft(self, picks: Picks, *, together: bool | None = None) -> Draft:
        """A spec with these models."""
        on_cards = {pick.proposal.engine for pick in picks.values() if not pick.proposal.on_processor}
        profiles = self.wishes.profiles or self._profiles(
            together=len(on_cards) > 1 if together is None else together,
            on_processor=any(pick.proposal.on_processor for pick in picks.values()),
        )
        models = tuple(self._model(identifier, pick.proposal, pick.settings) for identifier, pick in picks.items())
        return Draft(name=name_of(self.where.folder), profiles=profiles, cards=self.cards, models=models)

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

    def fit(self, picks: Picks) -> Fit:
        """How well the planner says that a set fits."""
        made = self.draft(picks)
        text = draft.written(made)
        if text not in self.tried:
            self.tried[text] = self._fit(made, picks)
        return self.tried[text]

    def _fit(self, made: Draft, picks: Picks) -> Fit:
        """Refused too where a model would follow another one of its process onto the processor."""
        try:
            plan = self.plan(made)
        except SpecError:
            return Fit.REFUSED
        on_cards = {model.id for instance in plan.instances if instance.on_gpu for model in instance.models}
        wanted = {name for name, pick in picks.items() if self.cards and not pick.proposal.on_processor}
        return fit_of(plan) if on_cards == wanted else Fit.REFUSED

    def plan(self, made: Draft, *, suggest: bool = False) -> Plan:
        """The plan of a spec that is not written.

        Raises:
            SpecError: it is refused.
        """
        return planning.make(self._loaded(made), suggest=suggest)

    def _loaded(self, made: Draft) -> Loaded:
        return sources.load_text(draft.written(made), self.where.folder, self.where.new_cards)

    def alone(self, made: Draft, plan: Plan) -> tuple[Draft, Plan] | None:
        """The same without the profile for shared cards, where no card is shared and none would be."""
        profiles = usual_profiles(self.accelerator, together=False)
        shared = usual_profiles(self.accelerator, together=True)
        if self.wishes.profiles or profiles == shared or _shares_a_card(plan):
            return None
        changed = replace(made, profiles=tuple(name for name in made.profiles if name in {*profiles, _PROCESSOR}))
        try:
            found = self.plan(changed)
        except SpecError:
            return None
        return None if _shares_a_card(found) or fit_of(found) < fit_of(plan) else (changed, found)

    def refusal(self, slots: Sequence[Slot]) -> StackError:
        """Why not even the smallest is accepted, in the planner's words: on cards, where there are any."""
        wanted: dict[str, draft.Pick] = {}
        for slot in slots:
            offers = [offer for offer in slot.proposals if not offer.on_processor] or slot.proposals
            wanted[slot.id] = draft.Pick(offers[-1], len(offers[-1].settings) - 1)
        try:
            self.plan(self.draft(wanted), suggest=True)
        except SpecError as error:
            own = [problem for problem in error.problems if Path(problem.place.file).name != sources.FILE_NAME]
            if own:
                return SpecError(own)
            text = "\n".join(problem.message for problem in error.problems)
            hint = next((problem.hint for problem in error.problems if problem.hint), "")
            return StackError(f"this stack.yaml would be refused: {text}", hint=hint)
        return StackError("these models do not fit together", hint="ask for fewer with --serve, or name smaller ones")


def fit_of(plan: Plan) -> Fit:
    """How well everything of a plan fits."""
    verdicts = [card.verdict for card in plan.cards] + [memory.verdict for memory in plan.memory.values()]
    return Fit.FITS if all(verdict is Verdict.FITS for verdict in verdicts) else Fit.TIGHT


def _shares_a_card(plan: Plan) -> bool:
    return any(len(card.uses) > 1 for card in plan.cards)


def name_of(folder: Path) -> str:
    """A stack's name from its folder's: small letters, digits and `-`, a letter first."""
    name = _NOT_IN_A_NAME.sub("-", folder.absolute().resolve().name.lower()).strip("-")
    name = name if name[:1].isalpha() else f"{_NAMELESS}-{name}".rstrip("-")
    return name[:_LONGEST_NAME].rstrip("-").removesuffix(SIMULATION_SUFFIX) or _NAMELESS
