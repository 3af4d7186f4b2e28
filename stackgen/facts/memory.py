"""Numbers of memory arithmetic that follow from no formula, each with the starts that they were read from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from stackgen.facts.files import document
from stackgen.records import dataclass

Release = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A constant without a derivation: by its rule the median or the largest of what logged starts say."""

    value: float
    unit: str
    observed: Mapping[str, float]
    """A start -> what it alone would say."""
    source: str
    rule: str = "median"


@cache
def fitted() -> Mapping[str, Fitted]:
    """Every such constant by name."""
    return MappingProxyType({name: Fitted(**given) for name, given in document("memory.json")["fitted"].items()})


def vllm_memory(name: str) -> Any:
    """A number of vLLM's own: a default, or a release as text."""
    return document("memory.json")["vllm"][name]


def vllm_release(name: str) -> Release:
    """The release from which something holds."""
    return release_of(vllm_memory(name))


def release_of(version: str) -> Release:
    """The numbers of a version, to compare with."""
    return tuple(int(number) for number in re.findall(r"\d+", version))


def cache_number_bytes(number_format: str) -> float | None:
    """Bytes of one number in an attention cache; None where the format is not known."""
    known: Mapping[str, float] = document("memory.json")["cache_number_bytes"]
    return known.get(number_format)


def weight_bits(quantization: str) -> float | None:
    """Bits of one weight, scales of its group included; None where the format is not known."""
    found = document("memory.json")["weight_bits"].get(quantization)
    return None if found is None or isinstance(found, str) else float(found)
