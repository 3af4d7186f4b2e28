"""Weights, and the memory rules of the engines beside vLLM."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackgen import facts
from stackgen.memory import encoder, llama_cpp, speech, weights

KNOWN = facts.models()


@pytest.mark.parametrize(
    ("source", "quantization", "logged"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", "awq4", 5.29),
        ("Qwen/Qwen3-8B", "awq4", 5.71),
        ("mistralai/Mistral-7B-Instruct-v0.3", "gptq4", 3.88),
        ("ibm-granite/granite-4.0-micro", "fp8", 3.42),
        ("Qwen/Qwen3-235B-A22B", "fp8", 220.8),
    ],
)
def test_a_size_by_bits_is_near_what_was_logged(source, quantization, logged):
    assert weights.quantised_gib(KNOWN[source], quantization) == pytest.approx(logged, rel=0.03)


def test_builds_are_those_that_are_known_and_estimates_beside_them():
    built = weights.builds(KNOWN["Qwen/Qwen3-8B"])
    assert [(each.quantization, each.source, each.is_estimate) for each in built] == [
        ("awq4", "Qwen/Qwen3-8B-AWQ", False),
        ("fp8", "", True),
    ]
    assert [each.weights_gib for each in built] == sorted(each.weights_gib for each in built)
    assert weights.builds(KNOWN["Qwen/Qwen3-8B-AWQ"]) == ()
    assert weights.quantised_gib(KNOWN["Qwen/Qwen3-8B"], "nobody-knows") is None


@pytest.mark.parametrize(
    ("tag", "context", "slots", "logged"),
    [
        ("qwen2.5:1.5b", 4096, 2, 0.219),
        ("mistral:7b", 8192, 1, 1.0),
        ("mistral:7b", 4096, 1, 0.5),
        ("llama3.2:3b", 4096, 1, 0.4375),
        ("gpt-oss:120b", 8192, 1, 0.439),
    ],
)
def test_the_cache_of_llama_cpp_is_what_was_logged(tag, context, slots, logged):
    found = llama_cpp.cache_gib(KNOWN[tag], context, slots, 2)
    assert found == pytest.approx(logged, rel=0.33 if KNOWN[tag].window_layers else 0.005)


def test_a_quantised_cache_and_flash_attention_save():
    model = KNOWN["qwen3:8b"]
    sizes = [llama_cpp.cache_gib(model, 32_768, 2, facts.cache_number_bytes(form)) for form in ("f16", "q8_0", "q4_0")]
    assert sizes[1] / sizes[0] == pytest.approx(0.53, abs=0.01)
    assert sizes[2] / sizes[0] == pytest.approx(0.28, abs=0.01)
    fast, slow = (llama_cpp.graph_gib(model, 32_768, flash_attention=flash) for flash in (True, False))
    assert slow > fast + 1


@given(context=st.integers(1, 200_000), slots=st.integers(1, 16), more=st.integers(0, 1000))
def test_llama_cpp_never_needs_less_for_more(context, slots, more):
    for tag in ("qwen3:8b", "gemma3:27b", "gpt-oss:20b"):
        model = KNOWN[tag]
        least = llama_cpp.cache_gib(model, context, slots, 2) + llama_cpp.graph_gib(
            model, context, flash_attention=False
        )
        longer = llama_cpp.cache_gib(model, context + more, slots, 2)
        assert longer + llama_cpp.graph_gib(model, context + more, flash_attention=False) >= least
        assert llama_cpp.cache_gib(model, context, slots + more, 2) >= llama_cpp.cache_gib(model, context, slots, 2)


def test_an_encoder_grows_with_texts_and_their_length():
    """bge-m3 took 2,662 MiB for one text of 8,192 tokens."""
    model = KNOWN["BAAI/bge-m3"]
    whole = model.weights_gib + encoder.CONTEXT_GIB + encoder.batch_gib(model, 1, 8192)
    assert whole == pytest.approx(2662 / 1024, rel=0.02)
    assert encoder.batch_gib(model, 32, 8192) == pytest.approx(32 * encoder.batch_gib(model, 1, 8192))


@pytest.mark.parametrize(
    ("source", "compute_type", "logged_mib"),
    [
        ("Systran/faster-whisper-large-v3", "float16", 4521),
        ("Systran/faster-whisper-large-v3", "int8", 2953),
        ("deepdml/faster-whisper-large-v3-turbo-ct2", "float16", 2537),
        ("deepdml/faster-whisper-large-v3-turbo-ct2", "int8", 1545),
        ("Systran/faster-distil-whisper-large-v3", "float16", 2409),
    ],
)
def test_speech_holds_what_was_seen_and_not_a_gibibyte_more(source, compute_type, logged_mib):
    planned = speech.weights_gib(KNOWN[source], compute_type) + speech.working_gib()
    assert -0.05 <= planned - logged_mib / 1024 < 1
