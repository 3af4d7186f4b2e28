"""Texts that fit a regular expression: the shortest way through it, with the first character that each place allows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from re import _constants as codes  # type: ignore[attr-defined]  # the parser is Python's own; there is no public one
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

_CLASSES = frozenset({codes.IN, codes.NOT_LITERAL, codes.ANY})
_OWN = frozenset({codes.LITERAL, codes.RANGE})
_SAMPLES = "a1A0 _-.,:/@é"


def text_for(pattern: str) -> str:
    """A text that the whole pattern fits.

    Raises:
        ValueError: the pattern is wrong, or looks ahead, behind or back in a way that this cannot follow.
    """
    try:
        text = _walk(parser.parse(pattern), {})
    except (re.error, KeyError, IndexError, StopIteration) as error:
        raise ValueError(f"no text is known for the pattern {pattern}") from error
    if not re.fullmatch(pattern, text):
        raise ValueError(f"no text is known for the pattern {pattern}")
    return text


def _walk(parts: Iterable[tuple[Any, Any]], groups: dict[int, str]) -> str:
    return "".join(_one(code, what, groups) for code, what in parts)


def _one(code: Any, what: Any, groups: dict[int, str]) -> str:
    if code is codes.LITERAL:
        return chr(what)
    if code is codes.GROUPREF:
        return groups[what]
    if code in _CLASSES:
        return _character(code, what)
    return _nested(code, what, groups)


def _nested(code: Any, what: Any, groups: dict[int, str]) -> str:
    """What holds other parts; what looks at places and takes none is empty."""
    if code in {codes.MAX_REPEAT, codes.MIN_REPEAT}:
        least, _, inner = what
        return "".join(_walk(inner, groups) for _ in range(least))
    if code is codes.SUBPATTERN:
        number, _, _, inner = what
        groups[number] = _walk(inner, groups)
        return groups[number]
    return _walk(what[1][0], groups) if code is codes.BRANCH else ""


def _character(code: Any, what: Any) -> str:
    """The first character that a class allows: of some samples, else of the class itself."""
    if code is codes.ANY:
        return _SAMPLES[0]
    allowed = [(code, what)] if code is codes.NOT_LITERAL else what
    named = [chr(value[0] if kind is codes.RANGE else value) for kind, value in allowed if kind in _OWN]
    return str(next(letter for letter in (*_SAMPLES, *named) if _allows(allowed, letter)))


def _allows(allowed: Iterable[tuple[Any, Any]], letter: str) -> bool:
    """Whether a class holds a character."""
    negated, found = False, False
    for kind, value in allowed:
        if kind is codes.NEGATE:
            negated = True
        elif kind is codes.RANGE:
            found = found or value[0] <= ord(letter) <= value[1]
        elif kind is codes.CATEGORY:
            found = found or bool(re.match(_CATEGORIES[value], letter))
        else:
            found = found or ((ord(letter) == value) != (kind is codes.NOT_LITERAL))
    return found != negated


_CATEGORIES = {
    codes.CATEGORY_DIGIT: r"\d",
    codes.CATEGORY_NOT_DIGIT: r"\D",
    codes.CATEGORY_SPACE: r"\s",
    codes.CATEGORY_NOT_SPACE: r"\S",
    codes.CATEGORY_WORD: r"\w",
    codes.CATEGORY_NOT_WORD: r"\W",
}
