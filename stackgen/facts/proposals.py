"""What to propose for a machine: models for each modality that people ask of it, best first."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from stackgen.facts.files import document, rows
from stackgen.records import dataclass

_FILE = "proposals.json"


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A model for one modality, with the settings that are tried, the largest first."""

    source: str
    engine: str
    name: str
    """What clients ask for."""
    settings: tuple[Mapping[str, Any], ...]
    why: str
    modalities: tuple[str, ...]
    on_processor: bool = False
    tools: bool = False
    reasoning: bool = False


@dataclass(frozen=True)
class ReportedName:
    """What a driver calls a card of the catalogue."""

    card: str
    name: str


def modalities() -> tuple[str, ...]:
    """What can be asked for, as modalities, in the order in which a spec names them."""
    return tuple(document(_FILE)["modalities"])


def usual_modalities() -> tuple[str, ...]:
    """What is proposed where nobody says what to serve."""
    return tuple(document(_FILE)["usual"])


def modalities_where_room() -> tuple[str, ...]:
    """What is proposed beside the usual where a card has room for it."""
    return tuple(document(_FILE)["where_there_is_room"])


def usual_id(modality: str) -> str:
    """The id of the model that serves it."""
    return str(document(_FILE)["modalities"][modality]["id"])


def proposals(modality: str, *, has_cards: bool) -> tuple[Proposal, ...]:
    """The models for one modality, best first; the last one fits wherever anything does."""
    entries = document(_FILE)["modalities"][modality]["with_cards" if has_cards else "without_cards"]
    return tuple(
        Proposal(
            source=entry["source"],
            engine=entry["engine"],
            name=entry["name"],
            settings=tuple(entry["settings"]),
            why=entry["why"],
            modalities=(*entry.get("with", ()), modality),
            on_processor=entry.get("on") == "processor",
            tools=entry.get("tools", False),
            reasoning=entry.get("reasoning", False),
        )
        for entry in entries
    )


def modality_of_kind(kind: str) -> str:
    """What a model of a kind of the catalogue is for."""
    return str(document(_FILE)["of_kinds"][kind])


def usual_engine(modality: str) -> str:
    """Who serves a model from the hub that is for this."""
    return str(document(_FILE)["engines"][modality])


def named_settings(engine: str) -> tuple[Mapping[str, Any], ...]:
    """What is tried for a model that somebody names, the largest first."""
    return tuple(document(_FILE)["named_settings"][engine])


def usual_profiles(accelerator: str, *, together: bool) -> tuple[str, ...]:
    """The profiles for a kind of cards or the processor; none where no image runs on it.

    Args:
        accelerator: the software of the cards, or `cpu`.
        together: whether several engines share a card.
    """
    known = document(_FILE)["profiles"].get(accelerator, {})
    return tuple(known.get("together" if together else "alone", ()))


def warning_of_cards_on_wsl() -> str:
    """What holds of several NVIDIA cards on Windows Subsystem for Linux."""
    return str(document(_FILE)["several_cards_on_wsl"]["warning"])


@cache
def reported_names() -> tuple[ReportedName, ...]:
    """What drivers call the cards of the catalogue."""
    return tuple(ReportedName(row["card"], row["reported_name"]) for row in rows("card_names.csv"))
