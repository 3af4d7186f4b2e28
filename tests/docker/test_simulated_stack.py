"""Scenario: six modalities on a laptop. Stand-ins, the real gateway, database and cache, and twelve faults that are found.

The tests stand in the order in which they run: each leaves the simulation green for the next.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager

import pytest
import yaml
from stacks import STUCK_SECONDS, Stack, docker
from support import EXAMPLES, MEASURED

pytestmark = pytest.mark.docker

MODELS = ("chat", "vision", "embed", "rerank", "hear", "speak")
PUBLIC_NAMES = {"qwen3", "qwen2.5-vl", "nomic", "bge-reranker", "whisper", "piper"}
ENGINES = ("infinity", "ollama", "speaches", "vllm-chat")


class Simulation(Stack):
    """A stack's simulation, and the verbs on it."""

    def __init__(self, folder, label):
        super().__init__(folder, label)
        self.real = self.name
        self.name = f"{self.real}-sim"

    def copy_example(self, example):
        text = (EXAMPLES / example / "stack.yaml").read_text(encoding="utf-8")
        assert text.count(f"name: {example}\n") == 1
        (self.folder / "stack.yaml").write_text(text.replace(f"name: {example}\n", f"name: {self.real}\n"))

    @property
    def gateway_file(self):
        return self.folder / ".stackgen" / "simulation" / "rendered" / "litellm" / "config.yaml"

    def run(self, *words):
        return super().run(words[0], "--simulate", *words[1:])

    def inspect(self, service, form):
        return docker("inspect", "-f", form, self.containers()[service])

    def wait_healthy(self, *services):
        end = time.monotonic() + STUCK_SECONDS
        for service in services:
            while self.inspect(service, "{{.State.Health.Status}}") != "healthy":
                assert time.monotonic() < end, f"{service} does not become healthy"
                time.sleep(0.3)

    def keep_evidence(self):
        """The rendered files are elsewhere."""


@pytest.fixture(scope="module")
def simulation(engine, tmp_path_factory, request):
    made = Simulation(tmp_path_factory.mktemp("simulation"), "archi")
    made.copy_example("archi-llm")
    yield made
    made.remove()


@pytest.fixture(scope="module")
def beside(simulation):
    """The real project beside it, as far as the engine of containers knows: a container and a volume of that name."""
    labels = ("--label", f"com.docker.compose.project={simulation.real}")
    volume = f"{simulation.real}_postgres-data"
    docker("volume", "create", *labels, volume)
    docker("run", "--rm", "-v", f"{volume}:/data", "python:3.13-slim", "sh", "-c", "echo precious >/data/precious")
    docker("run", "-d", "--name", f"{simulation.real}-postgres-1", *labels, "python:3.13-slim", "sleep", "3600")
    yield volume
    docker("rm", "-f", f"{simulation.real}-postgres-1")
    docker("volume", "rm", volume)


def failed(report):
    """What a report blames."""
    return {(entry["hop"], entry["service"], entry["name"]) for entry in report["requests"] if not entry["ok"]}


def test_up_and_check_are_one_command_each_for_all_six_models(simulation, beside, record_property):
    began = time.monotonic()
    up = simulation.good("up")
    raised = time.monotonic() - began
    report = simulation.good("check", "--format", "json")
    seconds = time.monotonic() - began
    told = f"archi-llm simulated: up {raised:.1f} s, check {seconds - raised:.1f} s, both {seconds:.1f} s"
    record_property(MEASURED, told)

    port = simulation.inspect("litellm", '{{(index .NetworkSettings.Ports "4000/tcp" 0).HostPort}}')
    assert f"http://127.0.0.1:{port}/v1" in up.stderr
    assert "check --simulate" in up.stderr
    found = json.loads(report.stdout)
    assert found["ok"]
    assert found["simulated"] is True
    assert found["stack"] == simulation.name
    answered = {(entry["hop"], entry["name"].partition(" (")[0]) for entry in found["requests"] if entry["ok"]}
    assert {name for hop, name in answered if hop == "gateway"} >= PUBLIC_NAMES
    assert {name for hop, name in answered if hop == "engine"} >= PUBLIC_NAMES
    memory = {entry["service"]: entry["note"] or entry["skipped"] for entry in found["memory"]}
    assert memory["vllm-chat"].startswith("weights ")
    assert memory["ollama"] == "its log says nothing of memory"
    for word in ("up", "check", "status"):
        told = simulation.good(word)
        assert "simulat" in told.stderr + told.stdout, word


def test_a_second_up_changes_nothing(simulation):
    before = simulation.containers()
    simulation.good("up")
    assert simulation.containers() == before


def test_the_health_checks_are_those_of_the_real_stack(simulation):
    simulation.wait_healthy(*ENGINES)
    assert simulation.inspect("ollama", "{{.Config.Healthcheck.Test}}") == "[CMD ollama list]"
    for program in ("curl", "python3", "python"):
        tried = docker("exec", simulation.containers()["ollama"], program, "--version", check=False)
        assert "executable file not found" in tried or tried == ""
    assert docker("exec", simulation.containers()["ollama"], "ollama", "list").splitlines()[0].startswith("NAME")


@contextmanager
def gateway_file(simulation, change):
    """The gateway runs with another file, and with its own again afterwards."""
    text = simulation.gateway_file.read_text(encoding="utf-8")
    data = yaml.safe_load(text)
    change({entry["model_name"]: entry for entry in data["model_list"]})
    simulation.gateway_file.write_text(yaml.safe_dump(data), encoding="utf-8")
    docker("restart", "-t", "2", simulation.containers()["litellm"])
    simulation.wait_healthy("litellm")
    try:
        yield
    finally:
        simulation.gateway_file.write_text(text, encoding="utf-8")
        docker("restart", "-t", "2", simulation.containers()["litellm"])
        simulation.wait_healthy("litellm")


def wrong_entries(entries):
    """Five faults, one an entry."""
    entries["qwen3"]["litellm_params"]["api_base"] = "http://vllm-chat:8000"
    entries["nomic"]["litellm_params"]["api_key"] = "sk-another"
    entries["bge-reranker"]["litellm_params"]["model"] = "infinity/ranker"
    entries["whisper"]["model_info"]["mode"] = "chat"
    entries["piper"]["litellm_params"]["api_base"] = "http://ollama:11434/v1"


def test_faults_of_the_gateways_file_are_told_from_those_of_engines(simulation):
    with gateway_file(simulation, wrong_entries):
        code, report = simulation.check()
    assert code == 1
    blamed = failed(report)
    assert {hop for hop, _, _ in blamed} == {"gateway"}
    assert {(service, name) for _, service, name in blamed} >= {
        ("vllm-chat", "qwen3"), ("infinity", "nomic"), ("infinity", "bge-reranker"), ("speaches", "piper"),
        ("speaches", "whisper"),
    }  # fmt: skip
    assert not [entry for entry in report["containers"] if entry["state"] == "failed"]
    assert [entry["name"] for entry in report["files"] if entry["state"] == "failed"] == ["files", "gateway file"]
    told = dict(sentence.split(": ", 1) for sentence in report["diagnosis"])
    assert "must be http://vllm-chat:8000/v1" in told["qwen3"]
    assert "another key" in told["nomic"]
    assert "another model than rerank" in told["bge-reranker"]
    assert "must be http://speaches:8000/v1" in told["piper"]
    assert "mode is chat, must be audio_transcription" in told["whisper"]


@contextmanager
def planted(plant, heal):
    plant()
    try:
        yield
    finally:
        heal()


def test_faults_of_engines_are_told_one_from_another(simulation):
    ids = simulation.containers()
    network = f"{simulation.name}_engines"

    def plant():
        docker("kill", ids["ollama"])
        docker("exec", ids["infinity"], "/bin/sh", "-c", "kill -STOP -1")
        docker("network", "disconnect", network, ids["speaches"])

    def heal():
        docker("network", "connect", "--alias", "speaches", network, ids["speaches"])
        docker("exec", ids["infinity"], "/bin/sh", "-c", "kill -CONT -1")
        docker("start", ids["ollama"])
        simulation.wait_healthy(*ENGINES)

    with planted(plant, heal):
        began = time.monotonic()
        code, report = simulation.check()
        seconds = time.monotonic() - began
    assert code == 1
    assert seconds < 120
    told = dict(sentence.split(": ", 1) for sentence in report["diagnosis"])
    assert set(told) == {"bge-reranker", "nomic", "piper", "qwen2.5-vl", "whisper"} & set(told) | {
        "nomic",
        "qwen2.5-vl",
    }
    assert "it hangs" in told["nomic"]
    assert "its container is down, or not in the network" in told["qwen2.5-vl"]
    blamed = {(hop, service) for hop, service, _ in failed(report)}
    assert blamed == {(hop, service) for hop in ("gateway", "engine") for service in ("infinity", "ollama", "speaches")}
    containers = {entry["name"]: " ".join(entry["complaints"]) for entry in report["containers"]}
    assert "exited" in containers["ollama"]
    assert "network" in containers["speaches"]
    assert not containers["vllm-chat"]


def test_faults_of_stores_and_open_ports_are_found(simulation, tmp_path):
    ids = simulation.containers()
    rendered = simulation.gateway_file.parent.parent / "docker-compose.yml"
    override = tmp_path / "override.yml"
    override.write_text('services: {vllm-chat: {ports: ["127.0.0.1::8000"]}}\n')

    def sql(text):
        docker("exec", ids["postgres"], "psql", "-U", "litellm", "-d", "litellm", "-c", text)

    def plant():
        docker("compose", "-f", str(rendered), "-f", str(override), "up", "-d", "--no-deps", "vllm-chat")
        docker("stop", "-t", "2", ids["redis"])
        sql("ALTER USER litellm PASSWORD 'another'")
        simulation.wait_healthy("vllm-chat")

    def heal():
        values = (simulation.gateway_file.parent.parent / ".env").read_text().splitlines()
        password = next(line.partition("=")[2].strip("'") for line in values if line.startswith("POSTGRES_PASSWORD="))
        sql(f"ALTER USER litellm PASSWORD '{password}'")
        simulation.good("up")

    with planted(plant, heal):
        code, report = simulation.check()
    assert code == 1
    containers = {entry["name"]: " ".join(entry["complaints"]) for entry in report["containers"]}
    assert "exited" in containers["redis"]
    assert "8000" in containers["vllm-chat"]
    assert "password" in containers["postgres: login"]


def test_everything_is_well_again(simulation):
    assert simulation.check()[0] == 0


def test_down_leaves_nothing_of_the_simulation_and_everything_of_the_stack_beside_it(simulation, beside):
    simulation.good("down", "--volumes", "--yes")
    assert simulation.traces() == []
    assert not (simulation.folder / ".stackgen" / "simulation").exists()
    assert docker("volume", "ls", "-q", "--filter", f"label=com.docker.compose.project={simulation.real}") == beside
    kept = docker("run", "--rm", "-v", f"{beside}:/data", "python:3.13-slim", "cat", "/data/precious")
    assert kept == "precious"
    assert docker("inspect", "-f", "{{.State.Running}}", f"{simulation.real}-postgres-1") == "true"


def test_up_and_down_refuse_what_says_nothing_of_a_simulation(simulation):
    name = f"{simulation.name}_postgres-data"
    docker("volume", "create", "--label", f"com.docker.compose.project={simulation.name}", name)
    try:
        for words in (["down", "--volumes", "--yes"], ["up"]):
            refused = simulation.run(*words)
            assert refused.returncode == 1
            assert f"not of a simulation: volume {name}" in refused.stderr
        assert simulation.traces() == [name]
        assert name in docker("volume", "ls", "-q")
    finally:
        docker("volume", "rm", name)
