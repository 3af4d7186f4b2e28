"""stack.yaml as a person would write it: short, and with a comment where one helps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stackgen.draft.model import Draft, DraftCard, DraftModel
from stackgen.render import yaml

SCHEMA_FILE = "stack.schema.json"
_HEAD = (
    f"# yaml-language-server: $schema={SCHEMA_FILE}",
    "# Written by `stackgen init`, and yours from now on. `stackgen plan` shows what fits, and why; after a change:",
    "# `stackgen render` writes the files, `stackgen up` starts what changed, `stackgen check` proves it.",
)
_FIRST_TIME = {
    "source": "weights; `stackgen facts show` lists what is known",
    "public_names": "what clients write as `model`",
    "mounts": "path in the container: path of the host; leave it out where the image holds the weights",
    "context": "longest request plus answer, in tokens",
    "concurrency": "requests that are answered at the same time",
    "replicas": "equal servers behind the same name, each on cards of its own",
    "gpus": "no card: it runs on the processor",
    "options": "settings of this engine alone",
    "tools": "it calls tools",
    "reasoning": "it thinks before it answers",
}
"""Told where a key stands for the first time."""
_GATEWAY = (
    "gateway:",
    "  database: false  # true keeps keys, teams and budgets in PostgreSQL",
)


def written(draft: Draft) -> str:
    """The text of stack.yaml."""
    told: set[str] = set()
    lines = [
        *_HEAD,
        "version: 1",
        f"name: {yaml.word(draft.name)}  # its containers, networks and volumes begin with it",
        f"profiles: {_flow(draft.profiles)}  # pinned images and defaults; a later one wins",
        "",
    ]
    if draft.cards:
        lines += ["gpus:", *map(_card, draft.cards), ""]
    lines.append("models:")
    for model in draft.models:
        lines += [*_model(model, told), ""]
    return "\n".join([*lines, *_GATEWAY]) + "\n"


def _card(card: DraftCard) -> str:
    keys: dict[str, Any] = {"card": card.card.id}
    if card.uuid:
        keys["uuid"] = card.uuid
    elif card.index is not None:
        keys["index"] = card.index
    return (
        f"  {card.id}: {_flow(keys)}  {yaml.comment(f'{card.card.name}, {card.card.visible_gib:.4g} GiB for programs')}"
    )


def _model(model: DraftModel, told: set[str]) -> Iterator[str]:
    yield f"  {yaml.key(model.id)}:  {yaml.comment(model.why)}" if model.why else f"  {yaml.key(model.id)}:"
    for key, value in model.keys.items():
        note = _FIRST_TIME.get(key, "") if key not in told else ""
        told.add(key)
        yield f"    {key}: {_flow(value)}" + (f"  {yaml.comment(note)}" if note else "")


def _flow(value: Any) -> str:
    """A value on one line."""
    match value:
        case str():
            return yaml.word(value)
        case Mapping():
            return f"{{{', '.join(f'{yaml.key(key)}: {_flow(inner)}' for key, inner in value.items())}}}"
        case Sequence():
            return f"[{', '.join(map(_flow, value))}]"
    return yaml.scalar(value)
