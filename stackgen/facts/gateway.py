"""What a file for the gateway may say, release by release, and what LiteLLM takes in silence although it does nothing.

The proxy itself accepts unknown keys nearly everywhere. litellm_keys.json is written by scripts/litellm_facts.py from
the installed package; litellm_notes.json by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from stackgen.facts.files import document
from stackgen.records import dataclass


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
    tables = document("litellm_keys.json")["versions"]
    if version not in tables:
        return None
    table, notes = tables[version], document("litellm_notes.json")
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
    return tuple(document("litellm_keys.json")["versions"])


@cache
def gateway_path(provider: str, modality: str) -> str | None:
    """What the gateway appends to a base URL for a provider and a modality; None where that pair does not work."""
    path = document("gateway.json")["appends"].get(provider, {}).get(modality)
    return None if path is None else str(path)


@cache
def gateway_paths(provider: str) -> Mapping[str, str]:
    """What the gateway appends to a base URL for a provider, by modality; empty for providers that were not tried."""
    return MappingProxyType(document("gateway.json")["appends"].get(provider, {}))


@cache
def gateway_word(provider: str, setting: str) -> str | None:
    """The gateway's name for a setting of generation; None where it does not reach the servers of that provider."""
    return document("gateway.json")["words"].get(provider, {}).get(setting, setting) or None


@cache
def gateway_mode(modality: str) -> str:
    """The gateway's word for a modality."""
    return str(document("gateway.json")["modes"][modality])


def _word_by_key(words: Mapping[str, list[str]]) -> Mapping[str, str]:
    return MappingProxyType({key: word for word, keys in words.items() for key in keys})
