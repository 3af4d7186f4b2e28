"""The account of a vLLM start: defaults by release and card, what decides it, and what a planner asks of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackgen import facts
from stackgen.memory import overhead, vllm

KNOWN, CARDS = facts.models(), facts.cards()
SOURCES = (
    "Qwen/Qwen3-8B", "Qwen/Qwen3-235B-A22B", "moonshotai/Kimi-K2-Instruct", "google/gemma-3-27b-it", "openai/gpt-oss-120b",
    "Qwen/Qwen3.8-27B", "meta-llama/Llama-3.2-11B-Vision-Instruct",
)  # fmt: skip
RELEASES = ((0, 6, 0), (0, 7, 3), (0, 11, 0), (0, 20, 0), (0, 24, 0), (0, 32, 0))


def start(source="Qwen/Qwen3-8B", card="a100-80gb", **given_):
    settings_ = {
        "model": KNOWN[source], "visible_gib": CARDS[card].visible_gib, "release": (0, 32, 0), "context": 32_768,
        "utilisation": 0.92, "sequences": 64, "batched_tokens": 2048,
    }  # fmt: skip
    return vllm.Start(**settings_ | given_)


@pytest.mark.parametrize(
    ("release", "card", "context", "expected"),
    [
        ((0, 11, 0), "h100-80gb", 40_960, (0.9, 8192, 1024)),
        ((0, 11, 0), "rtx-pro-6000-blackwell", 40_960, (0.9, 8192, 1024)),
        ((0, 11, 0), "a100-80gb", 40_960, (0.9, 2048, 256)),
        ((0, 31, 0), "a100-80gb", 40_960, (0.92, 8192, 1024)),
        ((0, 20, 0), "l40s", 40_960, (0.92, 2048, 256)),
        ((0, 11, 0), "a100-80gb-mig-3g.40gb", 40_960, (0.9, 2048, 256)),
        ((0, 7, 0), "h100-80gb", 20_000, (0.9, 20_000, 256)),
        ((0, 7, 0), "h100-80gb", 131_072, (0.9, 2048, 256)),
        ((0, 8, 5), "t4", 16_384, (0.9, 16_384, 256)),
        ((0, 8, 5), "l4", 16_384, (0.9, 2048, 256)),
    ],
)
def test_defaults_follow_release_card_and_context(release, card, context, expected):
    found = vllm.defaults(release, CARDS[card], CARDS[card].visible_gib, context, sees=False)
    assert (found.utilisation, found.batched_tokens, found.sequences) == expected


def test_sequences_nobody_asked_for_make_the_start_that_is_known_to_fail():
    """gpt-oss-120b on one H100 with the defaults of 0.10 (vllm#23278): the log said -2.14 GiB of cache."""
    usual = vllm.defaults((0, 10, 1), CARDS["h100-80gb"], 79.2, 131_072, sees=False)
    first = start(
        "openai/gpt-oss-120b", "h100-80gb", release=(0, 10, 1), context=131_072, utilisation=usual.utilisation,
        sequences=usual.sequences, batched_tokens=usual.batched_tokens,
    )  # fmt: skip
    found = vllm.account(first)
    assert found.cache_gib == pytest.approx(-2.14, abs=0.1)
    assert not found.starts
    assert vllm.account(replace(first, sequences=64, batched_tokens=2048)).starts


def test_a_step_is_what_was_logged_to_the_hundredth():
    llama = KNOWN["meta-llama/Llama-3.1-8B-Instruct"]
    assert overhead.forward_gib(llama, 20_000, 1) == pytest.approx(2.06, abs=0.01)
    assert overhead.forward_gib(llama, 29_000, 1) == pytest.approx(2.99, abs=0.01)
    assert overhead.sampler_gib(llama, 256, 2048, (0, 7, 0)) == pytest.approx(1.19, abs=0.01)


def test_every_sequence_of_a_model_with_cross_attention_gets_a_picture():
    """vllm#12126: 36.63 GiB for 128 sequences, and 6,001 blocks of 14.65 GiB."""
    first = start(
        "meta-llama/Llama-3.2-11B-Vision-Instruct", "h100-80gb", release=(0, 7, 0), context=65_536, sequences=128,
        batched_tokens=65_536, first_engine=True, sees=True, eager=True, utilisation=0.9,
    )  # fmt: skip
    found = vllm.account(first)
    assert found.activation_gib == pytest.approx(36.63, abs=0.01)
    assert vllm.capacity(first, found.cache_gib).blocks == pytest.approx(6001, rel=0.01)


def test_a_share_that_is_not_free_is_refused():
    free = vllm.account(start(free_gib=0.92 * 79.25))
    assert free.starts
    assert not vllm.account(start(free_gib=72.0)).starts


def test_a_program_of_its_own_works_in_longer_steps_than_the_server():
    steps = [
        vllm.defaults((0, 11, 0), CARDS[card], CARDS[card].visible_gib, 4096, sees=False, offline=True).batched_tokens
        for card in ("h100-80gb", "l4")
    ]
    assert steps == [16_384, 8192]


def test_graphs_moved_into_the_share_and_those_of_the_second_runner_out_again():
    before, since, second = (vllm.account(start(release=release)) for release in ((0, 20, 2), (0, 21, 0), (0, 25, 0)))
    assert before.graphs_gib == since.outside_gib == second.graphs_gib == 0
    assert before.outside_gib == since.graphs_gib == second.outside_gib > 0
    assert vllm.account(start("openai/gpt-oss-20b", release=(0, 25, 0))).graphs_gib > 0
    eager = vllm.account(start(eager=True))
    assert eager.graphs_gib == eager.outside_gib == 0
    assert overhead.graph_sizes(1) == 2
    assert overhead.graph_sizes(256) == overhead.graph_sizes(1024) == 51


def test_the_printed_tokens_of_a_hybrid_changed_their_meaning():
    hybrid = start("Qwen/Qwen3.6-35B-A3B", "rtx-5090", context=131_072, number_bytes=1, batched_tokens=8192)
    new = vllm.capacity(replace(hybrid, release=(0, 24, 0)), 5.98)
    assert new.printed_tokens == 567_978
    assert new.tokens is None
    old = vllm.capacity(replace(hybrid, release=(0, 20, 0)), 5.98)
    assert old.printed_tokens == 299 // 4 * 2096
    uniform = vllm.capacity(start(), 18.69)
    assert uniform.tokens == uniform.printed_tokens == pytest.approx(136_080, rel=0.001)


@pytest.mark.parametrize("release", RELEASES, ids=str)
@pytest.mark.parametrize("source", SOURCES)
@settings(max_examples=25, deadline=None)
@given(
    context=st.integers(16, 500_000), sequences=st.integers(1, 2048), batched=st.integers(16, 65_536),
    more=st.integers(0, 100_000), cards=st.sampled_from([1, 2, 4, 8]), sees=st.booleans(), eager=st.booleans(),
)  # fmt: skip
def test_nothing_that_grows_makes_a_start_need_less(
    source, release, context, sequences, batched, more, cards, sees, eager
):
    def needed(**changed):
        values = {"context": context, "sequences": sequences, "batched_tokens": batched} | changed
        built = start(source, release=release, tensor_parallel=cards, sees=sees, eager=eager, **values)
        found = vllm.account(built)
        return found.weights_gib + found.overhead_gib + found.one_request_gib + found.outside_gib

    least = needed()
    assert least > 0
    assert needed(context=context + more) >= least
    assert needed(sequences=sequences + more) >= least
    assert needed(batched_tokens=batched + more) >= least
    assert needed(weights_gib=KNOWN[source].weights_gib / cards + more) >= least
