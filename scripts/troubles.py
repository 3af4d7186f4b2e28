"""The tables of docs/troubleshooting.md: what stackgen itself knows of failures, from the files it reads them in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import reference

from stackgen.facts import docker_failures
from stackgen.facts import logs as last_words
from stackgen.facts.requests import RequestCause, request_advice, request_causes

VERBS = {"up": "stackgen up", "down": "stackgen down", "status": "stackgen status", "logs": "stackgen logs"}
NAMES = ("gateway", "service", "base", "url", "served", "project")
"""What the sentences about requests are filled with."""
SPELLED = (
    (re.compile(r"\((\w[^|)]*)\|[^)]*\)"), r"\1"),
    (re.compile(r"\.[+*]"), "…"),
    (re.compile(r"\[(.)\w\]"), r"\1"),
    (re.compile(r"(\w)\?"), r"\1"),
    (re.compile(r" \+"), " "),
    (re.compile(r"\\(.)"), r"\1"),
)
"""How a pattern becomes a text that people search for."""


def blocks() -> Mapping[str, str]:
    """Name and content of each block."""
    return {
        "starts": reference.lines([["in its log", "what it means", "what to do"], *starts()]),
        "exit codes": reference.lines([["exit code", "what it means"], *exit_codes()]),
        "docker": reference.lines([["Docker says", "what it means", "what to do"], *docker()]),
        "requests": reference.lines([["at", "seen", "what it means -> what to do"], *requests()]),
    }


def starts() -> Iterator[list[str]]:
    """A row for each thing that the last words of a service may mean."""
    found: dict[tuple[str, str], list[str]] = {}
    for failure in last_words.log_failures():
        said = failure.message, failure.hint.format(**VERBS)
        found.setdefault(said, []).append(texts(failure.pattern.pattern))
    for (message, hint), shown in found.items():
        yield [", ".join(shown), message, hint]


def exit_codes() -> Iterator[list[str]]:
    """A row for each exit code of a container."""
    for code, words in last_words.exit_codes().items():
        yield [f"`{code}`", words]


def docker() -> Iterator[list[str]]:
    """A row for each known complaint of the engine."""
    for failure in docker_failures():
        yield [f"`{failure.text}`", failure.message, failure.hint]


def requests() -> Iterator[list[str]]:
    """A row for each kind of refused request on each hop that has advice for it."""
    words = VERBS | {name: f"`{name.upper()}`" for name in NAMES}
    for hop in ("gateway", "engine"):
        for cause in request_causes():
            advice = request_advice(hop).get(cause.cause)
            if advice:
                yield [hop, seen(cause), spelled_out(advice, words)]


def seen(cause: RequestCause) -> str:
    """How a refused request shows."""
    shown = [f"`{text}`" for text in cause.texts[:3]]
    return ", ".join([*shown, *(f"HTTP {status}" for status in sorted(cause.statuses))])


def spelled_out(advice: str, words: Mapping[str, str]) -> str:
    """A sentence with its names; none of them stands in a code of its own inside another one."""
    inside = {name: word.strip("`") for name, word in words.items()}
    parts = advice.split("`")
    return "`".join(part.format(**(inside if at % 2 else words)) for at, part in enumerate(parts))


def texts(pattern: str) -> str:
    """The alternatives of a pattern, as text."""
    found = []
    for alternative in re.split(r"\|(?![^(]*\))", pattern):
        text = alternative
        for old, new in SPELLED:
            text = old.sub(new, text)
        found.append(f"`{text.strip()}`")
    return ", ".join(found)
