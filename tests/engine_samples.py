"""For each engine what its contract is tried with: a model that the catalogue knows, the pinned release, every option filled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One engine's row."""

    source: str
    modality: str
    """What that model does."""
    version: str
    options: dict[str, Any]


SAMPLES = {
    "vllm": Sample(
        source="Qwen/Qwen3-8B",
        modality="chat",
        version="0.32.0",
        options={
            "dtype": "auto",
            "quantization": "fp8",
            "kv_cache_dtype": "fp8",
            "gpu_memory_utilization": 0.5,
            "kv_cache_memory_bytes": 2**30,
            "max_num_batched_tokens": 1024,
            "enable_prefix_caching": False,
            "enforce_eager": True,
            "tool_call_parser": "hermes",
            "reasoning_parser": "qwen3",
            "trust_remote_code": True,
            "revision": "main",
            "cpu_cache_gib": 1,
        },
    ),
    "infinity": Sample(
        source="BAAI/bge-reranker-v2-m3",
        modality="rerank",
        version="0.0.77",
        options={"batch_size": 4, "dtype": "float16", "trust_remote_code": True, "revision": "main"},
    ),
    "ollama": Sample(
        source="llama3.2:3b",
        modality="chat",
        version="0.32.15",
        options={
            "keep_alive": "24h",
            "max_loaded_models": 2,
            "kv_cache_type": "q8_0",
            "flash_attention": True,
            "gpu_overhead_gib": 0.5,
        },
    ),
    "speaches": Sample(
        source="Systran/faster-whisper-small",
        modality="transcription",
        version="0.8.3",
        options={"voice": "siwis", "language": "fr", "compute_type": "int8", "keep_loaded_seconds": -1},
    ),
}
