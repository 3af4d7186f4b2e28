"""Answers about a line of a facts file: what it says, which cards and models rest on it, and which settings follow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from stackgen import facts
from stackgen.explain.answers import Answer, Beaten, Part, some
from stackgen.explain.asking import Asked
from stackgen.explain.decided import sums
from stackgen.explain.keys import key_at
from stackgen.explain.lines import WRONG, LineAnswer, Text, at_line
from stackgen.explain.profile_lines import UNUSED, Use
from stackgen.explain.rendered import Entry, dotted
from stackgen.facts import Measured
from stackgen.facts.explaining import note_on_fact, settings_after, switches_of
from stackgen.parts import Instance
from stackgen.plan import picture
from stackgen.plan.measured import last_row, setting_of, setting_of_row
from stackgen.sources import Document, Path, describe, measured_of, value_at
from stackgen.spec.facts_file import FactsFile

_SHIPPED = "what came with stackgen"
_WORDS = {"source": "evidence"}
"""Keys of a facts file that the catalogue has by another name."""
_SUMMED = "context"
"""A setting of a model behind which the sum of its memory stands."""


def of_facts(asked: Asked, document: Document, text: Text, line: int) -> LineAnswer:
    """Behind a line of a facts file: what it says, and what of this stack rests on it.

    Raises:
        StackError: it has no such line.
    """
    at = at_line(document, text, line)
    answers = tuple(_about(asked, document, path) for path in at.one)
    return LineAnswer(file=document.file, line=line, notes=at.notes, answers=answers)


def _about(asked: Asked, document: Document, path: Path) -> Answer:
    value, place = value_at(document.data, path), document.place(path, of_key=True)
    key = key_at(document.data, path, FactsFile)
    use, note = Use(), note_on_fact(path)
    if len(path) > 1:
        use = _use(asked, document, path)
    return Answer(
        path=dotted(path),
        kind="facts",
        value=asked.mask.of_spec(value, path),
        has_value=not isinstance(value, dict),
        said_by=f"{place.file}:{place.line}",
        meaning=key.meaning if key else "",
        beats=tuple(_beats(path, value)),
        sums=() if note else tuple(_sums(asked, use, path)),
        parts=use.parts,
        becomes=() if note else use.becomes,
        notes=(*use.notes, *filter(None, [note])),
    )


def _use(asked: Asked, document: Document, path: Path) -> Use:
    """What of the stack rests on an entry."""
    value = value_at(document.data, path)
    match path:
        case ("cards", str(card), *_):
            gpus = [name for name, one in asked.loaded.merged.data.get("gpus", {}).items() if one.get("card") == card]
            models = _models_on(asked, card)
            why = f"no entry of `gpus` says `card: {card}`"
            return _used(asked, [("gpus", name, "card") for name in gpus], models, path, value, why)
        case ("models", str(source), *_):
            models = _models_of(asked, source)
            why = f"no model of this stack says `source: {source}`"
            return _used(asked, [("models", name, "source") for name in models], models, path, value, why)
        case ("measured", int(position), *_):
            return _of_measured(asked, document, position, path)
    return Use()


def _used(asked: Asked, said: Iterable[Path], models: Sequence[str], path: Path, value: Any, why: str) -> Use:
    """Where paths of the spec name an entry, and what follows from it for models."""
    origins = asked.loaded.merged.origins
    parts = tuple(
        Part(
            path=dotted(one),
            value=value_at(asked.loaded.merged.data, one),
            said_by=f"counts here, {asked.loaded.shown(origins[one])}",
        )
        for one in said
        if one in origins
    )
    notes = () if parts else (f"{UNUSED}{why}",)
    becomes = tuple(_following(asked, models, path, value))
    return Use(parts=parts, models=tuple(models), becomes=becomes, notes=notes)


def _following(asked: Asked, models: Iterable[str], path: Path, value: Any) -> Iterator[Entry]:
    """The rendered lines of settings that follow from a fact, as far as nobody says them; of a switch those that say it."""
    above: list[Path] = [("models", name) for name in models]
    settings = [(*start, *setting.split(".")) for start in above for setting in settings_after(path)]
    free = [setting for setting in settings if setting not in asked.loaded.merged.origins]
    if free:
        yield from asked.index.behind(*free)
    switches = [(*start, switch) for start in above for switch in switches_of(path)]
    if switches:
        yield from (entry for entry in asked.index.behind(*switches) if entry.value == value)


def _of_measured(asked: Asked, document: Document, position: int, path: Path) -> Use:
    """The instance whose memory a measurement tells; else the setting in which it is another one's."""
    file = next(file for file, read in asked.loaded.facts.files if read is document)
    if position >= len(file.measured):
        return Use(notes=(WRONG,))
    row, measured = measured_of(file)[position], asked.loaded.catalogue.measured
    running = list(_measurable(asked))
    for instance in running:
        if last_row(instance, instance.gpus[0].card, instance.tensor_parallel, measured) == row:
            model = instance.models[0].path
            return _used(asked, [(*model, "source")], [str(model[1])], path, None, "")
    alike = [one for one in running if one.models[0].model.source == row.model]
    return Use(notes=(f"{UNUSED}{_why_not(row, alike)}",) if asked.plan else ())


def _why_not(row: Measured, alike: list[Instance]) -> str:
    """Why nothing rests on a measurement."""
    if row.weights_gib is None and row.overhead_gib is None:
        return "it says neither `weights_gib` nor `overhead_gib`"
    if not alike:
        return f"no process of this stack serves {describe(row.model)} alone on cards"
    instance = alike[0]
    there = asdict(setting_of(instance, instance.gpus[0].card, instance.tensor_parallel))
    differing = [
        (name, value, there[name]) for name, value in asdict(setting_of_row(row)).items() if value != there[name]
    ]
    if not differing:
        return f"{instance.name} was measured again, later, in the same setting"
    told = (f"{name} {_shown(now)} instead of {_shown(then)}" for name, then, now in differing)
    return f"{instance.name} has {some(told)}"


def _shown(value: Any) -> str:
    """A part of a setting in a sentence."""
    if isinstance(value, tuple):
        return ".".join(map(str, value))
    return "nothing" if value is None else str(value)


def _measurable(asked: Asked) -> Iterator[Instance]:
    for instance in asked.plan.instances if asked.plan else ():
        if instance.on_gpu and len(instance.models) == 1:
            yield instance


def _models_of(asked: Asked, source: str) -> list[str]:
    models: dict[str, Any] = asked.loaded.merged.data.get("models", {})
    return [name for name, one in models.items() if isinstance(one, dict) and one.get("source") == source]


def _models_on(asked: Asked, card: str) -> list[str]:
    """The models on cards of a kind."""
    instances = asked.plan.instances if asked.plan else ()
    here = [one for one in instances if any(gpu.card.id == card for gpu in one.gpus)]
    return list(dict.fromkeys(served.id for one in here for served in one.models))


def _beats(path: Path, value: Any) -> Iterator[Beaten]:
    """What came with stackgen and does not count any more."""
    catalogue = facts.shipped_catalogue()
    match path:
        case (("cards" | "models") as group, identifier, *rest) if len(rest) <= 1:
            entry = (catalogue.cards if group == "cards" else catalogue.models).get(str(identifier))
        case _:
            entry = None
    if entry is None:
        return
    if not rest:
        yield Beaten(where=_SHIPPED, value=None)
        return
    word = _WORDS.get(str(rest[0]), str(rest[0])) if group == "models" else str(rest[0])
    there = getattr(entry, word, None)
    if there not in (None, 0, "", (), value):
        yield Beaten(where=_SHIPPED, value=there)


def _sums(asked: Asked, use: Use, path: Path) -> Iterator[str]:
    """The sums of memory in which a fact takes part."""
    if asked.plan is None or not settings_after(path) or not use.parts:
        return
    if path[0] == "cards":
        for card in asked.plan.cards:
            if card.gpu.card.id == path[1]:
                rows = (picture.use_row(use) for use in card.uses)
                yield from (f"card {card.gpu.id}, {card.gpu.card.visible_gib:g} GiB: {row}" for row in rows)
        return
    for name in use.models:
        yield from sums(asked.plan, ("models", name, _SUMMED))
