"""`stackgen explain`: who said a value, what it beat, what was reckoned, and which line it becomes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support import EXAMPLES, GOLDEN, REFUSED, SMALL, write_spec
from typer.testing import CliRunner

from stackgen import verbs
from stackgen.cli import app
from stackgen.errors import StackError
from stackgen.facts.explaining import unsaid_key

HOUSE = """\
about: "What this house adds"
accelerator: cpu
gateway:
  port: 4100
engines:
  vllm:
    context: 2048
    options:
      max_num_batched_tokens: 512
images:
  vllm:
    repository: registry.example/vllm
    tag: v0.32.0-house
    version: "0.32.0"
    evidence: "built here"
"""
LAYERED = SMALL.replace("[cpu]", "[cpu, house]").replace(
    "    modalities: [chat]\n", "    modalities: [chat]\n    context: 1024\n    public_names: [small, tiny]\n"
) + (
    "gateway: {port: 4200, database: false}\n"
    "overrides: {vllm-chat: {compose: {mem_limit: 9g, labels: {team: red}, environment: [MODE=slow]}}}\n"
)  # fmt: skip


@pytest.fixture
def layered(tmp_path):
    return write_spec(tmp_path, LAYERED, house=HOUSE)


def lines_of(spec, question):
    opened = verbs.open_asked(spec)
    return list(verbs.answer(opened, question).lines(opened.shown_out))


def text_of(spec, question):
    return "\n".join(lines_of(spec, question))


def rendered_line(spec, file, text):
    """The line of a rendered file on which a text stands."""
    files = verbs.open_asked(spec).asked.files
    wanted = next(one.text for one in files if one.path == file)
    return next(number for number, line in enumerate(wanted.splitlines(), 1) if text in line)


def run(*words):
    return CliRunner().invoke(app, [*map(str, words)])


def test_a_value_of_the_spec_tells_what_it_beat_and_what_it_becomes(layered):
    line = rendered_line(layered, "docker-compose.yml", '"1024"')
    gateway = rendered_line(layered, "litellm/config.yaml", "max_input_tokens: 1024")
    assert lines_of(layered, "models.chat.context") == [
        "models.chat.context = 1024",
        "  means      Longest request plus answer, in tokens.",
        "  said by    stack.yaml:9",
        "  beats      profiles/house.yaml:7  2048",
        "  beats      profiles/cpu.yaml:28 (shipped)  4096",
        f"  beats      left out: {unsaid_key(('models', 'chat', 'context'))}",
        f"  becomes    vllm-chat: --max-model-len 1024  (rendered/docker-compose.yml:{line})",
        f"  becomes    small: model_info.max_input_tokens: 1024  (rendered/litellm/config.yaml:{gateway})",
        f"  becomes    tiny: model_info.max_input_tokens: 1024  (rendered/litellm/config.yaml:{gateway + 10})",
    ]


def test_a_value_from_a_profile_names_its_line(layered):
    found = lines_of(layered, "models.chat.options.max_num_batched_tokens")
    assert found[0] == "models.chat.options.max_num_batched_tokens = 512"
    assert "  said by    profiles/house.yaml:9" in found
    assert "  beats      profiles/cpu.yaml:33 (shipped)  4096" in found
    assert "  said by    profiles/default.yaml:5 (shipped)" in lines_of(layered, "gateway.address")


def test_a_merged_list_tells_the_list_that_it_replaced(tmp_path):
    house = HOUSE.replace("max_num_batched_tokens: 512", "words: [a, b]")
    text = LAYERED.replace("public_names: [small, tiny]", "options: {words: [c]}")
    found = run("explain", "models.chat.options.words", "--file", write_spec(tmp_path, text, house=house))
    assert "models.chat.options.words = [c]\n" in found.stdout
    assert "beats      profiles/house.yaml:9  [a, b]\n" in found.stdout
    assert found.exit_code == 1  # vLLM has no option of that name
    assert "unknown key `words`" in found.stderr


def test_a_default_of_the_engine_is_told_as_what_nobody_said(layered):
    assert lines_of(layered, "models.embed.options.dtype")[:3] == [
        "models.embed.options.dtype = auto",
        "  means      Number format of the weights.",
        "  said by    nobody: this counts where it is left out",
    ]
    assert "infinity: --dtype auto" in text_of(layered, "models.embed.options.dtype")
    found = lines_of(layered, "models.chat.options.quantization")
    assert found[0] == "models.chat.options.quantization"
    assert "  said by    nobody" in found
    assert "  why        the engine's own default" in found


DERIVED = {
    "models.vision.gpus": ("= [a0]", "the planner"),
    "models.vision.tensor_parallel": ("= 1", "the planner"),
    "models.chat.options.gpu_memory_utilization": ("= 0.", "the planner"),
    "models.chat.start_seconds": (" = ", "fetched at"),
    "models.chat.image": ("= vllm/vllm-openai:v0.32.0", "profiles/nvidia.yaml:5 (shipped)"),
    "images.postgres": ("= postgres:17.11", "profiles/default.yaml:19 (shipped)"),
    "models.embed.instance": ("= infinity", "the name of its service"),
    "models.rerank.replicas": ("= 1", "nobody"),
    "storage.postgres-data": ("= archi-llm_postgres-data", "the gateway's database"),
    "secrets.VLLM_API_KEY": ("(generated)", "read by litellm, vllm-chat"),
    "network": ("= [data, engines]", "stackgen"),
    "gateway.cooldown_seconds": ("", "30 seconds where names share servers"),
}


@pytest.mark.parametrize("path", DERIVED)
def test_what_the_planner_decided_is_told_with_its_why(path):
    value, why = DERIVED[path]
    found = text_of(EXAMPLES / "archi-llm" / "stack.yaml", path)
    assert value in found.splitlines()[0]
    assert why in found


def test_a_share_of_a_card_tells_the_sum_behind_it():
    found = text_of(EXAMPLES / "shared-card" / "stack.yaml", "models.chat.options.gpu_memory_utilization")
    assert "planned beside infinity, speaches" in found
    assert "needs 5.7 weights + 2.2 for one request + 0.7 overhead" in found
    assert "3 asked for: PASS" in found
    assert "vllm-chat: --gpu-memory-utilization 0.58" in found


def test_a_context_that_the_planner_chose(tmp_path):
    text = SMALL.replace("[cpu]", "[nvidia]").replace("models:\n", "gpus: {a0: {card: l40s}}\nmodels:\n", 1)
    house = "about: x\naccelerator: nvidia\nengines: {vllm: {concurrency: 4}}\n"
    pins = (EXAMPLES.parent / "profiles" / "nvidia.yaml").read_text().partition("\nengines:")[0]
    found = text_of(write_spec(tmp_path, text, nvidia=pins, house=house), "models.chat.context")
    assert "models.chat.context = 40960" in found
    assert "said by    the planner (nobody wrote it)" in found
    assert "planned: the model's own length" in found


def test_a_service_tells_what_it_is_made_of(layered):
    found = text_of(layered, "services.vllm-chat")
    assert "it serves models.chat" in found
    assert re.search(r"--max-model-len 1024 +models\.chat\.context, stack\.yaml:9", found)
    assert re.search(r"mem_limit = 9g +overrides\.vllm-chat\.compose\.mem_limit, stack\.yaml:16", found)
    assert re.search(r"environment\.MODE = slow +overrides\.vllm-chat\.compose\.environment\.0, stack\.yaml:16", found)
    assert re.search(r"environment\.VLLM_NO_USAGE_STATS = 1 +no telemetry", found)


def test_a_raw_block_and_a_service_of_the_users_own():
    webui = EXAMPLES / "webui" / "stack.yaml"
    found = text_of(webui, "services.webui.compose.image")
    assert "becomes    webui: image:" in found
    line = rendered_line(webui, "docker-compose.yml", "ENABLE_OLLAMA_API")
    assert "services.webui.compose.environment.ENABLE_OLLAMA_API" in text_of(webui, f"docker-compose.yml:{line}")


@pytest.mark.parametrize(
    "name", sorted(path.parent.name for path in EXAMPLES.glob("*/stack.yaml") if path.parent.name not in REFUSED)
)
def test_every_entry_of_every_rendered_example_has_somebody_behind_it(name):
    asked = verbs.open_asked(EXAMPLES / name / "stack.yaml").asked
    entries = list(asked.index.entries)
    assert [one.shown for one in entries if not (one.reason.said or one.why or one.rule)] == []
    assert {one.file for one in entries} == {"docker-compose.yml", "litellm/config.yaml"}
    told = [
        asked.about(said)
        for one in entries
        for said in one.reason.said
        if said[-1] != "address" or said[0] == "gateway"
    ]
    assert all(answer.said_by for answer in told)


@pytest.mark.parametrize("name", ["shared-card", "webui", "load-balanced-outside"])
def test_an_origin_in_a_comment_is_the_one_that_explain_tells(name):
    """The comments of docker-compose.yml come from the renderer, the answers from the index: both say the same."""
    opened = verbs.open_asked(EXAMPLES / name / "stack.yaml")
    compared = 0
    for number, line in enumerate((GOLDEN / name / "docker-compose.yml").read_text().splitlines(), 1):
        origin = re.search(r"# (\S+\.yaml:\d+)$", line)
        if origin:
            compared += 1
            assert origin[1] in "\n".join(verbs.answer(opened, f"docker-compose.yml:{number}").lines("")), line
    assert compared > 1


def test_lines_of_spec_profile_and_rendered_files(layered):
    assert "models.chat.context = 1024" in lines_of(layered, "stack.yaml:9")
    assert "models.chat.context = 1024" in lines_of(layered, str(layered) + ":9")
    found = text_of(layered, "stack.yaml:16")  # several values on one line
    assert "overrides.vllm-chat.compose.mem_limit = 9g" in found
    assert "overrides.vllm-chat.compose.labels.team = red" in found
    found = text_of(layered, "profiles/house.yaml:7")
    assert "engines.vllm.context" in found
    assert "models.chat.context = 1024  beaten by stack.yaml:9" in found
    assert "models.chat.options.max_num_batched_tokens = 512  counts here" in text_of(layered, "profiles/house.yaml:9")
    assert "does not name this profile" in text_of(layered, "profiles/rocm.yaml:5")
    line = rendered_line(layered, "litellm/config.yaml", "request_timeout")
    assert "gateway.timeout_seconds = 600" in text_of(layered, f"litellm/config.yaml:{line}")
    assert text_of(layered, f"config.yaml:{line}") == text_of(layered, f"rendered/litellm/config.yaml:{line}")
    line = rendered_line(layered, "docker-compose.yml", "restart:")
    assert "it comes back after a crash or a reboot" in text_of(layered, f"docker-compose.yml:{line}")
    assert "secrets.HF_TOKEN" in text_of(layered, f".env.example:{rendered_line(layered, '.env.example', 'HF_TOKEN=')}")


def test_a_mounted_file_leads_to_the_line_that_mounts_it(tmp_path):
    (tmp_path / "template.jinja").write_text("one\ntwo\n")
    text = SMALL.replace("modalities: [chat]", "modalities: [chat]\n    mounts: {/t/template.jinja: template.jinja}")
    spec = write_spec(tmp_path, text)
    assert "said by    stack.yaml:9" in text_of(spec, "files/vllm-chat/t/template.jinja:2")


def test_a_file_that_is_not_written_or_was_edited_is_said_to_be(layered):
    line = rendered_line(layered, "docker-compose.yml", '"1024"')
    assert "it is not written yet" in text_of(layered, f"docker-compose.yml:{line}")
    assert run("render", layered).exit_code == 0
    for file in (f"docker-compose.yml:{line}", ".env:2", ".env.example:1"):
        assert "note" not in text_of(layered, file)
    compose = layered.parent / "rendered" / "docker-compose.yml"
    compose.write_text(compose.read_text().replace('"1024"', '"512"') + "\nx-mine:\n  key: 1\n")
    found = text_of(layered, f"docker-compose.yml:{line}")
    assert "vllm-chat: --max-model-len 512" in found
    assert "edited by hand" in found
    assert "stackgen would write vllm-chat: --max-model-len 1024" in found
    end = len(compose.read_text().splitlines())
    assert "stackgen writes nothing here: somebody added it" in text_of(layered, f"docker-compose.yml:{end}")
    compose.write_text("key: [broken\n")
    assert "this is not YAML" in text_of(layered, "docker-compose.yml:1")


def test_a_spec_that_changed_since_is_told(layered):
    assert run("render", layered).exit_code == 0
    line = rendered_line(layered, "docker-compose.yml", '"1024"')
    layered.write_text(layered.read_text().replace("context: 1024", "context: 1536"))
    found = text_of(layered, f"docker-compose.yml:{line}")
    assert "the spec has changed since" in found
    assert "stackgen would write vllm-chat: --max-model-len 1536" in found


UNKNOWN = {
    "models.chat.contxt": ("there is no `contxt` in models.chat", "did you mean `context`?"),
    "models.chatt.context": ("there is no `chatt` in models", "did you mean `chat`?"),
    "modelz": ("there is no `modelz`", "did you mean `models`?"),
    "services.vlm-chat": ("there is no `vlm-chat` in services", "did you mean `vllm-chat`?"),
    "gateway.prot": ("there is no `prot` in gateway", "did you mean `port`?"),
    "models.chat.options.dtpye": ("there is no `dtpye` in models.chat.options", "did you mean `dtype`?"),
    "docker-compose.yaml:3": ("this stack has no file `docker-compose.yaml`", "did you mean `docker-compose.yml`?"),
    "docker-compose.yml:9999": ("docker-compose.yml has", ""),
    "stack.yaml:0": ("stack.yaml has 16 lines, and no line 0", ""),
    "models..chat": ("`models..chat` is no path of a spec", "write keys with dots, as models.chat.context"),
}  # fmt: skip


@pytest.mark.parametrize("question", UNKNOWN)
def test_an_unknown_path_or_file_names_the_nearest(layered, question):
    message, hint = UNKNOWN[question]
    with pytest.raises(StackError) as caught:
        lines_of(layered, question)
    assert caught.value.message.startswith(message)
    assert caught.value.hint == hint


def test_a_broken_spec_is_explained_as_far_as_it_can_be(layered):
    layered.write_text(layered.read_text().replace("engine: infinity", "engine: infinty"))
    result = run("explain", "models.chat.context", "--file", layered)
    assert result.exit_code == 1
    assert "said by    stack.yaml:9\n  beats      profiles/house.yaml:7  2048" in result.stdout
    assert "becomes" not in result.stdout
    assert "infinty" in result.stderr
    result = run("explain", "models.embed.gpus", "--file", layered)
    assert result.exit_code == 1
    assert "the planner picks the cards" in result.stdout
    result = run("explain", "docker-compose.yml:3", "--file", layered)
    assert (result.exception.message, result.exception.hint) == (
        "docker-compose.yml is not there",
        "stackgen render writes the files",
    )
    assert "infinty" in result.stderr
    result = run("explain", "stack.yaml:13", "--file", layered)
    assert "infinty" in result.stdout


def test_json_has_a_version_and_everything_that_the_text_has(layered):
    found = json.loads(run("explain", "models.chat.context", "--file", layered, "--json").stdout)
    assert (found["version"], found["value"], found["said_by"], found["kind"]) == (1, 1024, "stack.yaml:9", "spec")
    assert [one["value"] for one in found["beats"]] == [2048, 4096, None]
    assert {one["file"] for one in found["becomes"]} == {"rendered/docker-compose.yml", "rendered/litellm/config.yaml"}
    found = json.loads(run("explain", "stack.yaml:9", "--file", layered, "--json").stdout)
    assert (found["version"], found["file"], found["line"]) == (1, "stack.yaml", 9)
    assert found["answers"][0]["path"] == "models.chat.context"
    layered.write_text(layered.read_text().replace("engine: infinity", "engine: infinty"))
    found = json.loads(run("explain", "models.chat.context", "--file", layered, "--json").stdout)
    assert "infinty" in found["problems"][0]["message"]


def test_a_pin_that_a_later_profile_beat_is_told(layered):
    found = text_of(layered, "images.vllm")
    assert "images.vllm = registry.example/vllm:v0.32.0-house" in found
    assert "said by    profiles/house.yaml:11" in found
    assert "beats      profiles/cpu.yaml:5 (shipped)  vllm/vllm-openai-cpu:v0.32.0-x86_64" in found


def test_paths_that_are_asked_from_another_folder(layered, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert "models.chat.context = 1024" in lines_of(layered, f"{layered}:9")
    assert run("render", layered).exit_code == 0
    compose = layered.parent / "rendered" / "docker-compose.yml"
    line = rendered_line(layered, "docker-compose.yml", '"1024"')
    assert "models.chat.context = 1024" in text_of(layered, f"{Path(compose)}:{line}")
