"""Values that must not be seen, and how they are taken out of texts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from stackgen.sources import printable

_SHORTEST_MASKED = 6


@dataclass(frozen=True, repr=False)
class SecretValue:
    """A value that must not be seen: its repr and str hide it, `reveal` is explicit."""

    _value: str

    def reveal(self) -> str:
        """The value itself, for the one place that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "<secret>"


def hidden(values: Mapping[str, str]) -> dict[str, SecretValue]:
    """Values as they come from disk, in the type that nobody can show by mistake."""
    return {name: SecretValue(value) for name, value in values.items()}


def masker(values: Mapping[str, SecretValue]) -> Callable[[str], str]:
    """A function that takes every secret out of a text, for logs of containers and output of programs.

    It knows secrets as they are, as JSON spells them, and as `printable` leaves them.
    """
    whole = [value.reveal() for value in values.values() if len(value.reveal()) >= _SHORTEST_MASKED]
    spelled = {text for value in whole for text in (value, json.dumps(value)[1:-1], printable(value))}
    longest_first = sorted(spelled, key=len, reverse=True)

    def mask(text: str) -> str:
        for value in longest_first:
            text = text.replace(value, "***")
        return text

    return mask
