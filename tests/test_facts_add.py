"""`stackgen facts`: looks at the hub, at folders and at GGUF files, and keeps numbers beside the spec, or says what to do."""

from __future__ import annotations

import json
import math
import struct
from functools import partial

import pytest
import yaml
from hub_stand_in import REVISION, Repository, hub
from support import TESTS, free_port, write_spec

from stackgen import facts
from stackgen import plan as planning
from stackgen import sources as reading
from stackgen.lookup import hub as look_at_hub

CONFIG = (TESTS / "data/configs/qwen3-8b.json").read_bytes()
INDEX = json.dumps({"metadata": {"total_size": 16_381_470_720}, "weight_map": {}}).encode()
QWEN = Repository(
    files={"config.json": CONFIG, "model.safetensors.index.json": INDEX, "README.md": b"#"},
    sizes={"model-00001-of-00002.safetensors": 9_000_000_000, "model-00002-of-00002.safetensors": 7_382_000_000},
    pipeline="text-generation",
    parameters={"BF16": 8_190_735_360},
)
SPEC = """\
version: 1
name: house
profiles: [nvidia]
gpus: {g0: {card: l40s}}
models:
  chat: {source: house/New-8B, engine: vllm, modalities: [chat], context: 8192, gpus: [g0]}
"""
KEPT = "profiles/facts/house--New-8B.yaml"


@pytest.fixture
def run(tmp_path, monkeypatch, run):
    """Run a verb beside a spec, without a hub; exit code, stdout, stderr."""
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    write_spec(tmp_path, SPEC)
    return partial(run, spec=None)


@pytest.fixture
def at_hub(monkeypatch):
    """Start a hub with these models; it ends with the test."""
    running = []

    def start(**repositories):
        context = hub({name.replace("__", "/"): repository for name, repository in repositories.items()})
        found = context.__enter__()
        running.append(context)
        monkeypatch.setenv("HF_ENDPOINT", found.address)
        return found

    yield start
    for context in running:
        context.__exit__(None, None, None)


def test_a_model_of_the_hub_is_kept_with_its_revision(run, at_hub, tmp_path):
    found = at_hub(**{"house__New-8B": QWEN})
    code, out, err = run("facts", "add", "house/New-8B")
    assert (code, out) == (0, "")
    assert err == (
        f"wrote {KEPT}\n"
        f"house/New-8B: llm, 15.26 GiB, 36 layers, 40960 tokens, from {found.address}/house/New-8B/tree/{REVISION}\n"
    )
    (entry,) = yaml.safe_load((tmp_path / KEPT).read_text())["models"].items()
    assert entry == (
        "house/New-8B",
        {
            "kind": "llm", "layers": 36, "hidden_size": 4096, "intermediate_size": 12288, "attention_heads": 32, "kv_heads": 8,
            "head_dim": 128, "vocabulary_size": 151936, "longest_context": 40960, "native_dtype": "bf16",
            "weights_gib": 15.256433, "weights_evidence": "read: bytes of its files", "parameters_billions": 8.191,
            "source": f"{found.address}/house/New-8B/tree/{REVISION}",
        },
    )  # fmt: skip
    assert not [path for path in found.asked if path.endswith((".safetensors", ".bin"))]


def test_without_a_network_the_kept_file_gives_the_same_plan(run, at_hub, tmp_path, monkeypatch):
    at_hub(**{"house__New-8B": QWEN})
    before = planning.make(reading.load(tmp_path))
    assert any("are not known" in warning for warning in before.warnings)
    run("facts", "add", "house/New-8B")
    with_network = run("plan")
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    assert run("plan") == with_network
    plan = planning.make(reading.load(tmp_path))
    assert plan.cards[0].uses[0].need.weights_gib == pytest.approx(15.256433)
    assert not [warning for warning in plan.warnings if "known" in warning]


def test_without_a_network_it_says_which_numbers_to_declare(run):
    code, out, err = run("facts", "add", "house/New-8B")
    assert (code, out) == (1, "")
    assert "does not answer" in err
    assert "run it where there is a network, and commit the file; or write profiles/facts/house--New-8B.yaml" in err
    assert '  "house/New-8B":\n    kind: llm\n    weights_gib:  # bytes of the weights / 1073741824\n' in err
    assert "    kv_heads:  # num_key_value_heads\n" in err


def test_a_gated_model_names_the_page_and_the_token(run, at_hub, tmp_path, monkeypatch):
    found = at_hub(
        **{"house__New-8B": Repository(files=QWEN.files, sizes=QWEN.sizes, gated="manual", token="hf_secret")}
    )
    code, _, err = run("facts", "add", "house/New-8B")
    assert code == 1
    assert "error: house/New-8B is gated, and the hub does not show its files without a token" in err
    assert f"ask for access at {found.address}/house/New-8B, then put HF_TOKEN=hf_… into the environment" in err
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    _, _, err = run("facts", "add", "house/New-8B")
    assert "does not show its files to the account of HF_TOKEN" in err
    assert "hf_wrong" not in err
    monkeypatch.delenv("HF_TOKEN")
    (tmp_path / ".stackgen").mkdir()
    (tmp_path / ".stackgen/secrets.env").write_text("HF_TOKEN=hf_secret\n")
    code, out, err = run("facts", "add", "house/New-8B")
    assert code == 0
    assert "hf_secret" not in out + err + (tmp_path / KEPT).read_text()
    assert "gated: true" in (tmp_path / KEPT).read_text()


def test_a_model_that_is_not_there_is_told_beside_one_that_is(run, at_hub, tmp_path):
    found = at_hub(**{"house__New-8B": QWEN})
    code, _, err = run("facts", "add", "house/Nev-8B", "house/New-8B")
    assert code == 1
    assert f"error: there is no model house/Nev-8B at {found.address}" in err
    assert "look for the exact owner/model, or set HF_TOKEN where it is private" in err
    assert (tmp_path / KEPT).exists()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"config.json": CONFIG}, "house/New-8B has no weights"),
        ({"config.json": b"[]", "model.safetensors": b"1"}, "config.json of house/New-8B holds no keys and values"),
        ({"config.json": b"{", "model.safetensors": b"1"}, "config.json of house/New-8B: this is not JSON"),
        ({"model.safetensors": b"1"}, "what house/New-8B is cannot be told from its files"),
        (
            {"config.json": b'{"architectures": ["XForCausalLM"]}', "model.safetensors": b"1" * 10_000_000},
            "does not say layers, hidden_size, intermediate_size, attention_heads, kv_heads, head_dim, vocabulary_size",
        ),
    ],
)
def test_what_a_model_does_not_say_is_named(run, at_hub, tmp_path, files, message):
    at_hub(**{"house__New-8B": Repository(files=files)})
    code, _, err = run("facts", "add", "house/New-8B")
    assert code == 1
    assert message in err
    assert not (tmp_path / KEPT).exists()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"model-00001-of-00002.safetensors": b"1" * 9}, "house: 1 of the 2 files of the weights are there"),
        (
            {"model.safetensors": (10**6).to_bytes(8, "little") + b"[" * 10**6},
            "this is not JSON: it is nested too deeply",
        ),
        ({"model.safetensors": b"1", "model.safetensors.index.json": b"{"}, "index.json: this is not JSON: Expecting"),
        (
            {"config.json": b"[" * 10**6, "model.safetensors": b"1"},
            "config.json: this is not JSON: it is nested too deeply",
        ),
        ({"config.json": b"\xff", "model.safetensors": b"1"}, "config.json: this is not JSON: 'utf-8' codec"),
    ],
)
def test_a_folder_that_is_half_there_or_broken_is_refused(run, tmp_path, files, message):
    (tmp_path / "house").mkdir()
    for name, content in {"config.json": CONFIG, **files}.items():
        (tmp_path / "house" / name).write_bytes(content)
    code, out, err = run("facts", "add", "./house", "--as", "house/New-8B")
    assert (code, out) == (1, "")
    assert message in err
    assert "hint: download " in err
    assert not (tmp_path / "profiles").exists()


def test_half_a_gguf_file_is_refused(run, tmp_path):
    (tmp_path / "small-00001-of-00003.gguf").write_bytes(b"GGUF")
    code, _, err = run("facts", "add", "./small-00001-of-00003.gguf")
    assert code == 1
    assert "1 of the 3 files of the weights are there" in err


def test_a_tag_of_ollama_is_told_how_to_look_it_up(run):
    code, _, err = run("facts", "add", "llama3:8b")
    assert code == 1
    assert "what Ollama calls so: owner/model:file.gguf --as llama3:8b" in err


def test_an_edit_by_hand_is_not_overwritten_unless_forced(run, at_hub, tmp_path):
    at_hub(**{"house__New-8B": QWEN})
    run("facts", "add", "house/New-8B")
    first = (tmp_path / KEPT).read_text()
    assert "as before: profiles/facts/house--New-8B.yaml" in run("facts", "add", "house/New-8B")[2]
    edited = first.replace("40960", "32768")
    (tmp_path / KEPT).write_text(edited)
    code, _, err = run("facts", "add", "house/New-8B")
    assert code == 1
    assert f"error: {KEPT}: somebody edited this file, and it would be lost" in err
    assert (tmp_path / KEPT).read_text() == edited
    assert run("facts", "add", "house/New-8B", "--force")[0] == 0
    assert (tmp_path / KEPT).read_text() == first


def test_a_model_that_came_with_stackgen_keeps_what_no_file_says(run, at_hub, tmp_path):
    at_hub(**{"Qwen__Qwen3-8B": QWEN})
    _, _, err = run("facts", "add", "Qwen/Qwen3-8B")
    assert "Qwen/Qwen3-8B came with stackgen too; profiles/facts/Qwen--Qwen3-8B.yaml counts instead now" in err
    known, shipped = reading.load(tmp_path).catalogue.models["Qwen/Qwen3-8B"], facts.models()["Qwen/Qwen3-8B"]
    assert (known.tool_parser, known.reasoning_parser) == (shipped.tool_parser, shipped.reasoning_parser) != ("", "")
    assert known.weights_gib == pytest.approx(shipped.weights_gib, rel=0.01)


def test_a_quantised_build_says_how_it_is_packed_and_what_it_was_made_of(run, at_hub, tmp_path):
    config = json.dumps(json.loads(CONFIG) | {"quantization_config": {"quant_method": "awq", "bits": 4}}).encode()
    build = Repository(
        files={"config.json": config}, sizes={"model.safetensors": 6_100_000_000}, parameters={"I32": 1_000_000_000},
        tags=("base_model:Qwen/Qwen3-8B", "base_model:quantized:Qwen/Qwen3-8B"),
    )  # fmt: skip
    at_hub(**{"house__New-8B": build})
    assert run("facts", "add", "house/New-8B")[0] == 0
    known = reading.load(tmp_path).catalogue.models["house/New-8B"]
    assert (known.quantization, known.built_from, known.parameters_billions) == ("awq4", "Qwen/Qwen3-8B", 0)


def test_a_model_that_another_file_says_is_refused_with_its_line(run, at_hub, tmp_path):
    at_hub(**{"house__New-8B": QWEN})
    run("facts", "add", "house/New-8B")
    (tmp_path / KEPT).rename(tmp_path / "profiles/facts/mine.yaml")
    code, _, err = run("facts", "add", "house/New-8B")
    assert code == 1
    assert first_error(err) == "error: profiles/facts/mine.yaml:6: house/New-8B is there already"


def first_error(text):
    return next(line for line in text.splitlines() if line.startswith("error:"))


def safetensors(path, *shape, dtype="BF16"):
    """A file of weights as the hub has it: length of the header, header, numbers."""
    count = math.prod(shape) * (4 if dtype == "F32" else 2)
    tensors = {"__metadata__": {}, "weight": {"dtype": dtype, "shape": list(shape), "data_offsets": [0, count]}}
    header = json.dumps(tensors).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * count)


def test_a_folder_needs_no_network_and_may_have_another_name_in_the_spec(run, tmp_path):
    folder = tmp_path / "weights/new"
    folder.mkdir(parents=True)
    (folder / "config.json").write_bytes(CONFIG)
    safetensors(folder / "model.safetensors", 1024, 1024, 8)
    code, _, err = run("facts", "add", "./weights/new", "--as", "/models/new")
    assert code == 0
    assert f"/models/new: llm, 0.02 GiB, 36 layers, 40960 tokens, from {folder}" in err
    known = reading.load(tmp_path).catalogue.models["/models/new"]
    assert known.weights_gib == pytest.approx(16 * 2**20 / 2**30, rel=0.02)
    assert known.parameters_billions == pytest.approx(0.008, abs=1e-3)
    safetensors(folder / "model.safetensors", 1024, 1024, 8, dtype="F32")
    run("facts", "add", "./weights/new", "--as", "/models/new")
    known = reading.load(tmp_path).catalogue.models["/models/new"]
    assert known.weights_gib == pytest.approx(16 * 2**20 / 2**30, rel=0.02)
    assert known.weights_evidence == "read: bytes of its files, 32-bit numbers as the 16-bit ones that engines load"
    (folder / "model.safetensors").write_bytes(b"\xff" * 100)
    code, _, err = run("facts", "add", "./weights/new", "--as", "/models/new")
    assert code == 1
    assert f"{folder}/model.safetensors: this is no file of safetensors" in err


@pytest.fixture
def gguf_file(tmp_path):
    """A small GGUF file with a real header."""
    import numpy as np  # noqa: PLC0415
    from gguf import GGUFWriter  # noqa: PLC0415

    def write(name="house.gguf", architecture="llama", **values):
        writer = GGUFWriter(str(tmp_path / name), architecture)
        writer.add_block_count(28)
        writer.add_file_type(values.get("file_type", 15))
        writer.add_context_length(131072)
        writer.add_embedding_length(3072)
        writer.add_feed_forward_length(8192)
        writer.add_head_count(24)
        writer.add_head_count_kv(values.get("kv", 8))
        writer.add_key_length(128)
        if "window" in values:
            writer.add_sliding_window(values["window"])
        writer.add_token_list([f"token{number}" for number in range(values.get("tokens", 1000))])
        writer.add_tensor("output.weight", np.zeros((256, 256), dtype=np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return tmp_path / name

    return write


def test_the_header_of_a_gguf_file_is_read(run, gguf_file, tmp_path):
    path = gguf_file()
    assert run("facts", "add", str(path), "--as", "house:3b")[0] == 0
    known = reading.load(tmp_path).catalogue.models["house:3b"]
    assert (known.kind, known.layers, known.hidden_size, known.intermediate_size) == ("llm", 28, 3072, 8192)
    assert (known.attention_heads, known.kv_heads, known.head_dim) == (24, 8, 128)
    assert (known.vocabulary_size, known.longest_context) == (1000, 131072)
    assert known.weights_gib == pytest.approx(path.stat().st_size / 2**30, abs=1e-6)
    assert known.quantization == "q4_K_M"
    assert not known.is_estimate
    assert (tmp_path / "profiles/facts/house--3b.yaml").exists()


def test_of_a_gguf_file_at_the_hub_the_header_alone_is_read(run, at_hub, gguf_file, tmp_path, monkeypatch):
    monkeypatch.setattr(look_at_hub, "_FIRST_BYTES", 4096)
    content = gguf_file(tokens=2000).read_bytes() + b"\0" * 20_000_000
    found = at_hub(house__GGUF=Repository(files={"house-Q4.gguf": content}))
    code, _, err = run("facts", "add", "house/GGUF:house-Q4.gguf", "--as", "hf.co/house/GGUF:Q4")
    assert code == 0, err
    assert len([path for path in found.asked if "resolve" in path]) > 1
    assert found.sent_bytes < 1_000_000
    known = reading.load(tmp_path).catalogue.models["hf.co/house/GGUF:Q4"]
    assert known.weights_gib == pytest.approx(len(content) / 2**30, abs=1e-6)
    assert known.vocabulary_size == 2000
    assert REVISION in known.evidence
    code, _, err = run("facts", "add", "house/GGUF:house-Q8.gguf")
    assert code == 1
    assert "house/GGUF has no file house-Q8.gguf\n\nhint: it has house-Q4.gguf" in err


def test_layers_of_a_gguf_file_that_keep_no_cache_or_a_window_alone(run, gguf_file, tmp_path):
    run("facts", "add", str(gguf_file("hybrid.gguf", "lfm2", kv=[0, 0, 0, 8] * 7)), "--as", "hybrid")
    run("facts", "add", str(gguf_file("window.gguf", "gemma3", window=1024)), "--as", "window")
    models = reading.load(tmp_path).catalogue.models
    assert (models["hybrid"].full_layers, models["hybrid"].linear_layers, models["hybrid"].kv_heads) == (7, 21, 8)
    assert (models["window"].full_layers, models["window"].window_layers, models["window"].sliding_window) == (
        4,
        24,
        1024,
    )


def test_parts_of_a_gguf_model_are_counted_together(run, gguf_file, tmp_path):
    first = gguf_file("big-00001-of-00002.gguf")
    (tmp_path / "big-00002-of-00002.gguf").write_bytes(b"\0" * 50_000_000)
    run("facts", "add", str(first), "--as", "big")
    known = reading.load(tmp_path).catalogue.models["big"]
    assert known.weights_gib == pytest.approx((first.stat().st_size + 50_000_000) / 2**30, abs=1e-6)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("./nowhere", "there is no "),
        ("qwen3:8b", "qwen3:8b is neither a model of the hub nor a path"),
        ("./stack.gguf", "is not a GGUF file that can be read"),
        ("./empty", "there is no config.json in "),
    ],
)
def test_what_is_no_model_is_told(run, tmp_path, source, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "stack.gguf").write_text("no header at all")
    code, _, err = run("facts", "add", source)
    assert code == 1
    assert message in err
    assert "hint:" in err


def test_facts_are_written_beside_a_spec_that_is_there(run, tmp_path):
    code, _, err = run("facts", "add", "house/New-8B", "--file", "elsewhere/stack.yaml")
    assert code == 1
    assert "elsewhere/stack.yaml: there is no such file" in err
    assert run("facts", "add", "a/b", "c/d", "--as", "x")[0] == 2
    assert run("facts", "add", "a/b", "--kind", "picture")[0] == 2


def test_show_says_who_says_what(run, at_hub, tmp_path):
    at_hub(**{"house__New-8B": QWEN})
    run("facts", "add", "house/New-8B")
    code, out, _ = run("facts", "show", "house/New-8B")
    assert code == 0
    assert out.splitlines()[-1].split() == ["said", "by", f"{KEPT}:6"]
    assert ["weights_gib", "15.256433"] in [line.split() for line in out.splitlines()]
    assert "said by             shipped" in run("facts", "show", "l40s")[1]
    assert (
        "variants             awq4, 5.71 GiB, logged: Qwen/Qwen3-8B-AWQ\n" in run("facts", "show", "Qwen/Qwen3-8B")[1]
    )
    listed = run("facts", "show")[1]
    assert f"{KEPT}:6" in listed
    assert " (estimate)" in listed
    code, _, err = run("facts", "show", "l40")
    assert code == 0
    code, _, err = run("facts", "show", "l41s")
    assert code == 1
    assert "nothing is known of `l41s`" in err
    assert "did you mean `l40s`?" in err


def test_show_tells_what_is_wrong_with_the_files(run, tmp_path):
    (tmp_path / "profiles/facts").mkdir(parents=True)
    (tmp_path / "profiles/facts/card.yaml").write_text("crads: {}\n")
    code, _, err = run("facts", "show")
    assert code == 1
    assert "profiles/facts/card.yaml:1:1: unknown key `crads`" in err


def test_a_file_beside_a_spec_elsewhere_is_named_as_seen_from_here(run, at_hub, tmp_path):
    at_hub(**{"house__New-8B": QWEN})
    write_spec(tmp_path / "other", SPEC)
    code, _, err = run("facts", "add", "house/New-8B", "--file", "other")
    assert code == 0
    assert f"wrote other/{KEPT}" in err
    assert (tmp_path / "other" / KEPT).exists()
