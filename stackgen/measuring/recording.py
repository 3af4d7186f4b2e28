"""Measured memory as rows of a file beside the spec, which win over estimates at the next plan."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

from stackgen.errors import StackError
from stackgen.facts import Measured
from stackgen.measuring.comparing import Comparison
from stackgen.parts import Instance
from stackgen.plan.measured import setting_of, setting_of_row
from stackgen.records import dataclass

FILE = "profiles/facts/measured.yaml"
"""Beside the spec."""
_HEADER = "What engines told of their memory on this host: `stackgen check --record` writes it, and the plan reads it."
_WIDTH = 4096
_DIGITS = 4


@dataclass(frozen=True, kw_only=True)
class Update:
    """A file with rows put into it."""

    text: str
    new: int
    replaced: int


def why_not(instance: Instance) -> str:
    """Why nothing that an engine tells can be kept for its instance; empty where it can."""
    if not instance.on_gpu:
        return "it runs on the processor"
    if len(instance.models) > 1:
        return "several models share its process"
    if len({gpu.card.id for gpu in instance.gpus}) > 1:
        return "its cards are of several kinds"
    if not instance.image.version:
        return "its image says no `version`"
    return ""


def row_of(comparison: Comparison, day: str) -> Measured | None:
    """What to keep of one instance; None where its engine told neither weights nor what it needs beside them.

    Args:
        comparison: what it told, of an instance without a reason in `why_not`.
        day: today, such as 2026-11-21.
    """
    instance, reading = comparison.instance, comparison.reading
    weights, overhead = reading.weights_gib or None, _overhead_gib(comparison)
    if weights is None and overhead is None:
        return None
    served = instance.models[0]
    setting = setting_of(instance, instance.gpus[0].card, instance.tensor_parallel)
    return Measured(
        engine=setting.engine,
        version=instance.image.version,
        model=setting.model,
        card=setting.card,
        tensor_parallel=setting.tensor_parallel,
        context=served.model.context,
        concurrency=setting.concurrency,
        batched_tokens=setting.batched_tokens,
        cache_dtype=setting.cache_dtype,
        weights_gib=weights,
        overhead_gib=overhead,
        cache_gib=reading.cache_gib,
        cache_tokens=reading.cache_tokens,
        on=day,
        source=f"told by {instance.name} when it started",
    )


def _overhead_gib(comparison: Comparison) -> float | None:
    """What an engine needs beside weights and cache of its budget, told or planned; None where a profiler was confused."""
    reading, budget = comparison.reading, comparison.planned.budget_gib
    overhead, weights, cache = reading.overhead_gib, reading.weights_gib, reading.cache_gib
    if overhead is None and not reading.cache_is_given and None not in (budget, weights, cache):
        overhead = (budget or 0.0) - (weights or 0.0) - (cache or 0.0)
    return overhead if overhead is not None and overhead >= 0 else None


def one_of_each(rows: Iterable[Measured]) -> list[Measured]:
    """One row for each setting: of replicas the most that any of them needed."""
    found: dict[Any, Measured] = {}
    for row in rows:
        setting = setting_of_row(row)
        other = found.setdefault(setting, row)
        found[setting] = replace(
            other,
            weights_gib=_most(other.weights_gib, row.weights_gib),
            overhead_gib=_most(other.overhead_gib, row.overhead_gib),
        )
    return list(found.values())


def updated(text: str | None, rows: Sequence[Measured]) -> Update:
    """The file with these rows: those of the same setting in their place, others, keys and comments as they are.

    Args:
        text: what it holds; None where there is none.
        rows: one for each setting.

    Raises:
        StackError: what stands there is no file of measured facts.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415 - `--help` must not pay for it
    from ruamel.yaml.comments import CommentedMap  # noqa: PLC0415 - likewise
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415 - likewise

    yaml = YAML(typ="rt", pure=True)
    yaml.width, yaml.preserve_quotes = _WIDTH, True
    yaml.indent(mapping=2, sequence=4, offset=2)
    try:
        data = yaml.load(text) if text and text.strip() else None
    except YAMLError as error:
        raise _foreign(str(error).splitlines()[0]) from None
    if data is None:
        data = CommentedMap(measured=[])
        data.yaml_set_start_comment(_HEADER)
    if not isinstance(data, dict) or not isinstance(data.setdefault("measured", []), list):
        raise _foreign("it holds no list `measured`")
    replaced = sum(_put(data["measured"], row) for row in rows)
    stream = io.StringIO()
    yaml.dump(data, stream)
    return Update(text=stream.getvalue(), new=len(rows) - replaced, replaced=replaced)


def _put(entries: Any, row: Measured) -> bool:
    """Put a row in the place of that of the same setting, else behind all; whether there was one."""
    written = _written(row)
    for entry in entries:
        if isinstance(entry, dict) and setting_of_row(_read(entry)) == setting_of_row(row):
            _overwrite(entry, written)
            return True
    entries.append(written)
    return False


def _overwrite(entry: Any, written: dict[str, Any]) -> None:
    """Change a row where it stands. What stands below a row is kept with its last key, so it goes with that."""
    below = entry.ca.items.pop(list(entry)[-1], None)
    for name in [name for name in entry if name not in written]:
        del entry[name]
    entry.update(written)
    if below is not None:
        entry.ca.items[list(entry)[-1]] = below


def _read(entry: Any) -> Measured:
    """A row as far as it says its setting."""
    names = ("engine", "version", "model", "card", "cache_dtype")
    texts: dict[str, Any] = {name: str(entry.get(name) or "") for name in names}
    counts: dict[str, Any] = {name: entry.get(name) for name in ("concurrency", "batched_tokens")}
    return Measured(**texts, **counts, tensor_parallel=entry.get("tensor_parallel", 1))


def _written(row: Measured) -> dict[str, Any]:
    """A row as it stands in the file: texts in quotes, what is not known left out."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString  # noqa: PLC0415 - `--help` must not pay for it

    def spelled(value: Any) -> Any:
        if isinstance(value, str):
            return DoubleQuotedScalarString(value)
        return round(value, _DIGITS) if isinstance(value, float) else value

    return {name: spelled(value) for name, value in asdict(row).items() if value is not None}


def _most(one: float | None, other: float | None) -> float | None:
    known = [value for value in (one, other) if value is not None]
    return max(known, default=None)


def _foreign(what: str) -> StackError:
    hint = "mend it, or move it away: a new one is written"
    return StackError(f"what was measured cannot be kept: {what}", where=FILE, hint=hint)
