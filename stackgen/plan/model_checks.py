"""What the catalogue, the hub and the pinned release know about a model: its kind, its length, the values of its flags."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

from stackgen import facts
from stackgen.errors import Problem
from stackgen.modalities import MODALITIES
from stackgen.parts import Engine, Instance, ServedModel
from stackgen.sources import Loaded, Path, describe, nearest

_KINDS = MappingProxyType(
    {
        "embedding": "makes vectors of texts",
        "llm": "writes text",
        "reranker": "puts documents in order",
        "stt": "writes down speech",
        "tts": "speaks",
        "vlm": "reads pictures and writes text",
    }
)


def problems(loaded: Loaded, instance: Instance, engine: Engine) -> Iterator[Problem]:
    """Everything about the models of one instance."""
    for served in instance.models:
        for below, message, hint in engine.complaints(served):
            yield Problem(loaded.place((*served.path, *below)), message, hint)
        yield from _kind_problems(loaded, served)
        yield from _length_problems(loaded, served, engine)
        yield from _value_problems(loaded, served, engine, instance.image.version)


def _kind_problems(loaded: Loaded, served: ServedModel) -> Iterator[Problem]:
    """A model that the catalogue knows for something else."""
    known = served.known
    for position, modality in enumerate(served.model.modalities):
        wanted = MODALITIES[modality].kinds if modality in MODALITIES else frozenset()
        if known and wanted and known.kind not in wanted:
            place = loaded.place((*served.path, "modalities", position))
            fitting = [name for name, other in MODALITIES.items() if known.kind in other.kinds]
            message = f"{served.model.source} {_KINDS[known.kind]}, and that is not {modality}"
            yield Problem(place, message, f"this one is for {' or '.join(fitting)}")


def longest_context(served: ServedModel, engine: Engine) -> int | None:
    """Tokens that a model takes at most; None where nobody knows, or where the spec lifts the limit."""
    known = served.known
    if not known or engine.longer_by & {*served.flags_given, *served.model.environment}:
        return None
    return known.longest_context or None


def _length_problems(loaded: Loaded, served: ServedModel, engine: Engine) -> Iterator[Problem]:
    longest = longest_context(served, engine)
    if longest and served.model.context and served.model.context > longest:
        place = loaded.place((*served.path, "context"))
        message = f"{served.model.source} takes {longest} tokens, and {served.model.context} are asked for"
        lifted = f"; more only by {' or '.join(sorted(engine.longer_by))}" if engine.longer_by else ""
        yield Problem(place, message, f"`context: {longest}` is the most{lifted}")


def _value_problems(loaded: Loaded, served: ServedModel, engine: Engine, version: str) -> Iterator[Problem]:
    """Options whose values the pinned release does not take."""
    table = facts.flag_table(engine.name, version)
    if table is None:
        return
    options = {setting: flag for flag, setting in engine.flags.items() if setting.startswith("options.")}
    options |= {f"options.{name}": f"--{name.replace('_', '-')}" for name in engine.flag_options}
    for setting, name in options.items():
        flag, value = table.flags.get(name), served.value(setting)
        if (
            flag
            and flag.choices
            and value is not None
            and not isinstance(value, bool)
            and str(value) not in flag.choices
        ):
            path: Path = (*served.path, *setting.split("."))
            message = f"{describe(str(value))} is no value of {name} in {engine.name} {version}"
            yield Problem(loaded.place(path), message, nearest(str(value), flag.choices))
