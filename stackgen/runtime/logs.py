"""What containers wrote: merged by time, and followed while they end, start again and are replaced."""

from __future__ import annotations

import heapq
import queue
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from typing import NamedTuple

from stackgen.errors import DockerError
from stackgen.records import dataclass
from stackgen.runtime.container import ContainerState
from stackgen.runtime.engine import Docker

_LOOK_EVERY_SECONDS = 1.0
_MOST_WAITING_LINES = 10_000
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) ?")
_MICROSECONDS = len("2026-11-21T14:44:48.459431")


class LogLine(NamedTuple):
    """One line of one container; `at` is Docker's time of it, an ISO text in UTC that sorts as it is."""

    service: str
    container: str
    at: str
    text: str


@dataclass(frozen=True)
class Window:
    """Which lines are wanted of what was written before: the last ones of each container (None: all), and since when."""

    tail: int | None = 100
    since: datetime | None = None

    @property
    def floor(self) -> str:
        """The moment before which no line is wanted; empty where there is none."""
        if self.since is not None:
            return _stamp(self.since)
        return _stamp(datetime.now(UTC)) if self.tail == 0 else ""


def past(
    docker: Docker, states: Iterable[ContainerState], window: Window, refused: Callable[[str, str], None]
) -> Iterator[LogLine]:
    """What containers wrote so far, in the order of time.

    Args:
        docker: the engine.
        states: the containers, also those that ended.
        window: which lines.
        refused: called with a service and a reason where a container's lines cannot be read; the others are.
    """
    return heapq.merge(*(_readable(docker, state, window, refused) for state in states), key=attrgetter("at"))


def follow(
    docker: Docker,
    states: Callable[[], list[ContainerState]],
    window: Window,
    refused: Callable[[str, str], None],
) -> Iterator[LogLine]:
    """What containers wrote so far, then what they write, until nobody asks any more.

    A container that starts again or is new has its lines told from where they were left.

    Args:
        docker: the engine.
        states: the containers as they are now; asked again and again.
        window: which lines of what was written so far.
        refused: called with a service and a reason where a container's lines cannot be read, once for each reason; the
            others are.
    """
    refused = cache(refused)
    present = states()
    last = dict.fromkeys((state.id for state in present), window.floor)
    for line in past(docker, present, window, refused):
        last[line.container] = line.at
        yield line
    readers = _Readers(docker)
    while True:
        due = [state for state in states() if readers.lacks(state)]
        for item in readers.arrived(0.0):
            yield from _told(item, last, refused)
        for state in due:
            readers.start(state, last.get(state.id, ""))
        for item in readers.arrived(_LOOK_EVERY_SECONDS):
            yield from _told(item, last, refused)


class _Refusal(NamedTuple):
    service: str
    reason: str


class _Readers:
    """One thread for each container that runs; all lines arrive in one queue."""

    def __init__(self, docker: Docker) -> None:
        self._docker = docker
        self._arrived: queue.Queue[LogLine | _Refusal] = queue.Queue(_MOST_WAITING_LINES)
        self._threads: dict[str, threading.Thread] = {}
        self._begun: dict[str, str] = {}
        """The start of each container whose lines were read or are being read."""

    def lacks(self, state: ContainerState) -> bool:
        """Whether nobody reads a container that is new or has started again."""
        thread = self._threads.get(state.id)
        return not (thread and thread.is_alive()) and self._begun.get(state.id) != state.started_at

    def start(self, state: ContainerState, after: str) -> None:
        """Read what a container writes after a moment, until it ends."""
        self._begun[state.id] = state.started_at
        thread = threading.Thread(target=self._pump, args=(state, after), daemon=True)
        self._threads[state.id] = thread
        thread.start()

    def arrived(self, wait_seconds: float) -> Iterator[LogLine | _Refusal]:
        """What is there now, then what arrives within a time."""
        for _ in range(self._arrived.qsize()):
            yield self._arrived.get()
        end = time.monotonic() + wait_seconds
        while (left := end - time.monotonic()) > 0:
            try:
                yield self._arrived.get(timeout=left)
            except queue.Empty:
                return

    def _pump(self, state: ContainerState, after: str) -> None:
        try:
            for line in _lines(self._docker, state, tail=None, after=after, go_on=True):
                self._arrived.put(line)
        except DockerError as error:
            self._arrived.put(_Refusal(state.service, error.message))


def _told(item: LogLine | _Refusal, last: dict[str, str], refused: Callable[[str, str], None]) -> Iterator[LogLine]:
    if isinstance(item, _Refusal):
        refused(item.service, item.reason)
        return
    last[item.container] = item.at
    yield item


def _readable(
    docker: Docker, state: ContainerState, window: Window, refused: Callable[[str, str], None]
) -> Iterator[LogLine]:
    after = _stamp(window.since) if window.since else ""
    try:
        yield from _lines(docker, state, tail=window.tail, after=after, go_on=False)
    except DockerError as error:
        refused(state.service, error.message)


def _lines(docker: Docker, state: ContainerState, *, tail: int | None, after: str, go_on: bool) -> Iterator[LogLine]:
    """Lines of one container after a moment; Docker takes the moment less exactly than it tells it."""
    since = datetime.fromisoformat(f"{after[:_MICROSECONDS]}+00:00").timestamp() if after else 0.0
    for at, text in lines_of(docker.log_chunks(state.id, tail=tail, since_seconds=since, follow=go_on)):
        if not after or at > after:
            yield LogLine(state.service, state.id, at, text)


def lines_of(chunks: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """Time and text of each line. Docker cuts long lines, and puts a time before every piece of them."""
    rest = b""
    for chunk in chunks:
        again = _STAMP.match(chunk) if rest else None
        rest += chunk[again.end() :] if again else chunk
        *whole, rest = rest.split(b"\n")
        yield from map(_timed, whole)
    if rest:
        yield _timed(rest)


def _timed(line: bytes) -> tuple[str, str]:
    found = _STAMP.match(line)
    at, text = (found[1].decode(), line[found.end() :]) if found else ("", line)
    return at, text.decode(errors="replace")


def _stamp(moment: datetime) -> str:
    """A moment as Docker writes it."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}000Z"
