"""Memory of encoders: embedding models and rerankers that read whole texts."""

from __future__ import annotations

from stackgen.facts import ModelFacts, fitted
from stackgen.memory.units import GIB

CONTEXT_GIB = 0.5
"""CUDA context and libraries of the process (300 to 500 MiB seen)."""


def batch_gib(model: ModelFacts, texts: int, tokens: int) -> float:
    """Peak of activations of a batch of full texts, 16-bit numbers: it grows with both, and nothing else bounds it."""
    return fitted()["encoder_token_bytes"].value * texts * tokens * model.hidden_size / GIB
