"""What the gateway is told: deployments, names that several servers share, fallbacks, caches, raw keys, clients."""

from __future__ import annotations

import pytest
from support import SMALL, plan_of

from stackgen.parts import Secret
from stackgen.render.litellm import document
from stackgen.render.yaml import Note

CHAT = "source: Qwen/Qwen3-0.6B, engine: vllm, modalities: [chat]"
TWO = f"""\
version: 1
name: two
profiles: [cpu]
models:
  a: {{{CHAT}, public_names: [talk, talk-too]}}
  b: {{{CHAT}, public_names: [talk]}}
  c: {{{CHAT}, public_names: [alone]}}
"""


def bare(value):
    if isinstance(value, Note):
        return bare(value.value)
    if isinstance(value, dict):
        return {key: bare(inner) for key, inner in value.items()}
    return [bare(inner) for inner in value] if isinstance(value, list) else value


def told(folder, text):
    return bare(document(plan_of(folder, text)))


def entries(folder, text):
    return {entry["model_info"]["id"]: entry for entry in told(folder, text)["model_list"]}


def test_each_model_has_an_entry_for_each_public_name_and_no_id_twice(tmp_path):
    plan = plan_of(tmp_path, TWO)
    assert [(entry.id, entry.public_name) for entry in plan.deployments] == [
        ("a@vllm-a", "talk"),
        ("a@vllm-a:2", "talk-too"),
        ("b@vllm-b", "talk"),
        ("c@vllm-c", "alone"),
    ]
    assert plan.shared_names == {"talk"}


def test_chat_and_vision_of_one_model_are_one_entry_that_sees(tmp_path):
    seeing = SMALL.replace("Qwen/Qwen3-0.6B", "nobody/sees").replace("modalities: [chat]", "modalities: [chat, vision]")
    found = entries(tmp_path, seeing)
    assert list(found) == ["chat@vllm-chat", "embed@infinity"]
    assert found["chat@vllm-chat"]["model_info"]["supports_vision"] is True
    assert found["chat@vllm-chat"]["model_info"]["mode"] == "chat"
    assert found["embed@infinity"]["model_info"]["mode"] == "embedding"


def test_an_entry_holds_what_the_spec_says_about_requests(tmp_path):
    text = SMALL.replace(
        "    modalities: [chat]\n",
        """\
    modalities: [chat]
    context: 8192
    tools: true
    reasoning: true
    timeout_seconds: 90
    generation: {temperature: 0.5, max_tokens: 1000, stop: [END]}
    limits: {rpm: 60, tpm: 9000, max_parallel_requests: 4, weight: 2, order: 1}
    gateway: {litellm_params: {extra_headers: {x: y}, temperature: 0.1}, model_info: {note: null, list: [1, a]}}
""",
    )
    entry = entries(tmp_path, text)["chat@vllm-chat"]
    assert entry["litellm_params"] == {
        "model": "hosted_vllm/chat",
        "api_base": "http://vllm-chat:8000/v1",
        "api_key": "os.environ/VLLM_API_KEY",
        "temperature": 0.1,
        "max_tokens": 1000,
        "stop": ["END"],
        "rpm": 60,
        "tpm": 9000,
        "max_parallel_requests": 4,
        "weight": 2,
        "order": 1,
        "timeout": 90,
        "extra_headers": {"x": "y"},
    }
    assert entry["model_info"] == {
        "id": "chat@vllm-chat",
        "mode": "chat",
        "max_input_tokens": 7192,
        "max_output_tokens": 1000,
        "supports_function_calling": True,
        "supports_reasoning": True,
        "note": None,
        "list": [1, "a"],
    }


@pytest.mark.parametrize(
    ("said", "lengths"),
    [
        ("", {}),
        ("context: 8192", {"max_input_tokens": 8192}),
        ("generation: {max_tokens: 100}", {"max_output_tokens": 100}),
        ("context: 8192, generation: {max_tokens: 100}", {"max_input_tokens": 8092, "max_output_tokens": 100}),
    ],
)
def test_lengths_together_are_never_more_than_the_context(tmp_path, said, lengths):
    text = SMALL + f"endpoints: {{cloud: {{provider: openai, {said}}}}}\n"
    information = entries(tmp_path, text)["cloud@endpoint"]["model_info"]
    assert {key: value for key, value in information.items() if "tokens" in key} == lengths


def test_an_endpoint_is_asked_at_its_url_with_its_key_for_its_model(tmp_path):
    text = """\
endpoints:
  own: {provider: hosted_vllm, url: "http://h:1/v1", model: org/model, key: OWN_KEY, public_names: [x]}
  open: {provider: hosted_vllm, url: "http://h:2/v1"}
  cloud: {provider: anthropic, model: claude, key: CLOUD_KEY}
"""
    found = {key: entry["litellm_params"] for key, entry in entries(tmp_path, SMALL + text).items()}
    own = {"model": "hosted_vllm/org/model", "api_base": "http://h:1/v1", "api_key": "os.environ/OWN_KEY"}
    assert found["own@endpoint"] == own
    assert found["open@endpoint"] == {"model": "hosted_vllm/open", "api_base": "http://h:2/v1", "api_key": "none"}
    assert found["cloud@endpoint"] == {"model": "anthropic/claude", "api_key": "os.environ/CLOUD_KEY"}
    kinds = {secret.name: secret.kind.value for secret in plan_of(tmp_path, SMALL + text).secrets}
    assert (kinds["OWN_KEY"], kinds["CLOUD_KEY"]) == ("required", "required")


def test_where_no_name_is_shared_no_server_is_left_alone(tmp_path):
    settings = told(tmp_path, SMALL)
    assert settings["router_settings"]["disable_cooldowns"] is True
    assert not {"cooldown_time", "allowed_fails"} & set(settings["router_settings"])
    assert not [entry for entry in settings["model_list"] if "cooldown_time" in entry["litellm_params"]]


def test_where_a_name_is_shared_only_lonely_servers_are_never_left_alone(tmp_path):
    settings = told(tmp_path, TWO + "gateway: {cooldown_seconds: 7, allowed_fails: 3}\n")
    router = settings["router_settings"]
    assert (router["cooldown_time"], router["allowed_fails"]) == (7, 3)
    assert "disable_cooldowns" not in router
    lonely = {
        entry["model_name"] for entry in settings["model_list"] if entry["litellm_params"].get("cooldown_time") == 0
    }
    assert lonely == {"talk-too", "alone"}
    assert told(tmp_path, TWO)["router_settings"]["cooldown_time"] == 30


def test_replicas_share_a_name(tmp_path):
    text = SMALL.replace("    modalities: [chat]\n", "    modalities: [chat]\n    replicas: 2\n")
    found = entries(tmp_path, text)
    bases = {key: entry["litellm_params"]["api_base"] for key, entry in found.items()}
    assert bases == {
        "chat@vllm-chat": "http://vllm-chat:8000/v1",
        "chat@vllm-chat-2": "http://vllm-chat-2:8000/v1",
        "embed@infinity": "http://infinity:7997",
    }


def test_fallbacks_are_said_again_for_every_alias(tmp_path):
    extra = """\
gateway:
  aliases: {old: talk, older: talk, only: alone}
  fallbacks: {talk: [alone]}
  context_window_fallbacks: {talk: [alone]}
  default_fallbacks: [alone]
"""
    router = told(tmp_path, TWO + extra)["router_settings"]
    chains = [{"talk": ["alone"]}, {"old": ["alone"]}, {"older": ["alone"]}]
    assert router["fallbacks"] == chains
    assert router["context_window_fallbacks"] == chains
    assert router["default_fallbacks"] == ["alone"]
    assert router["model_group_alias"] == {"old": "talk", "older": "talk", "only": "alone"}
    assert router["enable_pre_call_checks"] is True


def test_pre_call_checks_are_off_unless_something_needs_them(tmp_path):
    assert "enable_pre_call_checks" not in told(tmp_path, TWO)["router_settings"]
    text = TWO + "gateway: {pre_call_checks: false, context_window_fallbacks: {talk: [alone]}}\n"
    assert "enable_pre_call_checks" not in told(tmp_path, text)["router_settings"]


def test_a_semantic_cache_has_its_store_and_its_model(tmp_path):
    text = (
        SMALL + "gateway: {cache: semantic, cache_seconds: 60, semantic_cache: {embedding: embed, similarity: 0.8}}\n"
    )
    assert told(tmp_path, text)["litellm_settings"]["cache_params"] == {
        "type": "redis-semantic",
        "host": "redis",
        "port": 6379,
        "password": "os.environ/REDIS_PASSWORD",
        "ttl": 60,
        "similarity_threshold": 0.8,
        "redis_semantic_cache_embedding_model": "embed",
    }
    assert [warning for warning in plan_of(tmp_path, text).warnings if "semantic" in warning]


def test_raw_sections_are_laid_over_maps_by_key_and_lists_replace(tmp_path):
    text = (
        TWO
        + """\
secrets: {SLACK: {}}
gateway:
  callbacks: [prometheus]
  raw:
    litellm_settings: {callbacks: [otel], request_timeout: null, default_team_params: {a: {b: "$5 ${X"}}}
    router_settings: {num_retries: 9, model_group_alias: {x: talk}}
    general_settings: {alerting_args: {key: "${SLACK}", again: os.environ/SLACK}}
"""
    )
    found = told(tmp_path, text)
    assert found["litellm_settings"]["callbacks"] == ["otel"]
    assert found["litellm_settings"]["request_timeout"] is None
    assert found["litellm_settings"]["default_team_params"] == {"a": {"b": "$5 ${X"}}
    assert found["litellm_settings"]["json_logs"] is True
    assert found["router_settings"]["num_retries"] == 9
    assert found["router_settings"]["routing_strategy"] == "simple-shuffle"
    assert found["general_settings"] == {
        "master_key": "os.environ/LITELLM_MASTER_KEY",
        "alerting_args": {"key": "os.environ/SLACK", "again": "os.environ/SLACK"},
    }
    (gateway,) = [service for service in plan_of(tmp_path, text).services if service.name == "litellm"]
    assert isinstance(gateway.environment["SLACK"].value, Secret)


def test_lists_of_the_gateway_stay_lists_whatever_they_are_called(tmp_path):
    """In Compose's words these are maps; in the gateway's they are not."""
    params = "{labels: [a=b], args: [c], environment: [d=e], depends_on: [f]}"
    text = SMALL.replace(
        "    modalities: [chat]\n",
        f"    modalities: [chat]\n    gateway: {{litellm_params: {{extra_body: {params}}}}}\n",
    )
    assert entries(tmp_path, text)["chat@vllm-chat"]["litellm_params"]["extra_body"] == {
        "labels": ["a=b"],
        "args": ["c"],
        "environment": ["d=e"],
        "depends_on": ["f"],
    }


def test_a_path_that_goes_through_shows_its_key_as_a_bearer(tmp_path):
    text = SMALL + 'gateway: {pass_through: {ocr: {path: /ocr, url: "http://ocr:1/x", key: OCR_KEY}}}\n'
    assert told(tmp_path, text)["general_settings"]["pass_through_endpoints"] == [
        {"path": "/ocr", "target": "http://ocr:1/x", "headers": {"Authorization": "Bearer os.environ/OCR_KEY"}}
    ]
    (gateway,) = [service for service in plan_of(tmp_path, text).services if service.name == "litellm"]
    assert "OCR_KEY" in gateway.environment


@pytest.mark.parametrize(
    "said",
    [
        'endpoints: {near: {provider: openai, url: "http://host.docker.internal:8000/v1"}}',
        'gateway: {pass_through: {near: {path: /x, url: "http://host.docker.internal:8000"}}}',
    ],
)
def test_a_server_on_this_host_has_a_name_in_the_gateways_container(tmp_path, said):
    (gateway,) = [service for service in plan_of(tmp_path, f"{SMALL}{said}\n").services if service.name == "litellm"]
    assert gateway.extra_hosts == ("host.docker.internal:host-gateway",)
    (gateway,) = [service for service in plan_of(tmp_path, SMALL).services if service.name == "litellm"]
    assert gateway.extra_hosts == ()


def test_declared_keys_have_secrets_of_their_own(tmp_path):
    plan = plan_of(tmp_path, SMALL + "gateway: {teams: {people: {budget: 5}}, keys: {my-app: {team: people}}}\n")
    (key,) = [secret for secret in plan.secrets if secret.name == "LITELLM_KEY_MY_APP"]
    assert (key.kind.value, key.prefix, key.url_safe) == ("generated", "sk-", True)


def test_an_own_database_leads_elsewhere(tmp_path):
    text = SMALL + "secrets: {DB: {}}\ngateway: {database: false, secret_environment: {DATABASE_URL: DB}}\n"
    (gateway,) = [service for service in plan_of(tmp_path, text).services if service.name == "litellm"]
    value = gateway.environment["DATABASE_URL"].value
    assert isinstance(value, Secret)
    assert value.name == "DB"
