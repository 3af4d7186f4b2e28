"""Scenario: a spec becomes a stack of real engines, a real gateway, a real database and cache, on a real Docker engine.

The tests stand in the order in which they run: each leaves the stack green for the next.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from stacks import STUCK_SECONDS

from stackgen import facts

pytestmark = pytest.mark.docker

SPEC = """\
version: 1
name: {name}
profiles: [cpu]
models:
  chat:
    source: /models/tiny-llama
    engine: vllm
    modalities: [chat]
    public_names: [tiny]
    context: 256
    options: {{dtype: float32, enforce_eager: true, max_num_batched_tokens: 256, cpu_cache_gib: 1}}
  embed:
    source: /models/minilm
    engine: infinity
    modalities: [embedding]
    public_names: [minilm]
  rank:
    source: /models/tiny-reranker
    engine: infinity
    modalities: [rerank]
    public_names: [ranker]
gateway:
  port: {port}
  database: true
  cache: redis
"""
DYING = """\
version: 1
name: {name}
profiles: [cpu]
models:
  embed: {{source: /models/nothing-here, engine: infinity, modalities: [embedding]}}
gateway: {{port: {port}, database: false, cache: redis}}
"""


@pytest.fixture(scope="module")
def stack(make_stack):
    made = make_stack("real")
    made.write(SPEC)
    return made


def key(stack):
    text = (stack.folder / ".stackgen" / "secrets.env").read_text()
    return next(line.partition("=")[2] for line in text.splitlines() if line.startswith("LITELLM_MASTER_KEY="))


def ask(stack, model):
    """Status of a chat request with a public name."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}).encode()
    headers = {"Authorization": f"Bearer {key(stack)}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{stack.port}/v1/chat/completions", data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def failed(report):
    """What a report blames: names of files, containers and (hop, service) of requests."""
    files = [entry["name"] for entry in report["files"] if entry["state"] == "failed"]
    containers = [entry["name"] for entry in report["containers"] if entry["state"] == "failed"]
    requests = {(entry["hop"], entry["service"]) for entry in report["requests"] if not entry["ok"]}
    return files, containers, requests


def wait_until(condition):
    end = time.monotonic() + STUCK_SECONDS
    while not condition():
        assert time.monotonic() < end, f"not so after {STUCK_SECONDS} s"
        time.sleep(0.5)


def test_ctrl_c_ends_up_cleanly_and_the_next_up_continues(stack):
    process = subprocess.Popen(
        stack.command("up"),
        cwd=stack.folder,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    said = []
    for line in process.stderr:
        said.append(line)
        if " starting" in line:
            os.kill(process.pid, signal.SIGINT)
            break
    said += process.stderr.readlines()
    process.stderr.close()
    assert process.wait(STUCK_SECONDS) == 130, "".join(said)
    assert "`stackgen up` continues" in "".join(said)
    assert "Traceback" not in "".join(said)
    assert stack.containers()

    result = stack.good("up")
    for service in ("infinity", "litellm", "postgres", "redis", "vllm-chat"):
        assert any(service in line and "healthy" in line for line in result.stderr.splitlines()), result.stderr
    assert f"http://127.0.0.1:{stack.port}/v1" in result.stderr
    assert key(stack) not in result.stderr + result.stdout


def test_containers_run_with_the_locks_of_their_images(stack, engine):
    """What the kernel says of each main process, so that a lock which the engine ignores is seen."""
    names = ("chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap")
    for service, identifier in stack.containers().items():
        family = service.partition("-")[0]
        locks = facts.locks(family)
        state = json.loads(engine("inspect", identifier))[0]
        host = state["HostConfig"]
        assert host["ReadonlyRootfs"] is locks.read_only(), service
        assert (host["PidsLimit"], host["CpuQuota"]) == (locks.pids, int((locks.cpus or 0) * 100_000)), service
        assert host["Memory"] >= locks.memory_gib * 2**30, service
        assert not state["State"]["OOMKilled"], service
        status = engine("exec", identifier, "cat", "/proc/1/status")
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        bounding = int(fields["CapBnd"], 16)
        assert {name.upper() for at, name in enumerate(names) if bounding >> at & 1} == set(locks.capabilities), service
        assert bounding >> len(names) == 0, service
        assert fields["NoNewPrivs"].strip() == "1", service


def test_a_root_that_is_locked_cannot_be_written(stack, engine):
    for service, identifier in stack.containers().items():
        write = subprocess.run(
            ["docker", "exec", identifier, "sh", "-c", "echo x > /usr/left-behind"],
            capture_output=True,
            text=True,
            check=False,
        )
        locked = facts.locks(service.partition("-")[0]).read_only()
        assert ("Read-only file system" in write.stderr) is locked, f"{service}: {write.stderr}"


def test_check_is_green_for_every_model_on_both_hops(stack):
    code, report = stack.check()
    assert (code, report["ok"]) == (0, True), report
    probes = {"tiny": ("chat", "chat stream", "chat unicode", "chat structured")}
    probes |= {"minilm": ("embedding",), "ranker": ("rerank",)}
    asked = {(name, probe, hop) for name in probes for probe in probes[name] for hop in ("gateway", "engine")}
    refusals = ("refuses without key", "refuses a wrong key", "refuses an unknown model")
    asked |= {("gateway", probe, "gateway") for probe in refusals}
    asked |= {(service, probe, "engine") for service in ("vllm-chat", "infinity") for probe in refusals}
    asked |= {(name, "entry", "gateway") for name in probes}
    asked |= {("redis", "cache of the gateway", "gateway"), ("postgres", "database of the gateway", "gateway")}
    assert {(entry["name"], entry["probe"], entry["hop"]) for entry in report["requests"]} == asked
    without = {entry["probe"] for entry in report["requests"] if entry["state"] != "ok"}
    assert without <= {"database of the gateway"}, "an image of one's own may lack the client of the database"
    assert report["tokens"] > 0
    streams = [entry for entry in report["requests"] if entry["probe"] == "chat stream"]
    assert all(0 < entry["first_token_seconds"] <= entry["seconds"] for entry in streams)
    assert {"postgres: login", "redis: login"} <= {entry["name"] for entry in report["containers"]}
    assert key(stack) not in json.dumps(report)


def test_what_the_engine_told_of_its_memory_is_read_and_kept_of_no_processor(stack):
    """Of 1 GiB and a tiny model: the log and /metrics of the real engine, and no row of a host without cards."""
    result = stack.run("check", "--record", "--format", "json")
    assert result.returncode == 0, result.stderr
    (entry,) = json.loads(result.stdout)["memory"]
    assert (entry["name"], entry["state"], entry["service"]) == ("vllm-chat: memory", "ok", "vllm-chat")
    assert entry["note"] == "cache 1,048,576 tokens; requests of full length 4,096.00; the plan has no figures"
    assert "not recorded: vllm-chat, it runs on the processor" in result.stderr
    assert not (stack.folder / "profiles").exists()


def test_the_commands_of_the_runbook_work_as_they_stand(stack):
    rendered = stack.folder / "rendered"
    blocks = re.findall(r"^```sh\n(.*?)^```$", (rendered / "RUNBOOK.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 4, "the key, and a request for each model"
    script = "set -eu\n" + "\n".join(blocks)
    done = subprocess.run(["bash", "-c", script], cwd=rendered, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(word in done.stdout for word in ('"choices"', '"embedding"', '"relevance_score"'))


def test_a_second_up_changes_nothing(stack):
    before = stack.containers()
    began = time.monotonic()
    stack.good("up")
    assert stack.containers() == before
    assert time.monotonic() - began < 40


def test_status_shows_every_service_healthy(stack):
    found = json.loads(stack.good("status", "--json").stdout)
    assert [(entry["name"], entry["state"], entry["health"], entry["drift"]) for entry in found["services"]] == [
        (service, "running", "healthy", "") for service in ("infinity", "litellm", "postgres", "redis", "vllm-chat")
    ]
    assert found["ok"]


def test_a_new_route_answers_after_plain_compose_and_the_engines_go_on(stack):
    before = stack.containers()
    stack.write(SPEC.replace("public_names: [tiny]", "public_names: [renamed]"))
    stack.good("render")
    plain = subprocess.run(
        ["docker", "compose", "up", "-d", "--wait"],
        cwd=stack.folder / "rendered",
        capture_output=True,
        text=True,
        check=False,
    )
    assert plain.returncode == 0, plain.stderr
    after = stack.containers()
    assert {service for service in before if before[service] != after[service]} == {"litellm"}
    assert ask(stack, "renamed") == 200
    assert ask(stack, "tiny") in {400, 404}
    code, report = stack.check()
    assert (code, report["ok"]) == (0, True), report


def test_a_wrong_base_url_written_by_hand_is_named_with_its_hop(stack, engine):
    config = stack.folder / "rendered" / "litellm" / "config.yaml"
    right = config.read_text()
    config.write_text(right.replace("http://vllm-chat:8000/v1", "http://vllm-chat:8000"))
    gateway = stack.containers()["litellm"]
    engine("restart", gateway)
    wait_until(lambda: engine("inspect", "-f", "{{.State.Health.Status}}", gateway) == "healthy")

    code, report = stack.check()
    assert code == 1
    assert failed(report) == (["files", "gateway file"], [], {("gateway", "vllm-chat")})
    complaint = next(entry for entry in report["files"] if entry["name"] == "gateway file")["complaints"][0]
    assert (
        "http://vllm-chat:8000/chat/completions, but the model is at http://vllm-chat:8000/v1/chat/completions"
        in complaint
    )
    (sentence,) = report["diagnosis"]
    assert sentence.startswith("renamed: vllm-chat itself answers; the gateway's route to it is wrong: ")
    assert sentence.endswith("/v1/chat/completions; its api_base must be http://vllm-chat:8000/v1")

    refused = stack.run("up")
    assert refused.returncode == 1
    assert "litellm/config.yaml" in refused.stderr
    refused = stack.run("render")
    assert refused.returncode == 1
    assert "http://vllm-chat:8000/v1" not in config.read_text()

    stack.good("render", "--force")
    assert config.read_text() == right
    stack.good("up")
    assert stack.check()[0] == 0


def test_a_killed_engine_is_named_and_the_others_answer(stack, engine):
    assert stack.check()[0] == 0  # the gateway has just talked to the engine and knows its address
    engine("kill", stack.containers()["vllm-chat"])
    began = time.monotonic()
    code, report = stack.check()
    assert time.monotonic() - began < 40, "the gateway held on to the address of an engine that is gone"
    assert code == 1
    assert failed(report) == ([], ["vllm-chat"], {("gateway", "vllm-chat"), ("engine", "vllm-chat")})
    complaint = next(entry for entry in report["containers"] if entry["name"] == "vllm-chat")["complaints"]
    assert complaint in (["exited, unhealthy (exit code 137)"], ["exited (exit code 137)"])
    (sentence,) = report["diagnosis"]
    assert sentence.startswith("renamed: vllm-chat does not answer, with or without the gateway: its container is down")
    assert sentence.endswith("-> `stackgen up`")


def test_a_store_that_is_not_the_specs_is_named(stack, engine):
    """The password of the database changed; a store off its network; a port that nobody asked for is seen by Docker."""
    containers = stack.containers()
    network = f"{stack.name}_data"
    change = "alter user litellm password 'another'"
    engine("exec", containers["postgres"], "psql", "-U", "litellm", "-c", change)
    engine("network", "disconnect", network, containers["redis"])
    try:
        _, report = stack.check()
        found = {entry["name"]: entry for entry in report["containers"] if entry["state"] == "failed"}
        (complaint,) = found["postgres: login"]["complaints"]
        assert complaint == "the password of the database is not the one in .stackgen/secrets.env"
        assert found["redis"]["complaints"] == [f"it is not in the network {network}"]
    finally:
        engine("network", "connect", "--alias", "redis", network, containers["redis"])
        right = next(
            line.partition("=")[2]
            for line in (stack.folder / ".stackgen" / "secrets.env").read_text().splitlines()
            if line.startswith("POSTGRES_PASSWORD=")
        )
        mend = f"alter user litellm password '{right}'"
        engine("exec", containers["postgres"], "psql", "-U", "litellm", "-c", mend)


def test_up_brings_the_killed_engine_back_and_leaves_the_others(stack):
    before = stack.containers()
    stack.good("up")
    assert stack.containers() == before
    assert stack.check()[0] == 0


def test_a_port_that_a_container_holds_is_named_before_anything_starts(stack, make_stack):
    other = make_stack("port")
    other.port = stack.port
    other.write(SPEC)
    result = other.run("up")
    assert result.returncode == 1
    assert f"port {stack.port} on 127.0.0.1 for litellm" in result.stderr
    assert f"is taken by the container `{stack.name}-litellm-1`" in result.stderr
    assert other.traces() == []


def test_an_engine_that_dies_is_told_with_its_log_and_the_others_come_up(make_stack):
    broken = make_stack("dies")
    broken.write(DYING)
    result = broken.run("up")
    assert result.returncode == 1
    assert "infinity ended with exit code" in result.stderr
    assert "nothing-here" in result.stderr
    for service in ("litellm", "redis"):
        assert any(service in line and "healthy" in line for line in result.stderr.splitlines()), result.stderr
    broken.good("down", "--volumes", "--yes")
    assert broken.traces() == []


def test_down_keeps_the_data_and_up_finds_it_again(stack, engine):
    stack.good("down")
    volumes = engine("volume", "ls", "-q", "--filter", f"label=com.docker.compose.project={stack.name}").split()
    assert f"{stack.name}_postgres-data" in volumes
    assert len(stack.traces()) == len(volumes)

    (stack.folder / ".stackgen" / "secrets.env").rename(stack.folder / "lost.env")
    refused = stack.run("render")
    assert refused.returncode == 1
    assert "POSTGRES_PASSWORD" in refused.stderr
    assert not (stack.folder / ".stackgen" / "secrets.env").exists()
    (stack.folder / "lost.env").rename(stack.folder / ".stackgen" / "secrets.env")


def test_up_that_takes_too_long_says_who_is_waited_for(stack):
    result = stack.run("up", "--timeout", "2")
    assert result.returncode == 1
    assert "not healthy after 2 s: " in result.stderr
    assert "vllm-chat (starting)" in result.stderr


def mounted_volumes(stack, engine):
    """Those without a name too, that an image asks for; other tests make volumes meanwhile."""
    form = "{{range .Mounts}}{{.Name}} {{end}}"
    return {
        name for container in stack.containers().values() for name in engine("inspect", "-f", form, container).split()
    }


def test_down_with_volumes_asks_first_and_then_leaves_nothing(stack, engine):
    of_stack = mounted_volumes(stack, engine)
    assert len(of_stack) > 1, of_stack
    asked = stack.run("down", "--volumes")
    assert asked.returncode == 1
    assert "--yes" in asked.stderr
    assert stack.traces()
    stack.good("down", "--volumes", "--yes")
    assert stack.traces() == []
    left = set(engine("volume", "ls", "-q").split())
    assert not {volume for volume in left if volume.startswith(stack.name)}
    assert not of_stack & left
