"""Scenario: no hub, a model that cannot be fetched, an engine that dies at its start; whatever is whole must answer.

The real vLLM and Infinity find their models in a volume that holds the hub's cache; Ollama is played by its stand-in, which
fetches `there` and finds `gone` in no registry.
"""

from __future__ import annotations

import json
import subprocess
import time

import pytest
from stacks import STUCK_SECONDS

from stackgen.render.stand_in import StandIn, context

pytestmark = pytest.mark.docker

STAND_IN = "stackgen-test/ollama:1"
SPEC = """\
version: 1
name: {name}
profiles: [cpu]
storage:
  huggingface: {{volume: {name}-hub}}
models:
  chat:
    source: nobody/tiny-llama
    engine: vllm
    modalities: [chat]
    context: 256
    options: {{dtype: float32, enforce_eager: true, max_num_batched_tokens: 256, cpu_cache_gib: 1}}
  embed:
    source: nobody/minilm
    engine: infinity
    modalities: [embedding]
  dead:
    source: /models/nothing-here
    engine: infinity
    instance: dead
    modalities: [embedding]
    overrides: {{compose: {{restart: "on-failure:1"}}}}  # else it loads its libraries again and again beside the others
  there:
    source: there
    engine: ollama
    modalities: [chat]
    image: {{repository: stackgen-test/ollama, tag: "1"}}
  gone:
    source: gone:1b
    engine: ollama
    modalities: [chat]
    image: {{repository: stackgen-test/ollama, tag: "1"}}
gateway:
  port: {port}
  database: false
  fallbacks: {{gone: [there]}}
"""
REVISION = "0123456789abcdef0123456789abcdef01234567"
CACHED = {
    "vllm/vllm-openai-cpu:v0.32.0-x86_64": ("/models/tiny-llama", "tiny-llama"),
    "michaelf34/infinity:0.0.77-cpu": ("/models/minilm", "minilm"),
}


@pytest.fixture(scope="module")
def stack(make_stack, engine):
    made = make_stack("partial")
    told = [f"--build-arg={name}={value}" for name, value in StandIn("ollama", "0.32.15").arguments().items()]
    subprocess.run(["docker", "build", "-q", "-t", STAND_IN, *told, "-"], input=context(), check=True)
    engine("volume", "create", f"{made.name}-hub")
    for image, (folder, model) in CACHED.items():
        home = f"/cache/hub/models--nobody--{model}"
        script = (
            f"mkdir -p {home}/refs {home}/snapshots/{REVISION} && cp -r {folder}/. {home}/snapshots/{REVISION}/ && "
            f"printf {REVISION} >{home}/refs/main"
        )
        mount = f"{made.name}-hub:/cache"
        engine("run", "--rm", "--network", "none", "-v", mount, "--entrypoint", "sh", image, "-c", script)
    made.write(SPEC)
    yield made
    made.remove()
    engine("volume", "rm", f"{made.name}-hub")


@pytest.fixture(scope="module")
def brought_up(stack):
    return stack.run("up")


def test_up_names_what_failed_after_it_brought_up_the_rest(brought_up, stack):
    assert brought_up.returncode == 1, brought_up.stderr
    lines = brought_up.stderr.splitlines()
    for service in ("infinity", "litellm", "ollama", "vllm-chat"):
        assert any(service in line.split() and "healthy" in line for line in lines), brought_up.stderr
    assert "infinity-dead ended with exit code" in brought_up.stderr
    assert "ollama-fetch ended with exit code 1" in brought_up.stderr
    assert "there: fetched" in brought_up.stderr
    assert "file does not exist" in brought_up.stderr


def well(report):
    """Names of the models that answered."""
    return {entry["name"] for entry in report["requests"] if entry["state"] == "ok" and entry["modality"]}


def test_everything_that_is_whole_answers_and_nothing_else_is_blamed(brought_up, stack):
    code, report = stack.check()
    assert code == 1
    failed = {(entry["hop"], entry["name"]) for entry in report["requests"] if not entry["ok"]}
    assert failed == {(hop, name) for hop in ("gateway", "engine") for name in ("dead", "gone")}
    assert well(report) == {"chat", "embed", "there"}
    blamed = [entry["name"] for entry in report["containers"] if entry["state"] == "failed"]
    assert blamed == ["infinity-dead", "ollama-fetch"]


def test_a_client_of_the_missing_model_is_answered_by_its_fallback(brought_up, stack):
    secrets = (stack.folder / ".stackgen" / "secrets.env").read_text()
    key = next(line.partition("=")[2] for line in secrets.splitlines() if line.startswith("LITELLM_MASTER_KEY="))
    body = json.dumps({"model": "gone", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4})
    words = ["-fsS", "-D", "-", f"http://127.0.0.1:{stack.port}/v1/chat/completions", "-d", body]
    headers = ["-H", f"Authorization: Bearer {key}", "-H", "Content-Type: application/json"]
    done = subprocess.run(["curl", *words, *headers], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "x-litellm-attempted-fallbacks: 1" in done.stdout
    assert "You said: Hello" in done.stdout


def test_plain_compose_comes_to_the_same_end(brought_up, stack, engine):
    """Without stackgen: the dead engine and the failed job keep nobody else from starting."""
    folder = stack.folder / "rendered"
    others = sorted(set(stack.containers()) - {"vllm-chat"})  # it has shown that it starts, and takes longest
    subprocess.run(["docker", "compose", "rm", "-sf", *others], cwd=folder, capture_output=True, check=True)
    assert set(stack.containers()) == {"vllm-chat"}
    done = subprocess.run(["docker", "compose", "up", "-d"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {"infinity", "litellm", "ollama", "ollama-fetch", "vllm-chat"} <= set(stack.containers())

    def health(service):
        return engine("inspect", "-f", "{{.State.Health.Status}}", stack.containers()[service])

    deadline = time.monotonic() + STUCK_SECONDS
    while any(health(service) != "healthy" for service in ("infinity", "litellm", "ollama", "vllm-chat")):
        assert time.monotonic() < deadline, stack.run("status").stdout
        time.sleep(1)
    code, report = stack.check()
    assert code == 1
    assert well(report) == {"chat", "embed", "there"}
    assert {entry["name"] for entry in report["requests"] if not entry["ok"]} == {"dead", "gone"}
