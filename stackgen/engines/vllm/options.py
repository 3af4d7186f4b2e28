"""What a spec may say to vLLM: its options, its flags, and what they cannot mean."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import MappingProxyType
from typing import Literal

from pydantic import Field

from stackgen.engines import hub
from stackgen.parts import ServedModel
from stackgen.sources import Path
from stackgen.spec import Strict, Word

PARSERS = MappingProxyType({"tools": "tool_call_parser", "reasoning": "reasoning_parser"})
"""What a model can do beyond text, and the option that says how it writes that."""


class Options(Strict):
    """Settings of vLLM alone, named like its flags."""

    dtype: Literal["auto", "bfloat16", "float16", "float32"] | None = Field(
        None, description="Number format of the weights."
    )
    quantization: Word | None = Field(None, description="Quantisation method, where the checkpoint does not say it.")
    kv_cache_dtype: Word | None = Field(None, description="Number format of the attention cache, e.g. fp8.")
    gpu_memory_utilization: float | None = Field(
        None, gt=0, le=1, description="Share of each card that vLLM takes, 0 to 1."
    )
    kv_cache_memory_bytes: int | None = Field(
        None,
        ge=2**20,
        description="Attention cache on each card, in bytes; beside the share, which then only bounds it.",
    )
    max_num_batched_tokens: int | None = Field(None, ge=16, description="Tokens that one step works on.")
    enable_prefix_caching: bool | None = Field(None, description="Reuse the cache of equal beginnings.")
    enforce_eager: bool | None = Field(None, description="No compilation: starts sooner, answers slower.")
    tool_call_parser: Word | None = Field(None, description="How the model writes tool calls; switches them on.")
    reasoning_parser: Word | None = Field(
        None, description="How the model writes its thoughts; `reasoning: true` takes it from the catalogue."
    )
    trust_remote_code: bool | None = Field(None, description="Run Python code that comes with the model.")
    revision: Word | None = Field(None, description="Commit, tag or branch at the hub.")
    cpu_cache_gib: int | None = Field(
        None, ge=1, le=4096, description="Memory for the attention cache on the CPU, in GiB."
    )


FLAGS = MappingProxyType(
    {
        "--served-model-name": "id",
        "--max-model-len": "context",
        "--max-num-seqs": "concurrency",
        "--max-num-batched-tokens": "options.max_num_batched_tokens",
        "--gpu-memory-utilization": "options.gpu_memory_utilization",
        "--kv-cache-memory-bytes": "options.kv_cache_memory_bytes",
        "--dtype": "options.dtype",
        "--quantization": "options.quantization",
        "--kv-cache-dtype": "options.kv_cache_dtype",
        "--enable-prefix-caching": "options.enable_prefix_caching",
        "--enforce-eager": "options.enforce_eager",
        "--trust-remote-code": "options.trust_remote_code",
        "--revision": "options.revision",
    }
)


_ELSEWHERE = re.compile(r"(s3|gs|az)://\S+|[^/:\s]+/[^/:\s]+:[A-Za-z0-9_]+")
"""Sources that vLLM reads beside the hub: buckets by its loaders, and one file of a GGUF repository."""


def complaints(served: ServedModel) -> Iterator[tuple[Path, str, str]]:
    """Abilities for which neither the spec nor the catalogue names a parser, and parsers of abilities that are off."""
    if not _ELSEWHERE.fullmatch(served.model.source):
        yield from hub.source_complaints(served)
    for ability, option in PARSERS.items():
        wanted, written = getattr(served.model, ability), served.value(f"options.{option}")
        if wanted and not parser_of(served, ability):
            message = f"how {served.model.source} writes its {ability} is not in the catalogue"
            yield (ability,), message, f"write `{option}:` under `options`, as the model's card says"
        if wanted is False and written:
            yield ("options", option), f"`{ability}` is false, and this would switch it on", "drop one of the two"


def parser_of(served: ServedModel, ability: str) -> str | None:
    """The parser of an ability: the written one, else the catalogue's where the ability is asked for."""
    written = served.value(f"options.{PARSERS[ability]}")
    if written:
        return str(written)
    known = served.known
    if not known or not getattr(served.model, ability):
        return None
    return (known.tool_parser if ability == "tools" else known.reasoning_parser) or None
