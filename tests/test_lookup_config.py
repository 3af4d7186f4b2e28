"""config.json of real models, cut to what is needed: what is read from it equals the shipped row of the same model."""

from __future__ import annotations

import dataclasses
import json

import pytest
from support import TESTS

from stackgen import facts
from stackgen.facts import ModelFacts
from stackgen.lookup.config import kind_of, numbers_of, quantization_of, table
from stackgen.lookup.layers import linear_state_bytes
from stackgen.lookup.weights import weight_bytes

CONFIGS = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted((TESTS / "data/configs").glob("*.json"))}
OTHER_SOURCES = {"weights_gib", "parameters_billions", "native_dtype", "linear_layers"}
"""Numbers that config.json does not say, or says of other files than those that the row is about."""


@pytest.mark.parametrize("name", CONFIGS)
def test_the_derived_numbers_equal_the_shipped_row(name):
    config = CONFIGS[name]
    row = facts.models()[config["_shipped_as"]]
    numbers, notes = numbers_of(config)
    shipped = {
        field.name: getattr(row, field.name)
        for field in dataclasses.fields(ModelFacts)
        if isinstance(getattr(row, field.name), int) and not isinstance(getattr(row, field.name), bool)
    }
    compared = {
        key: value for key, value in shipped.items() if value and not (key == "full_layers" and value == row.layers)
    }
    assert compared
    assert {key: numbers.get(key, 0) for key in compared} == compared
    assert kind_of(config) == row.kind
    assert notes == ()


ODD = (None, "x", "", [], {}, [{}], [None], {"a": 1}, {"a": {"weights": 1}}, -1, 0, True, 1.5, 10**30)


@pytest.mark.parametrize(
    "name", ["gpt-oss-20b", "qwen3-next-80b-a3b", "gemma-3-4b", "bge-reranker-v2-m3", "whisper-base"]
)
@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_a_configuration_with_odd_values_is_read_as_far_as_it_can_be(name, odd):
    config = CONFIGS[name] | {"quantization_config": {"quant_method": "compressed-tensors", "bits": 4}}
    keys = [*config, "id2label", "hybrid_override_pattern", "sliding_window_pattern", "rope_parameters", "conv_kernel"]
    for key in keys:
        changed = config | {key: odd}
        numbers, _ = numbers_of(changed)
        assert all(isinstance(value, int | str) for value in numbers.values())
        assert isinstance(kind_of(changed), str)
    for key in ("bits", "quant_method", "config_groups", "quant_algo"):
        assert isinstance(quantization_of({"quantization_config": {"quant_method": "awq", key: odd}}), str)
    assert isinstance(weight_bytes({"model.safetensors.index.json": 1}, lambda _: odd, "here"), int)


def test_no_number_is_read_that_the_catalogue_does_not_hold():
    known = {field.name for field in dataclasses.fields(ModelFacts)}
    for config in CONFIGS.values():
        assert set(numbers_of(config)[0]) <= known


def test_the_configs_cover_the_ways_of_attention():
    read = [numbers_of(config)[0] for config in CONFIGS.values()]
    for key in ("window_layers", "linear_layers", "kv_lora_rank", "experts", "linear_state_bytes"):
        assert any(numbers.get(key) for numbers in read), key


def test_an_unknown_family_is_read_by_the_general_rule_and_says_so():
    numbers, notes = numbers_of(CONFIGS["qwen3-8b"] | {"model_type": "brand_new"})
    assert numbers == numbers_of(CONFIGS["qwen3-8b"])[0]
    assert notes == ("estimate: model_type brand_new is not known, the general rule was used",)


def test_the_state_of_mamba_layers_is_that_of_the_shipped_row():
    config = {
        "mamba_num_heads": 64, "mamba_head_dim": 64, "n_groups": 8, "ssm_state_size": 128, "conv_kernel": 4,
        "mamba_ssm_cache_dtype": "float32",
    }  # fmt: skip
    row = facts.models()["nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16"]
    assert linear_state_bytes(config) == row.linear_state_bytes


def test_layers_of_a_pattern_of_letters():
    config = {
        "model_type": "nemotron_h",
        "num_hidden_layers": 6,
        "hybrid_override_pattern": "MEMEM*",
        "sliding_window": None,
    }
    numbers, notes = numbers_of(config)
    assert (numbers["full_layers"], numbers["linear_layers"]) == (1, 3)
    assert "linear_state_bytes cannot be told" in notes[0]


def test_a_window_that_is_switched_off_is_none():
    config = {"model_type": "mistral", "num_hidden_layers": 32, "sliding_window": 4096}
    assert numbers_of(config)[0]["window_layers"] == 32
    assert "window_layers" not in numbers_of(config | {"use_sliding_window": False})[0]
    assert "sliding_window" not in numbers_of(config | {"use_sliding_window": False})[0]


def test_a_length_that_yarn_stretches_is_reckoned_from_the_one_before():
    config = CONFIGS["qwen3-8b"] | {
        "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}
    }
    assert numbers_of(config)[0]["longest_context"] == 131072


@pytest.mark.parametrize(
    ("config", "pipeline", "sentences", "kind"),
    [
        ({"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"}, "", False, "llm"),
        ({"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"}, "", True, "embedding"),
        ({"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"}, "feature-extraction", False, "embedding"),
        ({"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"}, "text-ranking", False, "reranker"),
        ({"architectures": ["BertForSequenceClassification"], "num_labels": 3}, "", False, ""),
        ({"alignment_heads": [[1, 2]], "lang_ids": [1]}, "", False, "stt"),
        ({}, "text-to-speech", False, "tts"),
        ({}, "", False, ""),
        ({"architectures": ["T5ForConditionalGeneration"], "model_type": "t5"}, "", False, ""),
    ],
)
def test_what_a_model_is(config, pipeline, sentences, kind):
    assert kind_of(config, pipeline, sentences=sentences) == kind


@pytest.mark.parametrize(
    ("said", "format_"),
    [
        (None, ""),
        ({"quant_method": "fp8"}, "fp8"),
        ({"quant_method": "awq", "bits": 4}, "awq4"),
        ({"quant_method": "gptq", "bits": 8}, "gptq8"),
        ({"quant_method": "mxfp4"}, "mxfp4"),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "nvfp4"),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"a": {"weights": {"num_bits": 8, "type": "float"}}},
            },
            "fp8",
        ),
        (
            {"quant_method": "compressed-tensors", "config_groups": {"a": {"weights": {"num_bits": 4, "type": "int"}}}},
            "w4a16",
        ),
    ],
)
def test_how_weights_are_packed(said, format_):
    assert quantization_of({"quantization_config": said}) == format_


@pytest.mark.parametrize(
    ("sizes", "index", "expected"),
    [
        ({"model.safetensors": 10, "pytorch_model.bin": 20, "onnx/model.onnx": 40}, None, 10),
        ({"model-1.safetensors": 10, "model-2.safetensors": 5, "consolidated.safetensors": 15}, None, 15),
        ({"model.safetensors.index.json": 1, "model-1.safetensors": 10}, {"metadata": {"total_size": 9}}, 9),
        ({"model.safetensors.index.json": 1, "model-1.safetensors": 10}, {"metadata": {}}, 10),
        ({"model.bin": 7, "config.json": 1}, None, 7),
        ({"original/model.safetensors": 7, "README.md": 1}, None, 0),
    ],
)
def test_weights_are_counted_once(sizes, index, expected):
    assert weight_bytes(sizes, lambda _: index, "here") == expected


def test_every_key_of_the_table_is_a_number_of_the_catalogue():
    known = {field.name for field in dataclasses.fields(ModelFacts)}
    assert set(table()["keys"]) <= known
    assert set(table()["gguf"]["keys"]) <= known
    assert set(table()["kind_of_pipeline"].values()) <= set(facts.kinds())
