"""Where values come from: the layers, and the place of every value."""

from __future__ import annotations

from support import SMALL, write_spec

from stackgen import sources
from stackgen.sources import Layer

HOUSE = """\
about: "What this house adds"
accelerator: cpu
gateway:
  port: 4100
  cache: redis
engines:
  vllm:
    context: 2048
    options:
      enforce_eager: true
      max_num_batched_tokens: 512
images:
  vllm:
    repository: registry.example/vllm
    tag: v0.32.0-house
    version: "0.32.0"
    evidence: "built here"
"""


def load(folder, text=SMALL, **profiles):
    return sources.load(write_spec(folder, text, **profiles))


def test_a_later_layer_wins_and_maps_are_merged_by_key(tmp_path):
    text = SMALL.replace("[cpu]", "[cpu, house]").replace(
        "    modalities: [chat]\n", "    modalities: [chat]\n    context: 1024\n    options: {dtype: float32}\n"
    )
    spec = load(tmp_path, text + "gateway: {port: 4200}\n", house=HOUSE).spec
    chat = spec.models["chat"]
    assert (chat.context, chat.concurrency) == (1024, 4)
    assert chat.options == {
        "dtype": "float32",
        "max_num_batched_tokens": 512,
        "cpu_cache_gib": 2,
        "enforce_eager": True,
    }
    assert (spec.gateway.port, spec.gateway.cache, spec.gateway.database) == (4200, "redis", True)


def test_every_value_of_the_merged_spec_has_an_origin(tmp_path):
    loaded = load(tmp_path, SMALL.replace("[cpu]", "[cpu, house]"), house=HOUSE)

    def paths(value, path=()):
        yield path
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from paths(inner, (*path, key))
        elif isinstance(value, list):
            for position, inner in enumerate(value):
                yield from paths(inner, (*path, position))

    assert all(path in loaded.merged.origins for path in paths(loaded.merged.data) if path)


def test_an_origin_names_layer_file_and_line(tmp_path):
    loaded = load(tmp_path, SMALL.replace("[cpu]", "[cpu, house]"), house=HOUSE)
    origins = loaded.merged.origins
    assert (origins["models", "chat", "source"].layer, str(origins["models", "chat", "source"])) == (
        Layer.SPEC,
        "stack.yaml:6",
    )
    assert str(origins["models", "chat", "context"]) == "profiles/house.yaml:8"
    assert origins["models", "chat", "context"].layer is Layer.PROFILE
    assert origins["gateway", "address"].layer is Layer.DEFAULT
    assert str(loaded.pinned("vllm", "cpu").origin) == "profiles/house.yaml:13"


def test_a_profile_beside_the_spec_replaces_the_shipped_one(tmp_path):
    loaded = load(tmp_path, cpu=HOUSE)
    assert loaded.pinned("vllm", "cpu").pin.repository == "registry.example/vllm"
    assert loaded.pinned("infinity", "cpu") is None


def test_defaults_of_an_accelerator_do_not_reach_models_on_another(tmp_path):
    text = SMALL.replace("[cpu]", "[cpu, nvidia]").replace(
        "models:\n", "gpus: {a0: {card: l4}}\nmodels:\n"
    ).replace("  embed:\n", "    gpus: []\n  embed:\n")  # fmt: skip
    loaded = load(tmp_path, text)
    assert loaded.accelerators == {"chat": "cpu", "embed": "nvidia"}
    assert loaded.spec.models["chat"].options["cpu_cache_gib"] == 2
    assert "gpu_memory_utilization" not in loaded.spec.models["chat"].options


def test_anchors_and_merge_keys_work_and_keep_positions(tmp_path):
    text = SMALL + "  more:\n    <<: &base {source: a/b, engine: vllm}\n    modalities: [chat]\n    context: true\n"
    loaded = load(tmp_path, text)
    assert [(problem.place.line, problem.message) for problem in loaded.problems] == [
        (16, "`context` must be a whole number, not `true`")
    ]


def test_merge_keys_may_be_chained(tmp_path):
    text = SMALL + (
        "  one: &one {source: a/b, engine: vllm, modalities: [chat], context: 1024}\n"
        "  two: &two {<<: *one, context: 2048}\n"
        "  three: {<<: [*two, *one], concurrency: 2}\n"
    )
    loaded = load(tmp_path, text)
    assert loaded.problems == ()
    assert [loaded.spec.models[name].context for name in ("one", "two", "three")] == [1024, 2048, 2048]


def test_words_of_yaml_1_1_are_text(tmp_path):
    text = SMALL.replace(
        "modalities: [chat]", "modalities: [chat]\n    environment: {A: yes, B: 12:30, C: 0o17x, D: 2020-01-01}"
    )
    assert load(tmp_path, text).spec.models["chat"].environment == {
        "A": "yes",
        "B": "12:30",
        "C": "0o17x",
        "D": "2020-01-01",
    }


def test_a_profile_name_cannot_leave_its_folder(tmp_path):
    (tmp_path / "secret.yaml").write_text("about: x\n")
    loaded = load(tmp_path / "spec", SMALL.replace("[cpu]", '["../secret"]'))
    assert loaded.problems[0].message == "there is no profile `../secret`"


def test_a_later_profile_for_every_accelerator_wins_over_an_earlier_one_for_this(tmp_path):
    house = HOUSE.replace("accelerator: cpu\n", "")
    loaded = load(tmp_path, SMALL.replace("[cpu]", "[cpu, house]"), house=house)
    assert loaded.pinned("vllm", "cpu").pin.repository == "registry.example/vllm"
    loaded = load(tmp_path, SMALL.replace("[cpu]", "[house, cpu]"), house=house)
    assert loaded.pinned("vllm", "cpu").pin.repository == "vllm/vllm-openai-cpu"


def test_a_value_keeps_what_it_beat_from_the_lowest_layer_up(tmp_path):
    text = SMALL.replace("[cpu]", "[cpu, house]").replace(
        "    modalities: [chat]\n",
        "    modalities: [chat]\n    context: 1024\n    options: {max_num_batched_tokens: 64}\n",
    )
    beaten = load(tmp_path, text + "gateway: {port: 4200}\n", house=HOUSE).merged.beaten

    def told(*path):
        return [(said.value, str(said.origin)) for said in beaten[path]]

    assert told("models", "chat", "context") == [(4096, "profiles/cpu.yaml:28"), (2048, "profiles/house.yaml:8")]
    assert told("gateway", "port") == [(4000, "profiles/default.yaml:6"), (4100, "profiles/house.yaml:4")]
    assert [said.value for said in beaten["models", "chat", "options", "max_num_batched_tokens"]] == [4096, 512]
    assert ("gateway", "address") not in beaten
    assert not [path for path in beaten if path[-1] == "options"]


def test_a_list_beats_the_list_below_as_a_whole(tmp_path):
    house = HOUSE.replace("enforce_eager: true", "words: [a, b]")
    text = SMALL.replace("[cpu]", "[cpu, house]").replace(
        "    modalities: [chat]\n", "    modalities: [chat]\n    options: {words: [c]}\n"
    )
    merged = load(tmp_path, text, house=house).merged
    path = ("models", "chat", "options", "words")
    assert [said.value for said in merged.beaten[path]] == [["a", "b"]]
    assert [str(merged.origins[*path, 0])] == ["stack.yaml:9"]
    assert (*path, 1) not in merged.origins
