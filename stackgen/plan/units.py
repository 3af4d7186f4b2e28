"""Process groups before they have cards, and how much of a card each may ask for."""

from __future__ import annotations

import math

from stackgen import facts
from stackgen.facts import Card
from stackgen.parts import Engine, Gpu, Instance, Need
from stackgen.records import dataclass
from stackgen.sources import ACCELERATOR_OF_VENDOR

SHARE_STEP = 0.01
CARD_COUNTS = (1, 2, 4, 8, 16)
"""Numbers of cards that are tried for a model that does not say how many."""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """An instance to be placed. Its cards are those that its models name; without any the planner picks them."""

    instance: Instance
    cards: int | None
    """How many cards it gets; None where the planner finds that out, 0 on the processor."""
    accelerator: str = "cpu"
    """What its image is made for: cpu, or the software of its cards' maker."""

    @property
    def is_free(self) -> bool:
        """Whether its cards are still to be picked."""
        return self.cards != 0 and not self.instance.gpus

    def card_counts(self, engine: Engine) -> tuple[int, ...]:
        """The numbers of cards that it can have."""
        if self.cards is not None:
            return (self.cards,)
        return CARD_COUNTS if engine.many_cards else CARD_COUNTS[:1]

    def runs_on(self, gpu: Gpu) -> bool:
        """Whether its image is made for a card."""
        return ACCELERATOR_OF_VENDOR.get(gpu.card.vendor, gpu.card.vendor) == self.accelerator


def share_of(instance: Instance, engine: Engine) -> float | None:
    """The share of its cards that somebody wrote for an instance; None where it is left out or there is no such thing."""
    if not engine.memory_share:
        return None
    share = getattr(instance.models[0].options, engine.memory_share)
    return None if share is None else float(share)


def usual_share(card: Card) -> float:
    """The share of a card that an engine gets which has it for itself."""
    return facts.margins().usual_share_unified if card.unified else facts.margins().usual_share


def share_for(need: Need, card: Card, *, wanted: bool) -> float:
    """The smallest share of a card, in whole percent, that holds a need with its margin."""
    gib = with_margin_gib(need, wanted=wanted)
    return whole_steps(math.ceil(gib / card.visible_gib / SHARE_STEP))


def whole_steps(steps: float) -> float:
    """The share that so many steps are, without what is less than a step; people read it, so 0.7 is not 0.7000000000000001."""
    return math.floor(steps) / round(1 / SHARE_STEP)


def with_margin_gib(need: Need, *, wanted: bool) -> float:
    """A need with what its cache is computed too small by: of all requests that are wanted, or of the one that must fit.

    A cache whose size was written has no margin: it is that large.
    """
    if need.cache_written_gib is not None:
        return need.total_gib
    margins = facts.margins()
    margin = margins.cache_margin_estimate if need.estimates else margins.cache_margin
    total = need.wanted_gib if wanted else need.total_gib
    return total + margin * (total - need.weights_gib - need.overhead_gib)


def demand_gib(instance: Instance, engine: Engine, card: Card, cards: int, *, wanted: bool) -> float | None:
    """What an instance takes of each of so many cards of a kind; None where it cannot run there.

    An engine that takes a share of its cards at once takes what was written, else the smallest share that holds its need;
    of an unknown model it takes all that may be planned. What else nobody knows counts as nothing, and is told.
    """
    if engine.refusal(instance, card, cards):
        return None
    need = engine.need(instance, card, cards)
    if not engine.memory_share:
        total = 0.0 if need is None else (need.wanted_gib if wanted else need.total_gib) + need.outside_gib
        return total if total <= card.visible_gib else None
    outside = need.outside_gib if need else 0.0
    share = share_of(instance, engine)
    if share is not None:
        return share * card.visible_gib + outside
    if need is None:
        return usual_share(card) * card.visible_gib
    share = share_for(need, card, wanted=wanted)
    return share * card.visible_gib + outside if share <= facts.margins().largest_share else None
