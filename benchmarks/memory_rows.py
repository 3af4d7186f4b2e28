"""The rows of a table of logged starts, and what of the catalogue each of them means."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stackgen.facts import Card, ModelFacts, Release, cards, models

EXCLUDED = frozenset({"T053", "T064", "T076"})
"""Rows that contradict themselves."""
_DRAFTS = re.compile(r"\b(MTP|drafter|draft|DFlash\d*|eagle\d*|speculative)\b", re.IGNORECASE)
_REFUSED = re.compile(r"fails to start|refuse[sd]|negative case|does not start|OOM at start", re.IGNORECASE)
_TEXT_ONLY = re.compile(r"text[ -]only|language-model-only|\bmm=0\b", re.IGNORECASE)
_RELEASE_OF_MONTH = {(2026, 3): (0, 17), (2026, 4): (0, 18), (2026, 5): (0, 21), (2026, 6): (0, 23), (2026, 7): (0, 25),
                     (2026, 8): (0, 27), (2026, 9): (0, 29), (2026, 10): (0, 31)}  # fmt: skip
"""Newest release of a month, by the dates of logs that say both."""
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_UNSAID = {"V0": (0, 8), "V1": (0, 11)}
"""Where a row says the engine alone: its last release."""
_NO_NAME = frozenset({"instruct", "it", "chat", "hf", "base", "preview", "meta"})
_NO_CARD_NAME = frozenset({"rtx", "nvidia", "geforce", "tesla", "amd", "intel"})


@dataclass(frozen=True)
class Row:
    """One logged start; what is not said is None or empty."""

    cells: dict[str, str]

    @property
    def id(self) -> str:
        return self.text("id")

    @property
    def notes(self) -> str:
        return self.text("notes")

    def text(self, column: str) -> str:
        return (self.cells.get(column) or "").strip()

    def number(self, column: str) -> float | None:
        try:
            return float(self.text(column).replace(",", ""))
        except ValueError:
            return None

    def note(self, name: str) -> float | None:
        found = re.search(rf"(?:^|[;\s]){name}=(-?[\d.]*\d)", self.notes)
        return float(found[1]) if found else None

    @property
    def refused(self) -> bool:
        """Whether the engine did not start: it says so, has no cache, or one that holds less than one full request."""
        least = self.number("max_concurrency")
        return (
            bool(_REFUSED.search(self.notes)) or (self.number("kv_gib") or 0.0) < 0 or (least is not None and least < 1)
        )

    @property
    def drafts(self) -> bool:
        """Whether a draft model takes part."""
        return bool(_DRAFTS.search(self.notes) or _DRAFTS.search(self.text("model")))

    @property
    def shares_experts(self) -> bool:
        """Whether experts are split over all its cards, not over those of one layer alone."""
        return bool(re.search(r"\bEP\b", self.notes))

    @property
    def text_only(self) -> bool:
        """Whether pictures were switched off."""
        return bool(_TEXT_ONLY.search(self.notes))

    @property
    def context_parallel(self) -> int:
        """Cards among which the tokens of the cache are shared, not its heads; the log counts them all."""
        found = re.search(r"\b(?:dcp|decode-context-parallel(?:-size)?)[ =]?(\d+)", self.notes, re.IGNORECASE)
        return int(found[1]) if found else 1

    @property
    def first_engine(self) -> bool | None:
        """What the row says of V0 and V1."""
        found = re.search(r"\bV([01])\b", self.text("version"))
        return found[1] == "0" if found else None

    @property
    def amd(self) -> bool:
        return bool(re.search(r"radeon|rocm|\bmi\d{3}|strix|gfx", self.text("gpu"), re.IGNORECASE))

    def release(self) -> Release:
        """The release that a version cell means; of a range the first, of a date the newest of that month."""
        text = self.text("version")
        month = re.search(r"(20\d\d)-(\d\d)", text)
        named = re.search(r"\b([a-z]{3})[a-z]*-(20\d\d)", text.lower())
        if month:
            return _of_month(int(month[1]), int(month[2]))
        if named and named[1] in _MONTHS:
            return _of_month(int(named[2]), _MONTHS.index(named[1]) + 1)
        said = re.search(r"(\d+)\.(\d+)(x?)(?:\.(\d+))?", text)
        if said:
            minor = 10 * int(said[2]) + 5 if said[3] else int(said[2])
            return (int(said[1]), minor, int(said[4] or 0))
        return _UNSAID.get(text, max(_RELEASE_OF_MONTH.values()))


def read(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return [Row({key: value or "" for key, value in row.items() if key}) for row in csv.DictReader(file)]


def card_of(row: Row) -> Card | None:
    """The card that a cell names: all words of the card's name stand in it. None where several do, or none does.

    A size alone may be left out where a family has one card.
    """
    words = _words(row.text("gpu")) - _NO_CARD_NAME
    slices = "mig" in words
    whole = [card for card in cards().values() if slices or not card.part_of]
    for without_size in (False, True):
        fitting = [card for card in whole if (name := _card_words(card, without_size=without_size)) and name <= words]
        most = max((len(_card_words(card, without_size=without_size)) for card in fitting), default=0)
        best = [card for card in fitting if len(_card_words(card, without_size=without_size)) == most]
        if best:
            return best[0] if len(best) == 1 else None
    return None


def model_of(row: Row, *, tags: bool = False) -> ModelFacts | None:
    """The catalogue's model: the one of that name, else the one of which most words stand in the name.

    So fine-tunes, quantised builds and families are taken for the model that they were made of.
    """
    name = row.text("model")
    catalogue = models()
    first = re.split(r"[\s(]", name, maxsplit=1)[0]
    if first in catalogue:
        return catalogue[first]
    words = _words(name)
    fitting: list[tuple[int, ModelFacts]] = []
    for source, model in catalogue.items():
        own = _words(source.rpartition("/")[2]) - _NO_NAME
        own = {word for word in own if not re.fullmatch(r"v\d.*|\d{4}", word)}
        sized = any(re.fullmatch(r"[\d.]+[bm]|m\d(\.\d)?|k\d(\.\d)?|micro|large|small|medium", word) for word in own)
        if ("/" in source) != tags and sized and own <= words:
            fitting.append((len(own), model))
    return max(fitting, key=lambda found: found[0])[1] if fitting else None


def logged(rows: list[Row]) -> Iterator[Row]:
    """Starts of vLLM that say how large the cache was, or that there was none to have."""
    for row in rows:
        if row.text("engine").lower() == "vllm":
            yield row


def _words(text: str) -> set[str]:
    return {word.strip(".") for word in re.findall(r"[a-z0-9.]+", text.lower())} - {""}


def _card_words(card: Card, *, without_size: bool) -> set[str]:
    words = _words(card.name) - _NO_CARD_NAME
    return {word for word in words if not re.fullmatch(r"\d+gb", word)} if without_size else words


def _of_month(year: int, month: int) -> Release:
    before = [known for known in _RELEASE_OF_MONTH if known <= (year, month)]
    return _RELEASE_OF_MONTH[max(before)] if before else (0, 11)
