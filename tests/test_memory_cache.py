"""The attention cache in blocks, against block counts and sizes that engines logged."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackgen import facts
from stackgen.memory import GIB, cache

KNOWN = facts.models()
KINDS = {
    "uniform": "Qwen/Qwen3-8B",
    "latent": "moonshotai/Kimi-K2-Instruct",
    "windows": "google/gemma-3-27b-it",
    "unequal windows": "google/gemma-4-31B-it",
    "equal windows": "openai/gpt-oss-120b",
    "states": "Qwen/Qwen3.8-27B",
    "many states": "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
}
TOKENS, CARDS, BYTES = st.integers(1, 1_048_576), st.sampled_from([1, 2, 4, 8]), st.sampled_from([1, 2, 4])
each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.mark.parametrize(
    ("source", "number_bytes", "cards", "tokens"),
    [
        ("Qwen/Qwen3-Next-80B-A3B-Instruct", 2, 2, 544),
        ("Qwen/Qwen3.8-27B", 2, 1, 784),
        ("Qwen/Qwen3.8-27B", 1, 2, 1568),
        ("Qwen/Qwen3.6-35B-A3B", 1, 1, 2096),
    ],
)
def test_a_block_is_as_long_as_a_state_is_large(source, number_bytes, cards, tokens):
    assert cache.layout(KNOWN[source], number_bytes, cards).full_block_tokens == tokens


def test_the_blocks_of_a_model_with_windows_are_those_that_were_logged():
    """gemma-3-27b in 109.86 GiB: 89,994 blocks; the log rounds GiB to two figures, which is 5 blocks."""
    cut = cache.layout(KNOWN["google/gemma-3-27b-it"], 2, 1)
    assert cut.groups == 7
    assert abs(cache.blocks_in(cut, 109.86) - 89_994) <= 5
    assert 89_994 // cut.groups * cut.smallest_block_tokens == 205_696
    each = cache.request_blocks(cut, 4096, 8192, 1)
    assert 89_994 / each == pytest.approx(50.05, abs=0.01)


def test_pages_of_unequal_layers_are_made_equal():
    """gemma-4-31B: 8 KiB a token in a full layer and 16 KiB in a window layer, so 32 tokens and 16; logged 9.19 requests."""
    cut = cache.layout(KNOWN["google/gemma-4-31B-it"], 2, 1)
    assert (cut.full_block_tokens, cut.window_block_tokens) == (32, 16)
    blocks = cache.blocks_in(cut, 63.29)
    assert blocks / cache.request_blocks(cut, 8192, 8192, 1) == pytest.approx(9.19, abs=0.01)


def test_a_model_with_states_holds_the_requests_that_were_logged():
    cut = cache.layout(KNOWN["Qwen/Qwen3.6-35B-A3B"], 1, 1)
    assert cache.blocks_in(cut, 5.98) == 299
    assert 299 / cache.request_blocks(cut, 131_072, 8192, 2) == pytest.approx(4.3333, abs=0.0001)
    older = cache.layout(KNOWN["Qwen/Qwen3-Next-80B-A3B-Instruct"], 2, 2)
    assert cache.blocks_in(older, 44.59) == pytest.approx(7162, abs=1)
    assert 7162 / cache.request_blocks(older, 262_144, 8192, 1) == pytest.approx(14.77, abs=0.01)


def test_the_latent_cache_is_on_every_card_whole():
    model = KNOWN["moonshotai/Kimi-K2-Instruct"]
    assert cache.token_bytes(model, 2, 8) == cache.token_bytes(model, 2, 1) == (512 + 64) * 2
    cut = cache.layout(model, 2, 8)
    assert cache.blocks_in(cut, 46.80) * 64 == pytest.approx(715_072, rel=0.0002)


def test_heads_are_split_and_then_repeated():
    model = KNOWN["Qwen/Qwen3-235B-A22B"]
    sizes = [cache.token_bytes(model, 2, cards) for cards in (1, 2, 4, 8, 16)]
    assert sizes == [sizes[0], sizes[0] / 2, sizes[0] / 4, sizes[0] / 4, sizes[0] / 4]


def test_before_hybrid_caches_a_window_layer_kept_every_token():
    model = KNOWN["google/gemma-2-9b-it"]
    old, new = (cache.layout(model, 2, 1, hybrid=hybrid) for hybrid in (False, True))
    assert old.counts_tokens
    assert old.block_bytes == 16 * 42 * 2 * 8 * 256 * 2
    long = 8192
    bytes_of_old, bytes_of_new = (cache.request_blocks(cut, long, 512, 1) * cut.block_bytes for cut in (old, new))
    assert bytes_of_old > bytes_of_new


@each_kind
@settings(max_examples=60, deadline=None)
@given(tokens=TOKENS, more=TOKENS, batched=st.integers(16, 65_536), cards=CARDS, number_bytes=BYTES)
def test_a_request_never_needs_less_for_being_longer(kind, tokens, more, batched, cards, number_bytes):
    cut = cache.layout(KNOWN[KINDS[kind]], number_bytes, cards)
    short, long = (cache.request_blocks(cut, length, batched, 2) for length in (tokens, tokens + more))
    assert 0 < short <= long
    assert cache.request_blocks(cut, tokens, batched + more, 2) >= short
    assert cache.request_blocks(cut, tokens, batched, 3) >= short


@each_kind
@settings(max_examples=60, deadline=None)
@given(gib=st.floats(0, 1000), cards=CARDS, number_bytes=BYTES)
def test_blocks_fill_a_cache_and_no_more(kind, gib, cards, number_bytes):
    cut = cache.layout(KNOWN[KINDS[kind]], number_bytes, cards)
    blocks = cache.blocks_in(cut, gib)
    assert blocks * cut.block_bytes <= gib * GIB < (blocks + 1) * cut.block_bytes


@each_kind
@given(number_bytes=BYTES)
def test_every_layer_has_a_place_in_a_block(kind, number_bytes):
    """The layers of all groups together are at least those of the model."""
    model = KNOWN[KINDS[kind]]
    cut = cache.layout(model, number_bytes, 1)
    page = round(cut.full_block_tokens * cache.token_bytes(model, number_bytes, 1))
    assert cut.groups * cut.block_bytes // page >= (model.full_layers + model.window_layers + model.linear_layers)


def test_kinds_of_nearly_as_many_layers_share_one_group_size():
    model = replace(KNOWN["openai/gpt-oss-20b"], full_layers=13)
    cut = cache.layout(model, 2, 1)
    assert (cut.full_groups, cut.window_groups) == (1, 1)


def test_a_negative_cache_has_no_blocks():
    assert cache.blocks_in(cache.layout(KNOWN["Qwen/Qwen3-8B"], 2, 1), -3.0) == 0
