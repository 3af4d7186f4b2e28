"""Engines that log a total instead of a cache: Ollama and speech."""

from __future__ import annotations

import re
from collections.abc import Iterator

from memory_rows import Row, model_of

from stackgen.facts import models
from stackgen.memory import llama_cpp, speech

_WHISPER = {
    "whisper large-v3": "Systran/faster-whisper-large-v3",
    "whisper large-v3-turbo": "deepdml/faster-whisper-large-v3-turbo-ct2",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
}
"""Models that faster-whisper names by themselves."""


def totals(rows: list[Row]) -> Iterator[str]:
    """Lines with predicted and logged totals."""
    for row in rows:
        found = _ollama(row) if row.text("engine") == "ollama" else _whisper(row)
        if found:
            predicted, logged = found
            yield f"  {row.id:5} {predicted:7.2f} {logged:7.2f} {100 * (predicted / logged - 1):+7.1f} %  {row.text('model')}"


def _ollama(row: Row) -> tuple[float, float] | None:
    """File, cache, graph and context; on the processor no context. The file as logged."""
    logged = re.search(r"(?:required(?:\.full)?|total)=([\d.]+)", row.notes)
    model, file_gib = model_of(row, tags=True), row.number("weights_gib")
    if logged is None or model is None or file_gib is None:
        return None
    slots = int(row.note("parallel") or 1)
    context = int(row.number("max_model_len") or 2048) // slots
    need = (
        file_gib
        + llama_cpp.cache_gib(model, context, slots, 2)
        + llama_cpp.graph_gib(model, context, flash_attention=True)
    )
    on_card = row.text("gpu").upper() != "CPU"
    return need + (llama_cpp.CONTEXT_GIB if on_card else 0.0), float(logged[1])


def _whisper(row: Row) -> tuple[float, float] | None:
    source, mib = _WHISPER.get(row.text("model")), row.note("vram_mib")
    if source is None or mib is None:
        return None
    return speech.weights_gib(models()[source], row.text("quant")) + speech.working_gib(), mib / 1024
