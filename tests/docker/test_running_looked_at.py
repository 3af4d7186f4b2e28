"""Scenario: what `status` and `logs` say of containers that run, end, start again and are replaced; no model is needed."""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import subprocess
import threading
import time
import urllib.request

import pytest

pytestmark = pytest.mark.docker

TALKER = r"""
import os, time
key = os.environ["KEY"]
print("began", os.environ["HOSTNAME"], flush=True)
print("\x1b[31mkey\x1b[0m", key, flush=True)
print("long " + "x" * (16384 - 25) + key + "y" * 40000 + " end", flush=True)
for number in range(100000):
    print("tick", number, flush=True)
    time.sleep(0.1)
"""
SPEC = """\
version: 1
name: {name}
profiles: [cpu]
endpoints:
  far: {{provider: openai, model: gpt-4o-mini, url: "http://talker:8080/v1", key: FAR_KEY, public_names: [far]}}
secrets:
  FAR_KEY: {{generate: true}}
gateway:
  port: {port}
  database: true
  cache: redis
services:
  talker:
    compose:
      image: python:3.13-slim
      command: [python, -c, TALKER]
      mem_limit: 64m
    secret_environment: {{KEY: FAR_KEY}}
  helper:
    compose:
      image: python:3.13-slim
      command: [python, -c, "print('helped')"]
      profiles: [tools]
      restart: "no"
      mem_limit: 64m
"""


@pytest.fixture(scope="module")
def stack(make_stack):
    made = make_stack("look")
    made.write(SPEC.replace("TALKER", json.dumps(TALKER).replace("{", "{{").replace("}", "}}")))
    made.good("up")
    yield made
    made.remove()


def status(stack):
    data = json.loads(stack.good("status", "--json").stdout)
    return data, {entry["name"]: entry for entry in data["services"]}


def compose(engine, stack, *words):
    return engine("compose", "-f", str(stack.folder / "rendered" / "docker-compose.yml"), *words)


def secret_of(stack):
    lines = (stack.folder / ".stackgen" / "secrets.env").read_text().splitlines()
    return next(line.partition("=")[2] for line in lines if line.startswith("FAR_KEY="))


class Follower:
    """`stackgen logs --follow` under way."""

    def __init__(self, stack, *words):
        self.process = subprocess.Popen(
            stack.command("logs", "--follow", *words),
            cwd=stack.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.heard = []

    def _read(self):
        with self.process.stdout:
            for line in self.process.stdout:
                self.lines.put(line.rstrip("\n"))

    def until(self, wanted, seconds=60):
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            assert left > 0, self.heard[-20:]
            with contextlib.suppress(queue.Empty):
                line = self.lines.get(timeout=left)
                self.heard.append(line)
                if wanted(line):
                    return line

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        with self.process.stderr:
            said = self.process.stderr.read()
        self.reader.join(30)
        return self.process.wait(30), said


def test_a_stack_that_came_up_is_as_the_spec_says(stack):
    data, services = status(stack)
    assert data["ok"], data
    assert {name: entry["state"] for name, entry in services.items()} == {
        "helper": "dormant", "litellm": "running", "postgres": "running", "redis": "running", "talker": "running",
    }  # fmt: skip
    assert all(entry["age_seconds"] < 600 for name, entry in services.items() if name != "helper")
    with urllib.request.urlopen(f"{data['gateway_url']}/health/liveliness", timeout=10) as answer:
        assert answer.status == 200


def test_a_service_that_was_asked_for_by_name_is_as_the_spec_says_too(stack, engine):
    compose(engine, stack, "--profile", "tools", "up", "-d", "helper")
    engine("wait", stack.containers()["helper"])
    data, services = status(stack)
    assert (services["helper"]["state"], services["helper"]["exit_code"], services["helper"]["drift"]) == (
        "done",
        0,
        "",
    )
    assert data["ok"]
    assert stack.good("logs", "helper").stdout.endswith("helper   | helped\n")


def test_logs_hold_no_secret_no_colour_and_whole_lines(stack):
    out = stack.good("logs", "--tail", "all").stdout
    assert secret_of(stack) not in out
    assert "\x1b" not in out
    lines = out.splitlines()
    assert "talker   | key ***" in lines
    (long,) = [line for line in lines if line.startswith("talker   | long ")]
    assert long == f"talker   | long {'x' * (16384 - 25)}***{'y' * 40000} end"
    assert any(line.startswith("litellm  | 20") and " INFO " in line for line in lines)
    first = {name: next(n for n, line in enumerate(lines) if line.startswith(name)) for name in ("postgres", "litellm")}
    assert first["postgres"] < first["litellm"]


def test_raw_lines_of_the_gateway_are_json(stack):
    out = stack.good("logs", "litellm", "--raw", "--tail", "all").stdout
    records = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    assert {"message", "level", "timestamp"} <= set(records[0])


def test_following_goes_on_over_restarts_and_new_containers_and_ends_quietly(stack, engine):
    follower = Follower(stack, "talker", "--tail", "5")
    follower.until(lambda line: "tick" in line)
    container = stack.containers()["talker"]
    engine("restart", "--time", "0", container)
    follower.until(lambda line: f"began {container[:12]}" in line)
    follower.until(lambda line: line.endswith("tick 3"))
    compose(engine, stack, "up", "-d", "--force-recreate", "--no-deps", "--timeout", "0", "talker")
    renewed = stack.containers()["talker"]
    assert renewed != container
    follower.until(lambda line: f"began {renewed[:12]}" in line)
    follower.until(lambda line: line.endswith("tick 3"))
    assert follower.interrupt() == (130, "")
    began = [number for number, line in enumerate(follower.heard) if "began" in line]
    assert len(began) == 2
    ticks = [int(line.rpartition(" ")[2]) for line in follower.heard if "tick" in line]
    lives, life = [], []
    for tick in ticks:
        if tick == 0 and life:
            lives.append(life)
            life = []
        life.append(tick)
    lives.append(life)
    assert len(lives) == 3
    assert all(life == list(range(life[0], life[0] + len(life))) for life in lives), lives


def test_a_container_that_was_stopped_is_told_and_its_log_is_there(stack, engine):
    engine("stop", "--time", "0", stack.containers()["talker"])
    data, services = status(stack)
    code = services["talker"]["exit_code"]
    assert code in {137, 143}
    assert (data["ok"], services["talker"]["state"]) == (False, "exited")
    assert services["talker"]["drift"] == f"ended with exit code {code}, and should run"
    assert "next: stackgen logs talker" in stack.good("status").stderr
    assert "tick" in stack.good("logs", "talker").stdout
    stack.good("up")
    assert status(stack)[0]["ok"]


def test_what_status_names_is_what_up_changes(stack):
    spec = stack.folder / "stack.yaml"
    spec.write_text(spec.read_text().replace("mem_limit: 64m\n    secret", "mem_limit: 65m\n    secret"))
    data, services = status(stack)
    assert {name: entry["drift"] for name, entry in services.items() if entry["drift"]} == {
        "talker": "has other settings than the spec says"
    }
    assert data["files"]["complaints"] == ["docker-compose.yml: the spec says something else by now"]
    before = stack.containers()
    stack.good("up")
    after = stack.containers()
    assert {name for name in after if before[name] != after[name]} == {"talker"}
    assert status(stack)[0]["ok"]


def test_a_changed_file_of_the_gateway_is_named(stack):
    spec = stack.folder / "stack.yaml"
    spec.write_text(spec.read_text().replace("  cache: redis\n", "  cache: redis\n  cache_seconds: 60\n"))
    _, services = status(stack)
    assert {name: entry["drift"] for name, entry in services.items() if entry["drift"]} == {
        "litellm": "reads an older litellm/config.yaml than the spec says"
    }


def test_with_a_broken_spec_containers_are_still_there(stack):
    spec = stack.folder / "stack.yaml"
    spec.write_text(spec.read_text().replace("provider: openai", "provider: nobody"))
    data, services = status(stack)
    assert (data["ok"], data["spec_problems"]) == (False, 1)
    assert services["talker"]["state"] == "running"
    assert "tick" in stack.good("logs", "talker").stdout


def test_a_stack_that_is_down_has_no_logs(stack):
    stack.good("down", "--volumes", "--yes")
    result = stack.run("logs")
    assert result.returncode == 1
    assert "there is no container" in result.stderr
    assert stack.traces() == []
