"""Scenario: secrets of a stack that runs get new values: the old ones open nothing, the new ones do, data is still there.

The tests stand in the order in which they run: each leaves the stack with one set of secrets for the next.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request

import pytest

from stackgen import vault

pytestmark = pytest.mark.docker

SPEC = """\
version: 1
name: {name}
profiles: [cpu]
secrets:
  FAR_KEY: {{required: true}}
endpoints:
  far: {{provider: openai, url: "http://127.0.0.9:9/v1", modalities: [chat], model: far, key: FAR_KEY}}
gateway: {{port: {port}, database: true, cache: redis}}
"""
FAR = "far-'key'-\"$HOME\"-0123"
ROTATED = ("LITELLM_MASTER_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD")
KILLED = """\
import os, sys
from stackgen import cli, files, runtime, vault
owner = {{"vault": vault, "files": files, "Docker": runtime.Docker}}["{owner}"]
real, calls = getattr(owner, "{name}"), []
def deadly(*arguments, **options):
    calls.append(1)
    found = real(*arguments, **options)
    if len(calls) == {nth}:
        os._exit(9)
    return found
setattr(owner, "{name}", deadly)
sys.argv = ["stackgen", "secrets", "rotate", "POSTGRES_PASSWORD", "--yes"]
cli.main()
"""


@pytest.fixture(scope="module")
def stack(make_small_stack):
    made = make_small_stack("secrets")
    made.write(SPEC)
    given = subprocess.run(
        made.command("secrets", "set", "FAR_KEY"),
        cwd=made.folder,
        input=f"{FAR}\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert given.stdout == ""
    made.good("up")
    return made


def kept(stack):
    return vault.read(stack.folder / ".stackgen" / "secrets.env")


def sql(stack, engine, text):
    """As the image lets in who comes through its socket."""
    return engine("exec", stack.containers()["postgres"], "psql", "-U", "litellm", "-Atc", text)


def opens_database(stack, password):
    words = ["docker", "exec", "-e", "PGPASSWORD", stack.containers()["postgres"]]
    words += ["psql", "-w", "-h", "postgres", "-U", "litellm", "-Atc", "select 1"]
    result = subprocess.run(words, env={"PATH": "/usr/bin:/usr/local/bin:/bin", "PGPASSWORD": password},
                            capture_output=True, text=True, check=False)  # fmt: skip
    assert result.returncode == 0 or "password authentication failed" in result.stderr, result.stderr
    return result.stdout == "1\n"


def opens_cache(stack, password):
    words = ["docker", "exec", "-e", "REDISCLI_AUTH", stack.containers()["redis"], "redis-cli", "-e", "ping"]
    result = subprocess.run(words, env={"PATH": "/usr/bin:/usr/local/bin:/bin", "REDISCLI_AUTH": password},
                            capture_output=True, text=True, check=False)  # fmt: skip
    return result.stdout == "PONG\n"


def opens_gateway(stack, key):
    url, headers = f"http://127.0.0.1:{stack.port}/v1/models", {"Authorization": f"Bearer {key}"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
            return answer.status == 200
    except urllib.error.HTTPError as refused:
        refused.close()
        if refused.code not in {400, 401}:
            raise
        return False


def opened(stack, values):
    """Which of some values open what they are for."""
    doors = dict(zip(ROTATED, (opens_gateway, opens_database, opens_cache), strict=True))
    return [name for name in ROTATED if doors[name](stack, values[name])]


def test_no_command_line_and_no_list_of_processes_has_a_secret(stack, engine):
    values = kept(stack)
    assert opened(stack, values) == list(ROTATED)
    assert not opens_cache(stack, "another-password-0123")
    for service, identifier in stack.containers().items():
        state = json.loads(engine("inspect", identifier))[0]
        words = " ".join(
            [state["Path"], *state["Args"], *state["Config"]["Cmd"], *map(str, state["Config"]["Healthcheck"]["Test"])]
        )
        processes = engine("top", identifier, "-eo", "pid,args") + engine(
            "ps", "--no-trunc", "--format", "{{.Command}}"
        )
        assert not [name for name, value in values.items() if value in words + processes], service
    state = json.loads(engine("inspect", stack.containers()["litellm"]))[0]
    assert f"FAR_KEY={FAR}" in state["Config"]["Env"]


def test_list_shows_how_each_stands_and_no_value(stack):
    result = stack.good("secrets", "list", "--json")
    states = {entry["name"]: entry["state"] for entry in json.loads(result.stdout)["secrets"]}
    assert set(states.values()) == {"kept"}
    assert not [value for value in kept(stack).values() if value in result.stdout + result.stderr]


def test_what_cannot_change_says_why(stack):
    before = kept(stack)
    for words, told in [
        (["LITELLM_SALT_KEY", "--yes"], "credentials in the database are encrypted with it"),
        (["FAR_KEY", "--yes"], "`stackgen secrets set FAR_KEY` takes it"),
        (["POSTGRES_PASSWORD"], "add --yes to replace the containers that read it"),
    ]:
        result = stack.run("secrets", "rotate", *words)
        assert (result.returncode, told in result.stderr) == (1, True), result.stderr
    assert kept(stack) == before


def test_rotated_secrets_open_and_old_ones_do_not_and_data_is_still_there(stack, engine):
    sql(stack, engine, "create table precious as select 42 as answer")
    sql(stack, engine, "alter system set log_statement = 'all'")
    sql(stack, engine, "alter system set log_min_duration_statement = 0")
    sql(stack, engine, "select pg_reload_conf()")
    postgres = stack.containers()["postgres"]
    old = kept(stack)
    process = subprocess.Popen(
        stack.command("secrets", "rotate", *ROTATED, "--yes"), cwd=stack.folder,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    said = []
    for line in process.stdout:
        said.append(line)
        if "rotated POSTGRES_PASSWORD" in line:
            logged = subprocess.run(["docker", "logs", postgres], capture_output=True, text=True, check=False)
    process.stdout.close()
    assert process.wait(300) == 0, "".join(said)
    new = kept(stack)
    assert opened(stack, new) == list(ROTATED)
    assert opened(stack, old) == []
    assert sql(stack, engine, "select answer from precious") == "42"
    assert [name for name in old if old[name] != new[name]] == sorted(ROTATED)
    log = logged.stdout + logged.stderr
    assert "ALTER ROLE litellm PASSWORD 'SCRAM-SHA-256$4096:" in log, "the server logs what it is told"
    secret = [*old.values(), *new.values()]
    assert not [value for value in secret if value in log + "".join(said)]
    left = [
        path for path in stack.folder.rglob("*") if path.is_file() for name in ROTATED if old[name] in path.read_text()
    ]
    assert left == []
    assert {entry["name"]: entry["state"] for entry in stack.check()[1]["containers"]}["postgres: login"] == "ok"


@pytest.mark.parametrize(
    ("owner", "name", "nth"),
    [("vault", "intend", 1), ("Docker", "execute", 1), ("Docker", "execute", 2), ("vault", "change", 1), ("files", "write", 1),
     ("vault", "intend", 2)],
)  # fmt: skip
def test_a_killed_rotation_is_finished_by_the_next_render(stack, engine, owner, name, nth):
    sql(stack, engine, "alter role litellm password 'somebody-else-set-this'")
    old = kept(stack)["POSTGRES_PASSWORD"]
    program = textwrap.dedent(KILLED.format(owner=owner, name=name, nth=nth))
    killed = subprocess.run(
        [sys.executable, "-c", program], cwd=stack.folder, capture_output=True, text=True, check=False
    )
    assert killed.returncode == 9, killed.stderr
    stack.good("render")
    new = kept(stack)["POSTGRES_PASSWORD"]
    assert new != old
    assert opens_database(stack, new)
    assert not opens_database(stack, old)
    assert vault.read(stack.folder / "rendered" / ".env")["POSTGRES_PASSWORD"] == new
    assert not (stack.folder / ".stackgen" / "rotation.json").exists()


def test_up_finishes_a_killed_rotation_though_the_server_was_stopped(stack, engine):
    program = textwrap.dedent(KILLED.format(owner="Docker", name="execute", nth=1))
    killed = subprocess.run(
        [sys.executable, "-c", program], cwd=stack.folder, capture_output=True, text=True, check=False
    )
    assert killed.returncode == 9, killed.stderr
    stack.good("down")
    refused = stack.run("render")
    assert refused.returncode == 1
    assert "postgres, which must be told, is not running" in refused.stderr
    assert "`stackgen up` finishes the rotation" in refused.stderr
    before = kept(stack)
    up = stack.good("up")
    assert "rotated POSTGRES_PASSWORD" in up.stderr
    assert opened(stack, kept(stack)) == list(ROTATED)
    assert not opens_database(stack, before["POSTGRES_PASSWORD"])
    assert sql(stack, engine, "select answer from precious") == "42"


def test_of_a_stopped_stack_only_what_no_server_keeps_is_rotated(stack):
    stack.good("down")
    before = kept(stack)
    refused = stack.run("secrets", "rotate", "POSTGRES_PASSWORD", "--yes")
    assert refused.returncode == 1
    assert "hint: first `stackgen up`, then rotate it" in refused.stderr
    assert kept(stack) == before
    rotated = stack.good("secrets", "rotate", "LITELLM_MASTER_KEY")
    assert "`stackgen up` starts it with the new values" in rotated.stderr
    assert stack.containers() == {}
    assert [name for name, value in kept(stack).items() if value != before[name]] == ["LITELLM_MASTER_KEY"]
    assert vault.read(stack.folder / "rendered" / ".env") == kept(stack)
