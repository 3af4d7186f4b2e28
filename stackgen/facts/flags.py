"""The flags of engines' command lines, release by release."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from stackgen.facts.files import FOLDER, document
from stackgen.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Flag:
    """One flag of an engine's command line in one release."""

    name: str
    type: str
    choices: tuple[str, ...] = ()
    takes_many: bool = False
    value_is_optional: bool = False

    @property
    def takes_value(self) -> bool:
        """Whether a word may follow it."""
        return self.type not in {"bool", "switch"}


@dataclass(frozen=True, kw_only=True)
class FlagTable:
    """Every spelling that the parser of one release accepts, and what became of removed ones."""

    version: str
    flags: Mapping[str, Flag]
    removed: Mapping[str, str]
    model_is_positional: bool
    """Whether the image takes the model as a word of its own; before, `--model` alone names it."""


@cache
def flag_table(engine: str, version: str) -> FlagTable | None:
    """The flags of an engine's release; None where that release (or engine) was not read."""
    file = FOLDER / f"{engine}_flags.json"
    if not file.is_file():
        return None
    data = document(file.name)
    if version not in data["versions"]:
        return None
    position = data["versions"].index(version)
    flags: dict[str, Flag] = {}
    for name, forms in data["flags"].items():
        for form in forms:
            if data["versions"].index(form["since"]) <= position <= data["versions"].index(form["until"]):
                flag = Flag(
                    name=name,
                    type=form["type"],
                    choices=tuple(str(choice) for choice in form.get("choices", ())),
                    takes_many=form.get("nargs") == "+",
                    value_is_optional=form.get("nargs") == "?",
                )
                negatives = {spelling: Flag(name=spelling, type="switch") for spelling in form.get("negative", ())}
                flags |= dict.fromkeys((name, *form.get("aliases", ())), flag) | negatives
    removed = {name: entry["instead"] for name, entry in data["removed"].items()}
    since = data["versions"].index(data.get("model_is_positional_since", data["versions"][0]))
    return FlagTable(
        version=version,
        flags=MappingProxyType(flags),
        removed=MappingProxyType(removed),
        model_is_positional=position >= since,
    )


@cache
def flag_versions(engine: str) -> tuple[str, ...]:
    """The releases of an engine whose flags are known, oldest first; none for an engine without flags."""
    file = f"{engine}_flags.json"
    return tuple(document(file)["versions"]) if (FOLDER / file).is_file() else ()
