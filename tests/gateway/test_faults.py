"""Faults behind the real LiteLLM, one for each engine of a stack, each named with its service, hop and cause."""

from __future__ import annotations

import threading
import time

import pytest
from real_proxy import gateway_text, running
from support import plan_of

from stackgen import smoke
from stackgen.smoke import Hop, course

pytestmark = pytest.mark.gateway

SPEC = """\
version: 1
name: faults
profiles: [cpu]
models:
  chat: {source: Qwen/Qwen3-0.6B, engine: vllm, modalities: [chat]}
  embed: {source: sentence-transformers/all-MiniLM-L6-v2, engine: infinity, modalities: [embedding]}
  rank: {source: BAAI/bge-reranker-v2-m3, engine: infinity, modalities: [rerank]}
  local: {source: "qwen3:1.7b", engine: ollama, modalities: [chat]}
  hear: {source: Systran/faster-whisper-base, engine: speaches, modalities: [transcription]}
gateway: {database: false, cache: none, retries: 0}
"""
WAIT_SECONDS = 8.0
EDITS = {
    "wrong key": ('"os.environ/VLLM_API_KEY"', '"os.environ/INFINITY_API_KEY"'),
    "wrong served name": ('"infinity/embed"', '"infinity/other"'),
    "wrong mode": ('"audio_transcription"', '"chat"'),
}


@pytest.fixture(scope="module")
def judged(litellm_program, tmp_path_factory):
    """Results and their sentences: a wrong key for vLLM, a wrong name for Infinity, a wrong mode for Speaches; Ollama hangs."""
    plan = plan_of(tmp_path_factory.mktemp("spec"), SPEC)
    text = gateway_text(plan)
    for right, wrong in EDITS.values():
        assert text.count(right) == 1
        text = text.replace(right, wrong)
    with (
        pytest.MonkeyPatch.context() as patch,
        running(plan, text, litellm_program, tmp_path_factory.mktemp("faults")) as stack,
    ):
        patch.setattr(course, "REQUEST_SECONDS", WAIT_SECONDS)
        stack.engines["ollama"].hangs = threading.Event()
        began = time.monotonic()
        results = stack.run_smoke()
        seconds = time.monotonic() - began
        stack.engines["ollama"].hangs.set()
        yield results, list(smoke.diagnosis(stack.plan, results)), seconds


def failed(results, service):
    return {
        (result.hop, result.probe, result.cause) for result in results if not result.ok and result.service == service
    }


def test_a_key_that_is_not_the_engines(judged):
    results, sentences, _ = judged
    probes = ("chat", "chat stream", "chat unicode", "chat structured")
    assert failed(results, "vllm-chat") == {(Hop.GATEWAY, probe, "key") for probe in probes}
    assert sentences[0].startswith(
        "chat: vllm-chat itself answers; the gateway's route to it is wrong: the gateway shows"
    )


def test_a_name_that_the_engine_does_not_serve(judged):
    """Infinity looks at names where it serves several models."""
    results, sentences, _ = judged
    assert failed(results, "infinity") == {(Hop.GATEWAY, "embedding", "wrong model"), (Hop.GATEWAY, "entry", "")}
    assert sentences[1] == (
        "embed: infinity itself answers; the gateway's route to it is wrong: the gateway asks it for another model than embed"
    )


def test_a_mode_that_is_not_the_models(judged):
    results, sentences, _ = judged
    assert failed(results, "speaches") == {(Hop.GATEWAY, "entry", "")}
    words = "hear: the gateway's entry for speaches is not the spec's: mode is chat, must be audio_transcription"
    assert f"{words} -> `stackgen up`" in sentences


def test_an_engine_that_hangs_costs_one_wait_on_each_way_and_the_others_are_judged(judged):
    results, sentences, seconds = judged
    assert failed(results, "ollama") == {(Hop.GATEWAY, "chat", "silent"), (Hop.ENGINE, "chat", "silent")}
    hanging = next(sentence for sentence in sentences if sentence.startswith("local: "))
    assert hanging.startswith("local: ollama does not answer, with or without the gateway: it takes requests and")
    assert [result for result in results if result.skipped and result.modality and result.service != "ollama"] == []
    # the tests' transports send one way after the other
    assert seconds < 4 * WAIT_SECONDS
