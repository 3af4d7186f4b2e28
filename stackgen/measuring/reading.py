"""What an engine said of its memory, out of the text of its log and of its /metrics."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from stackgen.facts.memory_lines import MemoryLine, MemoryLines
from stackgen.records import dataclass

_GIB_OF = {"": 1.0, "TIB": 1024.0, "TB": 1024.0, "GIB": 1.0, "GB": 1.0, "MIB": 2**-10, "MB": 2**-10, "KIB": 2**-20,
           "KB": 2**-20, "B": 2**-30, "BYTES": 2**-30}  # fmt: skip
"""GiB in each unit; these engines write GB and mean 2^30."""
_MOST = frozenset({"weights_gib", "graphs_gib"})
"""Of these the worker with the most decides, of all others the one with the least."""
_WHOLE = frozenset({"blocks", "block_tokens", "cache_tokens", "layers", "layers_on_cards", "length"})
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Memory of one instance as its engine told it, each of its cards (the worst one); None where it said nothing."""

    weights_gib: float | None = None
    cache_gib: float | None = None
    cache_is_given: bool = False
    """Whether somebody told the engine the size of its cache, so that it did not measure what is left for one."""
    overhead_gib: float | None = None
    """What is neither weights nor cache of the budget that it took for itself."""
    graphs_gib: float | None = None
    """CUDA graphs, or the buffers of a step; a part of the overhead or beside the budget, as the release has it."""
    cache_tokens: int | None = None
    requests: float | None = None
    """Requests of full length that the cache holds at once."""
    length: int | None = None
    """Tokens of a request of full length."""
    layers: int | None = None
    layers_on_cards: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was said."""
        return self == Reading()


def until_ready(lines: Iterable[str], known: MemoryLines) -> Iterator[str]:
    """The lines of one start: a log of months need not be read to its end."""
    for line in lines:
        yield line
        if known.end.search(line):
            return


def read(known: MemoryLines, log: str, metrics: str, *, on_cards: bool) -> Reading:
    """What an engine told of its memory when it started last.

    Args:
        known: how this engine tells it.
        log: what it wrote.
        metrics: its /metrics; empty where there are none.
        on_cards: whether it runs on cards, so that lines about memory of the host are not meant.
    """
    told = _of_log(known, log, on_cards=on_cards) | _of_metrics(known, metrics)
    return _reading(told)


def _of_log(known: MemoryLines, log: str, *, on_cards: bool) -> dict[str, float]:
    workers: dict[str, dict[str, float]] = {}
    for line in _last_start(known, log):
        for pattern in known.lines:
            found = pattern.pattern.search(line)
            if found is not None:
                _take(workers, pattern, found, _worker(known, line, found))
    about = {name: told for name, told in workers.items() if not name or not _is_other(known, name, on_cards=on_cards)}
    return _worst(about.values())


def _last_start(known: MemoryLines, log: str) -> list[str]:
    lines = log.splitlines()
    starts = [at for at, line in enumerate(lines) if known.start.search(line)]
    return lines[starts[-1] :] if starts else lines


def _worker(known: MemoryLines, line: str, found: re.Match[str]) -> str:
    """Who a line is about: its own words say it, or what stands before them."""
    named = found.groupdict().get("worker")
    if named is not None:
        return str(named)
    wrote = known.worker.search(line)
    return wrote["worker"] if wrote else ""


def _is_other(known: MemoryLines, worker: str, *, on_cards: bool) -> bool:
    """Whether a worker is memory of the host while the cards are meant, or the other way round."""
    return known.host is not None and bool(known.host.fullmatch(worker)) is on_cards


def _take(workers: dict[str, dict[str, float]], line: MemoryLine, found: re.Match[str], worker: str) -> None:
    told = workers.setdefault(worker, {})
    for quantity, text in found.groupdict().items():
        if quantity == "worker" or text is None:
            continue
        value = amount(text)
        before = told.get(quantity)
        if before is not None and line.combine == "sum":
            value += before
        elif before is not None and line.combine == "max":
            value = max(value, before)
        told[quantity] = value


def amount(text: str) -> float:
    """A number as engines write it; a size in GiB.

    Args:
        text: such as `136,080`, `15.27 GiB`, `450.0 MiB`.
    """
    number = text.rstrip(" BKMGTibytesk")
    return float(number.replace(",", "")) * _GIB_OF[text[len(number) :].strip().upper()]


def _of_metrics(known: MemoryLines, metrics: str) -> dict[str, float]:
    """The labels of the one series that describes the cache; several engines of a process are several lines of it."""
    engines = []
    for line in metrics.splitlines() if known.series else ():
        if line.startswith(f"{known.series}{{"):
            labels = dict(_LABEL.findall(line))
            values = {quantity: labels.get(label, "") for label, quantity in known.labels.items()}
            engines.append({quantity: float(value) for quantity, value in values.items() if _is_number(value)})
    return _worst(engines)


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"\d+(\.\d+)?", text))


def _worst(workers: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Of each quantity what the worst worker has."""
    worst: dict[str, float] = {}
    for told in workers:
        for quantity, value in told.items():
            decides = max if quantity in _MOST else min
            worst[quantity] = decides(worst.get(quantity, value), value)
    return worst


def _reading(told: dict[str, float]) -> Reading:
    """Quantities with what follows from them: the overhead, and tokens where blocks or requests were told alone."""
    found: dict[str, Any] = {name: int(value) if name in _WHOLE else value for name, value in told.items()}
    budget, blocks, of_each = (found.pop(name, None) for name in ("budget_gib", "blocks", "block_tokens"))
    given = found.pop("given_gib", None)
    if given is not None:
        found |= {"cache_gib": given, "cache_is_given": True}
    weights, held = found.get("weights_gib"), found.get("cache_gib")
    if given is None and budget is not None and weights is not None and held is not None:
        found["overhead_gib"] = round(budget - weights - held, 4)
    tokens, requests, length = (found.get(name) for name in ("cache_tokens", "requests", "length"))
    if tokens is None and blocks and of_each:
        found["cache_tokens"] = blocks * of_each
    elif tokens is None and requests is not None and length:
        found["cache_tokens"] = int(requests * length)
    if length is None and tokens is not None and requests:
        found["length"] = round(tokens / requests)
    return Reading(**found)
