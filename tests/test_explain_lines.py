"""`stackgen explain FILE:LINE`: every line of every file of a stack has an answer, and what it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import EXAMPLES, REFUSED, SMALL, write_spec
from typer.testing import CliRunner

from stackgen import verbs
from stackgen.cli import app
from stackgen.errors import StackError
from stackgen.explain import LineAnswer
from stackgen.render.yaml import key, scalar

SHIPPED = EXAMPLES.parent / "profiles"
RENDERED = sorted(path.parent.name for path in EXAMPLES.glob("*/stack.yaml") if path.parent.name not in REFUSED)
PLACE = re.compile(r"([\w./-]+\.yaml):(\d+)")
SECRETS = ("hunter2-of-the-house", "topsecret-of-webui", "sk-abcdefghijklmnopqrstuvwx")

HOUSE = """\
# what this house adds
about: "House rules"
accelerator: nvidia
gateway:
  port: 4100
  routing: simple-shuffle
engines:
  vllm:
    context: 2048
    options:
      max_num_batched_tokens: 2048

  ollama: {context: 4096, options: {keep_alive: 5m}}
images:
  vllm:
    repository: registry.example/vllm
    tag: v0.32.0-house
    version: "0.32.0"
    evidence: "built here"
"""
FACTS = """\
about: "cards and models of this house"
cards:
  bench-card: {name: Bench Card 30GB, vendor: nvidia, visible_gib: 29.4, compute_capability: 8.9, source: bench}
  l4:
    name: L4 of ours
    vendor: nvidia
    visible_gib: 21.0
    compute_capability: 8.9
    source: ours
models:
  Qwen/Qwen3-0.6B:
    kind: llm
    weights_gib: 1.4
    layers: 28
    hidden_size: 1024
    intermediate_size: 3072
    attention_heads: 16
    kv_heads: 8
    head_dim: 128
    vocabulary_size: 151936
    longest_context: 40960
    tool_parser: hermes
    source: our config.json
    variants:
      - {quantization: fp8, weights_gib: 0.8}
  house/Other: {kind: stt, weights_gib: 1, source: us}
"""
MEASURED = """\
measured:
  - engine: vllm
    version: "0.32.0"
    model: Qwen/Qwen3-0.6B
    card: bench-card
    concurrency: 4
    batched_tokens: 2048
    weights_gib: 1.3
    overhead_gib: 0.7
    cache_gib: 3
    on: 2026-11-20
    source: told
  - {engine: vllm, version: "0.31.0", model: Qwen/Qwen3-0.6B, card: l40s, on: 2026-11-19, weights_gib: 1.2, source: told}
  - {engine: vllm, version: "0.32.0", model: nobody/Nothing, card: l40s, on: 2026-11-19, weights_gib: 1.2, source: told}
"""
RICH = f"""\
# A stack with one of everything
#
version: 1
name: rich
profiles: [nvidia, house]
gpus:
  g0: {{card: bench-card}}

models:
  chat:
    source: Qwen/Qwen3-0.6B   # a comment behind
    engine: vllm
    modalities:
      - chat
    public_names: ["gpt-4.1", "my model", "a'b"]
    tools: true
    concurrency: 4
    # what the container is told
    environment:
      MY_TOKEN: {SECRETS[0]}
      PLAIN: >-
        # no comment
        of two lines
    mounts: {{/t/a.jinja: a.jinja}}
gateway:
  aliases: {{"gpt 4": gpt-4.1, "x.y:1": my model}}
  raw:
    router_settings: {{num_retries: 4}}
endpoints:
  cloud: {{provider: openai, url: "https://api.example/v1", key: OPENAI_API_KEY, public_names: [big]}}
services:
  webui:
    compose:
      image: ghcr.io/x/webui:1
      build: {{context: ./engine}}
      environment:
        - A=1
        - B_PASSWORD={SECRETS[1]}
      labels: {{"traefik.http.routers.x.rule": "Host(`a.b`)"}}
overrides:
  litellm: {{compose: {{labels: {{"a.b": c}}}}}}
"""


@pytest.fixture
def rich(tmp_path):
    """A spec with profiles, facts, measurements, a mounted file and a folder of a build beside it."""
    spec = write_spec(tmp_path / "rich", RICH, house=HOUSE)
    (spec.parent / "profiles" / "facts").mkdir()
    (spec.parent / "profiles" / "facts" / "house.yaml").write_text(FACTS)
    (spec.parent / "profiles" / "facts" / "measured.yaml").write_text(MEASURED)
    (spec.parent / "a.jinja").write_text("one\ntwo\n")
    (spec.parent / "engine").mkdir()
    (spec.parent / "engine" / "Dockerfile.x").write_text("FROM scratch\n")
    return spec


def text_of(spec, question, out=None):
    opened = verbs.open_asked(spec, out)
    return "\n".join(verbs.answer(opened, question).lines(opened.shown_out))


def refusal(spec, question):
    with pytest.raises(StackError) as caught:
        text_of(spec, question)
    return caught.value


def line_of(text, words):
    return next(number for number, line in enumerate(text.splitlines(), 1) if words in line)


def texts_of(opened):
    """Every file that may be named in an answer, by its name there."""
    found = {f"profiles/{path.name}": path.read_text() for path in SHIPPED.glob("*.yaml")}
    found |= {str(path.relative_to(opened.folder)): path.read_text() for path in opened.folder.rglob("*.yaml")}
    return found | {file.path: file.text for file in opened.asked.files}


def missing(answer: LineAnswer, texts):
    """The places that an answer names and that do not hold what it says of them."""
    for one in answer.answers:
        said = [one.said_by, *(part.said_by for part in one.parts), *(beaten.where for beaten in one.beats)]
        for file, number in (place for words in said for place in PLACE.findall(words)):
            line = [*texts.get(file, "").splitlines(), *[""] * 5][int(number) - 1 : int(number)]
            if not line or not line[0].strip() or line[0].strip().startswith("#"):
                yield f"{file}:{number}"
        for entry in one.becomes:
            line = texts[entry.file].split("\n")[entry.line - 1]
            last = entry.path[-1]
            if (f"{key(last)}:" if isinstance(last, str) else scalar(entry.value)) not in line:
                yield f"{entry.file}:{entry.line} is not {entry.shown}: {line}"


@pytest.mark.parametrize("name", RENDERED)
def test_every_line_of_every_file_of_an_example_is_answered_with_places_that_are_there(name):
    opened = verbs.open_asked(EXAMPLES / name / "stack.yaml")
    texts = texts_of(opened)
    files = {file.path for file in opened.asked.files} | {"stack.yaml"}
    bare = []
    for file in sorted(files):
        for number, line in enumerate(texts[file].splitlines(), 1):
            answer = verbs.answer(opened, f"{file}:{number}")
            assert list(missing(answer, texts)) == [], f"{file}:{number}"
            if file.endswith((".yml", ".yaml")) and not answer.answers:
                bare.append(line)
            assert answer.answers or answer.rule or answer.notes
    assert all(not line or line.startswith("#") for line in bare)  # what stands above everything


def test_a_place_that_is_not_there_would_be_noticed():
    opened = verbs.open_asked(EXAMPLES / "quickstart" / "stack.yaml")
    answer, texts = verbs.answer(opened, "stack.yaml:2"), texts_of(opened)
    assert [one.said_by for one in answer.answers] == ["stack.yaml:2"]
    assert list(missing(answer, texts)) == []
    assert list(missing(answer, texts | {"stack.yaml": "version: 1\n"})) == ["stack.yaml:2"]
    moved = {file: f"\n{text}" for file, text in texts.items()}
    line = line_of(texts["docker-compose.yml"], "--max-model-len") + 1
    assert list(missing(verbs.answer(opened, f"docker-compose.yml:{line}"), moved)) != []


def test_every_line_of_profiles_and_facts_says_whether_the_stack_uses_it(rich):
    opened = verbs.open_asked(rich)
    assert opened.failure is None
    texts = texts_of(opened)
    silent = []
    for file in sorted(name for name in texts if name.startswith("profiles/")):
        for number, line in enumerate(texts[file].splitlines(), 1):
            answer = verbs.answer(opened, f"{file}:{number}")
            assert list(missing(answer, texts)) == [], f"{file}:{number}"
            if not (answer.notes or any(one.parts or one.notes for one in answer.answers)):
                silent.append(line)
    assert set(silent) <= {"cards:", "models:", "measured:"}


PROFILES = {
    "profiles/house.yaml:1": ("a comment; what follows it is on line 2", "nothing is rendered from it"),
    "profiles/house.yaml:3": ("accelerator = nvidia", "count for chat"),
    "profiles/house.yaml:5": ("gateway.port = 4100  counts here", "becomes    litellm: ports.0: 127.0.0.1:4100:4000"),
    "profiles/house.yaml:9": ("models.chat.context = 2048  counts here", "becomes    vllm-chat: --max-model-len 2048"),
    "profiles/house.yaml:12": ("an empty line; the nearest above it is line 11", "max_num_batched_tokens = 2048"),
    "profiles/house.yaml:13": ("engines.ollama\n", "this stack does not use it: no model runs on ollama"),
    "profiles/house.yaml:17": ("images.vllm.tag = v0.32.0-house", "counts for vllm-chat"),
    "house.yaml:17": ("becomes    vllm-chat: image: registry.example/vllm:v0.32.0-house",),
    "profiles/nvidia.yaml:7": ("images.vllm = registry.example/vllm:v0.32.0-house  beaten by profiles/house.yaml:15",),
    "profiles/nvidia.yaml:15": ("this stack does not use it: no service runs an image of ollama",),
    "profiles/nvidia.yaml:28": ("models.chat.context = 2048  beaten by profiles/house.yaml:9",),
    "profiles/nvidia.yaml:29": ("models.chat.concurrency = 4  beaten by stack.yaml:17",),
    "profiles/cpu.yaml:28": ("stack.yaml does not name this profile: nothing of it counts here",),
}  # fmt: skip


@pytest.mark.parametrize("question", PROFILES)
def test_a_line_of_a_profile_tells_where_it_arrives_and_what_beat_it(rich, question):
    if question == "house.yaml:17":  # two files end so, and neither is meant
        (rich.parent / "profiles" / "facts" / "house.yaml").rename(rich.parent / "profiles" / "facts" / "ours.yaml")
    found = text_of(rich, question)
    assert [words for words in PROFILES[question] if words not in found] == [], found


def test_a_profile_for_other_cards_is_told_to_be_one(tmp_path):
    other = HOUSE.replace("accelerator: nvidia", "accelerator: rocm").replace("gateway:\n  port: 4100\n", "gateway:\n")
    spec = write_spec(tmp_path, SMALL.replace("[cpu]", "[cpu, other]"), other=other)
    found = text_of(spec, f"profiles/other.yaml:{line_of(other, 'context: 2048')}")
    assert "this stack does not use it: it is for models on rocm, and those on vllm run on cpu" in found
    assert "no model runs on rocm" in text_of(spec, "profiles/other.yaml:3")
    found = text_of(spec, f"profiles/other.yaml:{line_of(other, 'tag:')}")
    assert "the image of vllm-chat is said by profiles/cpu.yaml:5 (shipped)" in found


FACT_LINES = {
    ("house", "visible_gib: 29.4"): ("gpus.g0.card = bench-card  counts here, stack.yaml:7", "reckoned   card g0"),
    ("house", "visible_gib: 21"): ("beats      what came with stackgen  22.03", "no entry of `gpus` says `card: l4`"),
    ("house", "weights_gib: 1.4"): ("models.chat.source = Qwen/Qwen3-0.6B  counts here, stack.yaml:11", "reckoned   "),
    ("house", "layers:"): ("means      num_hidden_layers", "becomes    vllm-chat: --gpu-memory-utilization"),
    ("house", "tool_parser"): ("becomes    vllm-chat: --tool-call-parser hermes",),
    ("house", "source: our"): ("a text for people",),
    ("house", "fp8"): ("what is proposed where the weights do not fit",),
    ("house", "house/Other"): ("no model of this stack says `source: house/Other`",),
    ("measured", "weights_gib: 1.3"): ("counts here, stack.yaml:11", "weights and overhead measured on 2026-11-20"),
    ("measured", "cache_gib"): ("kept for people: the plan works the cache out",),
    ("measured", "0.31.0"): ("vllm-chat has release 0.32.0 instead of 0.31.0, card bench-card instead of l40s",),
    ("measured", "nobody/"): ("no process of this stack serves `nobody/Nothing` alone on cards",),
}  # fmt: skip


@pytest.mark.parametrize(("file", "words"), FACT_LINES)
def test_a_line_of_facts_tells_what_rests_on_it(rich, file, words):
    text = {"house": FACTS, "measured": MEASURED}[file]
    found = text_of(rich, f"profiles/facts/{file}.yaml:{line_of(text, words)}")
    assert [part for part in FACT_LINES[file, words] if part not in found] == [], found


def test_a_fact_that_nobody_may_rest_on_does_not_show_the_sum_of_another(rich):
    parser = text_of(rich, f"profiles/facts/house.yaml:{line_of(FACTS, 'tool_parser')}")
    assert "reckoned" not in parser
    assert "--gpu-memory-utilization" not in parser


def test_lists_of_variables_tell_names_and_never_a_value(rich):
    assert CliRunner().invoke(app, ["render", str(rich)]).exit_code == 0
    kept = rich.parent / ".stackgen" / "secrets.env"
    values = [line.partition("=")[2].strip("'") for line in kept.read_text().splitlines() if "=" in line]
    env = rich.parent / "rendered" / ".env"
    env.write_text(f"{env.read_text()}MINE='value-of-mine'\n")
    told = []
    for file in (".env", ".env.example", ".stackgen/secrets.env"):
        path = next(path for path in (rich.parent / file, rich.parent / "rendered" / file) if path.is_file())
        told += [text_of(rich, f"{file}:{number}") for number in range(1, len(path.read_text().splitlines()) + 1)]
    everything = "\n".join(told)
    assert "secrets.LITELLM_MASTER_KEY = (generated)" in everything
    assert "`MINE` is no secret of this stack" in everything
    assert [value for value in (*filter(None, values), "value-of-mine") if value in everything] == []


def test_no_secret_that_somebody_wrote_is_shown_on_any_line(rich):
    rich.write_text(rich.read_text().replace("PLAIN: >-", f"OTHER: {SECRETS[2]}\n      PLAIN: >-"))
    opened = verbs.open_asked(rich)
    texts = texts_of(opened)
    assert all(any(secret in text for text in texts.values()) for secret in SECRETS)
    for file in ("stack.yaml", "docker-compose.yml", "litellm/config.yaml"):
        for number in range(1, len(texts[file].splitlines()) + 1):
            answer = verbs.answer(opened, f"{file}:{number}")
            told = f"{answer.lines('')!r}{list(answer.lines(''))}{answer.as_json('')}"
            assert [secret for secret in SECRETS if secret in told] == [], f"{file}:{number}"


def test_files_from_which_nothing_is_rendered_are_told_with_a_sentence(rich):
    folder = rich.parent
    assert CliRunner().invoke(app, ["render", str(rich)]).exit_code == 0
    (folder / "stack.schema.json").write_text("{\n}\n")
    (folder / "notes.txt").write_text("x\n")
    assert "the JSON schema of the spec" in text_of(rich, "stack.schema.json:2")
    assert "for whoever operates the stack" in text_of(rich, "RUNBOOK.md:3")
    assert "what it wrote into this folder" in text_of(rich, f"{folder}/rendered/.stackgen-manifest.json:1")
    assert "copies of secrets" in text_of(rich, ".stackgen/state.json:1")
    found = text_of(rich, "a.jinja:2")
    assert "a file of yours that the spec names" in found
    assert "models.chat.mounts.'/t/a.jinja' = a.jinja" in found
    assert "services.webui.compose.build.context = ./engine" in text_of(rich, "engine/Dockerfile.x:1")
    assert "no file of this stack: the spec does not name it" in refusal(rich, f"{folder}/notes.txt:1").message
    (folder / "stack.schema.json").unlink()
    assert refusal(rich, "stack.schema.json:1").message == "stack.schema.json is not there"


def test_comments_empty_lines_and_ends_of_a_spec(rich):
    text = rich.read_text()
    assert "a comment; what follows it is on line 3" in text_of(rich, "stack.yaml:1")
    assert "an empty line; the nearest above it is line 7" in text_of(rich, "stack.yaml:8")
    found = text_of(rich, f"stack.yaml:{line_of(text, '# what the container')}")
    assert "models.chat.environment.MY_TOKEN = ***" in found
    found = text_of(rich, f"stack.yaml:{line_of(text, '# no comment')}")
    assert "models.chat.environment.PLAIN" in found
    count = len(text.splitlines())
    assert "overrides.litellm.compose.labels.'a.b' = c" in text_of(rich, f"stack.yaml:{count}")
    for line in (0, count + 1, 999_999_999):
        assert refusal(rich, f"stack.yaml:{line}").message == f"stack.yaml has {count} lines, and no line {line}"
    assert "models.chat.tools = true" in text_of(rich, f"stack.yaml:{line_of(text, 'tools')}:5:")  # as errors say it


def test_what_was_wrong_with_a_line_does_not_look_as_if_nobody_had_said_it(rich):
    rich.write_text(rich.read_text().replace("https://api", "https://me:secret-word@api"))
    found = text_of(rich, f"stack.yaml:{line_of(rich.read_text(), 'https:')}")
    assert "it does not count: something is wrong with it" in found
    assert "said by    nobody" not in found
    assert "secret-word" not in found


NAMES = {
    "gateway.aliases.'gpt 4'": "router_settings.model_group_alias.gpt 4: gpt-4.1",
    "gateway.aliases.gpt 4": "router_settings.model_group_alias.gpt 4: gpt-4.1",
    "gateway.aliases.'x.y:1'": "router_settings.model_group_alias.'x.y:1': my model",
    'gateway.aliases."x.y:1"': "router_settings.model_group_alias.'x.y:1': my model",
    "models.chat.public_names.1": "my model: model_name: my model",
    "models.chat.modalities.0": "means      What clients ask of it.",
    "services.webui.compose.labels.'traefik.http.routers.x.rule'": "webui: labels.'traefik.http.routers.x.rule'",
    "services.webui.compose.environment.0": "webui: A=1",
    "overrides.litellm.compose.labels.'a.b'": "litellm: labels.'a.b': c",
    "endpoints.cloud.url": "big: litellm_params.api_base: https://api.example/v1",
    "gateway.raw.router_settings.num_retries": "router_settings.num_retries: 4",
}  # fmt: skip


@pytest.mark.parametrize("path", NAMES)
def test_names_with_dots_spaces_and_numbers(rich, path):
    assert NAMES[path] in text_of(rich, path)


def test_the_services_of_the_stack_where_the_spec_says_none_of_its_own(tmp_path):
    found = text_of(write_spec(tmp_path, SMALL), "services")
    assert re.search(r"services\.vllm-chat = vllm/\S+ +vLLM serves Qwen/Qwen3-0\.6B", found)
    assert "nobody" not in found


def test_a_list_on_one_line_is_one_value():
    opened = verbs.open_asked(EXAMPLES / "archi-llm" / "stack.yaml")
    text = next(file.text for file in opened.asked.files if file.path == "docker-compose.yml")
    answer = verbs.answer(opened, f"docker-compose.yml:{line_of(text, 'cap_drop')}")
    assert answer.shown.endswith("cap_drop: [ALL]")
    assert [one.path for one in answer.answers] == [answer.answers[0].path]
    answer = verbs.answer(opened, "stack.yaml:4")
    assert [one.path for one in answer.answers] == ["profiles"]


def test_files_with_windows_line_ends(rich):
    assert CliRunner().invoke(app, ["render", str(rich)]).exit_code == 0
    compose = rich.parent / "rendered" / "docker-compose.yml"
    line = line_of(compose.read_text(), '"2048"')
    for path in (rich, compose, rich.parent / "profiles" / "house.yaml"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert "models.chat.context = 2048" in text_of(rich, f"docker-compose.yml:{line}")
    assert "counts here" in text_of(rich, "profiles/house.yaml:9")
    assert "an empty line; the nearest above it is line 7" in text_of(rich, "stack.yaml:8")


def test_paths_from_another_folder_through_links_and_with_the_files_elsewhere(rich, tmp_path, monkeypatch):
    elsewhere, link = tmp_path / "elsewhere", tmp_path / "link"
    link.symlink_to(rich.parent)
    assert CliRunner().invoke(app, ["render", str(rich), "--out", str(elsewhere)]).exit_code == 0
    line = line_of((elsewhere / "docker-compose.yml").read_text(), '"2048"')
    monkeypatch.chdir(tmp_path)
    for name in (f"{elsewhere}/docker-compose.yml", "elsewhere/docker-compose.yml", "docker-compose.yml"):
        found = text_of(rich, f"{name}:{line}", elsewhere)
        assert "models.chat.context = 2048" in found
        assert "note" not in found
    for name in (
        "link/profiles/house.yaml",
        "rich/profiles/facts/../house.yaml",
        f"{Path.cwd()}/rich/profiles/house.yaml",
    ):
        assert f"(../elsewhere/docker-compose.yml:{line})" in text_of(rich, f"{name}:9", elsewhere)
    assert "gpus.g0.card" in text_of(link / "stack.yaml", f"{rich}:7")
    assert "it is not written yet" in text_of(rich, f"docker-compose.yml:{line}")  # the usual folder has nothing


def test_a_comment_that_somebody_wrote_into_a_rendered_file(rich):
    assert CliRunner().invoke(app, ["render", str(rich)]).exit_code == 0
    compose = rich.parent / "rendered" / "docker-compose.yml"
    lines = compose.read_text().splitlines()
    at = line_of(compose.read_text(), "restart:")
    compose.write_text("\n".join([*lines[: at - 1], "    # mine", *lines[at - 1 :]]) + "\n")
    found = text_of(rich, f"docker-compose.yml:{at}")
    assert f"a comment; what follows it is on line {at + 1}" in found
    assert "edited by hand" in found
    assert "it comes back after a crash" in found
