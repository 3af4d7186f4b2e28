"""Waiting for a stack, with a `docker` command that plays Compose and an engine that plays its containers."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace

import pytest
from support import SMALL, plan_of

from stackgen.errors import DockerError, NotHealthyError
from stackgen.render import files
from stackgen.runtime import ContainerState, compose, lock, start_order, up
from stackgen.runtime.container import SERVICE_LABEL

SERVICES = ("infinity", "litellm", "vllm-chat")


def state(service, **more):
    given = {"id": f"new-{service}", "image": "x", "status": "running", "health": "healthy", "exit_code": 0}
    given |= {"out_of_memory": False, "restarts": 0, "started_at": "2999-11-21T02:57:52.123456789Z"}
    return ContainerState(service=service, **(given | more))


class Engine:
    """Plays containers: what each look finds, one after another, the last one for ever."""

    def __init__(self, *looks, events=(), log=None):
        self.looks = list(looks)
        self.said = events
        self.log = log or ["\x1b[32m{container}\x1b[0m said: the key is sk-hidden\x07"]
        self.closed = False

    def containers(self, project):
        assert project == "small"
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def events(self, project, since):
        def end():
            self.closed = True

        return iter(self.said), end

    def log_tail(self, container, lines=20):
        return [line.replace("{container}", container) for line in self.log][-lines:]


def event(service, action, identifier="new", **attributes):
    return {
        "Action": action,
        "Actor": {"ID": f"{identifier}-{service}", "Attributes": {SERVICE_LABEL: service, **attributes}},
    }


@pytest.fixture
def stack(tmp_path, monkeypatch):
    """Bring a small stack up; `said` is what the command prints and `code` how it ends."""
    plan = plan_of(tmp_path / "spec", SMALL + "gateway: {database: false}\n")
    for file in files(plan):
        (tmp_path / file.path).parent.mkdir(exist_ok=True)
        (tmp_path / file.path).write_text(file.text)
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")

    def bring_up(engine, *, said=(), code=0, seconds=0.0, timeout=20.0, told=None):
        lines = "".join(f"{json.dumps(line)}\n" for line in said)
        program.write_text(
            f"#!/bin/sh\necho $* >>{tmp_path}/calls\n/bin/sleep {seconds}\n/bin/cat >&2 <<'END'\n{lines}END\nexit {code}\n"
        )
        program.chmod(0o755)
        steps = [] if told is None else told
        try:
            with lock.turn(tmp_path, timeout_seconds=0, say=pytest.fail) as turn:
                up(
                    bring_up.plan,
                    tmp_path,
                    engine,
                    turn=turn,
                    timeout_seconds=timeout,
                    report=steps.append,
                    mask=lambda text: text.replace("sk-hidden", "***"),
                )
        finally:
            assert engine.closed
        return [(step.service, step.phase) for step in steps]

    bring_up.plan = plan
    return bring_up


ALL_HEALTHY = [state(service) for service in SERVICES]
NONE = []


def test_a_healthy_stack_is_up_and_each_phase_is_told_once(stack):
    events = [event("vllm-chat", "start"), event("vllm-chat", "start"), event("vllm-chat", "health_status: healthy")]
    pulls = [
        {"id": "vllm-chat", "text": "Pulling"},
        {"id": "vllm-chat", "text": "Pulled"},
        {"id": "Network x", "status": "Created"},
    ]
    steps = stack(Engine(NONE, NONE, ALL_HEALTHY, events=events), said=pulls)
    told = [phase for service, phase in steps if service == "vllm-chat"]
    assert told[-1] == "healthy"
    assert len(told) == len(set(told))
    assert {service for service, phase in steps if phase == "healthy"} == set(SERVICES)


def test_a_dead_engine_is_told_with_its_masked_log_once_the_others_are_up(stack):
    dead = [state("vllm-chat", status="exited", health="", exit_code=2)]
    told = []
    with pytest.raises(NotHealthyError) as raised:
        stack(
            Engine(NONE, dead, [*dead, *ALL_HEALTHY[:2]], events=[event("vllm-chat", "die", exitCode="2")]), told=told
        )
    phases = [(step.service, step.phase) for step in told]
    assert phases.index(("vllm-chat", "failed")) < phases.index(("litellm", "healthy"))
    assert ("infinity", "healthy") in phases
    assert raised.value.message == (
        "vllm-chat ended with exit code 2 (programs end so when they refuse their command line); from its log:\n"
        "  | new-vllm-chat said: the key is ***\\u0007"
    )
    assert "logs vllm-chat" in raised.value.hint


def test_a_gateway_that_dies_ends_it_at_once(stack):
    dead = [state("litellm", status="exited", health="", exit_code=3)]
    began = time.monotonic()
    with pytest.raises(NotHealthyError, match="litellm ended with exit code 3"):
        stack(Engine(NONE, dead, events=[event("litellm", "die", exitCode="3")]), seconds=60)
    assert time.monotonic() - began < 40  # Compose, which would take 60 s, is not waited for


def test_an_engine_that_docker_starts_again_and_becomes_healthy_is_no_failure(stack):
    dead = [*ALL_HEALTHY[:2], state("vllm-chat", status="restarting", health="", exit_code=1, restarts=1)]
    steps = stack(Engine(NONE, dead, [*ALL_HEALTHY[:2], state("vllm-chat", restarts=1)]), seconds=3)
    assert [phase for service, phase in steps if service == "vllm-chat"] == ["failed", "healthy"]


def test_where_compose_cannot_be_started_nobody_listens_on(stack, monkeypatch):
    def refuse(*_, **__):
        raise DockerError("there is no `docker` command on this machine")

    monkeypatch.setattr(compose, "start_up", refuse)
    with pytest.raises(DockerError, match="there is no `docker` command"):
        stack(Engine(NONE))  # the fixture sees that the stream of events was closed


def test_who_is_started_by_name_alone_is_no_matter_of_up(stack, monkeypatch):
    """Somebody ran it once, and it failed."""
    dormant = replace(stack.plan, services=tuple(
        replace(one, dormant=True) if one.name == "infinity" else one for one in stack.plan.services
    ))  # fmt: skip
    monkeypatch.setattr(stack, "plan", dormant)
    left = state("infinity", status="exited", health="", exit_code=3)
    assert ("litellm", "healthy") in stack(Engine([left, *ALL_HEALTHY[1:]]))


def test_running_out_of_memory_is_named(stack):
    dead = [state("vllm-chat", status="exited", health="", exit_code=137, out_of_memory=True), *ALL_HEALTHY[:2]]
    with pytest.raises(NotHealthyError, match="vllm-chat was killed: this host or its own limit is out of memory"):
        stack(Engine(NONE, dead, events=[event("vllm-chat", "die", exitCode="137")]))


def test_a_crash_loop_is_seen_without_an_event(stack):
    looping = [*ALL_HEALTHY[:2], state("vllm-chat", status="restarting", health="", exit_code=1, restarts=1)]
    with pytest.raises(NotHealthyError, match="vllm-chat ended with exit code 1"):
        stack(Engine(NONE, looping))


def test_an_unhealthy_container_is_told_with_what_its_probe_says(stack):
    sick = [*ALL_HEALTHY[:2], state("vllm-chat", health="unhealthy", last_probe="HTTP Error 503 sk-hidden")]
    with pytest.raises(NotHealthyError) as raised:
        stack(Engine(NONE, sick))
    assert "vllm-chat is unhealthy; its health check says: HTTP Error 503 ***" in raised.value.message


def test_of_a_long_trace_in_a_health_check_the_end_is_told(stack):
    trace = "\n".join(["Traceback (most recent call last):", *["  File x, line 1"] * 90, "URLError: refused sk-hidden"])
    sick = [*ALL_HEALTHY[:2], state("vllm-chat", health="unhealthy", last_probe=trace)]
    with pytest.raises(NotHealthyError) as raised:
        stack(Engine(NONE, sick))
    assert "its health check says: File x, line 1 URLError: refused ***" in raised.value.message


def test_a_container_that_compose_replaces_may_die(stack):
    old = [replace(state, id=f"old-{state.service}") for state in ALL_HEALTHY]
    events = [
        event("litellm", "die", "old", exitCode="0"),
        event("litellm", "start"),
        event("litellm", "health_status: healthy"),
    ]
    steps = stack(Engine(old, old, [old[0], ALL_HEALTHY[1], old[2]], events=events), seconds=0.5)
    assert ("litellm", "healthy") in steps


def test_a_gateway_that_read_its_file_before_it_was_written_is_started_again(stack, tmp_path):
    """Its label is as before, so Compose would leave it alone: it reads what a person had edited."""
    old = [replace(found, started_at="2020-01-01T00:00:00.5Z") for found in ALL_HEALTHY]
    stack(Engine(old, ALL_HEALTHY))
    stop, start = (tmp_path / "calls").read_text().splitlines()
    assert stop.endswith("docker-compose.yml stop litellm")
    assert start.endswith("up -d --remove-orphans")


def test_a_container_that_was_there_dead_and_dies_again_is_a_failure(stack):
    dead = [state("vllm-chat", status="exited", health="", exit_code=1), *ALL_HEALTHY[:2]]
    events = [event("vllm-chat", "start"), event("vllm-chat", "die", exitCode="1")]
    with pytest.raises(NotHealthyError, match="vllm-chat ended with exit code 1"):
        stack(Engine(dead, events=events), seconds=3)


def test_what_compose_refuses_is_explained(stack):
    said = [
        {
            "error": True,
            "message": "Error response from daemon: Bind for 127.0.0.1:4000 failed: port is already allocated",
        }
    ]
    with pytest.raises(DockerError) as raised:
        stack(Engine(NONE), said=said, code=1)
    assert raised.value.message.startswith("a port of the stack is taken by another container")
    assert "another port in the spec" in raised.value.hint


def test_an_image_that_cannot_be_fetched_is_named_with_its_service(stack):
    said = [
        {"id": "vllm-chat", "text": "Pulling"},
        {"id": "infinity", "text": "Pulling"},
        {"id": "infinity", "text": "Pulled"},
        {"error": True, "message": 'Error response from daemon: Get "https://x/v2/": dial tcp: no such host'},
    ]
    with pytest.raises(DockerError) as raised:
        stack(Engine([]), said=said, code=18)
    assert raised.value.message.startswith("the image registry cannot be reached")
    assert re.search(r"while the image was fetched for vllm-chat \(vllm/\S+\)$", raised.value.message)


def test_a_death_is_more_telling_than_what_compose_says_about_it(stack):
    said = [{"error": True, "message": "dependency failed to start: container small-vllm-chat-1 exited (1)"}]
    with pytest.raises(NotHealthyError, match="vllm-chat ended with exit code 1"):
        stack(Engine(NONE, NONE, [state("vllm-chat", status="exited", health="", exit_code=1)]), said=said, code=1)


def test_too_slow_names_who_is_waited_for_and_for_how_long(stack):
    slow = [
        state("infinity"),
        state("litellm", status="created", health="", started_at=""),
        state("vllm-chat", health="starting"),
    ]
    with pytest.raises(NotHealthyError) as raised:
        stack(Engine(NONE, slow), timeout=1.0)
    assert raised.value.message == "not healthy after 1 s: litellm (waiting), vllm-chat (starting)"
    assert "--timeout" in raised.value.hint


def test_an_engine_that_docker_started_again_has_no_exit_code_to_tell(stack):
    """What is inspected is the new start; its exit code is 0 and means nothing."""
    again = [*ALL_HEALTHY[:2], state("vllm-chat", health="starting", restarts=2)]
    with pytest.raises(NotHealthyError, match="vllm-chat ended, and Docker starts it again"):
        stack(Engine(NONE, again))


def test_a_known_last_word_is_explained_and_its_line_is_kept_out_of_a_long_log(stack):
    """Two hundred lines stand between the cause and the end of the log."""
    cause = (
        "ValueError: Free memory on device cuda:0 (3.2/79.2 GiB) on startup is less than desired GPU memory utilization"
    )
    noise = [f"(EngineCore pid=1) INFO 11-21 10:00:00 [core.py:1] line {number}" for number in range(200)]
    log = ["Traceback (most recent call last):", f"(EngineCore pid=1) {cause}", *noise]
    dead = [state("vllm-chat", status="exited", health="", exit_code=1), *ALL_HEALTHY[:2]]
    with pytest.raises(NotHealthyError) as raised:
        stack(Engine(NONE, dead, log=log))
    headline, *lines = raised.value.message.splitlines()
    assert headline == (
        "vllm-chat ended with exit code 1: less memory of the card is free than the share that it asks for; from its log:"
    )
    assert cause in lines[0]
    assert len(lines) < 15
    assert "nvidia-smi" in raised.value.hint


def test_what_an_engine_does_while_it_starts_is_read_from_its_log(stack):
    prefix = "(Worker pid=38) INFO 11-21 14:46:07 [cpu_model_runner.py:68] "
    fetching = [f"{prefix}Starting to load model Qwen/Qwen3-0.6B..."]
    told = []
    busy = [*ALL_HEALTHY[:2], state("vllm-chat", health="starting")]
    stack(Engine(NONE, busy, ALL_HEALTHY, log=fetching), told=told, seconds=0.5)
    steps = [(step.phase, step.detail) for step in told if step.service == "vllm-chat"]
    assert ("downloading model", "Starting to load model Qwen/Qwen3-0.6B...") in steps


def test_an_event_of_a_container_that_is_replaced_says_nothing_about_the_next_one(stack):
    """It was healthy a moment ago: the new one is not."""
    old = [replace(found, id=f"old-{found.service}") for found in ALL_HEALTHY]
    late = [*ALL_HEALTHY[:2], state("vllm-chat", health="starting")]
    said = [event("vllm-chat", "health_status: healthy", "old")]
    with pytest.raises(NotHealthyError, match="vllm-chat"):
        stack(Engine(old, late, events=said), timeout=1.0)


def test_services_stand_behind_those_that_they_wait_for(tmp_path):
    plan = plan_of(tmp_path, SMALL + "gateway: {database: true, cache: redis}\n")
    order = start_order(plan)
    assert set(order) == plan.service_names
    assert order.index("litellm") > max(order.index("postgres"), order.index("redis"))


def test_a_crash_loop_without_a_health_check_is_not_taken_for_running(stack):
    """It runs for an instant each time that Docker starts it again."""
    looks = [
        [*ALL_HEALTHY[:2], state("vllm-chat", health="", restarts=turn, started_at=f"2999-01-01T00:00:0{turn}Z")]
        for turn in range(3)
    ]
    with pytest.raises(NotHealthyError, match="vllm-chat ended, and Docker starts it again"):
        stack(Engine(NONE, *looks))


def test_a_service_without_a_health_check_is_up_when_it_keeps_running(stack):
    silent = [*ALL_HEALTHY[:2], state("vllm-chat", health="")]
    assert ("vllm-chat", "healthy") in stack(Engine(NONE, silent))


def test_a_loop_of_crashes_ends_it_although_docker_starts_it_again(stack):
    """Each start after a failure is no news: nobody waits for it."""
    events = [event("vllm-chat", "start"), event("vllm-chat", "die", exitCode="127"), event("vllm-chat", "start")]
    looping = [*ALL_HEALTHY[:2], state("vllm-chat", status="restarting", health="", exit_code=127, restarts=1)]
    began = time.monotonic()
    with pytest.raises(NotHealthyError, match="vllm-chat ended with exit code 127"):
        stack(Engine(NONE, looping, events=events))
    assert time.monotonic() - began < 15
