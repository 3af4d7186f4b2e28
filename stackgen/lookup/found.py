"""What was found out about a model where it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stackgen import facts
from stackgen.errors import StackError
from stackgen.lookup.config import ESTIMATE
from stackgen.records import dataclass

GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class Found:
    """The numbers of a model, by the keys of a facts file, and what they rest on."""

    model: str
    """Its source, as a spec writes it."""
    kind: str
    numbers: Mapping[str, Any]
    source: str
    """Where they were read: an address with the revision, or a path."""
    notes: tuple[str, ...] = ()
    """What could not be read or is an estimate, in words."""

    def entry(self) -> dict[str, Any]:
        """The model as a facts file says it."""
        said = {key: value for key, value in self.numbers.items() if value}
        estimates = "; ".join(note for note in self.notes if note.startswith(ESTIMATE))
        return {"kind": self.kind, **said, "source": f"{self.source} ({estimates})" if estimates else self.source}


def require_whole(found: Found) -> Found:
    """The same, if it is all that the plan needs.

    Raises:
        StackError: numbers are missing; the hint is a file to fill in.
    """
    missing = facts.lacking(found.kind, found.numbers)
    if not missing:
        return found
    message = f"{found.source} does not say {', '.join(missing)} of {found.model}"
    raise StackError(message, hint=by_hand(found.model, found.kind, found.numbers))


def by_hand(model: str, kind: str, said: Mapping[str, Any]) -> str:
    """How to say the numbers where they cannot be read: a file, and what to write into it."""
    return f"write {facts.file_of(model)} and fill in what is empty:\n\n{facts.to_fill_in(model, kind, said)}\n"
