"""What became of one request."""

from __future__ import annotations

from enum import Enum

from stackgen.records import dataclass


class Hop(Enum):
    """Which way a request takes."""

    GATEWAY = "gateway"
    ENGINE = "engine"


@dataclass(frozen=True, kw_only=True)
class Result:
    """The judgement of one request."""

    name: str
    """Public name of the model, or what was tested."""
    model: str
    """Id of the model in the spec; empty where none was meant."""
    probe: str
    hop: Hop
    service: str
    complaint: str | None
    seconds: float
    modality: str = ""
    skipped: str = ""
    """Why it was not sent."""
    cause: str = ""
    """What kind of complaint it is: a word of facts/request_failures.json; empty for an answer that is not good."""
    tokens: int = 0
    """What the server says that it read and wrote."""
    first_seconds: float | None = None
    """When a stream brought its first piece."""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong, as far as anybody looked."""
        return self.complaint is None

    @property
    def state(self) -> str:
        """ok, failed or skipped."""
        if self.complaint is not None:
            return "failed"
        return "skipped" if self.skipped else "ok"
