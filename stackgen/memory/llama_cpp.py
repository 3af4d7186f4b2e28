"""Memory of llama.cpp, as Ollama runs it: the file, the cache of all slots, a compute graph, the CUDA context."""

from __future__ import annotations

import math

from stackgen.facts import ModelFacts, fitted
from stackgen.memory.cache import token_bytes
from stackgen.memory.units import GIB

CONTEXT_GIB = 0.5
"""CUDA context and libraries of the process (Ollama's minimum, logged as 457 MiB)."""
_WINDOW_STEP_TOKENS = 512
"""Tokens that a step adds to what a sliding window keeps."""
_GRAPH_TOKENS = 8192
_SLOW_GRAPH_BYTES = 4
_SLOW_STEP_TOKENS = 512


def cache_gib(model: ModelFacts, context: int, slots: int, number_bytes: float) -> float:
    """Keys and values of every slot, counted over all cards together.

    A window layer keeps its window for each slot and what one step adds. Logged: qwen2.5:1.5b with two slots of 4096
    tokens 0.219 GiB, mistral:7b at 8192 tokens 1.0 GiB, gpt-oss:120b at 8192 tokens 0.439 GiB with its windows.
    """
    if not model.has_cache:
        return 0.0
    tokens = context * slots
    full = (model.full_layers or model.layers) * token_bytes(model, number_bytes, 1) * tokens
    narrow = 2 * model.kv_heads * model.head_dim * number_bytes
    windows = model.window_layers * narrow * min(tokens, model.sliding_window * slots + _WINDOW_STEP_TOKENS)
    states = model.linear_layers * model.linear_state_bytes * slots
    return (full + windows + states) / GIB


def graph_gib(model: ModelFacts, context: int, *, flash_attention: bool) -> float:
    """Compute graph of one loaded model.

    With flash attention it grows slowly beyond what was logged at 8192 tokens. Without it, it also holds the scores of a
    step of 512 tokens against the whole context for every head, in 32 bits (derived: 2.1 GiB were logged at 32k).
    """
    base = fitted()["llama_graph_gib"].value * max(1.0, math.sqrt(context / _GRAPH_TOKENS))
    if flash_attention:
        return base
    return base + _SLOW_GRAPH_BYTES * max(1, model.attention_heads) * _SLOW_STEP_TOKENS * context / GIB
