"""The data of cards and models: complete for what they are, and every value with a source."""

from __future__ import annotations

import pytest

from stackgen import facts
from stackgen.facts import Card, ModelFacts

MODELS = list(facts.models().values())
WRITERS = [model for model in MODELS if model.kind in {"llm", "vlm"}]
CARDS = list(facts.cards().values())


def each(values, key):
    return pytest.mark.parametrize("value", values, ids=[getattr(value, key) for value in values])


@each(MODELS, "source")
def test_a_model_says_where_its_numbers_are_from(value):
    assert value.evidence
    assert value.weights_evidence
    assert value.weights_gib > 0
    assert all(variant.weights_evidence and variant.weights_gib > 0 for variant in value.variants)


@each(WRITERS, "source")
def test_a_model_that_writes_has_the_numbers_that_its_kind_of_cache_needs(value):
    assert value.has_cache
    assert value.longest_context
    assert value.vocabulary_size
    assert value.hidden_size
    assert value.parameters_billions
    assert (value.kv_lora_rank > 0) == (value.rope_head_dim > 0)
    if value.window_layers:
        assert value.sliding_window
        assert value.full_layers
        assert value.full_layers + value.window_layers <= value.layers
    if value.linear_layers:
        assert value.linear_state_bytes
        assert value.full_layers
        assert value.full_layers + value.linear_layers <= value.layers
    if value.experts:
        assert value.experts_per_token
        assert value.moe_intermediate_size
    else:
        assert value.intermediate_size
    if not value.kv_lora_rank:
        assert value.attention_heads % value.kv_heads == 0


@each([model for model in WRITERS if not model.quantization], "source")
def test_weights_of_16_bits_weigh_what_their_parameters_say(value):
    """Within 15 %: a model's name rounds, and some files leave out a tower."""
    expected = 2 * value.parameters_billions * 1e9 / 2**30
    assert value.weights_gib == pytest.approx(expected, rel=0.15)


@each([model for model in WRITERS if model.variants], "source")
def test_a_quantised_build_is_smaller_than_its_model_and_known_by_its_own_name(value):
    for variant in value.variants:
        assert variant.weights_gib < value.weights_gib
        if variant.source:
            own = facts.models()[variant.source]
            assert own.quantization == variant.quantization
            assert own.weights_gib == pytest.approx(variant.weights_gib, rel=0.01)


@each(CARDS, "id")
def test_a_card_says_where_its_numbers_are_from_and_shows_less_than_its_driver_does(value):
    assert value.source
    assert value.visible_gib > 0
    if value.nvidia_smi_mib:
        assert value.visible_gib < value.nvidia_smi_mib / 1024
    if value.vendor == "nvidia":
        assert value.bf16 == (value.compute_capability >= 8.0)
        assert value.fp8 == (value.compute_capability >= 8.9)
        assert value.fp4 == (value.compute_capability >= 10.0)


@each([card for card in CARDS if card.part_of], "id")
def test_a_slice_is_a_part_of_its_card_and_is_named_after_it(value):
    whole = facts.cards()[value.part_of]
    assert value.id.startswith(f"{whole.id}-mig-")
    assert value.compute_capability == whole.compute_capability
    assert value.visible_gib == pytest.approx(whole.visible_gib * value.memory_slices / 8, rel=0.05)
    assert not value.nvlink


def test_what_is_recalled_or_computed_counts_as_an_estimate():
    known = facts.models()
    assert known["Qwen/Qwen3-8B"].estimates == ()
    (weights,) = known["Qwen/Qwen3-0.6B"].estimates
    assert "derived" in weights
    both = known["mistralai/Devstral-Small-2507"].estimates
    assert len(both) == 2
    assert "not confirmed" in both[1]
    assert len(known["google/gemma-3-27b-it"].estimates) == 0
    assert facts.cards()["rtx-4080"].is_estimate
    assert not facts.cards()["a100-80gb"].is_estimate


def test_a_model_or_card_can_be_made_of_what_every_source_says():
    """Whoever reads a config.json leaves out what it does not say."""
    card = Card(id="x", name="X", vendor="nvidia", visible_gib=20, compute_capability=8.6, source="test")
    model = ModelFacts(
        source="x/y", kind="llm", weights_gib=2, weights_evidence="read", layers=4, hidden_size=8, intermediate_size=16,
        attention_heads=4, kv_heads=2, head_dim=4, experts_per_token=0, moe_intermediate_size=0, vocabulary_size=100,
        longest_context=64, tool_parser="", reasoning_parser="", evidence="read: config.json",
    )  # fmt: skip
    assert card.bf16
    assert model.has_cache
    assert not model.estimates


@pytest.mark.parametrize("name", facts.fitted(), ids=str)
def test_a_constant_is_what_its_starts_say_by_its_rule(name):
    constant = facts.fitted()[name]
    said = sorted(constant.observed.values())
    middle = (said[(len(said) - 1) // 2] + said[len(said) // 2]) / 2
    expected = {"median": middle, "largest": said[-1]}[constant.rule]
    assert constant.value == pytest.approx(expected, rel=0.01)
    assert constant.source
    assert constant.unit
