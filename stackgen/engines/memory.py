"""Arithmetic of GPU memory that engines share. All results are GiB on one card.

The formulas and constants are those with which logged vLLM starts were recomputed; each names its evidence.
"""

from __future__ import annotations

from stackgen.facts import ModelFacts

GIB = 2**30


def weights_gib(facts: ModelFacts, tensor_parallel: int) -> float:
    """Weights on each of the cards that share them."""
    return facts.weights_gib / tensor_parallel


def attention_cache_gib(facts: ModelFacts, tokens: int, bytes_per_number: int, tensor_parallel: int) -> float:
    """Keys and values of `tokens` tokens where all layers attend alike.

    Two numbers (key, value) per layer, head and dimension; heads are repeated where there are more cards than heads.
    """
    heads = max(1, facts.kv_heads // tensor_parallel)
    return 2 * facts.layers * heads * facts.head_dim * bytes_per_number * tokens / GIB


def forward_gib(facts: ModelFacts, batched_tokens: int, tensor_parallel: int) -> float:
    """Peak of activations in one forward pass, 16-bit numbers: hidden states and the widest layer between them."""
    if facts.experts_per_token:
        width = 4 * facts.hidden_size + facts.experts_per_token * (
            facts.hidden_size + 3 * facts.moe_intermediate_size / tensor_parallel
        )
    else:
        width = 4 * facts.hidden_size + 3 * facts.intermediate_size / tensor_parallel
    return 2 * batched_tokens * width / GIB


def encoder_activation_gib(facts: ModelFacts, batched_tokens: int) -> float:
    """Peak of activations of an encoder.

    133 bytes per token and hidden unit: derived from bge-m3 (hidden 1024), 2.6 GiB in all for one input of 8,192
    tokens, less 1.06 GiB of weights and 0.5 GiB of CUDA context. One row, so an estimate.
    """
    return 133 * batched_tokens * facts.hidden_size / GIB
