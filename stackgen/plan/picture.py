"""Cards as bars and memory in figures: who holds how much, what is left, what the caches hold."""

from __future__ import annotations

from collections.abc import Iterator
from string import ascii_lowercase

from stackgen.parts import Need
from stackgen.plan.model import CardPlan, CardUse, Memory, Plan

_BAR_WIDTH = 60
_FREE = "."
_SHOWN_GIB = 0.05
"""Less than this is nothing with one decimal."""
_MANY = "*"
"""Stands for the tenants for whom no letter is left."""


def card_title(card: CardPlan) -> str:
    """The card, what it has, and how well everything on it fits."""
    unsaid = any(use.taken_gib is None for use in card.uses)
    left = f"{'?' if unsaid else f'{card.free_gib:.1f}'} left: {card.verdict}" if card.uses else "empty"
    return f"card {card.gpu.id}: {card.gpu.card.name}, {card.gpu.card.visible_gib:g} GiB, {left}"


def card_lines(card: CardPlan) -> Iterator[str]:
    """The bar of what is active, then every tenant with its letter."""
    if not card.uses:
        return
    letters = dict(zip((use.instance for use in card.uses), ascii_lowercase, strict=False))
    yield bar(card, letters)
    for use in card.uses:
        yield f"{letters.get(use.instance, _MANY)} {use_row(use)}"


def use_row(use: CardUse) -> str:
    """What one instance takes of a card, and what it needs there."""
    taken = "?" if use.taken_gib is None else f"{use.taken_gib:.1f}"
    asleep = f" (group {use.group.name})" if use.group else ""
    what = _parts(use.need) if use.need else "a model is not in the catalogue"
    return f"{use.instance}{asleep}: {taken} GiB, {use.why}; {what}"


def bar(card: CardPlan, letters: dict[str, str]) -> str:
    """A card from its first GiB to its last; those that sleep are not in it."""
    visible, drawn, end_gib = card.gpu.card.visible_gib, "", 0.0
    for use in card.uses:
        if use.group is None or use.group.active:
            end_gib += use.taken_gib or 0.0
            end = min(_BAR_WIDTH, round(end_gib / visible * _BAR_WIDTH))
            drawn += letters.get(use.instance, _MANY) * (end - len(drawn))
    return f"[{drawn.ljust(_BAR_WIDTH, _FREE)}]"


def memory_rows(plan: Plan) -> Iterator[tuple[str, ...]]:
    """What the memory of each instance holds, and what one request costs it."""
    rows = [(name, memory) for name, memory in plan.memory.items() if memory.need is not None]
    if rows:
        yield "instance", "context", "cache", "requests of full length", ""
    for name, memory in rows:
        need = memory.need
        yield (name, _context(memory), _cache(memory), _requests(memory), need.why if need else "")


def estimate_rows(plan: Plan) -> Iterator[tuple[str, ...]]:
    """What the figures rest on that nobody has measured, one line each."""
    for name, memory in plan.memory.items():
        yield from ((name, estimate) for estimate in dict.fromkeys(memory.need.estimates if memory.need else ()))


def _parts(need: Need) -> str:
    parts = {
        "weights": need.weights_gib,
        "for one request": need.cache_gib,
        "overhead": need.overhead_gib,
        "outside": need.outside_gib,
    }
    said = " + ".join(f"{gib:.1f} {name}" for name, gib in parts.items() if gib >= _SHOWN_GIB)
    return f"needs {said}{', an estimate' if need.estimates else ''}"


def _context(memory: Memory) -> str:
    return f"{memory.context} tokens" if memory.held and memory.context else "-"


def _cache(memory: Memory) -> str:
    if memory.cache_gib is None or memory.cache_gib <= 0:
        return "-"
    tokens = f", {memory.held.tokens} tokens" if memory.held and memory.held.tokens is not None else ""
    return f"{memory.cache_gib:.1f} GiB{tokens}"


def _requests(memory: Memory) -> str:
    if memory.held is None:
        return "-"
    return f"{memory.held.shown_requests}, {memory.requests_wanted} asked for: {memory.verdict}"
