"""Predicted against logged memory of real starts: python benchmarks/memory_truth.py [ROWS.csv] [--json]

Twice for each start of vLLM that logged its cache: with the weights that the log says, and from the catalogue alone.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from memory_rows import EXCLUDED, Row, card_of, logged, model_of, read
from memory_totals import totals

from stackgen.facts import Card, ModelFacts, Release, cache_number_bytes, fitted, vllm_release
from stackgen.memory import cache, vllm, weights

ROWS = Path(__file__).resolve().parent / "data" / "memory_truth.csv"
TARGETS = {"logged_weights": (16, 2.0, 8.0, 8.0), "catalogue": (18, 3.0, 12.0, 8.0)}
"""Least rows, and at most so many percent: median, 90th percentile, worst over-prediction."""
_LAST_FIRST = (0, 7, 99)
"""V0 did not change after it."""
_WEIGHTLESS = {"", "none"}
_MOST_STATES = 9
_SERVER_CARD_GIB = 70
"""Cards of no known kind with so much memory stand in servers where they are joined by NVLink."""


class SkipError(Exception):
    """A start that cannot be predicted, with a reason of the closed list."""


@dataclass(frozen=True)
class Outcome:
    """One start, predicted in one way."""

    row: Row
    predicted: float
    logged: float
    unit: str
    starts: bool
    refused: bool
    """Whether the engine itself refused."""

    @property
    def off_percent(self) -> float:
        return 100 * (self.predicted - self.logged) / self.logged

    @property
    def usable(self) -> bool:
        return self.logged > 0

    @property
    def wrong(self) -> bool:
        return self.starts is self.refused


@dataclass(frozen=True)
class Subject:
    """What a row is about."""

    card: Card | None
    visible_gib: float
    model: ModelFacts
    release: Release
    first: bool
    """Whether it ran in V0."""
    sees: bool


def subject_of(row: Row) -> Subject:
    """Card, model and engine of a row.

    Raises:
        SkipError: one of them is not known, or it is left out on purpose.
    """
    if row.id in EXCLUDED:
        raise SkipError("excluded by name")
    if row.drafts:
        raise SkipError("speculative decoding")
    card, model, total_gib = card_of(row), model_of(row), row.note("total")
    visible_gib = card.visible_gib if card and not (card.is_estimate and total_gib) else total_gib
    if visible_gib is None:
        raise SkipError("card unknown")
    if model is None or not model.has_cache:
        raise SkipError("model unpublished")
    release, first = row.release(), row.first_engine
    if first is None:
        first = vllm.is_first_engine(release, card.compute_capability if card else None)
    return Subject(
        card,
        visible_gib,
        model,
        min(release, _LAST_FIRST) if first else release,
        first,
        model.sees and not row.text_only,
    )


def start_of(row: Row) -> vllm.Start:
    """The start that a row describes, weights as the catalogue has them.

    Raises:
        SkipError: it cannot be predicted.
    """
    of = subject_of(row)
    number_bytes = cache_number_bytes(row.text("kv_dtype").strip("?") or "auto")
    if number_bytes is None:
        raise SkipError("log format")
    context = int(row.number("max_model_len") or of.model.longest_context)
    offline = "offline" in row.notes
    usual = vllm.defaults(of.release, of.card, of.visible_gib, context, sees=of.sees, offline=offline)
    start = vllm.Start(
        model=of.model,
        visible_gib=of.visible_gib,
        release=of.release,
        context=context,
        utilisation=row.number("gpu_mem_util") or usual.utilisation,
        sequences=int(row.note("seqs") or usual.sequences),
        batched_tokens=int(row.note("mnbt") or usual.batched_tokens),
        tensor_parallel=int(row.number("tp") or 1),
        number_bytes=number_bytes,
        experts_over=int(row.number("gpu_count") or 0) if row.shares_experts else 0,
        first_engine=of.first,
        eager=row.note("eager") == 1,
        sees=of.sees,
        prefix_caching="prefix caching off" not in row.notes,
        free_gib=row.note("free") or math.inf,
        amd=of.card.vendor == "amd" if of.card else row.amd,
        nvlink=of.card.nvlink if of.card else of.visible_gib >= _SERVER_CARD_GIB,
    )
    if not _agrees(row, start):
        raise SkipError("log format")
    return replace(start, weights_gib=_catalogue_weights_gib(row, start))


def outcome(row: Row, start: vllm.Start) -> Outcome:
    """What the account says of it; in GiB where no tokens were logged, and the verdict alone where no cache was."""
    account = vllm.account(start)
    tokens, gib = row.number("kv_tokens"), row.number("kv_gib")
    if tokens is None:
        return Outcome(row, account.cache_gib, gib or 0.0, "GiB", account.starts, row.refused)
    predicted = vllm.capacity(start, account.cache_gib).printed_tokens * row.context_parallel
    full = row.number("max_model_len") or 0.0
    overflows = row.number("max_concurrency") is None and start.layout.counts_tokens and tokens < full
    return Outcome(row, predicted, tokens, "tokens", account.starts, row.refused or overflows)


def _agrees(row: Row, start: vllm.Start) -> bool:
    """Whether the logged number of tokens can come of the row's own settings, where whole blocks must explain it.

    A model with states has blocks of hundreds of tokens, so hardly any other setting gives the same number: a row that
    fails was logged with another number format or context than it says.
    """
    tokens, cut = row.number("kv_tokens"), start.layout
    if tokens is None or not cut.state_groups:
        return True
    if start.release < vllm_release("tokens_printed_from_concurrency_since"):
        return tokens % cut.full_block_tokens == 0
    for states in range(1, _MOST_STATES):
        each = cache.request_blocks(cut, start.context, start.batched_tokens, states)
        blocks = math.ceil(tokens * each / start.context)
        if int(blocks / each * start.context) == tokens:
            return True
    return False


def _catalogue_weights_gib(row: Row, start: vllm.Start) -> float:
    model = start.model
    wanted = row.text("quant").strip("?").lower()
    whole = model.weights_gib
    if wanted not in _WEIGHTLESS and wanted != model.quantization:
        same = [variant.weights_gib for variant in model.variants if variant.quantization == wanted]
        whole = same[0] if same else weights.quantised_gib(model, wanted) or whole
    return whole / max(start.tensor_parallel, start.experts_over)


def predictions(rows: list[Row]) -> tuple[dict[str, list[Outcome]], list[dict[str, str]]]:
    """Every start of vLLM in both ways, and those left out with the reason."""
    found: dict[str, list[Outcome]] = {way: [] for way in TARGETS}
    skipped: list[dict[str, str]] = []
    for row in logged(rows):
        try:
            start = start_of(row)
        except SkipError as reason:
            skipped.append({"id": row.id, "reason": str(reason)})
            continue
        said = row.number("weights_gib")
        if said is not None:
            found["logged_weights"].append(outcome(row, replace(start, weights_gib=said)))
        found["catalogue"].append(outcome(row, start))
    return found, skipped


def summary(outcomes: list[Outcome]) -> dict[str, float]:
    off = [each.off_percent for each in outcomes if each.usable]
    if not off:
        return {"rows": 0, "median_percent": 0, "p90_percent": 0, "worst_over_percent": 0, "worst_under_percent": 0}
    sizes = sorted(abs(percent) for percent in off)
    return {
        "rows": len(off),
        "median_percent": round(statistics.median(sizes), 2),
        "p90_percent": round(sizes[math.ceil(0.9 * len(sizes)) - 1], 2),
        "worst_over_percent": round(max(0.0, *off), 2),
        "worst_under_percent": round(max(0.0, *(-percent for percent in off)), 2),
    }


def report(rows: list[Row]) -> dict[str, Any]:
    """What --json prints."""
    found, skipped = predictions(rows)
    wrong = [
        {"id": each.row.id, "way": way, "logged": "refused" if each.refused else "started"}
        for way, outcomes in found.items()
        for each in outcomes
        if each.wrong
    ]
    return {way: summary(outcomes) for way, outcomes in found.items()} | {"wrong_verdicts": wrong, "skipped": skipped}


def left_out() -> Iterator[tuple[str, float, float, str]]:
    """Each constant, and how far the worst of its starts is from what the others say without it."""
    for name, constant in fitted().items():
        said = list(constant.observed.values())
        rule = max if constant.rule == "largest" else statistics.median
        off = [abs(rule(said[:at] + said[at + 1 :]) - said[at]) for at in range(len(said))] if len(said) > 1 else []
        yield name, constant.value, max(off, default=math.nan), constant.unit


def as_text(rows: list[Row]) -> Iterator[str]:
    """The same to read."""
    found, _ = predictions(rows)
    for way, outcomes in found.items():
        yield f"{way.replace('_', ' ')}:"
        yield f"  {'row':5} {'predicted':>12} {'logged':>12} {'off by':>8}  verdict"
        for each in outcomes:
            off = f"{each.off_percent:+.1f} %" if each.usable else "-"
            figures = [
                f"{number:.2f}" if each.unit == "GiB" else f"{number:.0f}" for number in (each.predicted, each.logged)
            ]
            verdict = ("starts" if each.starts else "refused") + (", WRONG" if each.wrong else "")
            yield f"  {each.row.id:5} {figures[0]:>12} {figures[1]:>12} {off:>8}  {verdict}  {each.row.text('model')}"
        yield ""
    result = report(rows)
    for way, (least, median, tenth, over) in TARGETS.items():
        of = result[way]
        yield (
            f"{way}: {of['rows']} rows (at least {least}), median {of['median_percent']} % (at most {median}), "
            f"90th percentile {of['p90_percent']} % ({tenth}), worst over {of['worst_over_percent']} % ({over}), "
            f"worst under {of['worst_under_percent']} %"
        )
    yield f"wrong verdicts: {', '.join(each['id'] for each in result['wrong_verdicts']) or 'none'}"
    yield "skipped: " + ", ".join(f"{each['id']} ({each['reason']})" for each in result["skipped"])
    yield from ("", "constants, and how far the worst start is from what the others say without it:")
    for name, value, worst, unit in left_out():
        yield f"  {name:24} {value:8g}  " + ("one start" if math.isnan(worst) else f"{worst:.3g}") + f"  {unit}"
    yield from ("", "totals of other engines, GiB:", *totals(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="?", type=Path, default=ROWS, metavar="ROWS.csv")
    parser.add_argument("--json", action="store_true", help="one object instead of text")
    given = parser.parse_args()
    rows = read(given.rows)
    print(json.dumps(report(rows), indent=2) if given.json else "\n".join(as_text(rows)))


if __name__ == "__main__":
    main()
