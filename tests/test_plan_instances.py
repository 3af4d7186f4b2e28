"""Instances of engines: replicas and their cards, what Ollama and Speaches are told, cards of other makers."""

from __future__ import annotations

import pytest
from support import plan_of

from stackgen.render import files

FOUR = """\
version: 1
name: four
profiles: [nvidia]
gpus: {a0: {card: a10, index: 0}, a1: {card: a10, index: 1}, a2: {card: a10, index: 2}, a3: {card: a10, index: 3}}
models:
  chat:
    source: mistralai/Mistral-7B-Instruct-v0.3
    engine: vllm
    modalities: [chat]
    gpus: [a3, a1, a0, a2]
    replicas: %d
"""
VOICES = """\
version: 1
name: voices
profiles: [cpu, house]
models:
  hear: {source: Systran/faster-whisper-base, engine: speaches, modalities: [transcription]}
  speak: {source: speaches-ai/piper-fr_FR-siwis-medium, engine: speaches, modalities: [speech]}
"""
HOUSE = """\
about: "another Speaches"
images:
  speaches: {repository: ghcr.io/speaches-ai/speaches, tag: "%s", version: "%s", evidence: "a test"}
"""


def services(plan):
    return {service.name: service for service in plan.services}


def variables(service):
    return {name: arg.value for name, arg in service.environment.items()}


@pytest.mark.parametrize(
    ("replicas", "cards"),
    [
        (1, {"vllm-chat": "a3 a1 a0 a2"}),
        (2, {"vllm-chat": "a3 a1", "vllm-chat-2": "a0 a2"}),
        (4, {"vllm-chat": "a3", "vllm-chat-2": "a1", "vllm-chat-3": "a0", "vllm-chat-4": "a2"}),
    ],
)
def test_replicas_share_the_cards_evenly_in_their_order(tmp_path, replicas, cards):
    plan = plan_of(tmp_path, FOUR % replicas)
    assert {one.name: " ".join(gpu.id for gpu in one.gpus) for one in plan.instances} == cards
    assert {one.tensor_parallel for one in plan.instances} == {4 // replicas}
    assert [one.replica for one in plan.instances] == list(range(replicas))
    assert len({deployment.id for deployment in plan.deployments}) == replicas


def test_replicas_on_the_processor_need_no_cards(tmp_path):
    text = FOUR % 3
    text = text.replace("[nvidia]", "[cpu, nvidia]").replace("gpus: [a3, a1, a0, a2]", "gpus: []")
    assert [one.gpus for one in plan_of(tmp_path, text).instances] == [(), (), ()]


OLLAMA = """\
version: 1
name: many
profiles: [%s]
%s
models:
  small:
    source: qwen3:1.7b
    engine: ollama
    modalities: [chat]
    context: 8192
    concurrency: 3
    options: {keep_alive: -1, max_loaded_models: 2, kv_cache_type: q8_0, gpu_overhead_gib: 0.5}
  spare: {source: "qwen2.5:1.5b", engine: ollama, modalities: [chat], context: 2048, options: {%s}}
"""


def test_ollama_is_told_the_longest_context_and_the_gateway_that_of_each_model(tmp_path):
    with pytest.raises(Exception, match="1 problem"):
        plan_of(tmp_path, OLLAMA % ("cpu", "", ""))  # -1 is a number, and the time is text
    text = OLLAMA.replace("keep_alive: -1", 'keep_alive: "-1"') % ("cpu", "", 'keep_alive: "-1", max_loaded_models: 2')
    plan = plan_of(tmp_path, text)
    found = variables(services(plan)["ollama"])
    assert found == {
        "OLLAMA_CONTEXT_LENGTH": "8192",
        "OLLAMA_NUM_PARALLEL": "3",
        "OLLAMA_NOPRUNE": "1",
        "OLLAMA_NO_CLOUD": "1",
        "OLLAMA_KEEP_ALIVE": "-1",
        "OLLAMA_MAX_LOADED_MODELS": "2",
        "OLLAMA_KV_CACHE_TYPE": "q8_0",
        "OLLAMA_FLASH_ATTENTION": "1",
        "OLLAMA_GPU_OVERHEAD": str(2**29),
    }
    assert {route.model: route.parameters["num_ctx"] for route in plan.routes} == {"small": 8192, "spare": 2048}
    assert {entry.public_name: entry.parameters["num_ctx"] for entry in plan.deployments} == {
        "small": 8192,
        "spare": 2048,
    }


def test_cards_of_amd_are_devices_of_the_host_and_a_variable_names_them(tmp_path):
    gpus = "gpus: {m0: {card: mi300x, index: 0}, m1: {card: mi300x, index: 1}}"
    text = OLLAMA.replace("keep_alive: -1, max_loaded_models: 2, ", "").replace(
        "modalities: [chat]\n    context", "modalities: [chat]\n    gpus: [m1]\n    context"
    ).replace("context: 2048", "context: 2048, gpus: [m1]") % ("rocm", gpus, "")  # fmt: skip
    plan = plan_of(tmp_path, text)
    service = services(plan)["ollama-m1"]
    assert service.image.reference.endswith("-rocm")
    assert variables(service)["ROCR_VISIBLE_DEVICES"] == "1"
    written = next(file.text for file in files(plan) if file.path == "docker-compose.yml")
    assert '["/dev/kfd:/dev/kfd", "/dev/dri:/dev/dri"]' in written
    assert "device_ids" not in written


@pytest.mark.parametrize(
    ("version", "header", "seconds"),
    [
        ("0.8.3", True, {"WHISPER__TTL": "300"}),
        ("0.9.0", False, {"STT_MODEL_TTL": "300", "TTS_MODEL_TTL": "300"}),
    ],
)
def test_speaches_up_to_0_8_asks_for_a_key_even_for_its_health(tmp_path, version, header, seconds):
    service = services(plan_of(tmp_path, VOICES, house=HOUSE % (version, version)))["speaches"]
    assert ("Authorization" in service.health.command[-1]) is header
    assert {key: value for key, value in variables(service).items() if key.endswith("TTL")} == seconds


@pytest.mark.parametrize(
    ("source", "options", "voice", "language"),
    [
        ("speaches-ai/piper-fr_FR-siwis-medium", "", "siwis", "fr"),
        ("speaches-ai/piper-pt_BR-faber-medium", "", "faber", "pt"),
        ("speaches-ai/Kokoro-82M-v1.0-ONNX", "", "af_heart", "en"),
        ("speaches-ai/Kokoro-82M-v1.0-ONNX", "voice: ff_siwis", "ff_siwis", "fr"),
        ("somebody/else", "voice: x, language: de", "x", "de"),
    ],
)
def test_a_voice_and_its_language_follow_from_the_model(tmp_path, source, options, voice, language):
    text = VOICES.replace("[cpu, house]", "[cpu]").replace("speaches-ai/piper-fr_FR-siwis-medium", source)
    text = text.replace("modalities: [speech]", f"modalities: [speech], options: {{{options}}}")
    plan = plan_of(tmp_path, text)
    (route,) = [route for route in plan.routes if route.modality == "speech"]
    assert (route.quirks.voice, route.quirks.language) == (voice, language)
    (entry,) = [entry for entry in plan.deployments if entry.mode == "audio_speech"]
    assert entry.information["health_check_voice"] == voice
