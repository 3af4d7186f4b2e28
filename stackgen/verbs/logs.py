"""What `logs` shows: lines of containers, without secrets and without what would play with the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

from stackgen import runtime, vault
from stackgen.errors import StackError
from stackgen.runtime.logs import LogLine, Window, follow, past
from stackgen.sources import nearest, printable
from stackgen.verbs.sight import Sight

_SECONDS = len("2026-11-21T14:44:48")


class ShownLine(NamedTuple):
    """One line as it is printed."""

    service: str
    text: str


class Logs:
    """The logs of a stack's services.

    Args:
        sight: the stack.
        docker: the engine.
        services: names of those that are wanted; all where it is empty.

    Raises:
        StackError: there is no service of such a name.
    """

    def __init__(self, sight: Sight, docker: runtime.Docker, services: Collection[str]) -> None:
        self._sight, self._docker = sight, docker
        self._wanted = frozenset(services)
        planned = sight.stack.plan.services if sight.stack else ()
        present = {state.service for state in docker.containers(sight.name)}
        self.names = sorted(present | {service.name for service in planned})
        """Every service there is, with a container or without."""
        for name in services:
            _require(name, self.names, sight.verb("up"))
        expected = {service.name for service in planned if not service.dormant or service.name in self._wanted}
        self.absent = sorted(name for name in expected - present if name in self._wanted or not self._wanted)
        """Services that are wanted and have no container."""
        self.is_empty = not (present & self._wanted if self._wanted else present)
        """Whether no container is there that could be read."""

    def lines(
        self, window: Window, *, go_on: bool, raw: bool, refused: Callable[[str, str], None]
    ) -> Iterator[ShownLine]:
        """Lines in the order of time.

        Args:
            window: which of those that are there.
            go_on: go on with what comes, until nobody asks any more.
            raw: leave JSON as it is.
            refused: called with a service and a reason where its lines cannot be read.

        Raises:
            StackError: the secrets cannot be read, so that nothing can be shown without them.
        """
        mask = vault.masker(vault.hidden(self._sight.values()))
        if go_on:
            found = follow(self._docker, self._states, window, refused)
        else:
            found = past(self._docker, self._states(), window, refused)
        for line in found:
            yield from _shown(line, mask, raw=raw)

    def _states(self) -> list[runtime.ContainerState]:
        states = self._docker.containers(self._sight.name)
        return [state for state in states if not self._wanted or state.service in self._wanted]


def readable(text: str) -> list[str]:
    """A line of JSON as time, level and message, then its stack trace; any other text as it is.

    A text that was written over itself on a terminal, as bars of progress are, is what stood there last.
    """
    data = _json(text)
    if data is None:
        return [text.rstrip("\r").rpartition("\r")[2]]
    moment = str(data.get("timestamp", ""))[:_SECONDS].replace("T", " ")
    first = f"{moment} {data['level']!s:<7} {data['message']}".lstrip()
    trace = data.get("stacktrace") or data.get("exc_info") or ""
    return [*first.splitlines(), *(str(trace).splitlines())]


def _shown(line: LogLine, mask: Callable[[str], str], *, raw: bool) -> Iterator[ShownLine]:
    """Masked before and after unprintable characters become their numbers: a secret may have such inside or beside it."""
    for text in [line.text] if raw else readable(line.text):
        yield ShownLine(line.service, mask(printable(mask(text))).rstrip())


def _json(text: str) -> dict[str, Any] | None:
    """A log record in JSON, as LiteLLM writes it with `json_logs`; None for any other line."""
    if not text.startswith("{"):
        return None
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) and {"level", "message"} <= set(data) else None


def _require(name: str, names: Collection[str], start: str) -> None:
    if name in names:
        return
    if not names:
        raise StackError(f"there is no service `{printable(name)}`, and no container", hint=start)
    known = f"services here: {', '.join(sorted(names))}"
    near = nearest(name, names)
    hint = f"{near} {known}" if near.startswith("did you mean") else known
    raise StackError(f"there is no service `{printable(name)}`", hint=hint)
