"""What a running engine said about its memory: kept beside the spec, it wins over an estimate."""

from __future__ import annotations

from stackgen.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Memory that an engine told on a card of this kind: it wins over an estimate. Sizes in GiB, on each card."""

    engine: str
    version: str
    model: str
    """Its source."""
    card: str
    """Id of the kind of card."""
    tensor_parallel: int = 1
    context: int | None = None
    concurrency: int | None = None
    batched_tokens: int | None = None
    cache_dtype: str | None = None
    weights_gib: float | None = None
    overhead_gib: float | None = None
    cache_gib: float | None = None
    cache_tokens: int | None = None
    on: str = ""
    """The day, such as 2026-11-21."""
    source: str = ""
