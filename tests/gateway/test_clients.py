"""What clients get from the real LiteLLM where each name has one server: defaults, fallbacks, aliases, cache, raw settings."""

from __future__ import annotations

import pytest
from real_proxy import Stack, gateway_text, running
from support import plan_of

from stackgen import smoke

pytestmark = pytest.mark.gateway

SPEC = """\
version: 1
name: clients
profiles: [cpu]

models:
  small:
    source: Qwen/Qwen3-0.6B
    engine: vllm
    modalities: [chat]
    context: 512
    generation:
      temperature: 0.6
      top_p: 0.95
      top_k: 20
      min_p: 0.05
      max_tokens: 128
      frequency_penalty: 0.25
      presence_penalty: 0.5
      repetition_penalty: 1.1
      seed: 7
      stop: [END]
    limits: {rpm: 600, tpm: 600000, max_parallel_requests: 8}
    gateway:
      litellm_params: {extra_body: {priority: 3}}
      model_info: {input_cost_per_token: 0.5}
  large:
    source: Qwen/Qwen3-1.7B
    engine: vllm
    modalities: [chat]
    context: 8192
  local:
    source: qwen3:1.7b
    engine: ollama
    modalities: [chat]
    context: 2048
    tools: true
    reasoning: true
    generation: {temperature: 0.6, top_k: 20, max_tokens: 200, repetition_penalty: 1.2, seed: 7, stop: [END]}

secrets:
  OUTSIDE_KEY: {required: true}

gateway:
  database: false
  retries: 0
  cache: local
  cache_seconds: 600
  aliases: {nickname: small}
  fallbacks: {small: [large]}
  context_window_fallbacks: {small: [large]}
  pass_through:
    straight: {path: /straight, url: "http://10.20.0.12:8000/v1/chat/completions", key: OUTSIDE_KEY}
  raw:
    litellm_settings: {drop_params: false}
    router_settings: {model_group_alias: {hidden: {model: large, hidden: true}}}
    general_settings: {health_check_details: false}
"""
GENERATION = {
    "temperature": 0.6,
    "top_p": 0.95,
    "top_k": 20,
    "min_p": 0.05,
    "max_tokens": 128,
    "frequency_penalty": 0.25,
    "presence_penalty": 0.5,
    "repetition_penalty": 1.1,
    "seed": 7,
    "stop": ["END"],
}
"""What `small` is to be asked for where a client says nothing."""
LONG = "word " * 600
"""More tokens than `small` takes, fewer than `large` does."""


@pytest.fixture(scope="module")
def stack(litellm_program, tmp_path_factory):
    plan = plan_of(tmp_path_factory.mktemp("spec"), SPEC)
    with running(plan, gateway_text(plan), litellm_program, tmp_path_factory.mktemp("clients")) as stack:
        yield stack


def chat(model: str, question: str, **more) -> dict:
    return {"model": model, "messages": [{"role": "user", "content": question}], **more}


def told(exchange) -> tuple[int, str | None]:
    return exchange.reply.status, exchange.reply.headers.get("x-litellm-attempted-fallbacks")


def asked(exchange) -> list[str]:
    return [call.service for call in exchange.calls]


def test_vllm_is_asked_for_what_the_spec_says(stack: Stack):
    (call,) = stack.ask(chat("small", "defaults")).calls
    assert {name: call.body.get(name) for name in GENERATION} == GENERATION
    assert call.body["priority"] == 3


@pytest.mark.parametrize("more", [{}, {"stream": True}])
def test_a_clients_own_word_wins(stack: Stack, more):
    own = {**GENERATION, "temperature": 0.1, "max_tokens": 9, "seed": 1, "stop": ["STOP"], "top_k": 3}
    (call,) = stack.ask(chat("small", "own words", **own, **more)).calls
    assert {name: call.body.get(name) for name in own} == own


def test_ollama_gets_its_options(stack: Stack):
    (call,) = stack.ask(chat("local", "defaults")).calls
    wanted = {
        "num_ctx": 2048,
        "temperature": 0.6,
        "top_k": 20,
        "num_predict": 200,
        "repeat_penalty": 1.2,
        "seed": 7,
        "stop": ["END"],
    }
    assert (call.path, call.body["options"]) == ("/api/chat", wanted)
    (call,) = stack.ask(chat("local", "own words", temperature=0.1, max_tokens=9)).calls
    assert call.body["options"] == {**wanted, "temperature": 0.1, "num_predict": 9}


def test_a_name_that_fails_is_answered_by_its_fallback(stack: Stack):
    assert told(stack.ask(chat("small", "before"))) == (200, "0")
    with stack.broken("vllm-small") as seen:
        exchange = stack.ask(chat("small", "meanwhile"))
        refused = stack.ask(chat("small", "no help", disable_fallbacks=True))
    assert (told(exchange), exchange.calls[-1].service) == ((200, "1"), "vllm-large")
    assert (refused.reply.status, set(asked(refused))) == (500, {"vllm-small"})
    assert seen
    after = stack.ask(chat("small", "after"))
    assert (told(after), asked(after)) == ((200, "0"), ["vllm-small"])


def test_an_alias_answers_and_has_the_fallbacks_of_its_name(stack: Stack):
    exchange = stack.ask(chat("nickname", "alias"))
    assert (told(exchange), asked(exchange)) == ((200, "0"), ["vllm-small"])
    with stack.broken("vllm-small"):
        exchange = stack.ask(chat("nickname", "alias in need"))
    assert (told(exchange), exchange.calls[-1].service) == ((200, "1"), "vllm-large")
    exchange = stack.ask(chat("nickname", f"alias {LONG}"))
    assert (told(exchange), asked(exchange)) == ((200, "1"), ["vllm-large"])


def test_the_smoke_test_names_the_dead_one_although_a_fallback_would_answer(stack: Stack):
    with stack.broken("vllm-small"):
        results = stack.run_smoke()
    assert {(result.name, result.hop) for result in results if not result.ok and result.modality} == {
        ("small", smoke.Hop.GATEWAY),
        ("small", smoke.Hop.ENGINE),
    }
    (sentence,) = smoke.diagnosis(stack.plan, results)
    assert sentence.startswith("small: vllm-small does not answer, with or without the gateway: its container is down")


def test_a_request_that_is_too_long_never_reaches_the_small_model(stack: Stack):
    exchange = stack.ask(chat("small", f"too long {LONG}"))
    assert (told(exchange), asked(exchange)) == ((200, "1"), ["vllm-large"])
    refused = stack.ask(chat("small", f"too long, no help {LONG}", disable_fallbacks=True))
    assert (refused.reply.status, asked(refused)) == (400, [])


def test_the_cache_answers_clients_and_never_the_smoke_test(stack: Stack):
    first, second = (stack.ask(chat("large", "twice")) for _ in range(2))
    assert (asked(first), asked(second)) == (["vllm-large"], [])
    texts = [exchange.reply.json()["choices"][0]["message"]["content"] for exchange in (first, second)]
    assert texts[0] == texts[1] != ""
    counts = []
    for _ in range(2):
        before = len(stack.calls)
        assert [result for result in stack.run_smoke() if not result.ok] == []
        counts.append(len([call for call in stack.calls[before:] if call.asks_model]))
    assert counts[0] == counts[1]


def test_clients_see_public_names_and_aliases_but_nothing_hidden(stack: Stack):
    status, models = stack.get("/v1/models", key=stack.master_key)
    assert (status, sorted(model["id"] for model in models["data"])) == (200, ["large", "local", "nickname", "small"])


def test_raw_keys_are_honoured(stack: Stack):
    hidden = stack.ask(chat("hidden", "raw alias"))
    assert (told(hidden), asked(hidden)) == ((200, "0"), ["vllm-large"])
    unsupported = stack.ask(chat("local", "drop_params is off", logit_bias={"1": 5}))
    assert (unsupported.reply.status, unsupported.calls) == (400, [])
    _, health = stack.get("/health", key=stack.master_key)
    assert "api_base" not in health["healthy_endpoints"][0]
    _, loaded = stack.get("/v1/model/info", key=stack.master_key)
    small = next(model for model in loaded["data"] if model["model_name"] == "small")
    assert small["model_info"]["input_cost_per_token"] == 0.5
    assert {name: small["litellm_params"][name] for name in ("rpm", "tpm", "max_parallel_requests")} == {
        "rpm": 600,
        "tpm": 600_000,
        "max_parallel_requests": 8,
    }


def test_a_path_that_goes_elsewhere_shows_its_own_key_there_and_wants_the_gateways_here(stack: Stack):
    exchange = stack.ask({"model": "straight", "messages": [{"role": "user", "content": "Hello"}]}, "/straight")
    assert exchange.reply.status == 200
    (call,) = exchange.calls
    assert (call.service, call.path) == ("straight", "/v1/chat/completions")
    assert call.authorization == f"Bearer {stack.keys['OUTSIDE_KEY']}"
    for wrong in ("", "sk-not-the-key"):
        refused = stack.ask({"model": "straight"}, "/straight", key=wrong)
        assert (refused.reply.status in {400, 401}, refused.calls) == (True, [])
