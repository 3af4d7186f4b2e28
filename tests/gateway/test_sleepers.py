"""Who asks the real LiteLLM for a model whose group sleeps: an error that names the group, by every kind of request."""

from __future__ import annotations

import pytest
from real_proxy import gateway_text, running
from support import write_spec

from stackgen import plan as planning
from stackgen import smoke, sources
from stackgen.smoke.sleepers import SLEEPS

pytestmark = pytest.mark.gateway

SPEC = """\
version: 1
name: sleepers
profiles: [cpu]
models:
  chat: {source: Qwen/Qwen3-0.6B, engine: vllm, modalities: [chat], public_names: [main, "it's \\"quoted\\" \\\\ {x}"]}
  big: {source: Qwen/Qwen3-1.7B, engine: vllm, modalities: [chat], public_names: [main, big, "l'été {x} \\"\\\\"]}
  old: {source: Qwen/Qwen2.5-0.5B-Instruct, engine: vllm, modalities: [completion]}
  embed: {source: sentence-transformers/all-MiniLM-L6-v2, engine: infinity, modalities: [embedding]}
  rank: {source: BAAI/bge-reranker-v2-m3, engine: infinity, instance: night, modalities: [rerank]}
  hear: {source: Systran/faster-whisper-base, engine: speaches, modalities: [transcription]}
  speak: {source: speaches-ai/piper-fr_FR-siwis-medium, engine: speaches, modalities: [speech]}
groups:
  day: {models: [chat]}
  night: {models: [big, old, rank, hear, speak], exclusive: day}
gateway:
  database: false
  cache: none
  aliases: {bigger: big, mine: main}
  fallbacks: {big: [main]}
  default_fallbacks: [main, big]
"""
NIGHT = {"big", "bigger", "l'été {x} \"\\", "old", "rank", "hear", "speak"}
BODIES = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "hello"}]},
    "/v1/completions": {"prompt": "hello"},
    "/v1/embeddings": {"input": "hello"},
    "/v1/rerank": {"query": "hello", "documents": ["a"]},
    "/v1/audio/speech": {"input": "hello", "voice": "siwis"},
    "/v1/responses": {"input": "hello"},
    "/v1/messages": {"max_tokens": 5, "messages": [{"role": "user", "content": "hello"}]},
}


@pytest.fixture(scope="module")
def stack(litellm_program, tmp_path_factory):
    plan = planning.make(sources.load(write_spec(tmp_path_factory.mktemp("spec"), SPEC)))
    assert set(plan.sleeping_names) == NIGHT
    with running(plan, gateway_text(plan), litellm_program, tmp_path_factory.mktemp("sleepers")) as running_stack:
        yield running_stack


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("name", sorted(NIGHT))
def test_a_name_that_sleeps_is_refused_by_the_name_of_its_group(stack, path, name):
    exchange = stack.ask({"model": name, **BODIES[path]}, path)
    assert exchange.reply.status == 404
    assert f"`{name}` sleeps: the group `night` takes turns with `day`, which is active" in exchange.reply.refusal()
    assert "stackgen up --group night" in exchange.reply.refusal()
    assert not exchange.calls


def test_a_stream_is_refused_before_it_begins(stack):
    exchange = stack.ask({"model": "big", "stream": True, **BODIES["/v1/chat/completions"]})
    assert exchange.reply.status == 404
    assert "`big` sleeps" in exchange.reply.refusal()


def test_the_gateway_lists_who_is_awake(stack):
    status, found = stack.get("/v1/models", key=stack.master_key)
    assert status == 200
    assert {entry["id"] for entry in found["data"]} == {"main", 'it\'s "quoted" \\ {x}', "embed", "mine"}


def test_a_shared_name_is_answered_by_the_active_group(stack):
    for name in ("main", "mine"):
        exchange = stack.ask({"model": name, **BODIES["/v1/chat/completions"]})
        assert exchange.reply.status == 200
        assert [call.service for call in exchange.calls] == ["vllm-chat"]


def test_a_misspelt_name_keeps_the_gateways_own_word(stack):
    reply = stack.ask({"model": "bgi", **BODIES["/v1/chat/completions"]}).reply
    assert reply.status == 400
    assert "Invalid model name" in reply.refusal()


def test_who_has_no_key_learns_nothing(stack):
    reply = stack.ask({"model": "big", **BODIES["/v1/chat/completions"]}, key="sk-wrong").reply
    assert reply.status in {400, 401}
    assert "night" not in reply.body


def test_the_smoke_test_asks_for_sleepers_and_is_content(stack):
    results = stack.run_smoke()
    assert [result for result in results if not result.ok] == []
    assert {result.name for result in results if result.probe == SLEEPS} == NIGHT - {"bigger"}
    assert not {result.service for result in results} & {"vllm-big", "vllm-old", "infinity-night", "speaches"}


def test_without_its_table_the_refusal_still_stands(stack, litellm_program, tmp_path_factory):
    """Raw keys may replace the list of callbacks; a name that sleeps is unknown then, and nothing answers for it."""
    text = gateway_text(stack.plan)
    assert text.count('- "asleep.sleepers"') == 1
    text = text.replace('- "asleep.sleepers"', '- "prometheus"')
    with running(stack.plan, text, litellm_program, tmp_path_factory.mktemp("without")) as bare:
        exchange = bare.ask({"model": "big", **BODIES["/v1/chat/completions"]})
        assert exchange.reply.status == 400
        assert "Invalid model name" in exchange.reply.refusal()
        found = smoke.run(bare.plan, bare.through_gateway, bare.inside, bare.keys)
        assert all(result.ok for result in found if result.probe == SLEEPS)
