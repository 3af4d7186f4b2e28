"""What stand-ins do with words: count them, answer with them, and say which texts are alike.

No model is here: a text is its words, words of one meaning count as one, and all results are the same each time.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping

from .schemas import instance_of

__all__ = ["instance_of", "overlap", "reply_to", "tokens", "vector"]

_TOKEN = re.compile(r"\s*(?:\w{1,16}|[^\w\s])|\s+")
_WORD = re.compile(r"\w+")
_CLASSES: Mapping[str, frozenset[str]] = {
    name: frozenset(words.split())
    for name, words in {
        "cat": "cat kitten kitty feline chat katze gato",
        "dog": "dog puppy hound chien hund perro",
        "sleep": "sleep sleeps sleeping slept nap naps napping doze rest dort dormir schläft duerme",
        "sofa": "sofa couch settee canapé",
        "money": "money bank interest rate rates loan credit argent geld dinero",
        "car": "car auto automobile vehicle voiture coche",
        "big": "big large huge great grand groß grande",
        "fast": "fast quick quickly rapid rapidly vite schnell rápido",
        "city": "city town ville stadt ciudad",
        "doctor": "doctor physician médecin arzt",
    }.items()
}
"""Words of one meaning, so that a few paraphrases are nearer than what has nothing to do with them."""
_MEANINGS = {word: name for name, words in _CLASSES.items() for word in words}
_SMALL_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an the on in at of to by for is are was were be been does do did it its and or not with what where who how when "
        "which this that le la les un une de des du et est dans sur der die das ein eine und ist im in auf el los y es en",
    )
)
_ENDINGS = ("ing", "edly", "ed", "ly", "es", "en", "s", "e")
_SHORTEST_STEM = 3
_SMALL_WEIGHT = 0.15
_LETTERS_WEIGHT = 0.35
_PLACES = 8
"""Numbers of a vector that one word changes."""


def tokens(text: str) -> list[str]:
    """The words and marks of a text, each with the blanks before it: joined they are the text again."""
    return _TOKEN.findall(text)


def reply_to(text: str, most_tokens: int) -> tuple[str, str]:
    """What is said to a text, and why it ends there: `stop`, or `length` where it was cut.

    The answer quotes the text, so that whoever asked sees whether it arrived whole.
    """
    whole = tokens(f"You said: {text.strip()}" if text.strip() else "You said nothing.")
    if len(whole) <= most_tokens:
        return "".join(whole), "stop"
    return "".join(whole[:most_tokens]), "length"


def vector(text: str, size: int) -> list[float]:
    """A vector of length 1 whose direction comes from the words of the text; never all zeros."""
    numbers = [0.0] * size
    for feature, weight in _weights(text).items():
        digest = hashlib.blake2b(feature.encode(), digest_size=4 * _PLACES).digest()
        for at in range(0, len(digest), 4):
            place = int.from_bytes(digest[at : at + 3], "big") % size
            numbers[place] += weight if digest[at + 3] & 1 else -weight
    length = math.sqrt(math.fsum(number * number for number in numbers))
    return [number / length for number in numbers] if length else [1.0, *numbers[1:]]


def overlap(query: str, document: str) -> float:
    """How much of a query a document holds, 0 to 1: shared words by their weight, in the mean of both lengths."""
    asked, held = _weights(query), _weights(document)
    shared = math.fsum(weight * held[feature] for feature, weight in asked.items() if feature in held)
    lengths = (math.fsum(weight * weight for weight in side.values()) for side in (asked, held))
    return shared / (math.sqrt(math.prod(lengths)) or 1.0)


def _weights(text: str) -> dict[str, float]:
    """Words by meaning or stem, and their runs of three letters, which words of one family share in any language."""
    weights: dict[str, float] = {}
    for word in _WORD.findall(text.casefold()):
        weight = _SMALL_WEIGHT if word in _SMALL_WORDS else 1.0
        meaning = _meaning(word)
        weights[f"word {meaning}"] = weights.get(f"word {meaning}", 0.0) + weight
        for run in _runs(meaning):
            weights[f"run {run}"] = weights.get(f"run {run}", 0.0) + weight * _LETTERS_WEIGHT
    return weights


def _meaning(word: str) -> str:
    stem = next(
        (
            word.removesuffix(ending)
            for ending in _ENDINGS
            if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM
        ),
        word,
    )
    return _MEANINGS.get(word) or _MEANINGS.get(stem) or stem


def _runs(word: str) -> Iterator[str]:
    bounded = f"^{word}$"
    return (bounded[at : at + 3] for at in range(max(1, len(bounded) - 2)))
