"""Layers of plain data laid over each other; who said each value stands beside it, by path."""

from __future__ import annotations

import copy
from dataclasses import field
from enum import IntEnum
from typing import Any

from stackgen.errors import Place
from stackgen.records import dataclass
from stackgen.sources.document import Document, Path, locate


class Layer(IntEnum):
    """Who said a value; a higher one wins. What nobody said the planner may derive: that stands with the model."""

    DEFAULT = 0
    PROFILE = 1
    SPEC = 2


@dataclass(frozen=True)
class Origin:
    """Where a value came from."""

    layer: Layer
    place: Place

    def __str__(self) -> str:
        return f"{self.place.file}:{self.place.line}"


@dataclass(frozen=True)
class Said:
    """A value and who said it."""

    origin: Origin
    value: Any


@dataclass(frozen=True)
class Merged:
    """The layers laid over each other: plain data and, beside it, who said each value and where its key stands."""

    file: str
    data: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path, Origin] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)
    beaten: dict[Path, list[Said]] = field(default_factory=dict)
    """What stood at a path before, the lowest layer first; only where something did."""

    def place(self, path: Path, *, of_key: bool = False) -> Place:
        """Where the value (or key) at `path` was written, or the nearest thing around it."""
        return locate(path, self._value_place, self.keys, of_key=of_key) or Place(self.file, 1, 1)

    def lay(self, document: Document, layer: Layer, source: Path, target: Path) -> None:
        """Put what stands at `source` of a document over what is at `target`."""
        value = value_at(document.data, source)
        parent: Any = value_at(self.data, target[:-1])
        if target and target[-1] in parent:
            self._keep_beaten(target, parent[target[-1]], value)
        self.origins[target] = Origin(layer, document.place(source, of_key=isinstance(value, dict)))
        if source in document.keys:
            self.keys[target] = document.keys[source]
        if isinstance(value, dict):
            if target and not isinstance(parent.get(target[-1]), dict):
                parent[target[-1]] = {}
            for key in value:
                self.lay(document, layer, (*source, key), (*target, key))
            return
        if isinstance(parent.get(target[-1]), list | dict):
            for path in [path for path in self.origins if len(path) > len(target) and path[: len(target)] == target]:
                del self.origins[path]
        parent[target[-1]] = copy.deepcopy(value)
        for position in range(len(value) if isinstance(value, list) else 0):
            self.origins[(*target, position)] = Origin(layer, document.place((*source, position)))

    def _keep_beaten(self, target: Path, there: Any, value: Any) -> None:
        """Keep what a value takes the place of; maps are merged, so a map that comes to a map beats nothing."""
        origin = self.origins.get(target)
        if origin and not (isinstance(there, dict) and isinstance(value, dict)):
            self.beaten.setdefault(target, []).append(Said(origin, there))

    def _value_place(self, path: Path) -> Place | None:
        origin = self.origins.get(path)
        return origin.place if origin else None


def value_at(data: Any, path: Path) -> Any:
    """What stands at a path of plain data; None where nothing does."""
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data
