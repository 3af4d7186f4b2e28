"""What is known of cards and models, and what a look at a model adds beside the spec."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackgen import facts, files, vault
from stackgen.errors import Problem, SpecError, StackError
from stackgen.facts import Card, ModelFacts, Variant
from stackgen.records import dataclass
from stackgen.render import yaml
from stackgen.sources import Declared, declared, describe, nearest

if TYPE_CHECKING:
    from stackgen.lookup import Found

TOKEN = "HF_TOKEN"  # noqa: S105 - the name of a variable
_STAMP = re.compile(r"^# sha256 of what follows: ([0-9a-f]{64})\n\n", re.MULTILINE)
_SHIPPED = "shipped"
_NOT_IN_FILES = ("tool_parser", "reasoning_parser")
"""What no file of a model says; the shipped facts may."""


@dataclass(frozen=True)
class Kept:
    """Where a look at a model was written."""

    path: str
    """Seen from the working directory."""
    changed: bool
    shipped: bool
    """Whether the model came with stackgen too; the file counts now."""


def folder_of(file: Path) -> Path:
    """The folder of a spec, which need not be sound.

    Raises:
        StackError: neither the spec nor the folder is there.
    """
    if file.is_dir():
        return file.absolute()
    if not file.is_file():
        hint = "name the spec that the facts are for: --file path/to/stack.yaml"
        raise StackError("there is no such file, so there is nothing to write facts beside", where=str(file), hint=hint)
    return file.absolute().parent


def facts_beside(folder: Path) -> Declared:
    """What is known with the facts files of a folder.

    Raises:
        SpecError: a file is wrong.
    """
    problems: list[Problem] = []
    found = declared(folder, problems)
    if problems:
        prefix = Path(os.path.relpath(folder))
        seen = (problem.place._replace(file=str(prefix / problem.place.file)) for problem in problems)
        raise SpecError(problem._replace(place=place) for problem, place in zip(problems, seen, strict=True))
    return found


def hub_token(folder: Path, environment: Mapping[str, str]) -> str | None:
    """The token for gated models: the caller's, else the one that the stack keeps."""
    kept = environment.get(TOKEN) or vault.read(folder / vault.FOLDER / vault.FILE).get(TOKEN)
    return kept or None


def keep_facts(folder: Path, found: Found, known: Declared, *, force: bool = False) -> Kept:
    """Write what was found out, as a file that can be committed.

    Args:
        folder: the spec's.
        found: what was found out.
        known: what the facts files said before.
        force: overwrite a file that was edited by hand.

    Raises:
        StackError: another file says the same model, somebody edited this one, or it cannot be written.
    """
    path = facts.file_of(found.model)
    seen = os.path.relpath(folder / path)
    place = known.places.get(("models", found.model))
    if place and place.file != path:
        hint = "edit it there, or remove its lines and run this again"
        raise StackError(f"{found.model} is there already", where=f"{place.file}:{place.line}", hint=hint)
    shipped = facts.models().get(found.model)
    said = {key: getattr(shipped, key, "") for key in _NOT_IN_FILES}
    entry = {**found.entry(), **{key: value for key, value in said.items() if value}}
    header = [f"Written by `stackgen facts add`: {found.source}", *found.notes]
    body = yaml.dump({"models": {found.model: entry}}, header)
    digest = hashlib.sha256(body.encode()).hexdigest()
    text = f"# sha256 of what follows: {digest}\n\n{body}"
    with files.turn((folder / path).parent):
        old = _text(folder / path)
        if old is not None and not force and not _is_ours(old, found.model):
            hint = "take what you need from it, then: --force overwrites it"
            raise StackError("somebody edited this file, and it would be lost", where=seen, hint=hint)
        if old != text:
            files.put(folder / path, text)
    return Kept(seen, changed=old != text, shipped=shipped is not None)


def rows_of_facts(known: Declared) -> Iterator[tuple[str, ...]]:
    """Every card and model: what it is, its memory, where that is said."""
    yield "id", "kind", "GiB", "said by"
    for card in known.catalogue.cards.values():
        yield card.id, "card", f"{card.visible_gib:g}", _said_by(known, "cards", card.id)
    for model in known.catalogue.models.values():
        yield model.source, model.kind, _weights(model), _said_by(known, "models", model.source)


def lines_of_fact(known: Declared, identifier: str) -> Iterator[tuple[str, str]]:
    """Everything about one card or model, then where it is said and who says so.

    Raises:
        StackError: nobody knows it.
    """
    group, entry = _fact(known, identifier)
    for field in dataclasses.fields(entry):
        value = getattr(entry, field.name)
        if isinstance(value, tuple):
            yield from ((field.name, _build(variant)) for variant in value)
        elif value not in (None, 0, ""):
            estimate = field.name == "weights_gib" and isinstance(entry, ModelFacts) and entry.is_estimate
            yield field.name, f"{value} (estimate)" if estimate else str(value)
    yield "said by", _said_by(known, group, identifier)


def data_of_facts(known: Declared, identifier: str = "") -> dict[str, list[dict[str, Any]]]:
    """Everything about every card and model, or about one of them, for programs; what no source says is null.

    Raises:
        StackError: nobody knows it.
    """
    if identifier:
        group, entry = _fact(known, identifier)
        return {"cards": [], "models": [], group: [_data(known, group, identifier, entry)]}
    cards, models = known.catalogue.cards, known.catalogue.models
    return {
        "cards": [_data(known, "cards", name, card) for name, card in cards.items()],
        "models": [_data(known, "models", name, model) for name, model in models.items()],
    }


def _fact(known: Declared, identifier: str) -> tuple[str, Card | ModelFacts]:
    """One card or model, and which of both it is.

    Raises:
        StackError: nobody knows it.
    """
    cards, models = known.catalogue.cards, known.catalogue.models
    if identifier in cards:
        return "cards", cards[identifier]
    if identifier in models:
        return "models", models[identifier]
    hint = nearest(identifier, {**models, **cards})
    add = facts.how_to_declare(identifier, "llm")
    raise StackError(f"nothing is known of {describe(identifier)}", hint=f"{hint}; for a model that is new: {add}")


def _data(known: Declared, group: str, identifier: str, entry: Card | ModelFacts) -> dict[str, Any]:
    """The fields of an entry; 0 and empty words mean that no source says it."""
    data = _fields(entry)
    if isinstance(entry, ModelFacts):
        data["variants"] = [_fields(variant) for variant in entry.variants]
    return {**data, "estimate": entry.is_estimate, "said_by": _said_by(known, group, identifier)}


def _fields(entry: Card | ModelFacts | Variant) -> dict[str, Any]:
    said = {field.name: getattr(entry, field.name) for field in dataclasses.fields(entry)}
    return {name: value if value or isinstance(value, bool) else None for name, value in said.items()}


def _said_by(known: Declared, group: str, identifier: str) -> str:
    place = known.places.get((group, identifier))
    return f"{place.file}:{place.line}" if place else _SHIPPED


def _build(variant: Variant) -> str:
    """A build of a model in another number format, in one line."""
    return f"{variant.quantization}, {variant.weights_gib:g} GiB, {variant.weights_evidence}: {variant.source or 'no name'}"


def _weights(model: ModelFacts) -> str:
    return f"{model.weights_gib:g}" + (" (estimate)" if model.is_estimate else "")


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise StackError(f"the facts cannot be read: {error}", where=str(path)) from None


def _is_ours(text: str, model: str) -> bool:
    """Whether a file is as `facts add` left it, and about the same model."""
    stamp = _STAMP.match(text)
    if stamp is None:
        return False
    body = text[stamp.end() :]
    return hashlib.sha256(body.encode()).hexdigest() == stamp[1] and f"{yaml.quoted(model)}:" in body
