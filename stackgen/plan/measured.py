"""What was measured on a host wins over what is estimated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from stackgen import facts
from stackgen.facts import Card, Measured
from stackgen.parts import Engine, Instance, Need
from stackgen.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Everything on which weights and overhead of an instance rest: one measurement is about one of these."""

    engine: str
    release: tuple[int, ...]
    model: str
    card: str
    tensor_parallel: int
    concurrency: int | None
    batched_tokens: int | None
    cache_dtype: str | None


def setting_of(instance: Instance, card: Card, tensor_parallel: int) -> Setting:
    """The setting of an instance of one model on cards of one kind."""
    served = instance.models[0]
    known = facts.memory_lines(instance.engine)
    options: dict[str, Any] = {
        name: served.value(f"options.{option}") for name, option in (known.settings if known else {}).items()
    }
    return Setting(
        engine=instance.engine,
        release=facts.release_of(instance.image.version),
        model=served.model.source,
        card=card.id,
        tensor_parallel=tensor_parallel,
        concurrency=served.model.concurrency,
        batched_tokens=options.get("batched_tokens"),
        cache_dtype=_dtype(options.get("cache_dtype")),
    )


def setting_of_row(row: Measured) -> Setting:
    """The setting that a measurement is about."""
    return Setting(
        engine=row.engine,
        release=facts.release_of(row.version),
        model=row.model,
        card=row.card,
        tensor_parallel=row.tensor_parallel,
        concurrency=row.concurrency,
        batched_tokens=row.batched_tokens,
        cache_dtype=_dtype(row.cache_dtype),
    )


def engines_with(engines: Mapping[str, Engine], measured: Sequence[Measured]) -> Mapping[str, Engine]:
    """The engines, each of whose needs knows what was measured."""
    if not measured:
        return engines
    return {name: replace(engine, need=_need_with(engine, measured)) for name, engine in engines.items()}


def _need_with(engine: Engine, measured: Sequence[Measured]) -> Callable[[Instance, Card, int], Need | None]:
    def need(instance: Instance, card: Card, tensor_parallel: int) -> Need | None:
        found = engine.need(instance, card, tensor_parallel)
        return found and with_measured(found, instance, card, tensor_parallel, measured)

    return need


def with_measured(
    need: Need, instance: Instance, card: Card, tensor_parallel: int, measured: Iterable[Measured]
) -> Need:
    """The need with weights and overhead as they were measured, where they were: in the same setting, the last time.

    Args:
        need: as the engine estimates it.
        instance: of one model; several in one process are not told apart.
        card: the kind of its cards.
        tensor_parallel: how many cards share its layers.
        measured: what is known of this host.
    """
    row = last_row(instance, card, tensor_parallel, measured)
    if row is None:
        return need
    names = [name for name in ("weights", "overhead") if getattr(row, f"{name}_gib") is not None]
    return replace(
        need,
        weights_gib=need.weights_gib if row.weights_gib is None else row.weights_gib,
        overhead_gib=need.overhead_gib if row.overhead_gib is None else row.overhead_gib,
        why=f"{need.why}; {' and '.join(names)} measured on {row.on}",
        estimates=(),
    )


def last_row(instance: Instance, card: Card, tensor_parallel: int, measured: Iterable[Measured]) -> Measured | None:
    """What was measured last in the setting of an instance on cards of a kind; None where nothing was."""
    if len(instance.models) > 1:
        return None
    wanted = setting_of(instance, card, tensor_parallel)
    rows = [row for row in measured if setting_of_row(row) == wanted and _tells(row)]
    return max(rows, key=lambda row: row.on) if rows else None


def _tells(row: Measured) -> bool:
    return row.weights_gib is not None or row.overhead_gib is not None


def _dtype(written: object) -> str | None:
    """`auto` is what an engine does when nothing is said."""
    return None if written in (None, "", "auto") else str(written)
