"""The render checks of the trap map, by name: `trap_29` is about number 29."""

from __future__ import annotations

from collections.abc import Mapping

from traps.check import Check
from traps.checks import cards, health, hygiene, models, routing, safety, vllm

CHECKS: Mapping[str, Check] = {
    value.name: value
    for module in (routing, vllm, cards, health, safety, hygiene, models)
    for value in vars(module).values()
    if isinstance(value, Check)
}
