"""Counters that a stand-in keeps and tells in the text form of Prometheus."""

from __future__ import annotations

import threading
from collections.abc import Mapping

CONTENT_TYPE = "text/plain; version=1.0.0; charset=utf-8"


class Metrics:
    """Series by name and labels; many threads may add."""

    def __init__(self, kinds: Mapping[str, tuple[str, str]]) -> None:
        """Args: kinds: type and help of each family, by its name."""
        self._kinds = kinds
        self._values: dict[str, dict[tuple[tuple[str, str], ...], float]] = {name: {} for name in kinds}
        self._lock = threading.Lock()

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        """Count on."""
        with self._lock:
            series = self._values[name]
            key = tuple(sorted(labels.items()))
            series[key] = series.get(key, 0.0) + amount

    def text(self) -> str:
        """What a scraper reads."""
        lines = []
        with self._lock:
            for name, (kind, what) in self._kinds.items():
                lines += [f"# HELP {name} {what}", f"# TYPE {name} {kind}"]
                lines += [f"{name}{_labels(labels)} {value}" for labels, value in self._values[name].items()]
        return "\n".join([*lines, ""])


def _labels(labels: tuple[tuple[str, str], ...]) -> str:
    def escaped(value: str) -> str:
        return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

    inside = ",".join(f'{name}="{escaped(value)}"' for name, value in labels)
    return f"{{{inside}}}" if inside else ""
