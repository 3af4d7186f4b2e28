"""What a stack takes of its host: disks, the warning where one has less room than that, memory of containers."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest
from engine_samples import SAMPLES
from support import plan_of

from stackgen import facts
from stackgen import plan as planning
from stackgen.engines import ENGINES
from stackgen.plan import StandIns, simulated
from stackgen.runtime import disk

HOUSE = """\
models:
  house/chat: {kind: llm, weights_gib: 12.5, layers: 16, hidden_size: 2048, intermediate_size: 8192,
    attention_heads: 32, kv_heads: 8, head_dim: 64, vocabulary_size: 128256, longest_context: 8192, source: ours}
  /models/chat: {kind: llm, weights_gib: 12.5, layers: 16, hidden_size: 2048, intermediate_size: 8192,
    attention_heads: 32, kv_heads: 8, head_dim: 64, vocabulary_size: 128256, longest_context: 8192, source: ours}
  house/encoder: {kind: embedding, weights_gib: 1, layers: 24, hidden_size: 256, longest_context: 512, source: ours}
"""
STACK = """\
version: 1
name: house
profiles: [nvidia]
gpus: {a0: {card: a100-80gb, index: 0}}
gateway: {database: false}
models:
  chat: {source: %s, engine: vllm, modalities: [chat]}
  again: {source: house/encoder, engine: infinity, modalities: [embedding]}
  embed: {source: house/encoder, engine: infinity, modalities: [embedding]}
"""
SPOKEN = """\
  hear: {source: nobody/knows-it, engine: speaches, modalities: [transcription], gpus: []}
  tags: {source: "qwen3:1.7b", engine: ollama, modalities: [chat]}
"""


def planned(folder, text=STACK % "house/chat"):
    (folder / "profiles/facts").mkdir(parents=True, exist_ok=True)
    (folder / "profiles/facts/house.yaml").write_text(HOUSE)
    return plan_of(folder, text)


def storages(plan):
    return {space.storage.name: dict(space.weights_gib) for space in plan.disk.storages}


def test_each_source_counts_once_in_the_storage_that_holds_it(tmp_path):
    plan = planned(tmp_path)
    assert storages(plan) == {"huggingface": {"house/chat": 12.5, "house/encoder": 2.0}, "vllm-compile": {}}
    assert {space.storage.name: space.gib for space in plan.disk.storages} == {"huggingface": 14.5, "vllm-compile": 2}
    images = {image.reference.partition(":")[0]: image.gib for image in plan.disk.images}
    assert images == {"ghcr.io/berriai/litellm": 2.5, "michaelf34/infinity": 10, "vllm/vllm-openai": 26.7}
    assert plan.disk.gib == pytest.approx(14.5 + 2 + 2.5 + 10 + 26.7)


def test_a_folder_of_the_image_takes_nothing_more(tmp_path):
    assert storages(planned(tmp_path, STACK % "/models/chat")) == {
        "huggingface": {"house/encoder": 2.0},
        "vllm-compile": {},
    }


def test_what_nobody_knows_is_named(tmp_path):
    own = "services: {web: {compose: {image: own/web:1}}}\n"
    plan = planned(tmp_path, STACK.replace("[nvidia]", "[cpu, nvidia]") % "house/chat" + SPOKEN + own)
    assert storages(plan)["speaches-models"] == {"nobody/knows-it": None}
    assert storages(plan)["ollama-models"] == {"qwen3:1.7b": facts.models()["qwen3:1.7b"].weights_gib}
    lines = planning.as_text(plan).splitlines()
    lines = lines[lines.index("disk") : lines.index("secrets")]
    assert [line.split() for line in lines if "?" in line] == [
        ["image", "own/web:1", "?"],
        ["storage", "speaches-models", "?", "nobody/knows-it", "?"],
    ]
    assert next(line for line in lines if "in all" in line).endswith(" GiB  without own/web:1, nobody/knows-it")


def test_images_differ_by_the_cards_that_they_are_for(tmp_path):
    on_processor = (STACK % "house/chat").replace("[nvidia]", "[cpu]").replace("gpus: {a0", "# {a0")
    images = {image.reference.partition(":")[0]: image for image in planned(tmp_path, on_processor).disk.images}
    assert (images["vllm/vllm-openai-cpu"].gib, images["vllm/vllm-openai-cpu"].is_estimate) == (4, True)


def test_an_image_that_is_laid_over_a_service_is_not_known(tmp_path):
    laid = "overrides: {litellm: {compose: {image: own/litellm:1}}}\n"
    images = {image.reference: image.gib for image in planned(tmp_path, STACK % "house/chat" + laid).disk.images}
    assert images["own/litellm:1"] is None


def test_the_plan_as_json_says_the_same(tmp_path):
    data = planning.as_json(planned(tmp_path))["disk"]
    assert data["known_gib"] == 55.7
    assert {"image": "vllm/vllm-openai:v0.32.0", "gib": 26.7, "estimate": False} in data["images"]
    assert data["storage"][0] == {
        "name": "huggingface",
        "known_gib": 14.5,
        "weights": [{"source": "house/chat", "gib": 12.5}, {"source": "house/encoder", "gib": 2.0}],
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_has_sizes_of_its_images_and_a_place_for_its_weights(engine, tmp_path):
    assert all(facts.image_size(engine, accelerator) for accelerator in ("cpu", "nvidia"))
    example = SAMPLES[engine]
    text = "version: 1\nname: small\nprofiles: [cpu]\ngateway: {database: false}\nmodels:\n"
    text += f'  one: {{source: "{example.source}", engine: {engine}, modalities: [{example.modality}]}}\n'
    assert [list(held) for held in storages(planned(tmp_path, text)).values() if held] == [[example.source]]


ON_CARDS = """\
version: 1
name: house
profiles: [nvidia]
gpus: {a0: {card: a100-80gb, index: 0}, a1: {card: a100-80gb, index: 1}}
gateway: {database: false}
models:
  chat: {source: %s, engine: vllm, modalities: [chat]%s}
"""


@pytest.mark.parametrize(
    ("source", "more", "limit_gib", "shared_gib"),
    [
        ("house/chat", ", gpu_count: 1", 32 + 2 * 12.5, None),
        ("house/chat", ", gpu_count: 2", 32 + 8 + 2 * 12.5 + 10, 10),
        ("nobody/knows-it", ", gpus: [a1]", 191, None),
    ],
)
def test_the_memory_of_a_container_follows_from_weights_that_the_planner_placed(
    tmp_path, source, more, limit_gib, shared_gib
):
    (service,) = (one for one in planned(tmp_path, ON_CARDS % (source, more)).services if one.name == "vllm-chat")
    assert (service.limits.memory_gib, service.shared_memory_gib) == (limit_gib, shared_gib)


class Machine:
    """An engine with given images and volumes, whose own folder is a folder of the test."""

    def __init__(self, root, images=(), volumes=None, *, is_desktop=False):
        self.root, self.images, self.volumes, self.is_desktop = root, images, volumes or {}, is_desktop

    def has_own_machine(self):
        return self.is_desktop

    def data_folder(self):
        return str(self.root)

    def has_image(self, reference):
        return reference in self.images

    def volume_folder(self, name):
        return self.volumes.get(name)


@pytest.fixture
def free(monkeypatch):
    """Sets what every disk has free."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.delenv("DOCKER_CONTEXT", raising=False)

    def of_all(gib):
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=gib * 2**30))

    return of_all


def test_a_disk_that_is_too_small_is_told_with_both_numbers(tmp_path, free):
    plan, docker = planned(tmp_path), Machine(tmp_path)
    free(55.6)
    (warning,) = disk.warnings(plan, docker)
    assert warning == (
        f"the disk of {tmp_path} has 55.6 GiB free, and 55.7 GiB are still to come: "
        "images 39.2, huggingface 14.5, vllm-compile 2.0; `stackgen plan` says of what"
    )
    free(55.8)
    assert list(disk.warnings(plan, docker)) == []


def test_what_is_there_already_does_not_count(tmp_path, free):
    plan = planned(tmp_path)
    weights, compiled = tmp_path / "weights", tmp_path / "compiled"
    (weights / "hub/models--house--chat").mkdir(parents=True)
    compiled.mkdir()
    volumes = {"house_huggingface": str(weights), "house_vllm-compile": str(compiled)}
    images = [image.reference for image in plan.disk.images if "infinity" not in image.reference]
    free(0)
    (warning,) = disk.warnings(plan, Machine(tmp_path, images, volumes))
    assert "14.0 GiB are still to come: images 10.0, huggingface 2.0, vllm-compile 2.0" in warning
    (weights / "hub/models--house--encoder").mkdir()
    (compiled / "something").touch()
    (warning,) = disk.warnings(plan, Machine(tmp_path, images, volumes))
    assert f"the disk of {tmp_path} has 0.0 GiB free, and 10.0 GiB are still to come: images 10.0;" in warning
    assert list(disk.warnings(plan, Machine(tmp_path, [*images, "michaelf34/infinity:0.0.77"], volumes))) == []


def test_a_folder_of_the_host_is_looked_into(tmp_path, free):
    folder = tmp_path / "hf"
    folder.mkdir()
    plan = planned(tmp_path, STACK % "house/chat" + f"storage: {{huggingface: {{path: {folder}}}}}\n")
    images = [image.reference for image in plan.disk.images]
    free(1)
    (warning,) = disk.warnings(plan, Machine(tmp_path, images))
    assert f"the disk of {folder} and {tmp_path} has 1.0 GiB free" in warning
    (folder / "hub/models--house--chat").mkdir(parents=True)
    (folder / "hub/models--house--encoder").mkdir(parents=True)
    (warning,) = disk.warnings(plan, Machine(tmp_path, images))
    assert "2.0 GiB are still to come: vllm-compile 2.0;" in warning


def test_nothing_is_said_of_folders_that_are_not_to_be_seen(tmp_path, free):
    free(0)
    assert list(disk.warnings(planned(tmp_path), Machine(tmp_path / "elsewhere"))) == []


def test_nothing_is_said_of_an_engine_elsewhere_or_of_a_simulation(tmp_path, free, monkeypatch):
    plan = planned(tmp_path)
    free(0)
    assert list(disk.warnings(plan, Machine(tmp_path)))
    played = simulated(plan, StandIns(reference=lambda engine, version: f"stand-in:{engine}-{version}"))
    assert list(disk.warnings(played, Machine(tmp_path))) == []
    monkeypatch.setenv("DOCKER_HOST", "tcp://203.0.113.1:2375")
    assert list(disk.warnings(plan, Machine(tmp_path))) == []


def test_docker_desktop_keeps_its_disk_to_itself(tmp_path, free):
    free(0)
    assert list(disk.warnings(planned(tmp_path), Machine(tmp_path, is_desktop=True))) == []


def test_the_disk_of_an_engine_is_the_one_of_its_data_folder(tmp_path, free, monkeypatch):
    free(55)
    assert disk.data_disk(Machine(tmp_path)) == disk.DataDisk(
        folder=str(tmp_path), number=tmp_path.stat().st_dev, free_gib=55
    )
    unseen = disk.DataDisk(folder=str(tmp_path), number=None, free_gib=None)
    assert disk.data_disk(Machine(tmp_path, is_desktop=True)) == unseen
    assert disk.data_disk(Machine(tmp_path / "nowhere")).free_gib is None
    monkeypatch.setenv("DOCKER_HOST", "tcp://203.0.113.1:2375")
    assert disk.data_disk(Machine(tmp_path)) == unseen
