"""What a file for the gateway may say, release by release, and what LiteLLM takes in silence although it does nothing.

The proxy itself accepts unknown keys nearly everywhere. litellm_keys.json is written by scripts/litellm_facts.py from
the installed package; litellm_notes.json by hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

_FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True, kw_only=True)
class GatewayKeys:
    """The words that one release of LiteLLM knows."""

    version: str
    sections: Mapping[str, frozenset[str]]
    """Keys by section; `file` is the top of the file, `model_list` one entry of it."""
    types: Mapping[str, Mapping[str, str]]
    """By section and key: bool, int, float, str, list or dict; keys of several types are absent."""
    providers: frozenset[str]
    """What may stand before the first slash of an entry's `model`."""
    callbacks: frozenset[str]
    """Names for `callbacks`, where an unknown one stops the start. A name with a dot is the user's own Python."""
    logging_callbacks: frozenset[str]
    """Names for `success_callback` and `failure_callback`, where an unknown one does nothing."""
    callback_secrets: Mapping[str, tuple[str, ...]]
    """Environment variables that a callback cannot do without."""
    routing_strategies: frozenset[str]
    cache_types: frozenset[str]
    modes: frozenset[str]
    """What `mode` of an entry may be: the ways in which the gateway checks a model's health."""
    misplaced: Mapping[str, str]
    """Keys that are often written in a section where they do nothing, and the section where they work."""
    useless: Mapping[str, str]
    """Keys that do nothing anywhere, and why."""


@cache
def gateway_keys(version: str) -> GatewayKeys | None:
    """What that release of the gateway knows; None where it was not read."""
    tables = _json("litellm_keys.json")["versions"]
    if version not in tables:
        return None
    table, notes = tables[version], _json("litellm_notes.json")
    return GatewayKeys(
        version=version,
        sections=MappingProxyType({name: frozenset(keys) for name, keys in table["sections"].items()}),
        types=MappingProxyType({name: _word_by_key(words) for name, words in table["types"].items()}),
        providers=frozenset(table["providers"]),
        callbacks=frozenset(table["callbacks"]),
        logging_callbacks=frozenset(table["logging_callbacks"]),
        callback_secrets=MappingProxyType({name: tuple(keys) for name, keys in notes["callback_secrets"].items()}),
        routing_strategies=frozenset(table["routing_strategies"]),
        cache_types=frozenset(table["cache_types"]),
        modes=frozenset(table["modes"]),
        misplaced=MappingProxyType(notes["misplaced"]),
        useless=MappingProxyType(notes["useless"]),
    )


@cache
def gateway_versions() -> tuple[str, ...]:
    """The releases of the gateway whose keys are known, oldest first."""
    return tuple(_json("litellm_keys.json")["versions"])


def _word_by_key(words: Mapping[str, list[str]]) -> Mapping[str, str]:
    return MappingProxyType({key: word for word, keys in words.items() for key in keys})


@cache
def _json(name: str) -> Any:
    return json.loads((_FOLDER / name).read_text(encoding="utf-8"))
