"""Scenario: two groups that take turns, simulated: day comes up, night takes its place, and all of it goes down.

The tests stand in the order in which they run.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest
from stacks import Stack, docker

pytestmark = pytest.mark.docker

SPEC = """\
version: 1
name: {name}
profiles: [cpu]
models:
  chat: {{source: Qwen/Qwen3-0.6B, engine: vllm, modalities: [chat], public_names: [main, chat]}}
  see: {{source: "qwen2.5vl:3b", engine: ollama, modalities: [chat, vision]}}
  big: {{source: Qwen/Qwen3-1.7B, engine: vllm, modalities: [chat], public_names: [main, big]}}
  embed: {{source: sentence-transformers/all-MiniLM-L6-v2, engine: infinity, modalities: [embedding]}}
groups:
  day: {{models: [chat, see]}}
  night: {{models: [big], exclusive: day}}
gateway: {{port: {port}, database: false, cache: none}}
"""
ALWAYS = {"infinity", "litellm"}
DAY, NIGHT = {"vllm-chat", "ollama", "ollama-fetch"}, {"vllm-big"}


class Alternates(Stack):
    """The simulation of a stack whose models take turns."""

    def __init__(self, folder, label):
        super().__init__(folder, label)
        self.real = self.name
        self.write(SPEC)
        self.name = f"{self.real}-sim"
        self.home = folder / ".stackgen" / "simulation"

    def run(self, *words):
        return super().run(words[0], "--simulate", *words[1:])

    def status(self):
        return json.loads(self.good("status", "--json").stdout)

    def chat(self, name):
        """Status and body of a chat at the gateway."""
        port = docker("port", self.containers()["litellm"], "4000").splitlines()[0].rpartition(":")[2]
        secrets = (self.home / ".stackgen" / "secrets.env").read_text()
        key = next(
            line.partition("=")[2].strip("'") for line in secrets.splitlines() if line.startswith("LITELLM_MASTER")
        )
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/v1/chat/completions",
            json.dumps({"model": name, "messages": [{"role": "user", "content": "hello"}]}).encode(),
            {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


@pytest.fixture(scope="module")
def alternates(engine, tmp_path_factory):
    made = Alternates(tmp_path_factory.mktemp("alternates"), "turns")
    yield made
    made.remove()


def healthy(report):
    return {
        entry["name"] for entry in report["services"] if entry["state"] in {"running", "done"} and not entry["drift"]
    }


def test_the_first_group_comes_up_and_the_other_one_sleeps(alternates):
    up = alternates.good("up")
    assert set(alternates.containers()) == ALWAYS | DAY
    assert "active: day" in up.stderr
    found = alternates.status()
    assert found["ok"]
    assert healthy(found) == ALWAYS | DAY
    assert {entry["name"]: entry["state"] for entry in found["services"]}["vllm-big"] == "asleep"
    assert found["asleep"] == {"night": ["big"]}


def test_check_is_green_and_says_who_sleeps(alternates):
    result = alternates.good("check", "--format", "json")
    report = json.loads(result.stdout)
    assert report["ok"]
    container = next(entry for entry in report["containers"] if entry["name"] == "vllm-big")
    assert (container["state"], container["skipped"]) == ("skipped", "its group `night` sleeps")
    refused = [entry for entry in report["requests"] if entry["probe"] == "is refused while it sleeps"]
    assert [(entry["name"], entry["ok"]) for entry in refused] == [("big", True)]
    assert "main" in {entry["name"] for entry in report["requests"]}


def test_who_asks_for_a_sleeper_hears_its_group(alternates):
    status, body = alternates.chat("big")
    assert status == 404
    assert body["error"]["message"] == (
        "`big` sleeps: the group `night` takes turns with `day`, which is active; `stackgen up --group night --simulate` wakes it"
    )
    assert alternates.chat("main")[0] == 200


def test_compose_alone_starts_nobody_who_sleeps(alternates):
    rendered = str(alternates.home / "rendered" / "docker-compose.yml")
    before = alternates.containers()
    docker("compose", "-f", rendered, "up", "-d")
    assert alternates.containers() == before
    assert set(docker("compose", "-f", rendered, "config", "--services").split()) == ALWAYS | DAY


def test_night_takes_the_place_of_day(alternates):
    before = alternates.containers()
    up = alternates.good("up", "--group", "night")
    after = alternates.containers()
    assert set(after) == ALWAYS | NIGHT
    assert after["infinity"] == before["infinity"]
    lines = up.stderr.splitlines()
    removed = next(at for at, line in enumerate(lines) if line.startswith("removed ollama"))
    assert removed < next(at for at, line in enumerate(lines) if "vllm-big" in line and "starting" in line)
    assert "stopping vllm-chat: its group `day` sleeps now …" in lines
    assert alternates.status()["ok"]
    assert json.loads((alternates.home / ".stackgen" / "groups.json").read_text()) == {"active": ["night"]}


def test_later_verbs_follow_and_the_gateway_too(alternates):
    assert json.loads(alternates.good("check", "--format", "json").stdout)["ok"]
    again = alternates.good("up")
    assert "active: day" not in again.stderr
    assert set(alternates.containers()) == ALWAYS | NIGHT
    status, body = alternates.chat("chat")
    assert status == 404
    assert "the group `day` takes turns with `night`, which is active" in body["error"]["message"]
    assert alternates.chat("main")[0] == 200
    assert alternates.chat("big")[0] == 200


def test_a_sleeper_that_somebody_started_by_hand_is_told_and_removed(alternates):
    rendered = str(alternates.home / "rendered" / "docker-compose.yml")
    docker("compose", "-f", rendered, "--profile", "day", "up", "-d", "--no-deps", "vllm-chat")
    found = alternates.status()
    assert not found["ok"]
    assert (
        next(entry for entry in found["services"] if entry["name"] == "vllm-chat")["drift"] == "its group `day` sleeps"
    )
    assert alternates.run("check", "--format", "json").returncode == 1
    alternates.good("up")
    assert set(alternates.containers()) == ALWAYS | NIGHT


def test_the_runbooks_words_switch_back_without_stackgen(alternates):
    """As RUNBOOK.md says: the files for the other group, the cards freed, Compose."""
    rendered = str(alternates.home / "rendered" / "docker-compose.yml")
    environment = alternates.home / "rendered" / ".env"
    environment.write_text(environment.read_text().replace("COMPOSE_PROFILES=night", "COMPOSE_PROFILES=day"))
    docker("compose", "-f", rendered, "--profile", "*", "rm", "--stop", "--force", "vllm-big")
    docker("compose", "-f", rendered, "up", "-d", "--wait", "vllm-chat", "infinity", "litellm")
    assert set(alternates.containers()) >= ALWAYS | {"vllm-chat"}
    assert "vllm-big" not in alternates.containers()
    environment.write_text(environment.read_text().replace("COMPOSE_PROFILES=day", "COMPOSE_PROFILES=night"))


def test_down_removes_what_is_of_any_group(alternates):
    docker(
        "compose",
        "-f",
        str(alternates.home / "rendered" / "docker-compose.yml"),
        "--profile",
        "*",
        "up",
        "-d",
        "--no-start",
    )
    assert set(alternates.containers()) == ALWAYS | DAY | NIGHT
    alternates.good("down", "--volumes", "--yes")
    assert alternates.traces() == []
    assert not (alternates.home / ".stackgen" / "groups.json").exists()
