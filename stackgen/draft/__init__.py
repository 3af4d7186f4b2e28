"""A first spec for a machine: its cards by the catalogue's names, models that the planner accepts, a text for people."""

from __future__ import annotations

from stackgen.draft.beside import GIT_IGNORE, ci_file, git_ignore
from stackgen.draft.choice import Fit, Pick, Picks, Slot, choose
from stackgen.draft.inventory import described, facts_path, identified
from stackgen.draft.model import Draft, DraftCard, DraftModel, Inventory
from stackgen.draft.name import NAMELESS, name_of
from stackgen.draft.slots import asked_modalities, named_model, on_cards, slots_for
from stackgen.draft.text import SCHEMA_FILE, written

__all__ = [
    "GIT_IGNORE", "NAMELESS", "SCHEMA_FILE", "Draft", "DraftCard", "DraftModel", "Fit", "Inventory", "Pick", "Picks", "Slot",
    "asked_modalities", "choose", "ci_file", "described", "facts_path", "git_ignore", "identified", "name_of", "named_model",
    "on_cards", "slots_for", "written",
]  # fmt: skip
