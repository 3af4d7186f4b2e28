"""Which numbers of a model the plan needs, and how its operator says them where nobody knows the model."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from stackgen.facts.files import document

FOLDER = "profiles/facts"
"""Beside the spec: what its operator knows of cards and models."""
_SUFFIX = ".yaml"
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME = 120
_HUB_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*/[A-Za-z0-9_][A-Za-z0-9._-]*")


def kinds() -> tuple[str, ...]:
    """What models are, as the catalogue calls it."""
    return tuple(document("model_needs.json")["kinds"])


def lacking(kind: str, said: Mapping[str, Any]) -> tuple[str, ...]:
    """Keys that a model of this kind still needs; where one of several is enough, the first of them.

    Args:
        kind: one of `kinds()`.
        said: what is known by key; 0, nothing and an absent key are the same.
    """
    table = document("model_needs.json")
    wanted = [
        *table["kinds"][kind],
        *([key] for first, keys in table["with"].items() if said.get(first) for key in keys),
    ]
    return tuple(keys[0] for keys in wanted if not any(said.get(key) for key in keys))


def file_of(model: str) -> str:
    """Where `stackgen facts add` keeps a model, seen from the spec: profiles/facts/Qwen--Qwen3-8B.yaml."""
    name = _NOT_IN_A_NAME.sub("-", model.strip("/").replace("/", "--").replace(":", "--"))
    return f"{FOLDER}/{name[-_LONGEST_NAME:].lstrip('.-')}{_SUFFIX}"


def command_to_add(model: str) -> str:
    """The command that reads a model's numbers: from the hub, or from the files where a tag or a path is all that is known."""
    if _HUB_ID.fullmatch(model):
        return f"`stackgen facts add {model}`"
    return f"`stackgen facts add FOLDER_OR_GGUF --as {model}`"


def how_to_declare(model: str, kind: str) -> str:
    """The next step for a model that nobody knows, in one line.

    Args:
        model: its source, as the spec writes it.
        kind: what it is for: one of `kinds()`.
    """
    keys = ", ".join(lacking(kind, {}))
    return (
        f"run {command_to_add(model)}, or write into {file_of(model)}: "
        f"`models: {{{json.dumps(model, ensure_ascii=False)}: {{kind: {kind}, source: …}}}}` with {keys}"
    )


def to_fill_in(model: str, kind: str, said: Mapping[str, Any]) -> str:
    """YAML of a facts file with what is known, and a line for each number that is missing and says where it stands."""
    words = document("model_needs.json")["said_by_config_json"]
    lines = ["models:", f"  {json.dumps(model, ensure_ascii=False)}:", f"    kind: {kind}"]
    lines += [f"    {key}: {json.dumps(value, ensure_ascii=False)}" for key, value in said.items() if value]
    lines += [f"    {key}:  # {words[key]}" for key in lacking(kind, said)]
    return "\n".join([*lines, "    source:  # who says these numbers"])
