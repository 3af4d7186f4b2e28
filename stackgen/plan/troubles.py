"""What does not fit: who, where, and the numbers. Words and suggestions are made of it elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum

from stackgen import facts
from stackgen.parts import Engine, Gpu, Instance
from stackgen.plan.arrangement import Arrangement
from stackgen.plan.load import largest_groups
from stackgen.plan.shares import Sizing, smallest_card, tenants_of
from stackgen.plan.units import with_margin_gib
from stackgen.records import dataclass

_NOISE_GIB = 1e-6
ONE_SLICE = "a process sees one MIG slice alone, so several cannot serve one model together"


class Kind(Enum):
    """What is wrong."""

    REFUSED = "refused"
    """The engine does not run on these cards at all."""
    TOO_LARGE = "too large"
    """It needs more than it gets of a card."""
    SMALL_CACHE = "small cache"
    """The size that was written for its cache holds no request of full length."""
    OVERCOMMITTED = "overcommitted"
    """Together they take more than a card has to give."""
    HOMELESS = "homeless"
    """For some of those whose cards the planner picks, no cards are left: told once for all of them."""
    UNKNOWN = "unknown"
    """A card is to be shared out, and nobody knows how much somebody on it needs."""


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """One thing that does not fit."""

    kind: Kind
    instance: Instance
    """The one that is told; of several on a card the one that takes most of it."""
    gpu: Gpu | None
    needed_gib: float = 0.0
    given_gib: float = 0.0
    """Of the card: to the instance, or to all."""
    tenants: tuple[Instance, ...] = ()
    """All on the card; of those without a card, all."""
    reason: str = ""

    @property
    def names(self) -> frozenset[str]:
        """The instances that are part of it."""
        return frozenset((self.instance.name, *(tenant.name for tenant in self.tenants)))


def troubles(arrangement: Arrangement, engines: Mapping[str, Engine]) -> list[Trouble]:
    """Everything that does not fit, at most one trouble for an instance by itself, and one for a card."""
    found = list(_alone(arrangement, engines))
    told = {trouble.instance.name for trouble in found}
    found += [trouble for trouble in _together(arrangement, engines) if not told.intersection(trouble.names)]
    return found


def _alone(arrangement: Arrangement, engines: Mapping[str, Engine]) -> Iterator[Trouble]:
    homeless = tuple(one for one in arrangement.instances if one.name in arrangement.homeless)
    if homeless:
        yield Trouble(kind=Kind.HOMELESS, instance=homeless[0], gpu=None, tenants=homeless)
    for instance in arrangement.instances:
        if instance.on_gpu:
            yield from _of_instance(instance, engines[instance.engine], arrangement.sizings[instance.name])


def _of_instance(instance: Instance, engine: Engine, sizing: Sizing) -> Iterator[Trouble]:
    gpu = min(instance.gpus, key=lambda gpu: gpu.card.visible_gib)
    for own in dict.fromkeys(gpu.card for gpu in instance.gpus):
        reason = engine.refusal(instance, own, instance.tensor_parallel)
        if reason:
            yield Trouble(kind=Kind.REFUSED, instance=instance, gpu=gpu, reason=reason)
            return
    if len(instance.gpus) > 1 and any(gpu.card.is_slice for gpu in instance.gpus):
        yield Trouble(kind=Kind.REFUSED, instance=instance, gpu=gpu, reason=ONE_SLICE)
        return
    need = sizing.need
    if need is None:
        return
    card = smallest_card(instance)
    written = need.cache_written_gib
    if written is not None and written < need.cache_gib:
        yield Trouble(kind=Kind.SMALL_CACHE, instance=instance, gpu=gpu, needed_gib=need.cache_gib, given_gib=written)
        return
    if sizing.share is None:
        needed, given = need.wanted_gib + need.outside_gib, card.visible_gib
    elif sizing.is_written:
        needed, given = need.total_gib, sizing.share * card.visible_gib
    else:
        needed, given = with_margin_gib(need, wanted=False), facts.margins().largest_share * card.visible_gib
    if needed > given + _NOISE_GIB:
        yield Trouble(kind=Kind.TOO_LARGE, instance=instance, gpu=gpu, needed_gib=needed, given_gib=given)


def _together(arrangement: Arrangement, engines: Mapping[str, Engine]) -> Iterator[Trouble]:
    for gpu, tenants in tenants_of(arrangement.instances).items():
        unknown = _unknown(tenants, engines, arrangement.sizings)
        if unknown:
            yield Trouble(kind=Kind.UNKNOWN, instance=unknown, gpu=gpu, tenants=tuple(tenants))
            continue
        shared = any(arrangement.sizings[tenant.name].beside for tenant in tenants)
        limit = gpu.card.visible_gib - (facts.margins().shared_reserve_gib if shared else 0.0)
        sizes = {tenant.name: arrangement.sizings[tenant.name].taken_gib(gpu.card) or 0.0 for tenant in tenants}
        groups = largest_groups((tenant.group, sizes[tenant.name]) for tenant in tenants)
        there = [tenant for tenant in tenants if tenant.group is None or tenant.group in groups]
        taken = sum(sizes[tenant.name] for tenant in there)
        if taken > limit + _NOISE_GIB:
            largest = max(there, key=lambda tenant: (sizes[tenant.name], tenant.name))
            yield Trouble(
                kind=Kind.OVERCOMMITTED,
                instance=largest,
                gpu=gpu,
                needed_gib=taken,
                given_gib=limit,
                tenants=tuple(there),
            )


def _unknown(
    tenants: Sequence[Instance], engines: Mapping[str, Engine], sizes: Mapping[str, Sizing]
) -> Instance | None:
    """A tenant of unknown size on a card of which a share is to be worked out; None where no share depends on it."""
    strangers = [tenant for tenant in tenants if sizes[tenant.name].need is None]
    for tenant in tenants:
        sizing = sizes[tenant.name]
        if not engines[tenant.engine].memory_share or sizing.is_written or not sizing.beside:
            continue
        for stranger in strangers:
            if stranger.name == tenant.name or (stranger.name in sizing.beside and not sizes[stranger.name].is_written):
                return stranger
    return None
