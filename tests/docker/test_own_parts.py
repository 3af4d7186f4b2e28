"""Scenario: what a spec adds of its own: a folder of the host, a port, a build, a file, a network that exists, a service."""

from __future__ import annotations

import json
import os
import urllib.request

import pytest

pytestmark = pytest.mark.docker

SPEC = """\
version: 1
name: {name}
profiles: [cpu]
network: {{external: {name}-door}}
storage:
  huggingface: {{path: {folder}/hub}}
secrets:
  OWN_SECRET: {{generate: true}}
models:
  embed:
    source: nobody/minilm
    engine: infinity
    modalities: [embedding]
    build: {{context: image, args: {{MARK: built here}}}}
    publish: {{port: {engine_port}}}
    mounts:
      /notes/beside.txt: notes.txt
      /notes/outside.txt: {folder}/outside.txt
    secret_environment: {{OWN: OWN_SECRET}}
    overrides: {{compose: {{labels: {{team: blue}}}}}}
gateway:
  port: {port}
  database: false
services:
  visitor:
    secret_environment: {{KEY: LITELLM_MASTER_KEY}}
    compose:
      image: python:3.13-slim
      command: [python, -m, http.server, "8080"]
      healthcheck: {{test: [CMD, python, -c, "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/')"], interval: 5s}}
      mem_limit: 256m
overrides:
  litellm: {{compose: {{labels: {{door: "${{OWN_SECRET}}x$HOME"}}}}}}
"""
IMAGE = "michaelf34/infinity:0.0.77-cpu"
REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def stack(make_stack, engine):
    made = make_stack("own")
    folder = made.folder
    (folder / "image").mkdir()
    (folder / "image" / "Dockerfile").write_text(f'FROM {IMAGE}\nARG MARK\nRUN printf "%s" "$MARK" >/mark\n')
    (folder / "notes.txt").write_text("beside ${HOME} $$\n")
    (folder / "outside.txt").write_text("outside\n")
    home = folder / "hub" / "hub" / "models--nobody--minilm"
    snapshot = home / "snapshots" / REVISION
    snapshot.mkdir(parents=True)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(REVISION)
    identifier = engine("create", IMAGE)
    engine("cp", f"{identifier}:/models/minilm/.", str(snapshot))
    engine("rm", identifier)
    for path in (folder / "hub").rglob("*"):
        os.chown(path, 1000, 1000)
    os.chown(folder / "hub", 1000, 1000)
    text = SPEC.replace("{folder}", str(folder)).replace("{engine_port}", str(made.engine_port))
    made.write(text)
    yield made
    made.remove()
    engine("network", "rm", f"{made.name}-door", check=False)
    engine("rmi", f"{made.name}-infinity:0.0.77", check=False)


def inside(engine, container, program):
    return engine("exec", container, "python", "-c", program)


def reaches(engine, container, url):
    program = (
        "import urllib.request as r\n"
        f"try:\n    print(r.urlopen({url!r}, timeout=5).status)\n"
        "except Exception as error:\n    print(type(error).__name__)"
    )
    return inside(engine, container, program) == "200"


def test_a_network_that_is_not_there_is_named_with_its_command(stack):
    result = stack.run("up")
    assert result.returncode == 1
    assert f"docker network create {stack.name}-door" in result.stderr
    assert stack.traces() == []


def test_the_stack_comes_up_with_all_of_it(stack, engine):
    engine("network", "create", f"{stack.name}-door")
    stack.good("up")
    code, report = stack.check()
    assert (code, report["ok"]) == (0, True), report


def test_the_engine_runs_what_was_built_and_sees_its_files(stack, engine):
    container = stack.containers()["infinity"]
    read = "print(open('/mark').read(), open('/notes/beside.txt').read(), open('/notes/outside.txt').read(), sep='|')"
    assert inside(engine, container, read) == "built here|beside ${HOME} $$\n|outside"
    labels = json.loads(engine("inspect", "-f", "{{json .Config.Labels}}", container))
    assert labels["team"] == "blue"
    program = "import os; print(os.environ['OWN'])"
    secrets = (stack.folder / ".stackgen" / "secrets.env").read_text()
    assert f"OWN_SECRET={inside(engine, container, program)}" in secrets
    door = json.loads(engine("inspect", "-f", "{{json .Config.Labels}}", stack.containers()["litellm"]))["door"]
    assert door == f"{inside(engine, container, program)}x$HOME"


def test_the_engine_writes_into_a_folder_of_another_user(stack, engine):
    container = stack.containers()["infinity"]
    inside(engine, container, "open('/app/.cache/huggingface/written', 'w').close()")
    assert (stack.folder / "hub" / "written").exists()
    mounts = json.loads(engine("inspect", "-f", "{{json .Mounts}}", container))
    assert {mount["Type"] for mount in mounts} == {"bind"}


def test_the_published_port_answers_on_this_machine_alone(stack, engine):
    with urllib.request.urlopen(f"http://127.0.0.1:{stack.engine_port}/health", timeout=10) as answer:
        assert answer.status == 200
    ports = json.loads(engine("inspect", "-f", "{{json .NetworkSettings.Ports}}", stack.containers()["infinity"]))
    assert {binding["HostIp"] for bindings in ports.values() for binding in bindings or ()} == {"127.0.0.1"}


def test_a_service_beside_the_stack_sees_the_gateway_and_no_engine(stack, engine):
    visitor = stack.containers()["visitor"]
    assert reaches(engine, visitor, "http://litellm:4000/health/liveliness")
    assert not reaches(engine, visitor, "http://infinity:7997/health")


def test_who_is_on_the_network_outside_sees_the_gateway_alone(stack, engine):
    engine("run", "-d", "--rm", "--name", f"{stack.name}-guest", "--network", f"{stack.name}-door",
           "python:3.13-slim", "sleep", "120")  # fmt: skip
    try:
        assert reaches(engine, f"{stack.name}-guest", "http://litellm:4000/health/liveliness")
        assert not reaches(engine, f"{stack.name}-guest", "http://infinity:7997/health")
    finally:
        engine("rm", "-f", f"{stack.name}-guest")


def test_a_changed_file_beside_the_spec_reaches_the_engine_by_plain_compose(stack, engine):
    before = stack.containers()
    (stack.folder / "notes.txt").write_text("changed\n")
    stack.good("render")
    engine("compose", "-f", str(stack.folder / "rendered" / "docker-compose.yml"), "up", "-d")
    after = stack.containers()
    assert {service for service in before if before[service] != after[service]} == {"infinity"}
    assert inside(engine, after["infinity"], "print(open('/notes/beside.txt').read())") == "changed"


def test_down_leaves_what_is_not_the_stacks(stack, engine):
    stack.good("down", "--volumes", "--yes")
    assert stack.traces() == []
    assert engine("network", "inspect", "-f", "{{.Name}}", f"{stack.name}-door") == f"{stack.name}-door"
    assert (stack.folder / "hub" / "written").exists()
