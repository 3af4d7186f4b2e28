"""The tests of routes can fail: paths that are wrong in the two ways people get them wrong are seen and named."""

from __future__ import annotations

import pytest
from real_proxy import gateway_text, running
from support import plan_of

from stackgen import smoke
from stackgen.engines import ENGINES
from stackgen.modalities import MODALITIES
from stackgen.plan import Plan, service_url
from stackgen.render.litellm import complaints

pytestmark = pytest.mark.gateway

FOUR = """\
version: 1
name: four
profiles: [cpu]
models:
  chat: {source: Qwen/Qwen3-0.6B, engine: vllm, modalities: [chat]}
  embed: {source: sentence-transformers/all-MiniLM-L6-v2, engine: infinity, modalities: [embedding]}
  local: {source: "qwen3:1.7b", engine: ollama, modalities: [chat]}
  hear: {source: Systran/faster-whisper-base, engine: speaches, modalities: [transcription]}
gateway: {database: false, cache: none, retries: 0}
"""
WRONG_BASES = {"vllm": ("/v1", ""), "infinity": ("", "/v1"), "ollama": ("", "/v1"), "speaches": ("/v1", "")}
"""Right and wrong base path by engine."""
WRONG_PATHS = {
    "vllm": "/chat/completions",
    "infinity": "/v1/embeddings",
    "ollama": "/v1/api/chat",
    "speaches": "/audio/transcriptions",
}
"""Where each mistake leads."""


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Plan:
    return plan_of(tmp_path_factory.mktemp("small"), FOUR)


def test_every_engine_is_misled():
    assert set(WRONG_BASES) == set(WRONG_PATHS) == set(ENGINES)


def misled(plan: Plan, text: str, engine: str) -> str:
    """The gateway file with the wrong base path of one engine."""
    service = next(instance.name for instance in plan.instances if instance.engine == engine)
    right, wrong = (f'"{service_url(service, ENGINES[engine].port, path)}"' for path in WRONG_BASES[engine])
    assert text.count(right) == 1
    return text.replace(right, wrong)


@pytest.fixture(scope="module")
def broken(small, litellm_program, tmp_path_factory):
    text = gateway_text(small)
    for engine in WRONG_BASES:
        text = misled(small, text, engine)
    with running(small, text, litellm_program, tmp_path_factory.mktemp("broken")) as stack:
        yield stack, stack.run_smoke()


@pytest.mark.parametrize("engine", WRONG_BASES)
def test_a_wrong_path_fails_and_the_engine_saw_it(broken, engine):
    stack, results = broken
    route = next(route for route in stack.plan.routes if route.engine == engine)
    planned = service_url(route.service, route.port)
    through = [result for result in results if (result.service, result.hop) == (route.service, smoke.Hop.GATEWAY)]
    assert [result.complaint for result in through if not result.modality] == [
        f"api_base is {planned}{WRONG_BASES[engine][1]}, must be {planned}{WRONG_BASES[engine][0]}"
    ]
    through = [result for result in through if result.modality]
    assert [result.probe for result in through] == [
        probe.name for probe in MODALITIES[route.modality].probes_for(route.quirks)
    ]
    assert not any(result.ok for result in through)
    asked = {
        (call.path, call.status)
        for exchange in stack.exchanges
        for call in exchange.calls
        if call.service == route.service
    }
    assert (WRONG_PATHS[engine], 404) in asked
    assert {status for _, status in asked} == {404}


def test_the_smoke_test_blames_the_gateways_route(broken):
    stack, results = broken
    assert all(result.ok for result in results if result.hop is not smoke.Hop.GATEWAY)
    assert list(smoke.diagnosis(stack.plan, results)) == [
        f"{name}: {route.service} itself answers; the gateway's route to it is wrong: "
        f"the gateway calls another path than {route.url}; its api_base must be {route.base_url}"
        for route in stack.plan.routes
        for name in route.public_names
    ]


@pytest.mark.parametrize("engine", WRONG_BASES)
def test_a_wrong_path_is_named_without_running_anything(small, tmp_path, engine):
    file = tmp_path / "config.yaml"
    file.write_text(gateway_text(small), encoding="utf-8")
    assert list(complaints(small, file)) == []
    file.write_text(misled(small, gateway_text(small), engine), encoding="utf-8")
    route = next(route for route in small.routes if route.engine == engine)
    address = service_url(route.service, route.port)
    reached = f"api_base {address}{WRONG_BASES[engine][1]} reaches {address}{WRONG_PATHS[engine]}"
    wanted = f"`{route.public_names[0]}`: {reached}, but the model is at {address}{route.endpoint}"
    assert list(complaints(small, file)) == [wanted]
