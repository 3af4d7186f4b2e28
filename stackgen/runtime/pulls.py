"""What Compose tells of images that it fetches: how far each service's image is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from stackgen.plan import Plan
from stackgen.records import dataclass

_FINISHED = frozenset({"Pull complete", "Already exists", "Download complete", "Extracting"})
_MIB = 2**20


@dataclass
class Pulls:
    """The layers of the images that are under way. Compose 2 calls an image by its service, Compose 5 `Image NAME`."""

    services: Mapping[str, tuple[str, ...]]
    """Services by what Compose calls their image."""
    layers: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)
    """Bytes there and bytes in all of each layer, by image."""

    @classmethod
    def of(cls, plan: Plan) -> Pulls:
        """For the services of a plan."""
        names: dict[str, tuple[str, ...]] = {service.name: (service.name,) for service in plan.services}
        for service in plan.services:
            image = f"Image {service.image_reference}"
            names[image] = (*names.get(image, ()), service.name)
        return cls(names)

    def take(self, event: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
        """Service, phase and detail of each service that an event of Compose tells something new about."""
        name, parent = str(event.get("id", "")), str(event.get("parent_id", ""))
        word = str(event.get("text") or event.get("status") or "")
        if parent in self.services:
            self._layer(parent, name, word, event)
            for service in self.services[parent]:
                yield service, "pulling", self._told(parent)
        elif name in self.services and word in {"Pulling", "Pulled"}:
            for service in self.services[name]:
                yield service, word.lower(), self._told(name) if word == "Pulling" else ""

    def _layer(self, image: str, layer: str, word: str, event: Mapping[str, Any]) -> None:
        known = self.layers.setdefault(image, {})
        total = int(event.get("total") or 0)
        if word == "Downloading" and total:
            known[layer] = (int(event.get("current") or 0), total)
        elif word in _FINISHED and layer in known:
            known[layer] = (known[layer][1], known[layer][1])

    def _told(self, image: str) -> str:
        there = sum(done for done, _ in self.layers.get(image, {}).values())
        total = sum(size for _, size in self.layers.get(image, {}).values())
        return f"{100 * there // total} % of {total / _MIB:.0f} MiB" if total else ""
