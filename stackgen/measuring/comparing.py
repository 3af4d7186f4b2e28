"""What was measured beside what was planned, and what to say of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from stackgen import facts
from stackgen.measuring.reading import Reading
from stackgen.parts import Instance
from stackgen.plan.planned import Planned
from stackgen.records import dataclass

_NO_MATTER_GIB = 0.1
"""Engines print two digits, and allocators round: less than this is no difference."""
_NO_MATTER_PERCENT = 0.05


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One quantity, measured and planned; `planned` is None where the plan has no figure for it."""

    quantity: str
    """Name of a field of Reading; its end says the unit."""
    measured: float
    planned: float | None

    @property
    def off_percent(self) -> float | None:
        """How much more was planned than there is; negative where less was."""
        if self.planned is None or self.measured <= 0:
            return None
        return (self.planned / self.measured - 1) * 100

    @property
    def is_off(self) -> bool:
        """Whether the plan is further off than it may be."""
        off = self.off_percent
        if off is None or self.planned is None:
            return False
        matters = not self.quantity.endswith("_gib") or abs(self.planned - self.measured) >= _NO_MATTER_GIB
        return matters and abs(off) > facts.tolerance_percent()[self.quantity]

    @property
    def words(self) -> str:
        """The figure, and by how much the plan was off."""
        shown = _SHOWN[self.quantity]
        off = self.off_percent
        if self.planned is None:
            return shown(self.measured)
        if off is None:
            return f"{shown(self.measured)}, planned {shown(self.planned)}"
        if abs(off) < _NO_MATTER_PERCENT:
            return f"{shown(self.measured)}, as planned"
        return f"{shown(self.measured)}, planned {shown(self.planned)}, {abs(off):.1f} % too {'much' if off > 0 else 'little'}"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What one engine told of its memory, beside the plan."""

    instance: Instance
    reading: Reading
    planned: Planned
    wanted: int | None = None
    """Requests at the same time, where the spec itself says how many."""

    @property
    def figures(self) -> Iterator[Figure]:
        """What was told, in an order for people; the size of the cache where its tokens say nothing of the plan."""
        by_size = self.planned.cache_gib is not None and self.planned.cache_tokens is None
        left_out = "" if by_size or self.reading.cache_tokens is None else "cache_gib"
        for quantity in ("weights_gib", "cache_gib", "cache_tokens", "requests"):
            measured = getattr(self.reading, quantity)
            if measured is not None and quantity != left_out:
                yield Figure(quantity=quantity, measured=measured, planned=getattr(self.planned, quantity))

    @property
    def note(self) -> str:
        """All of it in one line."""
        parts = [f"{_NAMES[figure.quantity]} {figure.words}" for figure in self.figures]
        parts += [f"{self._layers} layers on the card"] if self._layers else []
        parts += ["the plan has no figures"] if self.planned == Planned() else []
        return "; ".join(parts)

    @property
    def complaint(self) -> str:
        """Why nobody can be answered as the spec says; empty where somebody can."""
        requests = self.reading.requests
        if requests is None or requests >= 1:
            return ""
        return f"its cache holds {requests:.2f} of a request{self._of_length}: none of full length can be answered"

    @property
    def warnings(self) -> Iterator[str]:
        """What works, and should be known."""
        name = self.instance.name
        off = [f"{_NAMES[figure.quantity]} {figure.words}" for figure in self.figures if figure.is_off]
        if off:
            yield f"the plan is off for {name}: {'; '.join(off)}"
        requests = self.reading.requests
        if requests is not None and self.wanted is not None and 1 <= requests < self.wanted:
            held = f"{requests:.2f} requests{self._of_length}"
            yield f"the cache of {name} holds {held} and `concurrency` is {self.wanted}: more of them have to wait"
        if self._layers:
            yield f"{name} has {self._layers} layers on the card: the processor works on the rest, which is slow"

    @property
    def _of_length(self) -> str:
        return f" of {self.reading.length:,} tokens" if self.reading.length else ""

    @property
    def _layers(self) -> str:
        """How many layers are on the card, where not all are."""
        reading = self.reading
        if not self.instance.on_gpu or reading.layers is None or reading.layers_on_cards in (None, reading.layers):
            return ""
        return f"{reading.layers_on_cards} of {reading.layers}"


_NAMES = {
    "weights_gib": "weights",
    "cache_gib": "cache",
    "cache_tokens": "cache",
    "requests": "requests of full length",
}
_SHOWN: dict[str, Callable[[float], str]] = {
    "weights_gib": "{:.2f} GiB".format,
    "cache_gib": "{:.2f} GiB".format,
    "cache_tokens": "{:,.0f} tokens".format,
    "requests": "{:,.2f}".format,
}
