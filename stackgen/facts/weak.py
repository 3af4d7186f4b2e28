"""Values that no secret should have: placeholders, examples that everybody can read, and short ones."""

from __future__ import annotations

import re
from functools import cache

from stackgen.facts.files import document

_FILE = "weak_secrets.json"


def placeholder(value: str, prefix: str = "") -> str:
    """What is wrong with a value that somebody forgot to replace; empty where nothing is.

    Args:
        value: the secret.
        prefix: what every value of its kind begins with.
    """
    return _why("placeholders", value, prefix)


def guessable(value: str, prefix: str = "") -> str:
    """What makes a value easy to guess: it is known, or shorter than `shortest_secret`; empty where nothing does."""
    why = _why("examples", value, prefix)
    least = shortest_secret()
    if why or len(value.removeprefix(prefix)) >= least:
        return why
    return f"shorter than {least} characters" + (f" behind {prefix}" if prefix else "")


def shortest_secret() -> int:
    """Characters that a secret which opens something has at least, its prefix not counted."""
    return int(document(_FILE)["shortest"]["characters"])


def _why(section: str, value: str, prefix: str) -> str:
    small = value.lower()
    texts = (small, small.removeprefix(prefix))
    return next((why for pattern, why in _patterns(section) if any(map(pattern.fullmatch, texts))), "")


@cache
def _patterns(section: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(entry["pattern"], re.DOTALL), entry["why"]) for entry in document(_FILE)[section])
