"""Which words and which forms tell a secret."""

from __future__ import annotations

import re
from functools import cache

from stackgen.facts.files import document
from stackgen.records import dataclass

_BORDER = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, kw_only=True)
class SecretWords:
    """How a secret is told by its name or by its form."""

    words: frozenset[str]
    endings: tuple[str, ...]
    harmless_beside: frozenset[str]
    """Words beside which another one is no secret: max_tokens, cost_per_token."""
    forms: re.Pattern[str]

    def names(self, key: str) -> bool:
        """Whether a key or the name of a variable says that its value is a secret."""
        parts = {part.lower() for part in _BORDER.split(key) if part}
        if parts & self.harmless_beside:
            return False
        return bool(parts & self.words) or any(part.endswith(self.endings) for part in parts)


@cache
def secret_words() -> SecretWords:
    """What names a secret."""
    table = document("secret_words.json")
    return SecretWords(
        words=frozenset(table["words"]),
        endings=tuple(table["endings"]),
        harmless_beside=frozenset(table["harmless_beside"]),
        forms=re.compile("|".join(table["forms"])),
    )
