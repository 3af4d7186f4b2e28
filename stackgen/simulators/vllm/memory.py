"""What the stand-in for vLLM tells of a memory that it does not have: the figures of its command line, in vLLM's own form.

It claims as many requests of full length as it may answer at once; on the CPU what VLLM_CPU_KVCACHE_SPACE holds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .. import catalogue
from .command import Command

_GIB = 2**30
_BLOCK, _BLOCK_ON_CPU = 16, 128
_STAMP = "INFO 11-21 17:51:45"


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Sizes on each card; 0 where the catalogue does not know the model."""

    device: str
    cards: int
    weights_gib: float
    cache_gib: float
    block: int
    tokens: int
    longest: int

    @property
    def requests(self) -> float:
        """Requests of full length that the cache would hold."""
        return self.tokens / self.longest

    def lines(self) -> Iterator[str]:
        """What it logs while it starts."""
        yield f"(APIServer pid=1) {_STAMP} [api_utils.py:286] non-default args: {{}}"
        for rank in range(self.cards) if self.device == "GPU" and self.weights_gib else ():
            worker = f"(Worker_TP{rank} pid={38 + rank})" if self.cards > 1 else "(EngineCore pid=25)"
            took = f"Model loading took {self.weights_gib:.2f} GiB memory and 0.010000 seconds"
            yield f"{worker} {_STAMP} [gpu_model_runner.py:5150] {took}"
            yield f"{worker} {_STAMP} [gpu_worker.py:760] Available KV cache memory: {self.cache_gib:.2f} GiB"
        if self.device == "CPU":
            given = f"Explicitly set ({self.cache_gib}/{self.cache_gib}) GiB for KV cache on node 0."
            yield f"(Worker pid=38) {_STAMP} [cpu_worker.py:260] {given}"
        size = f"{self.device} KV cache size: {self.tokens:,} tokens"
        most = f"Maximum concurrency for {self.longest:,} tokens per request: {self.requests:.2f}x"
        yield f"(EngineCore pid=25) {_STAMP} [kv_cache_utils.py:2327] {size}, {most}"

    def labels(self) -> dict[str, str]:
        """What it tells at /metrics."""
        return {
            "block_size": str(self.block),
            "cache_dtype": "auto",
            "engine": "0",
            "kv_cache_max_concurrency": str(self.requests),
            "kv_cache_size_tokens": str(self.tokens),
            "num_gpu_blocks": str(self.tokens // self.block),
        }


def memory(command: Command, environment: Mapping[str, str]) -> Memory:
    """The memory that a server with this command line would have."""
    model = catalogue.find(command.source)
    of_token = model.cache_bytes_of_token / command.cards
    written = environment.get("VLLM_CPU_KVCACHE_SPACE", "")
    given = float(written) if written.isdigit() else 0.0
    block = _BLOCK_ON_CPU if given else _BLOCK
    wanted = given * _GIB / of_token if given and of_token else command.sequences * command.longest
    tokens = math.ceil(max(wanted, command.longest) / block) * block
    return Memory(
        device="CPU" if given else "GPU",
        cards=command.cards,
        weights_gib=model.weights_gib / command.cards,
        cache_gib=given or tokens * of_token / _GIB,
        block=block,
        tokens=tokens,
        longest=command.longest,
    )
