"""What voices are given to say."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from stackgen.facts.files import document


@cache
def speech_texts() -> Mapping[str, str]:
    """A sentence for voices by language, as two letters of ISO 639-1."""
    return MappingProxyType(dict(document("speech_texts.json")["texts"]))


def speech_text(language: str) -> str:
    """What a voice of a language (`pt`, `pt-BR`) is given to say; digits, which every voice can read, for a strange one."""
    return speech_texts().get(language.replace("_", "-").partition("-")[0].lower(), "1 2 3 4 5")


@cache
def spoken_numbers(language: str) -> Mapping[str, str]:
    """Words for 1 to 5 in a language (`pt`, `pt-BR`) and their digits; empty for one whose words nobody wrote down."""
    words = document("speech_texts.json")["numbers"].get(language.replace("_", "-").partition("-")[0].lower(), ())
    return MappingProxyType({word: str(at) for at, word in enumerate(words, start=1)})
