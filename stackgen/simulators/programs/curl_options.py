"""The command line of curl: the options of health checks, and its complaints about others; those are unknown here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

_HELP = "curl: try 'curl --help' or 'curl --manual' for more information"
_SWITCHES: Mapping[str, str] = {
    "fail": "f",
    "silent": "s",
    "show-error": "S",
    "head": "I",
    "include": "i",
    "location": "L",
    "insecure": "k",
    "verbose": "v",
    "version": "V",
    "help": "h",
    "no-buffer": "N",
    "fail-with-body": "",
    "retry-connrefused": "",
    "retry-all-errors": "",
}
_VALUES: Mapping[str, str] = {
    "output": "o",
    "max-time": "m",
    "request": "X",
    "header": "H",
    "data": "d",
    "write-out": "w",
    "data-raw": "",
    "data-binary": "",
    "json": "",
    "url": "",
    "connect-timeout": "",
    "retry": "",
    "retry-delay": "",
}
_NUMBERS = frozenset({"max-time", "connect-timeout", "retry", "retry-delay"})
_BODY = frozenset({"data", "data-raw", "data-binary", "json"})
_BY_LETTER = {letter: name for names in (_SWITCHES, _VALUES) for name, letter in names.items() if letter}


class UsageError(Exception):
    """A command line that curl does not take; the text is what it says."""


@dataclass(kw_only=True)
class Options:
    """A command line that was read."""

    urls: list[str] = field(default_factory=list)
    switches: set[str] = field(default_factory=set)
    """Long names."""
    values: dict[str, list[str]] = field(default_factory=dict)
    """By long names, in their order."""
    data: list[tuple[str, str]] = field(default_factory=list)
    """Options that make a body, in their order."""

    def has(self, name: str) -> bool:
        """Whether a switch is on."""
        return name in self.switches

    def last(self, name: str, otherwise: str = "") -> str:
        """The last value of an option; most count so."""
        return self.values.get(name, [otherwise])[-1]

    def seconds(self, name: str) -> float | None:
        """A time; None where there is none, or 0, which is the same."""
        return float(self.last(name, "0")) or None


def read(words: Sequence[str]) -> Options:
    """The options of a command line; raises UsageError."""
    options, rest = Options(), iter(words)
    for word in rest:
        if word == "--":
            options.urls.extend(rest)
        elif word.startswith("--"):
            _take(options, word[2:], word, partial(_next, rest, word))
        elif word.startswith("-") and word != "-":
            _read_letters(options, word, rest)
        else:
            options.urls.append(word)
    options.urls.extend(options.values.pop("url", []))
    if not options.urls and not options.switches & {"version", "help"}:
        raise UsageError(f"curl: no URL specified!\n{_HELP}")
    return options


def _read_letters(options: Options, word: str, rest: Iterator[str]) -> None:
    """`-fsS`, `-m5`, `-m 5`: letters together, the value of the last one in the same word or the next."""
    at = 1
    while at < len(word):
        name, spelled = _BY_LETTER.get(word[at], ""), f"-{word[at]}"
        at += 1
        if name in _VALUES:
            value = word[at:]
            at = len(word)
            _take(options, name, spelled, partial(str, value) if value else partial(_next, rest, spelled))
        else:
            _take(options, name, spelled, str)


def _next(rest: Iterator[str], spelled: str) -> str:
    for word in rest:
        return word
    raise UsageError(f"curl: option {spelled}: requires parameter\n{_HELP}")


def _take(options: Options, name: str, spelled: str, value_of: Callable[[], str]) -> None:
    if name in _SWITCHES:
        options.switches.add(name)
    elif name.removeprefix("no-") in _SWITCHES and name.startswith("no-"):
        options.switches.discard(name.removeprefix("no-"))
    elif name in _VALUES:
        value = value_of()
        if name in _NUMBERS and not value.replace(".", "", 1).isdecimal():
            raise UsageError(f"curl: option {spelled}: expected a proper numerical parameter\n{_HELP}")
        options.values.setdefault(name, []).append(value)
        if name in _BODY:
            options.data.append((name, value))
    else:
        raise UsageError(f"curl: option {spelled}: is unknown\n{_HELP}")
