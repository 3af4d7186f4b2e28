"""What clients get from the real LiteLLM where several servers share a name: shares, ranks, and what happens when one dies."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from real_proxy import Exchange, Stack, gateway_text, running
from support import plan_of

from stackgen import smoke

pytestmark = pytest.mark.gateway

COOLDOWN_SECONDS = 2
SPEC = f"""\
version: 1
name: shared
profiles: [cpu]

models:
  heavy:
    source: Qwen/Qwen3-0.6B
    engine: vllm
    modalities: [chat]
    public_names: [pair]
    limits: {{weight: 3}}
  light:
    source: Qwen/Qwen3-1.7B
    engine: vllm
    modalities: [chat]
    public_names: [pair]
    limits: {{weight: 1}}
  first:
    source: Qwen/Qwen3-0.6B
    engine: vllm
    modalities: [chat]
    public_names: [ranked]
    limits: {{order: 1}}
  second:
    source: qwen3:1.7b
    engine: ollama
    modalities: [chat]
    public_names: [ranked]
    limits: {{order: 2}}
  single:
    source: Qwen/Qwen3-0.6B
    engine: vllm
    modalities: [chat]

gateway:
  database: false
  cache: none
  retries: 2
  cooldown_seconds: {COOLDOWN_SECONDS}
"""


@pytest.fixture(scope="module")
def stack(litellm_program, tmp_path_factory):
    plan = plan_of(tmp_path_factory.mktemp("spec"), SPEC)
    with running(plan, gateway_text(plan), litellm_program, tmp_path_factory.mktemp("shared")) as stack:
        yield stack


def ask(stack: Stack, model: str, **more) -> Exchange:
    return stack.ask({"model": model, "messages": [{"role": "user", "content": "Hello"}], **more})


def asked(exchange: Exchange) -> list[str]:
    return [call.service for call in exchange.calls]


def wait_until_asked(stack: Stack, model: str, service: str) -> None:
    """A server that recovered is asked again after its rest."""
    deadline = time.monotonic() + 10 * COOLDOWN_SECONDS
    while service not in asked(ask(stack, model)):
        assert time.monotonic() < deadline, f"{service} is not asked again"
        time.sleep(0.05)


def test_both_are_asked_by_their_weights(stack: Stack):
    exchanges = [ask(stack, "pair") for _ in range(60)]
    assert {exchange.reply.status for exchange in exchanges} == {200}
    counts = Counter(service for exchange in exchanges for service in asked(exchange))
    assert counts.total() == 60
    assert counts["vllm-heavy"] > counts["vllm-light"] > 0


def test_one_dead_server_is_left_alone_and_clients_do_not_notice(stack: Stack):
    began = time.monotonic()
    with stack.broken("vllm-heavy") as seen:
        statuses = Counter(ask(stack, "pair").reply.status for _ in range(20))
    rests = (time.monotonic() - began) // COOLDOWN_SECONDS
    assert statuses == {200: 20}
    assert 1 <= len(seen) <= 1 + rests
    wait_until_asked(stack, "pair", "vllm-heavy")


def test_the_second_rank_is_asked_only_while_the_first_fails(stack: Stack):
    assert {service for _ in range(10) for service in asked(ask(stack, "ranked"))} == {"vllm-first"}
    with stack.broken("vllm-first"):
        exchanges = [ask(stack, "ranked", num_retries=0), *(ask(stack, "ranked") for _ in range(9))]
    told = exchanges[0].reply.headers  # the next rank counts as a fallback: what the smoke test must not blame
    assert (told["x-litellm-attempted-fallbacks"], told["x-litellm-model-id"]) == ("1", "second@ollama")
    assert [(exchange.reply.status, asked(exchange)[-1]) for exchange in exchanges] == [(200, "ollama")] * 10
    wait_until_asked(stack, "ranked", "vllm-first")


def test_a_name_with_one_server_is_well_as_soon_as_its_server_is(stack: Stack):
    with stack.broken("vllm-single") as seen:
        exchanges = [ask(stack, "single", num_retries=0) for _ in range(3)]
    assert [exchange.reply.status for exchange in exchanges] == [500] * 3
    assert len(seen) >= 3
    after = ask(stack, "single")
    assert (after.reply.status, asked(after)) == (200, ["vllm-single"])


@pytest.mark.parametrize(
    ("service", "name", "identifier"),
    [("vllm-heavy", "pair", "heavy@vllm-heavy"), ("vllm-first", "ranked", "first@vllm-first")],
)
def test_the_smoke_test_names_the_dead_one_of_several(stack: Stack, service, name, identifier):
    with stack.broken(service):
        results = stack.run_smoke()
    failed = {(result.name, result.hop) for result in results if not result.ok}
    assert failed == {(f"{name} ({identifier})", smoke.Hop.GATEWAY), (f"{name} ({identifier})", smoke.Hop.ENGINE)}
    (sentence,) = smoke.diagnosis(stack.plan, results)
    assert sentence.startswith(f"{name} ({identifier}): {service} does not answer, with or without the gateway: ")
    wait_until_asked(stack, name, service)


def test_the_smoke_test_names_all_when_nobody_answers_to_a_name(stack: Stack):
    with stack.broken("vllm-heavy"), stack.broken("vllm-light"):
        results = stack.run_smoke()
    down = "does not answer, with or without the gateway: its container is down, or not in the network of the gateway"
    assert [sentence.partition(" -> ")[0] for sentence in smoke.diagnosis(stack.plan, results)] == [
        f"pair (heavy@vllm-heavy): vllm-heavy {down}",
        "pair: no good answer to a request by the name that several share",
        f"pair (light@vllm-light): vllm-light {down}",
    ]
    wait_until_asked(stack, "pair", "vllm-heavy")
