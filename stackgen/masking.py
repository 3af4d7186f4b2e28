"""Secrets are taken out of everything that is shown: those whose values are known, and those that somebody wrote.

Of what somebody wrote, a key says it (`password: …`, `API_TOKEN: …`), a flag says it (`--api-key …`), an address holds one
(`//user:…@`), or the text itself has the form of one (`sk-…`). Names of secrets and references to them are none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from stackgen.facts.secret_words import secret_words
from stackgen.sources import Path, printable

MASK = "***"
_REFERENCE = r"(?:\$?\$\{[^}]*\}|os\.environ/\w+)"
_NO_SECRET = re.compile(rf"(?:Bearer|Basic)?\s*(?:{_REFERENCE})?|none", re.IGNORECASE)
_FLAG = re.compile(r"(?<!\S)(--?[A-Za-z][\w.-]*)(\s+|=)(\"[^\"]*\"|'[^']*'|\S+)")
_ASSIGNMENT = re.compile(
    rf"(?<![\w.-])([A-Za-z_][\w.-]*)([\"']\s*:\s*|=|:\s+)(\"[^\"]*\"|'[^']*'|(?:{_REFERENCE}|[^\s,;&\"'}}])+)"
)
_IN_ADDRESS = re.compile(rf"(://(?:(?:{_REFERENCE}|(?!\$\{{)[^/@\s:])*:)?)((?:{_REFERENCE}|[^/@\s])+)@")
_SHORTEST = 6
"""Characters. A shorter secret is hidden where it stands, but not wherever its letters come together."""
_FLAG_ALONE = re.compile(r"--?[A-Za-z][\w.-]*")
_FREE = frozenset({"environment", "extra_args", "args", "compose", "litellm_params", "model_info", "raw", "options"})
"""Keys of a spec below which anything may stand; everywhere else its own words mean what they mean."""


def hider(values: Iterable[str]) -> Callable[[str], str]:
    """A function that takes values out of a text, such as the log of a container or the output of a program.

    It knows them as they are, as JSON spells them, and as `printable` leaves them; those of a few letters it leaves.
    """
    whole = [value for value in values if len(value) >= _SHORTEST]
    spelled = {text for value in whole for text in (value, json.dumps(value)[1:-1], printable(value))}
    longest_first = sorted(spelled, key=len, reverse=True)

    def hide(text: str) -> str:
        for value in longest_first:
            text = text.replace(value, MASK)
        return text

    return hide


class Mask:
    """Hides secrets; what it has hidden once it hides in every text."""

    def __init__(self, documents: Iterable[Mapping[str, Any]] = (), known: Iterable[str] = ()) -> None:
        """Learn the secrets.

        Args:
            documents: what people wrote, as plain data.
            known: values of secrets that are kept elsewhere.
        """
        self._literals = set(known)
        self._hide = hider(self._literals)
        for data in documents:
            self.of_spec(data)

    def of_spec(self, data: Any, path: Path = ()) -> Any:
        """A value of a spec or a profile, as it may be seen.

        Args:
            data: the value.
            path: where it stands; below keys that may hold anything, a key that names a secret hides what it holds.
        """
        begin = next((position for position, part in enumerate(path) if part in _FREE), len(path))
        return self._tree(data, free=begin < len(path), secret=_names_secret(path[begin + 1 :]))

    def rendered(self, data: Any, path: Path = ()) -> Any:
        """A value of a rendered file, as it may be seen; the second key is a name of a service or of an entry."""
        return self._tree(data, free=True, secret=_names_secret(path[2:]))

    def text(self, text: str) -> str:
        """A text without any secret that is known by now, or that has the form of one."""
        return secret_words().forms.sub(MASK, _IN_ADDRESS.sub(_address, self._hide(text)))

    def _tree(self, data: Any, *, free: bool, secret: bool) -> Any:
        if isinstance(data, Mapping):
            return {
                key: self._tree(
                    value,
                    free=free or key in _FREE,
                    secret=secret or (free and secret_words().names(str(key))),
                )
                for key, value in data.items()
            }
        if isinstance(data, list | tuple):
            return self._list(list(data), free=free, secret=secret)
        return self._leaf(data, free=free, secret=secret)

    def _list(self, data: list[Any], *, free: bool, secret: bool) -> list[Any]:
        """A list; where an item is a flag that names a secret, the next one is that secret."""
        found = []
        for position, item in enumerate(data):
            before = data[position - 1] if position else None
            follows = free and isinstance(before, str) and _is_secret_flag(before)
            found.append(self._tree(item, free=free, secret=secret or follows))
        return found

    def _leaf(self, value: Any, *, free: bool, secret: bool) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if secret and not _NO_SECRET.fullmatch(str(value)):
            self._learn(str(value))
            return MASK
        if not isinstance(value, str):
            return value
        if free:
            value = _ASSIGNMENT.sub(self._after_name, _FLAG.sub(self._after_name, value))
        return self.text(value)

    def _after_name(self, match: re.Match[str]) -> str:
        name, between, value = match.groups()
        if not secret_words().names(name) or _NO_SECRET.fullmatch(value.strip("\"'")):
            return match[0]
        self._learn(value.strip("\"'"))
        return f"{name}{between}{MASK}"

    def _learn(self, value: str) -> None:
        if value not in self._literals:
            self._literals.add(value)
            self._hide = hider(self._literals)


def _names_secret(path: Path) -> bool:
    """Whether a key on the way says that what stands below is a secret."""
    return any(isinstance(part, str) and secret_words().names(part) for part in path)


def _is_secret_flag(word: str) -> bool:
    return bool(_FLAG_ALONE.fullmatch(word)) and secret_words().names(word)


def _address(match: re.Match[str]) -> str:
    return match[0] if _NO_SECRET.fullmatch(match[2]) else f"{match[1]}{MASK}@"
