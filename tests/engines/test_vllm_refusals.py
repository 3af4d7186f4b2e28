"""What keeps vLLM from running a model on cards of a kind, whatever their memory."""

from __future__ import annotations

import pytest
from support import write_spec

from stackgen import plan as planning
from stackgen import sources
from stackgen.errors import SpecError

SPEC = """\
version: 1
name: cards
profiles: [nvidia]
gpus:
%s
models:
  chat: {source: %s, engine: vllm, modalities: [chat], context: 4096, gpus: [%s]%s}
"""
OLD = ", image: {repository: vllm/vllm-openai, tag: v0.11.0, version: 0.11.0}"
OTHER = ", image: {repository: example/vllm-volta, tag: v0.32.0, version: 0.32.0}"


def made(folder, card, source, more="", cards=1):
    listed = "\n".join(f"  a{number}: {{card: {card}, index: {number}}}" for number in range(cards))
    names = ", ".join(f"a{number}" for number in range(cards))
    return planning.make(sources.load(write_spec(folder, SPEC % (listed, source, names, more))))


@pytest.mark.parametrize(
    ("card", "source", "more", "cards", "said"),
    [
        ("v100-32gb", "Qwen/Qwen2.5-7B-Instruct", "", 1, "asks for compute capability 7.5"),
        ("h100-80gb", "Qwen/Qwen3-235B-A22B-FP8", "", 8, "1536 / 8 is no whole number of blocks of 128"),
        ("h100-80gb", "Qwen/Qwen3-30B-A3B-FP8", "", 4, "768 / 4 is no whole number of blocks of 128"),
        ("rtx-3090", "RedHatAI/Llama-3.1-8B-Instruct-FP8", ", options: {kv_cache_dtype: fp8_e5m2}", 1, "fp8_e5m2"),
        ("h100-80gb", "google/gemma-3-4b-it", ", options: {dtype: float16}", 1, "cannot be computed in float16"),
        ("h100-80gb-mig-3g.40gb", "Qwen/Qwen3-14B", "", 2, "one MIG slice alone"),
    ],
)
def test_what_would_not_start_is_refused(tmp_path, card, source, more, cards, said):
    with pytest.raises(SpecError) as caught:
        made(tmp_path, card, source, more, cards)
    assert any(said in problem.message for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("card", "source", "more", "cards"),
    [
        ("v100-32gb", "Qwen/Qwen2.5-7B-Instruct", OLD, 1),
        ("v100-32gb", "Qwen/Qwen2.5-7B-Instruct", OTHER, 1),
        ("h100-80gb", "Qwen/Qwen3-235B-A22B-FP8", "", 4),
        ("h100-80gb", "Qwen/Qwen3-235B-A22B-FP8", ", extra_args: [--enable-expert-parallel]", 8),
        ("b200", "Qwen/Qwen3-235B-A22B-FP8", "", 8),
        ("rtx-3090", "Qwen/Qwen3-8B-AWQ", ", options: {kv_cache_dtype: fp8_e5m2}", 1),
    ],
)
def test_what_starts_is_not(tmp_path, card, source, more, cards):
    assert made(tmp_path, card, source, more, cards).instances[0].gpus


def test_in_32_bits_weights_and_cache_are_twice_as_large(tmp_path):
    """Written, or because the card has no bfloat16 and the model is not stable in float16 (Gemma 3)."""
    wide = (
        made(tmp_path, "a100-40gb", "Qwen/Qwen2.5-7B-Instruct", ", options: {dtype: float32}").memory["vllm-chat"].need
    )
    plain = made(tmp_path, "a100-40gb", "Qwen/Qwen2.5-7B-Instruct").memory["vllm-chat"].need
    assert (wide.weights_gib, wide.cache_gib) == (2 * plain.weights_gib, 2 * plain.cache_gib)
    with pytest.raises(SpecError) as caught:
        made(tmp_path, "t4", "google/gemma-3-4b-it")
    assert "weights   16.00 GiB" in caught.value.problems[0].message
    assert made(tmp_path, "t4", "Qwen/Qwen3-4B").memory["vllm-chat"].need.weights_gib == 7.5


def test_weights_that_stay_in_the_memory_of_the_host_are_not_on_the_card(tmp_path):
    need = (
        made(tmp_path, "rtx-4090", "Qwen/Qwen3-14B", ', extra_args: [--cpu-offload-gb, "12"]').memory["vllm-chat"].need
    )
    assert need.weights_gib == pytest.approx(27.52 - 12)


def test_files_of_16_bits_that_become_fp8_as_they_are_loaded_are_that_small(tmp_path):
    """Releases before 0.16 had the whole model on the card first."""
    wish = ", options: {quantization: fp8}%s"
    need = made(tmp_path, "rtx-3060-12gb", "meta-llama/Llama-3.1-8B-Instruct", wish % "").memory["vllm-chat"].need
    assert need.weights_gib == pytest.approx(8.5, abs=0.2)
    assert "in FP8" in need.estimates[-1]
    with pytest.raises(SpecError):
        made(tmp_path, "rtx-3060-12gb", "meta-llama/Llama-3.1-8B-Instruct", wish % OLD)


def test_what_is_not_counted_is_told(tmp_path):
    need = made(tmp_path, "rtx-4090", "Qwen/Qwen3-8B", ", extra_args: [--enable-lora]").memory["vllm-chat"].need
    assert need.estimates == ("adapters: their memory is not counted",)


def test_memory_that_the_processor_shares_is_not_taken_to_the_brim(tmp_path):
    assert made(tmp_path, "dgx-spark-gb10", "openai/gpt-oss-120b").memory["vllm-chat"].share == 0.8
