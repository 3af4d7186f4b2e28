"""Values that must not be seen, and how they are taken out of texts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from stackgen.masking import hider
from stackgen.records import dataclass


@dataclass(frozen=True)
class SecretValue:
    """A value that must not be seen: its repr and str hide it, `reveal` is explicit."""

    _value: str

    def reveal(self) -> str:
        """The value itself, for the one place that needs it."""
        return self._value

    @property
    def digest(self) -> str:
        """SHA-256, by which a server may know the value without having it."""
        return hashlib.sha256(self._value.encode()).hexdigest()

    def __repr__(self) -> str:
        return "<secret>"


def hidden(values: Mapping[str, str]) -> dict[str, SecretValue]:
    """Values as they come from disk, in the type that nobody can show by mistake."""
    return {name: SecretValue(value) for name, value in values.items()}


def masker(values: Mapping[str, SecretValue]) -> Callable[[str], str]:
    """A function that takes every secret out of a text."""
    return hider(value.reveal() for value in values.values())
