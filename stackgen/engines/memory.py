"""Memory of the host that engines share: what an engine may take of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from stackgen import facts as known
from stackgen.facts import Card
from stackgen.parts import Instance, Limits

_COPIES_ON_CARDS = 2
_COPIES_ON_PROCESSOR = 4
_UNKNOWN_GIB = 512.0


def holds_nothing(_instance: Instance, _card: Card, _tensor_parallel: int, _cache_gib: float) -> None:
    """Of engines without a cache that requests share: encoders read a text at once, speech is worked on as it comes."""
    return


def refuses_nothing(_instance: Instance, _card: Card, _tensor_parallel: int) -> None:
    """Of engines that run on every card of their image, and unpack every number format themselves."""
    return


def takes_what_it_needs(_instance: Instance, _share: float, _cache_gib: float | None) -> Mapping[str, Any]:
    """Of engines that cannot be told how much to take."""
    return {}


def leaves_all_unsaid(_instance: Instance, _card: Card) -> Mapping[str, Any]:
    """Of engines whose options may all be left out."""
    return {}


def host_limits(instance: Instance, reserved_gib: float | None = 0.0) -> Limits:
    """What an engine may take of its host. A limit kills, so each figure is far above what a healthy engine was seen with.

    Memory is the figure of the image family, more for each further card, and copies of the weights: two on cards (the
    file in the page cache, and what is torn open on its way), four on the processor (32-bit numbers where the file has
    16, and both kinds while one becomes the other). Weights that the catalogue lacks count as all memory of the cards,
    where they must fit; on the processor nothing bounds them but a fixed figure. There is no memory limit where flags
    move weights or cache to the host, and no limit of processors: it would slow down the engine that the host is for.

    Args:
        instance: the engine's process group.
        reserved_gib: what it sets aside beside that: shared memory, the cache on the processor; None where the host's
            own size decides.
    """
    locks = known.locks(instance.image.family)
    given = {flag for served in instance.models for flag in served.flags_given}
    if reserved_gib is None or given & locks.host_memory_flags:
        return Limits(memory_gib=None, pids=locks.pids)
    further = max(0, len(instance.gpus) - 1) * locks.memory_gib_each_further_card
    total = locks.memory_gib + further + _weights_on_host_gib(instance) + reserved_gib
    return Limits(memory_gib=math.ceil(total), pids=locks.pids)


def _weights_on_host_gib(instance: Instance) -> float:
    models = [served.known for served in instance.models]
    if None in models:
        return _COPIES_ON_CARDS * sum(gpu.card.visible_gib for gpu in instance.gpus) or _UNKNOWN_GIB
    copies = _COPIES_ON_CARDS if instance.on_gpu else _COPIES_ON_PROCESSOR
    return copies * sum(model.weights_gib for model in models if model)
