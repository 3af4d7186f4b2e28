"""Which cards of the catalogue a machine has: from what its drivers say, or from what somebody says of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from stackgen import facts
from stackgen.draft.model import DraftCard, Inventory
from stackgen.errors import StackError
from stackgen.facts import Card
from stackgen.facts.proposals import reported_names
from stackgen.machine import FoundCard
from stackgen.sources import card_of, describe, kinds_of, nearest
from stackgen.spec.facts_file import CardEntry

NO_CARDS = "none"
_HINT = "write NUMBERxKIND, as --gpus 2xrtx-4090 or --gpus 8xh100-80gb,1xl4; --gpus none for no card"
_ALIKE = 0.08
"""Part by which memory may differ from that of the catalogue: drivers, ECC on or off."""
_MUCH_GIB = 0.5
"""Of a card, held by others; the screen of a desktop holds less."""
_MAKERS = re.compile(r"^(nvidia|amd)\s+", re.IGNORECASE)
_PROFILE_OF_SLICE = re.compile(r"\b(\d+g\.\d+gb)\b")
_NOT_IN_AN_ID = re.compile(r"[^a-z0-9.]+")
_LONGEST_ID = 60


def described(text: str, known: Mapping[str, Card]) -> Inventory:
    """The cards that somebody describes: `2xrtx-4090`, `8xh100-80gb,1xl4`, a kind alone for one card, or `none`.

    Args:
        text: what was written.
        known: the catalogue's cards by id.

    Raises:
        StackError: it is no such list, a kind is not known, or a card cannot be named from afar.
    """
    if text.strip() == NO_CARDS:
        return Inventory(cards=())
    parts = (part.strip().lower() for part in text.split(","))
    try:
        kinds = kinds_of(",".join(f"1x{part}" if part in known else part for part in parts))
    except StackError as error:
        raise StackError(error.message, hint=_HINT) from None
    for kind in kinds:
        _require_known(kind, known)
    numbered = len(kinds) > 1
    return Inventory(
        cards=tuple(
            DraftCard(id=f"g{position}", card=known[kind], index=position if numbered else None)
            for position, kind in enumerate(kinds)
        )
    )


def _require_known(kind: str, known: Mapping[str, Card]) -> None:
    if kind not in known:
        hint = (
            f"{nearest(kind, known)}; `stackgen facts show` lists them; a new one is declared in {facts.FACTS_FOLDER}/"
        )
        raise StackError(f"there is no card {describe(kind)}", hint=hint)
    if known[kind].is_slice:
        hint = "run `stackgen init` on that machine without --gpus; or write uuids from `nvidia-smi -L` into a spec of yours"
        raise StackError(f"{kind} is a MIG slice, which only its own uuid names", hint=hint)


def identified(found: Sequence[FoundCard], known: Mapping[str, Card]) -> Inventory:
    """The cards that drivers tell, with a kind of its own for each that the catalogue does not have.

    Args:
        found: cards of one maker.
        known: the catalogue's cards by id.
    """
    cards: list[DraftCard] = []
    new: dict[str, Mapping[str, Any]] = {}
    notes: list[str] = []
    for one in found:
        kind = _known_card(one, known)
        if kind is None and one.memory_mib and not one.slice_of:
            identifier, entry = _declared(one, known.values())
            if identifier not in new:
                notes.append(f"no card of the catalogue is {one.shown}: {_as_told(identifier, entry)}")
            new[identifier] = entry
            kind = card_of(identifier, CardEntry.model_validate(entry))
        if kind is None:
            notes.append(f"{one.shown} is left out: nobody knows its memory; declare it in {facts.FACTS_FOLDER}/")
            continue
        cards.append(_draft(f"g{len(cards)}", kind, one))
        notes += _held(cards[-1], one)
    if len(cards) == 1 and not cards[0].uuid and cards[0].index == 0:
        cards = [replace(cards[0], index=None)]
    return Inventory(cards=tuple(cards), new=new, notes=tuple(notes))


def facts_path(identifier: str) -> str:
    """Where the facts of a new card stand, seen from the spec."""
    return facts.file_of(identifier)


def _as_told(identifier: str, entry: Mapping[str, Any]) -> str:
    estimate = f"an estimate of {entry['visible_gib']:.4g} GiB for programs"
    return f"{facts_path(identifier)} keeps what its driver says with {estimate}, and the plan reckons with that"


def _held(card: DraftCard, one: FoundCard) -> Iterator[str]:
    """What other programs hold of a card now, where that is more than a screen takes."""
    if one.free_mib is None or card.card.unified:
        return
    held_gib = card.card.visible_gib - one.free_mib / 1024
    if held_gib >= _MUCH_GIB:
        yield (
            f"programs that run now hold {held_gib:.1f} GiB of {card.id}, {card.card.name}; the plan takes the card as if it "
            "were empty: end them before `stackgen up` (`nvidia-smi` or `rocm-smi` names them)"
        )


def _draft(identifier: str, kind: Card, one: FoundCard) -> DraftCard:
    if one.uuid:
        return DraftCard(id=identifier, card=kind, uuid=one.uuid)
    return DraftCard(id=identifier, card=kind, index=one.index)


def _known_card(one: FoundCard, known: Mapping[str, Card]) -> Card | None:
    """The card of the catalogue with that name and about that memory."""
    if one.slice_of:
        return _known_slice(one, known)
    names = {_plain(one.name), _plain(one.graphics_version)} - {""}
    ids = [row.card for row in reported_names() if _plain(row.name) in names]
    named = [known[identifier] for identifier in ids if identifier in known]
    named += [card for card in known.values() if _plain(card.name) in names and card not in named]
    alike = [card for card in named if card.vendor == one.vendor and _is_alike(one, card)]
    return min(alike, key=lambda card: abs(_memory_mib(card) - one.memory_mib), default=None)


def _known_slice(one: FoundCard, known: Mapping[str, Card]) -> Card | None:
    """The slice by the profile in its name, such as `NVIDIA A100-SXM4-80GB MIG 3g.40gb`."""
    profile = _PROFILE_OF_SLICE.search(one.name.lower())
    wholes = {row.card for row in reported_names() if _plain(row.name) == _plain(one.slice_of)}
    ids = (f"{whole}-mig-{profile[1]}" for whole in wholes if profile)
    return next((known[identifier] for identifier in ids if identifier in known), None)


def _is_alike(one: FoundCard, card: Card) -> bool:
    """Whether the memory is that of the card; what the processor shares is as large as somebody set it."""
    if card.unified or not one.memory_mib:
        return True
    return abs(_memory_mib(card) - one.memory_mib) <= _ALIKE * one.memory_mib


def _memory_mib(card: Card) -> float:
    return card.nvidia_smi_mib or card.visible_gib * 1024


def _declared(one: FoundCard, known: Iterable[Card]) -> tuple[str, dict[str, Any]]:
    """An id and a facts entry for a card that nobody knows; its memory is guessed low, from cards that are like it."""
    share, of_whom = _share(one, tuple(card for card in known if card.nvidia_smi_mib and card.vendor == "nvidia"))
    memory_gib = one.memory_mib / 1024
    words = _NOT_IN_AN_ID.sub("-", _plain(one.name).removeprefix("geforce ")).strip("-.")
    ending = f"-{memory_gib:.0f}gb"
    identifier = (
        f"{words if words[:1].isalpha() else f'card-{words}'}"[: _LONGEST_ID - len(ending)].rstrip("-.") + ending
    )
    entry: dict[str, Any] = {"name": one.name, "vendor": one.vendor, "visible_gib": round(memory_gib * share, 2)}
    if one.compute_capability is not None:
        entry["compute_capability"] = one.compute_capability
    entry["nvidia_smi_mib"] = one.memory_mib
    entry["source"] = f"its driver; visible estimate: {share:.3f} of its memory, {of_whom}"
    return identifier, entry


def _share(one: FoundCard, known: Sequence[Card]) -> tuple[float, str]:
    """Which part of its memory a card has for programs, and after whom: the least of the cards that are most like it."""
    words = _words(one.name)
    alike = [card for card in known if _is_alike(one, card)]
    named = [card for card in alike if _words(card.name) <= words]
    shares = {card.visible_gib * 1024 / (card.nvidia_smi_mib or 0): card.name for card in named or alike or known}
    share = min(shares)
    if named:
        return share, f"as {shares[share]} of that memory shows"
    return share, f"the least that a known card {'of about that memory ' if alike else ''}shows: {shares[share]}"


def _words(name: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", _plain(name)))


def _plain(name: str) -> str:
    """A name without its maker, its case and double spaces."""
    return _MAKERS.sub("", " ".join(name.split())).lower()
