"""What is wrong with a spec is said in one run: each problem with its file, line and column, the value, the limit, the fix."""

from __future__ import annotations

import pytest
from support import SMALL, plan_of, write_spec

from stackgen import sources
from stackgen.errors import SpecError

GPUS = """\
version: 1
name: cards
profiles: [nvidia]
gpus:
  a0: {card: a100-80gb, index: 0}
  a1: {card: a100-80gb, index: 1}
models:
  chat:
    source: Qwen/Qwen3-8B
    engine: vllm
    modalities: [chat]
    gpus: [a0]
"""


def problems(folder, text, **profiles):
    with pytest.raises(SpecError) as raised:
        plan_of(folder, text, **profiles)
    return [
        (f"{problem.place.line}:{problem.place.column}", problem.message, problem.hint)
        for problem in raised.value.problems
    ]


def only(folder, text, **profiles):
    found = problems(folder, text, **profiles)
    assert len(found) == 1, found
    return found[0]


def test_ten_mistakes_of_one_run_have_ten_right_positions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spec = """\
version: 2
name: Campus
profiles: [cpu, house, nvida]
models:
  chat:
    source: Qwen/Qwen3-0.6B
    engine: vlm
    modalities: [chat]
    contex: 4096
  embed:
    source: sentence-transformers/all-MiniLM-L6-v2
    engine: infinity
    modalities: [embeddings]
    options:
      batch_size: many
  big:
    source: Qwen/Qwen3-8B
    engine: vllm
    modalities: [chat]
    extra_args: [--swap-space, "8"]
gateway:
  database: yes
"""
    house = """\
about: "Rules of this house"
gateway:
  port: 99999
"""
    with pytest.raises(SpecError) as raised:
        plan_of(tmp_path, spec, house=house)
    assert [(str(problem.place), problem.message) for problem in raised.value.problems] == [
        ("profiles/house.yaml:3:9", "`port` must be at most 65535, is `99999`"),
        ("stack.yaml:1:10", "`version` must be 1, not `2`"),
        ("stack.yaml:2:7", "`Campus` is not a valid `name`"),
        ("stack.yaml:3:24", "there is no profile `nvida`"),
        ("stack.yaml:7:13", "there is no engine `vlm`"),
        ("stack.yaml:9:5", "unknown key `contex`"),
        ("stack.yaml:13:18", "there is no modality `embeddings`"),
        ("stack.yaml:15:19", "`batch_size` must be a whole number, not `many`"),
        ("stack.yaml:20:18", "vllm 0.32.0 does not know --swap-space"),
        ("stack.yaml:22:13", "`database` must be true or false, not `yes`"),
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["profiles", "stack.yaml"]


@pytest.mark.parametrize(
    ("line", "position", "message", "hint"),
    [
        ("hosts: {}", "13:1", "unknown key `hosts`", "a stack has one host in this version"),
        ("gatway: {}", "13:1", "unknown key `gatway`", "did you mean `gateway`?"),
        ("gateway: {port: 0}", "13:17", "`port` must be at least 1, is `0`", "Host port of the gateway."),
        (
            "gateway: {address: localhost}",
            "13:20",
            "`address`: must be an IP address such as 127.0.0.1, is `localhost`",
            "",
        ),
        (
            "gateway: {cache: memcached}",
            "13:18",
            "`cache` must be 'none', 'local', 'redis' or 'semantic', not `memcached`",
            None,
        ),
        (
            "secrets: {HF_TOKN: {}}",
            "13:11",
            "nothing in this stack uses the secret HF_TOKN",
            "did you mean `HF_TOKEN`?",
        ),
        (
            "secrets: {VLLM_API_KEY: {required: true}}",
            "13:36",
            "stackgen generates VLLM_API_KEY where it is missing",
            "drop the line",
        ),
        ("name: twice", "13:1", "the key `name` is here twice", "the first one is on line 2"),
        ("gpus: {1: {card: l4}}", "13:8", "the key `1` is not text", 'write "1"'),
        ("gpus: !gpus {}", None, None, None),
        ("gateway: {port: !!int one}", "13:17", "`port` must be a whole number, not `one`", None),
        ("gateway: {database: !!bool yes}", "13:21", "`database` must be true or false, not `yes`", "write `true`"),
    ],
)
def test_top_level_mistakes(tmp_path, line, position, message, hint):
    if position is None:
        plan_of(tmp_path, SMALL + line + "\n")  # a tag on a map changes nothing in it
        return
    found = only(tmp_path, SMALL + line + "\n")
    assert found[:2] == (position, message)
    assert hint is None or found[2] == hint


@pytest.mark.parametrize(
    ("line", "position", "message"),
    [
        ("context: many", "9:14", "`context` must be a whole number, not `many`"),
        ("context: 4096.5", "9:14", "`context` must be a whole number, not `4096.5`"),
        ("context: 1", "9:14", "`context` must be at least 16, is `1`"),
        ("public_names: qwen", "9:19", "`public_names` must be a list, not `qwen`"),
        ("public_names: [embed]", "10:3", "the public name `embed` is chat in `chat` and embedding here"),
        ('public_names: ["os.environ/HOME"]', "9:20", None),
        (
            'public_names: ["a\\nb"]',
            "9:20",
            "`public_names`: control character U+000A at position 2 is not allowed, is `a\\u000ab`",
        ),
        ("environment: {PORT: 80}", "9:25", "`PORT` must be text, not `80`"),
        ("environment: {VLLM_API_KEY: x}", "9:19", "VLLM_API_KEY holds a secret of the stack"),
        ("instance: shared", "9:5", "vllm serves one model per instance"),
        ("extra_args: [--max-model-len, '1']", "9:18", "--max-model-len is written by stackgen"),
        ("extra_args: [--port=1]", "9:18", "--port is not for `extra_args`"),
        ("extra_args: [--enforce_eager]", "9:18", "--enforce-eager is written by stackgen"),
        ("extra_args: [--load-format, x, --nonsense]", "9:36", "vllm 0.32.0 does not know --nonsense"),
        ("extra_args: [--kv-cache-dtype=int3]", "9:18", "--kv-cache-dtype is written by stackgen"),
        ('extra_args: ["8"]', "9:18", "`8` follows no flag that takes a value"),
        ('extra_args: [--enable-lora, "True"]', "9:33", "--enable-lora takes no value, and `True` follows it"),
        ('extra_args: [--load-format, auto, "8"]', "9:39", "`8` follows no flag that takes a value"),
        ('extra_args: [-tp, "2"]', "9:18", "--tensor-parallel-size is not for `extra_args`"),
        ("extra_args: [-q=fp8]", "9:18", "--quantization is written by stackgen"),
        ("extra_args: [-zz]", "9:18", "vllm 0.32.0 does not know -zz"),
        ("extra_args: [--attention-backend=x, --moe-backend=x]", "9:41", None),
        ("options: {dtype: fp7}", "9:22", None),
        ("options: {gpu_memory_utilisation: 0.5}", "9:15", "unknown key `gpu_memory_utilisation`"),
        ("gpus: [a0]", "9:12", "there is no card `a0` in `gpus`"),
    ],
)
def test_mistakes_in_a_model(tmp_path, line, position, message):
    text = SMALL.replace("    modalities: [chat]\n", f"    modalities: [chat]\n    {line}\n")
    found = only(tmp_path, text)
    assert found[0] == position
    assert message is None or found[1] == message


@pytest.mark.parametrize(
    ("old", "new", "position", "message"),
    [
        ("gpus: [a0]", "gpus: [a2]", "12:12", "there is no card `a2` in `gpus`"),
        ("gpus: [a0]", "gpus: [a0, a0]", "12:16", "the card `a0` is here twice"),
        (
            "gpus: [a0]",
            "gpus: [a0, a1]\n    tensor_parallel: 4",
            "13:22",
            "`tensor_parallel` is 4, but the model is on 2 cards",
        ),
        ("gpus: [a0]", "gpus: []", "10:13", "no profile pins an image of vllm for the CPU"),
        ("card: a100-80gb, index: 0", "card: a100-80, index: 0", "5:14", "there is no card `a100-80`"),
        (
            "card: a100-80gb, index: 0",
            "card: mi300x, index: 0",
            "10:13",
            "no profile pins an image of vllm for cards of rocm",
        ),
        ("index: 1", "index: 0", "6:3", "`a1` and `a0` are the same device 0"),
        ("a1: {card: a100-80gb, index: 1}", "a1: {card: a100-80gb}", "6:3", "which of the 2 cards is `a1`?"),
        ("index: 1", "uuid: 1234", "6:31", None),
    ],
)
def test_mistakes_with_cards(tmp_path, old, new, position, message):
    assert old in GPUS
    found = problems(tmp_path, GPUS.replace(old, new))
    assert (position, message) in [(place, message and said) for place, said, _ in found]


def test_an_instance_on_two_cards_is_refused(tmp_path):
    entry = (
        "\n    source: BAAI/bge-reranker-v2-m3\n    engine: infinity\n    modalities: [rerank]\n    instance: search\n"
    )
    text = GPUS + f"  one:{entry}    gpus: [a1]\n  two:{entry}    gpus: []\n"
    found = [message for _, message, _ in problems(tmp_path, text)]
    assert "`two` and `one` are both in the instance `infinity-search`, but on different cards" in found


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("a: [1, 2\n", "2:1", "this is not YAML"),
        ("- a\n", "1:1", "the file holds a list, not keys and values"),
        ("name: \x07\n", "1:7", "control character U+0007 is not allowed"),
        ("name: a\n\tb: c\n", "2:1", "this is not YAML"),
        ("%YAML 1.1\n---\nname: a\n", "1:1", "a %YAML or %TAG directive is not known here"),
        ("models: &m {a: *m}\n", None, "more than 100 levels"),
        (f"a: {'[' * 3000}\n", None, "maps and lists are nested too deeply"),
    ],
)
def test_a_file_that_is_no_spec(tmp_path, text, position, message):
    place, said, _ = only(tmp_path, text)
    assert position is None or place == position
    assert said.startswith(message)


def test_a_missing_file_names_the_next_step(tmp_path):
    with pytest.raises(SpecError) as raised:
        sources.load(tmp_path / "none.yaml")
    assert raised.value.problems[0].message == "there is no such file"


def test_a_folder_stands_for_the_spec_inside_it(tmp_path):
    write_spec(tmp_path, SMALL)
    assert sources.load(tmp_path).spec == sources.load(tmp_path / "stack.yaml").spec


def test_text_that_is_not_utf8_is_refused_with_its_line(tmp_path):
    (tmp_path / "stack.yaml").write_bytes(b"version: 1\nname: \xff\n")
    with pytest.raises(SpecError) as raised:
        sources.load(tmp_path / "stack.yaml")
    assert raised.value.problems[0].place.line == 2


def test_names_in_a_profile_that_would_do_nothing_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pin = '{repository: a/b, tag: v1, version: "1.0", evidence: "x"}'
    house = f"""\
about: "x"
accelerator: nvidia
images:
  vlm: {pin}
  litellm: {pin}
engines:
  infinty: {{}}
  infinity:
    options: {{batch: 1}}
"""
    with pytest.raises(SpecError) as raised:
        plan_of(tmp_path, SMALL.replace("[cpu]", "[cpu, house]"), house=house)
    assert [(str(problem.place), problem.message) for problem in raised.value.problems] == [
        ("profiles/house.yaml:4:3", "there is no engine or service `vlm`"),
        ("profiles/house.yaml:5:3", "litellm uses no accelerator, and this profile is for nvidia alone"),
        ("profiles/house.yaml:7:3", "there is no engine `infinty`"),
        ("profiles/house.yaml:9:15", "unknown key `batch`"),
    ]


def test_an_option_that_a_profile_says_is_an_error_in_the_profile(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    house = """\
about: "x"
engines:
  vllm:
    options:
      dtyp: float32
"""
    with pytest.raises(SpecError) as raised:
        plan_of(tmp_path, SMALL.replace("[cpu]", "[cpu, house]"), house=house)
    assert [(str(problem.place), problem.hint) for problem in raised.value.problems] == [
        ("profiles/house.yaml:5:7", "did you mean `dtype`?")
    ]


@pytest.mark.parametrize("setting", ["frequency_penalty", "presence_penalty"])
def test_a_setting_of_generation_that_would_not_reach_ollama_is_refused(tmp_path, setting):
    spec = f"""\
version: 1
name: small
profiles: [cpu]
models:
  chat:
    source: qwen3:1.7b
    engine: ollama
    modalities: [chat]
    public_names: [one, two]
    generation: {{repetition_penalty: 1.1, {setting}: 0.5}}
"""
    message = f"`{setting}` does not reach this server: the gateway drops it or makes another setting of it"
    assert only(tmp_path, spec)[1:] == (message, "write `repetition_penalty:`, or drop the line")


@pytest.mark.parametrize(
    "text",
    [
        SMALL + "gateway: {aliases: {chat@vllm-chat: chat}}\n",
        SMALL.replace("modalities: [embedding]", "modalities: [embedding]\n    public_names: [chat@vllm-chat]"),
    ],
)
def test_a_name_that_is_the_id_of_a_server_is_refused(tmp_path, text):
    assert only(tmp_path, text)[1:] == ("`chat@vllm-chat` is the id of a server at the gateway", "choose another name")


def test_one_model_behind_two_endpoints_has_a_context_at_both_or_at_none(tmp_path):
    outside = "{provider: hosted_vllm, model: org/model, url: 'http://10.20.0.1%d:8000/v1'%s}"
    silent = outside % (1, "")
    spec = SMALL + f"endpoints:\n  silent: {silent}\n"
    plan_of(tmp_path / "none", f"{spec}  other: {outside % (2, '')}\n")
    message = "the gateway would take the context of `other` for this one: both are hosted_vllm/org/model"
    found = only(tmp_path, f"{spec}  other: {outside % (2, ', context: 4096')}\n")
    assert found[1:] == (message, "write `context:` here too")
