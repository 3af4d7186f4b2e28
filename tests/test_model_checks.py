"""Models that cannot do what is asked of them, as far as the catalogue, the hub and the cards say so."""

from __future__ import annotations

import pytest
import yaml
from support import SMALL, plan_of

from stackgen.errors import SpecError
from stackgen.render import files

HEAD = "version: 1\nname: kinds\nprofiles: [cpu]\nmodels:\n"


def refused(folder, text):
    with pytest.raises(SpecError) as raised:
        plan_of(folder, text)
    return [problem.message for problem in raised.value.problems]


@pytest.mark.parametrize(
    ("source", "engine", "modality", "message"),
    [
        ("BAAI/bge-m3", "vllm", "chat", "BAAI/bge-m3 makes vectors of texts, and that is not chat"),
        ("BAAI/bge-m3", "infinity", "rerank", "BAAI/bge-m3 makes vectors of texts, and that is not rerank"),
        ("Systran/faster-whisper-small", "speaches", "speech", "writes down speech, and that is not speech"),
        ("speaches-ai/Kokoro-82M-v1.0-ONNX", "speaches", "transcription", "speaks, and that is not transcription"),
        ("qwen3:1.7b", "ollama", "vision", "qwen3:1.7b writes text, and that is not vision"),
        ("/models/x", "ollama", "chat", "`/models/x` is no name of a model for Ollama"),
        ("/models/x", "speaches", "speech", "its models are fetched by name, and this is a folder"),
        ("Sys tran", "speaches", "transcription", "`Sys tran` is no id of the hub"),
        ("qwen3:8b", "vllm", "chat", "`qwen3:8b` is no id of the hub"),
        ("owner/model/more", "infinity", "embedding", "`owner/model/more` is no id of the hub"),
    ],
)
def test_a_model_for_something_else_or_from_somewhere_else_is_refused(tmp_path, source, engine, modality, message):
    entry = f'  one: {{source: "{source}", engine: {engine}, modalities: [{modality}]}}\n'
    (found,) = refused(tmp_path, HEAD + entry)
    assert message in found


@pytest.mark.parametrize(
    ("source", "engine", "modality"),
    [
        ("nobody/knows-this", "vllm", "vision"),
        ("gpt2", "vllm", "completion"),
        ("unsloth/Qwen3-0.6B-GGUF:Q4_K_M", "vllm", "chat"),
        ("s3://bucket/folder/model", "vllm", "chat"),
        ("registry.local:5000/team/llama3:8b", "ollama", "chat"),
        ("_owner/model", "infinity", "embedding"),
        ("/models/folder of mine", "vllm", "chat"),
        ("hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M", "ollama", "chat"),
        ("user/own:latest", "ollama", "embedding"),
    ],
)
def test_what_nobody_knows_is_believed(tmp_path, source, engine, modality):
    entry = f'  one: {{source: "{source}", engine: {engine}, modalities: [{modality}]}}\n'
    assert [route.modality for route in plan_of(tmp_path, HEAD + entry).routes] == [modality]


def test_a_context_may_be_longer_than_the_model_where_flags_make_it_so(tmp_path):
    longer = SMALL.replace("    modalities: [chat]\n", "    modalities: [chat]\n    context: 50000\n")
    assert "takes 40960 tokens, and 50000 are asked for" in refused(tmp_path, longer)[0]
    for lifted in (
        "extra_args: [--hf-overrides, '{}']",
        'extra_args: ["--hf-overrides.max_position_embeddings=65536"]',
        'environment: {VLLM_ALLOW_LONG_MAX_MODEL_LEN: "1"}',
    ):
        plan_of(tmp_path, longer.replace("50000\n", f"50000\n    {lifted}\n"))


def test_the_same_weights_have_one_context_in_one_process(tmp_path):
    entry = "  %s: {source: 'qwen3:1.7b', engine: ollama, modalities: [chat], context: %s%s}\n"
    text = HEAD + entry % ("one", 4096, "") + entry % ("two", 8192, "")
    assert "has the same weights in the instance `ollama` with another context, 4096" in refused(tmp_path, text)[0]
    plan_of(tmp_path, HEAD + entry % ("one", 4096, "") + entry % ("two", 8192, ", instance: own"))


@pytest.mark.parametrize(
    ("source", "cards", "possible"),
    [("Qwen/Qwen2.5-7B-Instruct", 2, True), ("Qwen/Qwen2.5-7B-Instruct", 3, False), ("nobody/knows", 3, True)],
)
def test_cards_that_cannot_share_the_heads_are_refused(tmp_path, source, cards, possible):
    gpus = "".join(f"  a{number}: {{card: a100-80gb, index: {number}}}\n" for number in range(cards))
    named = ", ".join(f"a{number}" for number in range(cards))
    model = f"  one: {{source: {source}, engine: vllm, modalities: [chat], gpus: [{named}]}}\n"
    text = f"version: 1\nname: heads\nprofiles: [nvidia]\ngpus:\n{gpus}models:\n{model}"
    if possible:
        assert plan_of(tmp_path, text).instances[0].tensor_parallel == cards
    else:
        assert refused(tmp_path, text) == [f"{cards} cards cannot share the attention heads of {source} evenly"]


def test_fallbacks_for_everything_that_cannot_answer_everything_are_told(tmp_path):
    def warned(gateway):
        return any(
            "`default_fallbacks` catch every failure" in text for text in plan_of(tmp_path, SMALL + gateway).warnings
        )

    assert warned("gateway: {default_fallbacks: [chat]}\n")
    assert not warned("gateway: {fallbacks: {}}\n")


AMD = """\
version: 1
name: amd
profiles: [rocm]
gpus:
  m0: {card: mi300x, index: 0}
  m1: {card: mi300x, index: 1}
models:
  one: {source: Qwen/Qwen3-8B, engine: vllm, modalities: [chat], gpus: [m0]}
  two: {source: Qwen/Qwen3-8B, engine: vllm, modalities: [chat], gpus: [m1]}
  three: {source: "qwen3:1.7b", engine: ollama, modalities: [chat], gpus: [m1], context: 4096}
"""


def test_each_server_on_amd_cards_sees_its_own(tmp_path):
    text = AMD.replace("[m1]}", "[m1], options: {gpu_memory_utilization: 0.5}}", 1)
    texts = {file.path: file.text for file in files(plan_of(tmp_path, text))}
    services = yaml.safe_load(texts["docker-compose.yml"])["services"]
    seen = {
        name: services[name]["environment"]["ROCR_VISIBLE_DEVICES"] for name in services if "devices" in services[name]
    }
    assert seen == {"ollama-m1": "1", "vllm-one": "0", "vllm-two": "1"}
    assert services["vllm-one"]["devices"] == ["/dev/kfd:/dev/kfd", "/dev/dri:/dev/dri"]


def test_one_server_has_cards_of_one_maker(tmp_path):
    mixed = AMD.replace("m1: {card: mi300x", "m1: {card: a100-80gb").replace("gpus: [m0]}", "gpus: [m0, m1]}")
    assert "one server cannot use cards of amd and nvidia together" in refused(tmp_path, mixed)
