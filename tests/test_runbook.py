"""RUNBOOK.md: what it shows for copying works as it stands, and it says what an operator without stackgen must know."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
import types
from itertools import pairwise

import pytest
import yaml
from hostile import HOSTILE, literal
from jinja2 import Environment, FileSystemLoader
from pydantic import TypeAdapter, ValidationError
from support import EXAMPLES, REFUSED, SMALL, plan_of

from stackgen import plan as planning
from stackgen import sources
from stackgen.modalities import MODALITIES
from stackgen.render.compiled import Compiled
from stackgen.render.runbook import runbook
from stackgen.spec.words import PublicName

NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/stack.yaml") if path.parent.name not in REFUSED)
KEY_BLOCK = "export LITELLM_MASTER_KEY="


def planned(name):
    return planning.make(sources.load(EXAMPLES / name / "stack.yaml"))


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL)


def by_curl(text):
    """What each command sends: path, and the fields of its body or form."""
    for block in blocks(text, "sh"):
        if block.startswith(KEY_BLOCK) or "docker compose" in block:
            continue
        words = shlex.split(block.replace("\\\n", ""))
        assert words[:2] == ["curl", "-fsS"]
        forms = [after for word, after in pairwise(words) if word == "--form-string"]
        body = dict(form.split("=", 1) for form in forms) if forms else json.loads(words[words.index("-d") + 1])
        yield words[2].partition("/v1/")[2], body


class Recorder:
    """Stands in for the openai client and for what it answers: every attribute leads on, every call is written down."""

    def __init__(self, calls, path=()):
        self._calls, self._path = calls, path

    def __getattr__(self, name):
        return Recorder(self._calls, (*self._path, name))

    def __getitem__(self, item):
        return self

    def __call__(self, *words, **fields):
        if self._path and self._path[-1] in {"create", "post"}:
            self._calls.append((".".join(self._path), words, fields))
        return Recorder(self._calls)


@pytest.fixture
def by_python(tmp_path, monkeypatch, capsys):
    """Runs the Python of a RUNBOOK.md from top to bottom, and gives the calls of its clients."""

    def run(text):
        calls = []
        (tmp_path / "recording.wav").write_bytes(b"RIFF")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("LITELLM_MASTER_KEY", "sk-test")
        for module, names in (("openai", ["OpenAI"]), ("langchain_openai", ["ChatOpenAI", "OpenAIEmbeddings"])):
            stand_in = types.ModuleType(module)
            for name in names:
                setattr(
                    stand_in, name, lambda name=name, **given: (calls.append((name, (), given)), Recorder(calls))[1]
                )
            monkeypatch.setitem(sys.modules, module, stand_in)
        program = {}
        for block in blocks(text, "python"):
            exec(compile(block, "RUNBOOK.md", "exec"), program)
        for _, _, given in calls:
            if "file" in given:
                given.pop("file").close()
        return calls

    return run


def requests_of(calls):
    """Path and body of each request that the openai client was asked for."""
    paths = {modality.call: modality.path.removeprefix("/v1/") for modality in MODALITIES.values() if modality.call}
    for name, words, given in calls:
        if name == "post":
            yield words[0].removeprefix("/"), given["body"]
        elif name in paths:
            yield paths[name], given


@pytest.mark.parametrize("name", NAMES)
def test_curl_and_python_send_the_same_once_for_each_name_and_modality(name, by_python):
    plan = planned(name)
    text = runbook(plan)
    asked = list(by_curl(text))
    assert list(requests_of(by_python(text))) == asked
    wanted = {(name, route.modality) for route in plan.routes for name in route.public_names}
    assert sorted((body["model"], path) for path, body in asked) == sorted(
        (name, MODALITIES[modality].path.removeprefix("/v1/")) for name, modality in wanted
    )


def test_the_examples_show_every_modality():
    assert {route.modality for name in NAMES for route in planned(name).routes} == set(MODALITIES)


@pytest.mark.parametrize("name", NAMES)
def test_clients_get_an_address_with_v1_and_names_that_there_are(name, by_python):
    plan = planned(name)
    text = runbook(plan)
    known = {modality: set() for modality in MODALITIES}
    for route in plan.routes:
        known[route.modality].update(route.public_names)
    calls = by_python(text)
    for kind, modality in (("ChatOpenAI", "chat"), ("OpenAIEmbeddings", "embedding")):
        given = [fields for called, _, fields in calls if called == kind]
        assert len(given) == bool(known[modality])
        for fields in given:
            assert fields["model"] in known[modality]
            assert (fields["base_url"], fields["api_key"]) == ("http://127.0.0.1:4000/v1", "sk-test")
    webui, librechat = map(yaml.safe_load, blocks(text, "yaml")) if known["chat"] else ({}, {})
    if known["chat"]:
        (endpoint,) = librechat["endpoints"]["custom"]
        assert set(endpoint["models"]["default"]) == known["chat"]
        assert endpoint["baseURL"] == "http://litellm:4000/v1"
        variables = webui["environment"]
        for variable, modality in (
            ("RAG_EMBEDDING_MODEL", "embedding"),
            ("RAG_RERANKING_MODEL", "rerank"),
            ("AUDIO_STT_MODEL", "transcription"),
            ("AUDIO_TTS_MODEL", "speech"),
        ):
            assert (variable in variables) == bool(known[modality])
            assert variables.get(variable) in {*known[modality], None}
        urls = {value for variable, value in variables.items() if variable.endswith("_URL")}
        assert urls <= {"http://litellm:4000/v1", "http://litellm:4000/v1/rerank"}
        assert {value for variable, value in variables.items() if variable.endswith("_KEY")} == {
            "${LITELLM_MASTER_KEY}"
        }
    assert ("\nn8n, " in text) == bool(known["chat"] or known["embedding"])


def is_a_name(text):
    try:
        return TypeAdapter(PublicName).validate_python(text) == text
    except ValidationError:
        return False


def test_hostile_names_stay_in_their_place_in_every_snippet(tmp_path, by_python):
    names = [text for text in HOSTILE if is_a_name(text)]
    assert len(names) > 20
    entry = "{source: Qwen/Qwen3-0.6B, engine: vllm, modalities: [chat, completion], public_names: [NAMES]}"
    spec = f"version: 1\nname: base\nprofiles: [cpu]\nmodels:\n  chat: {entry}\ngateway: {{database: false}}\n"
    text = runbook(plan_of(tmp_path, spec.replace("NAMES", ", ".join(map(literal, names)))))
    twice = [name for name in names for _ in range(2)]
    assert sorted(body["model"] for _, body in by_curl(text)) == sorted(twice)
    calls = by_python(text)
    assert sorted(body["model"] for _, body in requests_of(calls)) == sorted(twice)
    assert [given["model"] for name, _, given in calls if name == "ChatOpenAI"] == [names[0]]
    _, librechat = map(yaml.safe_load, blocks(text, "yaml"))
    assert librechat["endpoints"]["custom"][0]["models"]["default"] == names


OPERATED = """\
version: 1
name: base
profiles: [cpu]
network: {external: edge}
storage:
  huggingface: {path: /data/hf}
  vllm-compile: {volume: kernels}
models:
  chat:
    source: Qwen/Qwen3-0.6B
    engine: vllm
    modalities: [chat]
    public_names: [talk]
    publish: {port: 8001}
    mounts: {/templates/chat.jinja: /srv/chat.jinja}
endpoints:
  cloud: {provider: openai, model: gpt-4o-mini, key: CLOUD_KEY, public_names: [talk, spare], limits: {order: 2}}
gateway:
  database: false
  aliases: {gpt-4: talk}
  fallbacks: {talk: [spare]}
  context_window_fallbacks: {talk: [spare]}
services:
  webui:
    compose:
      image: ghcr.io/open-webui/open-webui:v0.12.4
      ports: ["127.0.0.1:3000:8080", {target: 9, published: 10, host_ip: 127.0.0.1}]
      volumes: ["webui-data:/data"]
"""


def test_it_says_what_is_not_the_stacks_own(tmp_path):
    text = runbook(plan_of(tmp_path, OPERATED))
    assert "`docker network create edge`" in text
    assert "The network `edge` is not of this stack" in text
    assert "for containers on the network `edge`" in text
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert [row.split(" | ")[2] for row in rows if row.startswith(("| `/data/hf`", "| `kernels`", "| `base_"))] == [
        "a folder of this host, there before the first start; never deleted |",
        "a volume that was there already; never deleted |",
        "a volume of this stack |",
    ]
    assert "Read from this host, never written: `/srv/chat.jinja`." in text
    assert "| `cloud` | `gpt-4o-mini` | `openai's own address` | `CLOUD_KEY` in `.env` |" in rows
    opened = {row.split(" | ")[0]: row.split(" | ")[2] for row in rows if row.count(" | ") == 4}
    assert opened["| `vllm-chat`"] == "`127.0.0.1:8001`"
    assert opened["| `webui`"] == "`127.0.0.1:3000:8080, 127.0.0.1:10:9`"


def test_it_says_who_answers_when(tmp_path):
    text = runbook(plan_of(tmp_path, OPERATED))
    assert "| `gpt-4` | the same as `talk` | |" in text
    assert "- `talk` is answered by `chat@vllm-chat`, `cloud@endpoint` (rank 2)." in text
    assert "the next rank only when a lower one fails" in text
    assert "- When `talk` fails, the gateway asks `spare` instead." in text
    assert "- A request that is too long for `talk` goes to `spare`." in text


def test_it_tells_how_to_fetch_models_again():
    text = runbook(planned("archi-llm"))
    for job in ("ollama-fetch", "speaches-fetch"):
        assert f"`docker compose up -d {job}`" in text
    assert "Exit code 0: every model is there. 1: some are not" in text
    assert "Exit code" not in runbook(planned("quickstart"))


def test_a_model_that_thinks_is_given_room_for_its_answer():
    asked = {body["model"]: body for path, body in by_curl(runbook(planned("archi-llm"))) if path == "chat/completions"}
    assert "max_tokens" not in asked["qwen3"]
    assert asked["qwen2.5-vl"]["max_tokens"]


def test_a_gateway_with_an_address_of_its_own_is_told_to_containers_as_it_is(tmp_path):
    spec = OPERATED.replace("database: false", "database: false\n  address: 10.9.8.7")
    text = runbook(plan_of(tmp_path, spec))
    assert "All of them use `http://10.9.8.7:4000/v1` and the key." in text
    assert yaml.safe_load(blocks(text, "yaml")[0])["environment"]["OPENAI_API_BASE_URL"] == "http://10.9.8.7:4000/v1"


def test_a_path_that_leads_elsewhere_is_told_with_where_it_leads(tmp_path):
    spec = SMALL + "gateway: {pass_through: {ocr: {path: /ocr, url: https://ocr.example/v2}}}\n"
    assert "| `https://ocr.example/v2`, as it is | `http://127.0.0.1:4000/ocr` |" in runbook(plan_of(tmp_path, spec))


def test_the_template_is_compiled_once_until_it_or_its_settings_change(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    (tmp_path / "page").write_text("{{ 1 + 1 }}\n", encoding="utf-8")
    compiled = []

    def rendered(**settings):
        environment = Environment(
            loader=FileSystemLoader(tmp_path), bytecode_cache=Compiled(tmp_path, repr(settings)), **settings
        )
        compile_it = environment.compile
        monkeypatch.setattr(environment, "compile", lambda *words: compiled.append(1) or compile_it(*words))
        return environment.get_template("page").render()

    assert (rendered(), rendered(), len(compiled)) == ("2", "2", 1)
    assert (rendered(keep_trailing_newline=True), len(compiled)) == ("2\n", 2)
    (tmp_path / "page").write_text("{{ 1 + 2 }}\n", encoding="utf-8")
    assert (rendered(), len(compiled)) == ("3", 3)
    (kept,) = (tmp_path / "__pycache__").iterdir()
    kept.write_bytes(b"no byte code")
    assert (rendered(), rendered(), len(compiled)) == ("3", "3", 4)
    shutil.rmtree(tmp_path / "__pycache__")
    (tmp_path / "__pycache__").write_text("in the way", encoding="utf-8")
    assert (rendered(), rendered(), len(compiled)) == ("3", "3", 6)
