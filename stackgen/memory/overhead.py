"""What a step of vLLM takes beside weights and cache: activations, sampler, pictures, what torch does not see, graphs."""

from __future__ import annotations

from stackgen.facts import ModelFacts, Release, fitted, vllm_memory, vllm_release
from stackgen.memory.units import GIB, MIB

_NUMBER_BYTES = 2
"""Activations are numbers of 16 bits."""
_EXPERT_TOKENS = 32_768
"""Tokens that the fused experts work on at once (VLLM_FUSED_MOE_CHUNK_SIZE)."""


def forward_gib(model: ModelFacts, batched_tokens: int, cards: int) -> float:
    """Peak of activations of one step through the layers.

    A dense layer holds three times the hidden state (input, residual, output) and of its split width the gate, the up
    projection and their product. Exact on T002 and T003 (Llama-3.1-8B, 20,000 and 29,000 tokens: 2.06 and 2.99 GiB, logged
    2.07 and 2.99). Experts hold four hidden states, and for each expert of a token one more and three of its widths.
    """
    dense = batched_tokens * (3 * model.hidden_size + 3 * model.intermediate_size / cards)
    if not model.experts_per_token:
        return _NUMBER_BYTES * dense / GIB
    each = model.experts_per_token * (model.hidden_size + 3 * model.moe_intermediate_size / cards)
    sparse = 4 * model.hidden_size * batched_tokens + each * min(batched_tokens, _EXPERT_TOKENS)
    return _NUMBER_BYTES * max(dense if model.kv_lora_rank else 0.0, sparse) / GIB


def is_second_runner(model: ModelFacts, release: Release) -> bool:
    """Whether vLLM works on a model by Model Runner V2: dense ones whose layers all attend alike."""
    plain = not (model.experts or model.linear_layers or model.window_layers or model.kv_lora_rank)
    return plain and release >= vllm_release("second_runner_since")


def sampler_gib(model: ModelFacts, sequences: int, batched_tokens: int, release: Release) -> float:
    """Peak while the profiling run samples for every sequence, the hidden states of the step still there.

    All cards hold the logits of the whole vocabulary. With torch's sort that is 38 bytes a logit, and decides nearly
    every start (T011: 7.38 GiB); since it is a kernel of its own, 18, and 12 where the second runner draws.
    """
    if is_second_runner(model, release):
        each = vllm_memory("second_runner_sampler_bytes")
    elif release >= vllm_release("lean_sampler_since"):
        each = vllm_memory("lean_sampler_bytes")
    else:
        each = fitted()["sampler_sorted_bytes"].value
    logits = min(sequences, batched_tokens) * model.vocabulary_size
    return float(each * logits + _NUMBER_BYTES * batched_tokens * model.hidden_size) / GIB


def graphs_are_inside(model: ModelFacts, release: Release) -> bool:
    """Whether CUDA graphs are counted into the share of the card; else they come on top of it."""
    return release >= vllm_release("graphs_inside_since") and not is_second_runner(model, release)


def activation_gib(
    model: ModelFacts, sequences: int, batched_tokens: int, cards: int, release: Release, *, sees: bool, first: bool
) -> float:
    """Peak of the whole profiling run: layers, then sampler; a model that sees runs its tower first and keeps its output.

    Where text attends to pictures by layers of its own, every sequence is given a whole picture.

    Args:
        model: what it computes with.
        sequences: requests that are worked on together.
        batched_tokens: tokens of one step.
        cards: cards that share each layer.
        release: of vLLM.
        sees: whether pictures are let in.
        first: whether it is the first engine, V0.
    """
    if model.cross_tokens:
        crossed = vllm_memory("cross_attention_bytes") * sequences * model.cross_tokens / GIB if sees else 0.0
        return max(crossed, forward_gib(model, batched_tokens, cards))
    text = max(forward_gib(model, batched_tokens, cards), sampler_gib(model, sequences, batched_tokens, release))
    if not sees:
        return text
    tower = fitted()["vision_gib_first" if first else "vision_gib"].value
    kept = _NUMBER_BYTES * batched_tokens * model.hidden_size / GIB
    return max(tower, text + kept)


def non_torch_gib(release: Release, cards: int, *, amd: bool, nvlink: bool, first: bool) -> float:
    """What the process holds on a card outside of torch: kernels, handles, and the buffers of several cards' talk.

    The first releases of V1 counted the CUDA context too.
    """
    late = release >= vllm_release("non_torch_late_since")
    if amd:
        own = fitted()["non_torch_amd_gib"].value
    elif late:
        own = fitted()["non_torch_gib_late"].value
    elif release >= vllm_release("non_torch_middle_since"):
        own = fitted()["non_torch_gib_middle"].value
    else:
        own = fitted()["non_torch_gib_first"].value
    if not first and release < vllm_release("v1_counts_context_until"):
        own += vllm_memory("cuda_context_gib")
    others = cards - 1
    if not others:
        return own
    if not nvlink:
        return own + fitted()["links_pcie_card_gib_late" if late else "links_pcie_card_gib"].value * others
    return own + fitted()["links_nvlink_gib"].value + fitted()["links_nvlink_card_gib"].value * others


def graph_sizes(sequences: int) -> int:
    """Batch sizes for which graphs are captured: 1, 2, 4, every 8th to 256, every 16th to twice the sequences (512)."""
    largest = min(2 * sequences, 512)
    few = sum(1 for size in (1, 2, 4) if size <= largest)
    return few + len(range(8, min(largest, 256) + 1, 8)) + len(range(272, largest + 1, 16))


def graphs_gib(model: ModelFacts, sequences: int) -> float:
    """CUDA graphs: every layer keeps a little for every captured batch size."""
    return fitted()["graph_mib"].value * MIB * model.layers * graph_sizes(sequences) / GIB
