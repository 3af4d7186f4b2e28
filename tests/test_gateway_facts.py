"""What is known about the gateway: its keys per release, and its paths and modes per provider and modality."""

from __future__ import annotations

import pytest
from support import EXAMPLES

from stackgen import facts, sources
from stackgen.backing import litellm
from stackgen.facts.gateway import GatewayKeys, gateway_keys, gateway_versions

SECTIONS = ("cache_params", "file", "general_settings", "litellm_params", "litellm_settings", "model_info", "model_list",
            "router_settings")  # fmt: skip


@pytest.fixture(params=gateway_versions())
def keys(request) -> GatewayKeys:
    known = gateway_keys(request.param)
    assert known
    return known


def test_the_pinned_release_is_known():
    pinned = sources.load(next(EXAMPLES.glob("*/stack.yaml"))).pinned(litellm.NAME, "")
    assert pinned
    assert pinned.pin.version in gateway_versions()


def test_a_release_that_was_not_read_has_no_keys():
    assert gateway_keys("0.0.1") is None


def test_every_section_has_keys(keys):
    assert tuple(sorted(keys.sections)) == SECTIONS
    assert all(keys.sections.values())


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("file", "model_list"),
        ("file", "environment_variables"),
        ("model_list", "model_info"),
        ("litellm_params", "api_base"),
        ("litellm_params", "order"),
        ("litellm_params", "temperature"),
        ("litellm_params", "num_ctx"),
        ("litellm_params", "use_chat_completions_api"),
        ("model_info", "health_check_voice"),
        ("model_info", "id"),
        ("model_info", "max_input_tokens"),
        ("model_info", "supports_vision"),
        ("general_settings", "master_key"),
        ("general_settings", "proxy_batch_write_at"),
        ("general_settings", "disable_spend_logs"),
        ("router_settings", "cooldown_time"),
        ("router_settings", "fallbacks"),
        ("litellm_settings", "cache_params"),
        ("litellm_settings", "drop_params"),
        ("litellm_settings", "request_timeout"),
        ("cache_params", "similarity_threshold"),
        ("cache_params", "qdrant_collection_name"),
    ],
)
def test_a_key_is_known_where_it_works(keys, section, key):
    assert key in keys.sections[section]


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("file", "router_setings"),
        ("general_settings", "cooldown_time"),
        ("general_settings", "slack"),
        ("litellm_params", "routing_strategy"),
        ("litellm_settings", "cooldown_time"),
        ("litellm_settings", "model_list"),
        ("router_settings", "health_check_interval"),
        ("router_settings", "model_list"),
        ("router_settings", "request_timeout"),
    ],
)
def test_a_key_is_unknown_where_it_does_nothing(keys, section, key):
    assert key not in keys.sections[section]


def test_types_are_simple_words_for_known_keys(keys):
    for section, words in keys.types.items():
        assert set(words.values()) <= {"bool", "int", "float", "str", "list", "dict"}
        assert words["timeout" if section == "router_settings" else "max_file_size_mb"] in {"int", "float"}
    assert keys.types["general_settings"]["master_key"] == "str"
    assert keys.types["router_settings"]["num_retries"] == "int"
    assert "fallbacks" in keys.sections["router_settings"]
    assert keys.types["router_settings"]["fallbacks"] == "list"


def test_providers_are_those_that_the_real_gateway_took(keys):
    assert {"hosted_vllm", "openai", "ollama", "ollama_chat", "infinity", "anthropic", "azure"} <= keys.providers
    assert keys.providers.isdisjoint({"sglang", "tgi", "tei", "llamacpp", "max", "speaches", "trtllm"})


def test_callbacks_are_told_from_those_that_only_log(keys):
    assert {"prometheus", "langfuse", "otel", "datadog", "presidio"} <= keys.callbacks
    assert {"sentry", "langfuse", "s3"} <= keys.logging_callbacks
    assert "sentry" not in keys.callbacks
    assert "presidio" not in keys.logging_callbacks


def test_strategies_caches_and_modes(keys):
    assert {"simple-shuffle", "least-busy", "usage-based-routing-v2"} <= keys.routing_strategies
    assert {"local", "redis", "redis-semantic", "qdrant-semantic"} <= keys.cache_types
    assert {facts.gateway_mode(modality) for modality in ("chat", "speech", "transcription", "rerank")} <= keys.modes


def test_misplaced_keys_are_known_in_the_section_that_is_told(keys):
    assert keys.misplaced["cooldown_time"] == "router_settings"
    assert [key for key, section in keys.misplaced.items() if key not in keys.sections[section]] == []


def test_a_key_is_not_useless_and_misplaced_at_once(keys):
    assert {"set_verbose", "telemetry"} <= set(keys.useless)
    assert keys.useless.keys().isdisjoint(keys.misplaced)


def test_secrets_are_told_for_known_callbacks(keys):
    assert keys.callback_secrets["langfuse"] == ("LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY")
    assert set(keys.callback_secrets) <= keys.callbacks | keys.logging_callbacks


@pytest.mark.parametrize(
    ("provider", "modality", "path"),
    [
        ("hosted_vllm", "vision", "/chat/completions"),
        ("hosted_vllm", "transcription", "/audio/transcriptions"),
        ("infinity", "rerank", "/rerank"),
        ("infinity", "chat", None),
        ("ollama", "embedding", "/api/embed"),
        ("ollama_chat", "embedding", None),
        ("ollama_chat", "vision", "/api/chat"),
        ("openai", "rerank", None),
        ("openai", "speech", "/audio/speech"),
        ("sglang", "chat", None),
    ],
)
def test_what_a_provider_appends_for_a_modality(provider, modality, path):
    assert facts.gateway_path(provider, modality) == path


@pytest.mark.parametrize(
    ("modality", "mode"), [("vision", "chat"), ("transcription", "audio_transcription"), ("speech", "audio_speech")]
)
def test_the_gateways_word_for_a_modality(modality, mode):
    assert facts.gateway_mode(modality) == mode
