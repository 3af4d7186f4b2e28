"""How much memory a model needs on a card, engine by engine: pure arithmetic over facts, sizes in GiB.

`vllm` is the whole account of a start; `llama_cpp`, `encoder` and `speech` are the rules of the other engines; `weights`,
`cache` and `overhead` are the parts. Constants without a derivation lie in facts/memory.json with what they come from.
"""

from __future__ import annotations

from stackgen.memory import cache, encoder, llama_cpp, overhead, speech, vllm, weights
from stackgen.memory.units import GIB, KIB, MIB

__all__ = ["GIB", "KIB", "MIB", "cache", "encoder", "llama_cpp", "overhead", "speech", "vllm", "weights"]
