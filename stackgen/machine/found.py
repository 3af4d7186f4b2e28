"""What a look at a machine finds, before anybody says what it is good for."""

from __future__ import annotations

from stackgen.records import dataclass


@dataclass(frozen=True, kw_only=True)
class FoundCard:
    """A card, or a MIG slice of one, as its driver tells it."""

    vendor: str
    name: str
    memory_mib: int
    """0 where the driver does not say it: the processor shares its memory."""
    free_mib: int | None = None
    """What no program holds now; None where the driver does not say it."""
    index: int
    uuid: str = ""
    """Empty where no container can be given the card by it."""
    compute_capability: float | None = None
    graphics_version: str = ""
    """AMD's word for the kind of processor, such as gfx942."""
    slice_of: str = ""
    """Of a MIG slice: the name of the whole card."""

    @property
    def shown(self) -> str:
        """For people: name and memory."""
        return f"{self.name}, {self.memory_mib / 1024:.1f} GiB" if self.memory_mib else self.name


@dataclass(frozen=True)
class Cards:
    """The cards of one maker, and a sentence about what answered or did not."""

    cards: tuple[FoundCard, ...]
    note: str = ""
    is_trouble: bool = False
    """Whether the note is about something that should have worked."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What was found."""

    cards: tuple[FoundCard, ...]
    notes: tuple[str, ...]
    troubles: tuple[str, ...]
    memory_gib: float
    processors: int
    disk: int
    """Number of the disk of the folder that a spec is to be written into."""
    disk_free_gib: float
    """On that disk."""
    is_wsl: bool
    """Whether it is Windows Subsystem for Linux."""
