"""How many words of a text were misheard."""

from __future__ import annotations

import re
import unicodedata

from stackgen import facts

_WORD = re.compile(r"[^\W_]+")


def error(said: str, heard: str, language: str) -> float:
    """Word error rate: words that were changed, lost or added, as a share of those that were said.

    Args:
        said: the text that was spoken.
        heard: its transcription.
        language: that of the text (`pt`, `pt-BR`), whose words for 1 to 5 count as digits.
    """
    wanted, found = _words(said, language), _words(heard, language)
    before = list(range(len(found) + 1))
    for at, word in enumerate(wanted, start=1):
        now = [at]
        for other_at, other in enumerate(found, start=1):
            now.append(min(before[other_at] + 1, now[-1] + 1, before[other_at - 1] + (word != other)))
        before = now
    return before[-1] / max(len(wanted), 1)


def _words(text: str, language: str) -> list[str]:
    """Words without case, points and apostrophes; signs that are written without spaces count one by one."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    marked = "".join(f" {sign} " if unicodedata.east_asian_width(sign) in "WF" else sign for sign in plain)
    numbers = facts.spoken_numbers(language)
    return [numbers.get(word, word) for word in _WORD.findall(marked)]
