"""`render --adopt`: what operators edit by hand, turned back into lines of the spec; each is put there and rendered again."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from support import SMALL

COMPOSE, GATEWAY = "docker-compose.yml", "litellm/config.yaml"
SPEC = f"""{SMALL}    mounts: {{/etc/notes.txt: notes.txt}}
endpoints:
  cloud: {{provider: openai, model: gpt-4o-mini, key: OPENAI_API_KEY, public_names: [gpt]}}
gateway:
  database: false
  cache: none
"""
VLLM, DOOR = ["services", "vllm-chat"], ["services", "litellm"]


def at(data: Any, path: list[Any]) -> Any:
    for part in path:
        data = data[part]
    return data


def put(path: list[Any], value: Any):
    """An edit: a value at a path; None takes the key away."""

    def edit(data: Any) -> None:
        parent = at(data, path[:-1])
        if value is None:
            del parent[path[-1]]
        else:
            parent[path[-1]] = value

    return edit


def words(service: list[str], *change: str, old: tuple[str, ...] = ()):
    """An edit of a command: words in the place of others, or behind all."""

    def edit(data: Any) -> None:
        command = at(data, service)["command"]
        if old:
            first = command.index(old[0])
            assert command[first : first + len(old)] == list(old)
            command[first : first + len(old)] = change
        else:
            command += change

    return edit


def entry(identifier: str, section: str, key: str, value: Any):
    """An edit of an entry of the gateway."""

    def edit(data: Any) -> None:
        found = next(item for item in data["model_list"] if item["model_info"]["id"] == identifier)
        found[section][key] = value

    return edit


def merged(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return below | {key: merged(below.get(key), value) for key, value in above.items()}
    return above


@pytest.fixture
def workshop(run, tmp_path):
    """Render, edit by hand, adopt; and put into the spec what was proposed, which must render the edit."""
    (tmp_path / "notes.txt").write_text("notes\n")

    class Workshop:
        rendered = tmp_path / "rendered"

        def edit(self, file: str, *edits) -> None:
            data = yaml.safe_load((self.rendered / file).read_text())
            for edit in edits:
                edit(data)
            (self.rendered / file).write_text(json.dumps(data))  # YAML too, and every comment is gone

        def adopt(self, spec: str = SPEC) -> tuple[int, dict[str, Any], str]:
            (tmp_path / "stack.yaml").write_text(spec)
            before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
            code, out, err = run("render", "--adopt", spec=None)
            assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
            return code, yaml.safe_load(out) or {}, err

        def follow(self, said: dict[str, Any]) -> dict[str, Any]:
            """The spec with what was said, rendered over the edited files."""
            assert run("render", "--force", spec=json.dumps(merged(yaml.safe_load(SPEC), said)))[0] == 0
            return {file: yaml.safe_load((self.rendered / file).read_text()) for file in (COMPOSE, GATEWAY)}

    assert run("render", spec=SPEC)[0] == 0
    return Workshop()


SAYABLE = {
    "a flag that has a field": (
        COMPOSE,
        words(VLLM, "--max-num-seqs", "3", old=("--max-num-seqs", "4")),
        {"models": {"chat": {"concurrency": 3}}},
    ),
    "a flag of the engine's table": (
        COMPOSE,
        words(VLLM, "--enforce-eager"),
        {"models": {"chat": {"options": {"enforce_eager": True}}}},
    ),
    "a flag with a sign": (
        COMPOSE,
        words(VLLM, "--kv-cache-dtype=auto"),
        {"models": {"chat": {"options": {"kv_cache_dtype": "auto"}}}},
    ),
    "a flag without a field": (
        COMPOSE,
        words(VLLM, "--block-size", "32"),
        {"models": {"chat": {"extra_args": ["--block-size", "32"]}}},
    ),
    "a variable": (
        COMPOSE,
        put([*VLLM, "environment", "VLLM_LOGGING_LEVEL"], "DEBUG"),
        {"models": {"chat": {"environment": {"VLLM_LOGGING_LEVEL": "DEBUG"}}}},
    ),
    "a variable with a dollar": (
        COMPOSE,
        put([*VLLM, "environment", "SHELL_WORD"], "a$$b"),
        {"models": {"chat": {"environment": {"SHELL_WORD": "a$b"}}}},
    ),
    "a variable that is a secret": (
        COMPOSE,
        put([*VLLM, "environment", "MORE"], "${HF_TOKEN}"),
        {"models": {"chat": {"secret_environment": {"MORE": "HF_TOKEN"}}}},
    ),
    "a variable of the gateway": (
        COMPOSE,
        put([*DOOR, "environment", "LITELLM_LOG"], "DEBUG"),
        {"gateway": {"environment": {"LITELLM_LOG": "DEBUG"}}},
    ),
    "the gateway's port": (COMPOSE, put([*DOOR, "ports"], ["127.0.0.1:4100:4000"]), {"gateway": {"port": 4100}}),
    "the gateway's address": (COMPOSE, put([*DOOR, "ports"], ["4000:4000"]), {"gateway": {"address": "0.0.0.0"}}),
    "a port of an engine": (
        COMPOSE,
        put([*VLLM, "ports"], ["127.0.0.1:8001:8000"]),
        {"models": {"chat": {"publish": {"address": "127.0.0.1", "port": 8001}}}},
    ),
    "a label": (
        COMPOSE,
        put([*DOOR, "labels", "traefik.enable"], "true"),
        {"overrides": {"litellm": {"compose": {"labels": {"traefik.enable": "true"}}}}},
    ),
    "an image": (
        COMPOSE,
        put([*DOOR, "image"], "ghcr.io/berriai/litellm:v1.106.3"),
        {"overrides": {"litellm": {"compose": {"image": "ghcr.io/berriai/litellm:v1.106.3"}}}},
    ),
    "an image of an engine": (
        COMPOSE,
        put([*VLLM, "image"], "vllm/vllm-openai-cpu:v0.32.0"),
        {"models": {"chat": {"image": {"repository": "vllm/vllm-openai-cpu", "tag": "v0.32.0", "version": "0.32.0"}}}},
    ),
    "a limit of memory": (
        COMPOSE,
        put([*VLLM, "mem_limit"], "12g"),
        {"overrides": {"vllm-chat": {"compose": {"mem_limit": "12g"}}}},
    ),
    "no limit of memory": (
        COMPOSE,
        put([*VLLM, "mem_limit"], None),
        {"overrides": {"vllm-chat": {"compose": {"mem_limit": 0}}}},
    ),
    "shared memory of the host": (
        COMPOSE,
        put([*VLLM, "ipc"], "host"),
        {"overrides": {"vllm-chat": {"compose": {"ipc": "host"}}}},
    ),
    "when it starts again": (
        COMPOSE,
        put([*VLLM, "restart"], "always"),
        {"overrides": {"vllm-chat": {"compose": {"restart": "always"}}}},
    ),
    "the time for a start": (
        COMPOSE,
        put([*VLLM, "healthcheck", "start_period"], "20m"),
        {"models": {"chat": {"start_seconds": 1200}}},
    ),
    "a file of the host": (
        COMPOSE,
        lambda data: at(data, VLLM)["volumes"].append("/etc/hosts:/etc/more:ro"),
        {"models": {"chat": {"mounts": {"/etc/more": "/etc/hosts"}}}},
    ),
    "a volume that exists": (
        COMPOSE,
        put(["volumes", "huggingface"], {"external": True, "name": "weights"}),
        {"storage": {"huggingface": {"volume": "weights"}}},
    ),
    "addresses of the network": (
        COMPOSE,
        put(["networks", "engines"], {"ipam": {"config": [{"subnet": "10.9.0.0/24"}]}}),
        {"network": {"subnet": "10.9.0.0/24"}},
    ),
    "a service of one's own": (
        COMPOSE,
        put(["services", "webui"], {"image": "example/webui:1", "networks": ["engines"]}),
        {"services": {"webui": {"compose": {"image": "example/webui:1", "networks": ["engines"]}}}},
    ),
    "a setting with a field": (GATEWAY, put(["router_settings", "num_retries"], 5), {"gateway": {"retries": 5}}),
    "fallbacks": (
        GATEWAY,
        put(["router_settings", "fallbacks"], [{"chat": ["gpt"]}]),
        {"gateway": {"fallbacks": {"chat": ["gpt"]}}},
    ),
    "another name": (
        GATEWAY,
        put(["router_settings", "model_group_alias"], {"gpt-4": "chat"}),
        {"gateway": {"aliases": {"gpt-4": "chat"}}},
    ),
    "a setting without a field": (
        GATEWAY,
        put(["litellm_settings", "json_logs"], False),
        {"gateway": {"raw": {"litellm_settings": {"json_logs": False}}}},
    ),
    "requests a minute": (
        GATEWAY,
        entry("chat@vllm-chat", "litellm_params", "rpm", 60),
        {"models": {"chat": {"limits": {"rpm": 60}}}},
    ),
    "requests a minute of a cloud": (
        GATEWAY,
        entry("cloud@endpoint", "litellm_params", "rpm", 9),
        {"endpoints": {"cloud": {"limits": {"rpm": 9}}}},
    ),
    "how freely words are chosen": (
        GATEWAY,
        entry("chat@vllm-chat", "litellm_params", "temperature", 0.2),
        {"models": {"chat": {"generation": {"temperature": 0.2}}}},
    ),
    "the longest request": (
        GATEWAY,
        entry("chat@vllm-chat", "litellm_params", "timeout", 90),
        {"models": {"chat": {"timeout_seconds": 90}}},
    ),
    "a word of the gateway's": (
        GATEWAY,
        entry("chat@vllm-chat", "litellm_params", "num_retries", 1),
        {"models": {"chat": {"gateway": {"litellm_params": {"num_retries": 1}}}}},
    ),
    "what it tells of a model": (
        GATEWAY,
        entry("chat@vllm-chat", "model_info", "input_cost_per_token", 0.1),
        {"models": {"chat": {"gateway": {"model_info": {"input_cost_per_token": 0.1}}}}},
    ),
    "a cloud model": (
        GATEWAY,
        lambda data: data["model_list"].append(
            {
                "model_name": "big",
                "litellm_params": {"model": "openai/gpt-4o", "api_key": "os.environ/OPENAI_API_KEY", "rpm": 3},
            }
        ),
        {
            "endpoints": {
                "openai-gpt-4o": {
                    "provider": "openai",
                    "model": "gpt-4o",
                    "public_names": ["big"],
                    "key": "OPENAI_API_KEY",
                    "limits": {"rpm": 3},
                }
            }
        },
    ),
}


@pytest.mark.parametrize("what", SAYABLE)
def test_what_can_be_said_is_said_and_renders_the_edit(workshop, what):
    file, edit, wanted = SAYABLE[what]
    workshop.edit(file, edit)
    code, said, err = workshop.adopt()
    assert (code, said) == (0, wanted), err
    assert "tried: with these lines `stackgen render` writes what you edited\n" in err
    workshop.follow(said)
    assert workshop.adopt(json.dumps(merged(yaml.safe_load(SPEC), said)))[1] == {}


UNSAYABLE = {
    "a port that the health check knows": (
        COMPOSE,
        words(VLLM, "--port", "9000"),
        "vllm-chat --port: nothing → `9000`: the health check and the gateway know port 8000",
    ),
    "a flag that the engine does not know": (COMPOSE, words(VLLM, "--enforce-eagr"), "does not know --enforce-eagr"),
    "the id of a model": (
        COMPOSE,
        words(VLLM, "--served-model-name", "x", old=("--served-model-name", "chat")),
        "it is the id of the model, which the gateway asks for",
    ),
    "the name of the stack": (
        COMPOSE,
        put(["name"], "other"),
        "another one means other containers, networks and volumes",
    ),
    "a variable of stackgen's own": (
        COMPOSE,
        put([*VLLM, "environment", "VLLM_NO_USAGE_STATS"], None),
        "stackgen writes it, and no key of the spec leaves it out",
    ),
    "Docker secrets": (
        COMPOSE,
        put(["secrets"], {"a": {"file": "a"}}),
        "the spec has no Docker secrets; use `secret_environment`",
    ),
    "where a model is": (
        GATEWAY,
        entry("chat@vllm-chat", "litellm_params", "api_base", "http://elsewhere"),
        "write `url` in an endpoint; that of a model follows from its engine",
    ),
    "a section that is not ours": (
        GATEWAY,
        put(["environment_variables"], {"A": "b"}),
        "the spec has raw keys for litellm_settings, router_settings and general_settings alone",
    ),
}


@pytest.mark.parametrize("what", UNSAYABLE)
def test_what_cannot_be_said_is_named_with_the_reason(workshop, what):
    file, edit, reason = UNSAYABLE[what]
    workshop.edit(file, edit)
    code, said, err = workshop.adopt()
    assert (code, said) == (1, {})
    assert f"warning: {file}:1: " in err
    assert reason in err


def test_what_follows_from_a_line_is_told(workshop):
    workshop.edit(COMPOSE, words(VLLM, "--max-model-len", "2048", old=("--max-model-len", "4096")))
    code, said, err = workshop.adopt()
    assert (code, said) == (0, {"models": {"chat": {"context": 2048}}})
    assert "follows: litellm/config.yaml: chat@vllm-chat.model_info.max_input_tokens: `4096` → `2048`\n" in err
    rendered = workshop.follow(said)
    command = rendered[COMPOSE]["services"]["vllm-chat"]["command"]
    assert command[command.index("--max-model-len") + 1] == "2048"


def test_edits_of_two_files_are_said_together_and_one_that_cannot_be_keeps_none_back(workshop):
    workshop.edit(COMPOSE, put([*DOOR, "ports"], ["127.0.0.1:4100:4000"]), put(["name"], "other"))
    workshop.edit(GATEWAY, put(["router_settings", "num_retries"], 5))
    code, said, err = workshop.adopt()
    assert (code, said) == (1, {"gateway": {"port": 4100, "retries": 5}})
    assert "writes what you edited, but for 1 of them\n" in err


def test_a_line_of_the_spec_that_was_taken_out_by_hand(workshop, run):
    longer = SPEC.replace("    modalities: [chat]\n", "    modalities: [chat]\n    extra_args: [--block-size, '32']\n")
    assert run("render", spec=longer)[0] == 0
    workshop.edit(COMPOSE, words(VLLM, old=("--block-size", "32")))
    code, said, _ = workshop.adopt(longer)
    out = run("render", "--adopt", spec=longer)[1]
    assert (code, said) == (0, {})
    assert "# take out models.chat.extra_args (stack.yaml:9:5)\n" in out


def test_a_secret_in_clear_is_never_shown(workshop, run, tmp_path):
    workshop.edit(COMPOSE, put([*VLLM, "environment", "MY_API_KEY"], "sk-very-secret"))
    workshop.edit(GATEWAY, entry("cloud@endpoint", "litellm_params", "api_key", "sk-also-secret"))
    _, out, err = run("render", "--adopt", spec=SPEC)
    assert "secret" not in (out + err).replace("secrets", "").replace("is a secret in clear", "").replace(
        "secret_environment", ""
    )
    assert "vllm-chat.environment.MY_API_KEY (its value is not shown): it is a secret in clear" in err


def test_a_text_that_was_copied_from_beside_the_spec_is_edited_there(workshop, tmp_path):
    (path,) = (workshop.rendered / "files").rglob("notes.txt")
    path.write_text("better notes\n")
    code, said, err = workshop.adopt()
    assert (code, said) == (0, {})
    assert f"is a copy: cp {path} {tmp_path / 'notes.txt'}\n" in err


def test_texts_and_values_have_a_place_of_their_own(workshop):
    (workshop.rendered / "RUNBOOK.md").write_text("my notes\n")
    with (workshop.rendered / ".env").open("a") as env:
        env.write("MORE='1'\n")
    code, said, err = workshop.adopt()
    assert (code, said) == (1, {})
    assert "warning: RUNBOOK.md: it is written from the spec; keep your notes in a file of their own" in err
    assert "warning: .env: values belong into .stackgen/secrets.env" in err


def test_a_deleted_file_and_no_edit_at_all(workshop):
    assert workshop.adopt()[::2] == (0, f"{workshop.rendered}: nothing was edited by hand\n")
    (workshop.rendered / GATEWAY).unlink()
    code, said, err = workshop.adopt()
    assert (code, said) == (0, {})
    assert "litellm/config.yaml was deleted; `stackgen render` writes it again" in err


def test_an_edited_file_that_is_no_yaml_is_an_error_with_its_line(workshop):
    (workshop.rendered / COMPOSE).write_text("a: [\n")
    code, _, err = workshop.adopt()
    assert code == 1
    assert "docker-compose.yml:2:1: this is not YAML" in err


def test_a_spec_that_was_changed_too_is_told(workshop):
    workshop.edit(COMPOSE, put([*DOOR, "ports"], ["127.0.0.1:4100:4000"]))
    _, _, err = workshop.adopt(SPEC.replace("modalities: [chat]", "modalities: [chat]\n    concurrency: 3"))
    assert "docker-compose.yml: the spec was changed too since it was written" in err
