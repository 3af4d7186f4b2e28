"""Starts of engines as they were logged, shortened to the lines that matter."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).resolve().parent / "recorded_starts"


def _recorded(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


QWEN3_8B_ON_A100 = _recorded("vllm-0.9.2.txt")
"""vllm 0.9.2, Qwen3-8B on an A100: a public log."""
DEEPSEEK_ON_V100 = _recorded("vllm-0.7.txt")
"""vllm 0.7, the old engine, on a V100: a public log."""
TWO_WORKERS = _recorded("vllm-0.8.5-two-cards.txt")
"""vllm 0.8.5 on two cards: vllm-project/vllm#14452."""
GEMMA_ON_22_1 = _recorded("vllm-0.22.1.txt")
"""vllm 0.22.1, gemma-4-E4B-it: a public log."""
SMALL_QWEN_ON_16_GB = _recorded("vllm-summary.txt")
"""vllm of 2026-07 on a card of 16 GB, its last line: a public log."""
REAL_0_32_ON_THE_PROCESSOR = _recorded("vllm-0.32.0-cpu.txt")
"""vllm/vllm-openai-cpu:v0.32.0 with 1 GiB of cache: started by us."""
REAL_0_32_METRICS = _recorded("vllm-0.32.0-cpu-metrics.txt")
"""/metrics of the same start."""
HERMES_PARTLY_ON_AN_RTX_2060 = _recorded("ollama-2026-06.txt")
"""Ollama of 2026-06 with llama-server, Hermes-3-Llama-3.1-8B on an RTX 2060: a public log."""
GPT_OSS_ON_ROCM = _recorded("ollama-0.11.txt")
"""Ollama 0.11, gpt-oss:120b on ROCm: a public log."""
