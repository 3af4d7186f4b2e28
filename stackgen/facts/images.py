"""Images: how tightly their containers can be locked, which programs they have, what plays them in a simulation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from stackgen.facts.files import FOLDER, document
from stackgen.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Scratch:
    """A path that lives in memory and dies with the container.

    Where the image has a folder at that path, its rights win over `mode` in older engines; its owner is root in all.
    """

    path: str
    mode: str = ""
    """Rights in octal digits; empty for those of the image's folder."""


@dataclass(frozen=True, kw_only=True)
class Locks:
    """How tightly containers of an image family can be locked without harm, and what they may take of their host."""

    capabilities: tuple[str, ...]
    """Rights of the root user that a start needs, with an empty volume or an old one."""
    writable_root: str
    """Why the root file system stays writable; empty where it need not."""
    scratch: tuple[Scratch, ...]
    """What must be writable beside the mounts while the root file system is not."""
    pids: int
    memory_gib: float
    """Beside what models take."""
    cpus: float | None
    """None where a limit would slow down what the host is for."""
    writable_root_on_cards: str = ""
    memory_gib_each_further_card: float = 0.0
    host_memory_flags: frozenset[str] = frozenset()
    """Flags with which an engine moves weights or cache into the memory of the host."""

    def read_only(self, *, on_cards: bool = False) -> bool:
        """Whether nothing stands against a root file system that cannot be written."""
        return not (self.writable_root or (on_cards and self.writable_root_on_cards))

    def writable(self, *, on_cards: bool = False) -> tuple[Scratch, ...]:
        """The scratch that goes with `read_only`."""
        return self.scratch if self.read_only(on_cards=on_cards) else ()


@cache
def locks(family: str) -> Locks:
    """How tightly containers of an image family can be locked."""
    entry = document("images.json")[family]["locks"]
    plain: dict[str, Any] = {name: value for name, value in entry.items() if not isinstance(value, list)}
    plain.pop("source")
    return Locks(
        capabilities=tuple(entry["capabilities"]),
        scratch=tuple(Scratch(**found) for found in entry["scratch"]),
        host_memory_flags=frozenset(entry.get("host_memory_flags", ())),
        **plain,
    )


@cache
def programs(family: str) -> frozenset[str]:
    """Programs that an image family certainly has; health commands may use no other."""
    return frozenset(document("images.json")[family]["programs"])


@dataclass(frozen=True, kw_only=True)
class StandInUser:
    """Who runs in an engine's real image, and so in its stand-in."""

    owner: str
    """Number of the user."""
    home: str
    store: str
    """Folder that volumes are mounted at, which must be that user's."""
    programs_of: str
    """Family of the image whose programs it has, and no others."""


@dataclass(frozen=True, kw_only=True)
class StandIns:
    """What the image of stand-ins is made of."""

    base: str
    engines: Mapping[str, StandInUser]
    data: Mapping[str, bytes]
    """Files of this folder that stand-ins read, by name."""


@cache
def stand_ins() -> StandIns:
    """What the image of stand-ins is made of."""
    data = document("stand_ins.json")
    engines = {name: StandInUser(**row) for name, row in data["engines"].items()}
    content = {name: (FOLDER / name).read_bytes() for name in data["data"]}
    return StandIns(base=data["base"], engines=MappingProxyType(engines), data=MappingProxyType(content))
