"""Scenario: `up` of a stack without engines, interrupted in every way, twice at once, on a terminal, and refused."""

from __future__ import annotations

import json
import os
import pty
import random
import re
import select
import signal
import subprocess
import time

import pytest
from slow_registry import slow_registry

pytestmark = pytest.mark.docker

GATEWAY = """\
import http.server, signal, sys
class Gateway(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
http.server.ThreadingHTTPServer(("", 4000), Gateway).serve_forever()
"""
"""Stands in for the gateway: whether `up` can be interrupted does not depend on how long LiteLLM loads its libraries."""
SPEC = """\
version: 1
name: {name}
profiles: [cpu]
endpoints:
  far: {{provider: openai, url: "http://127.0.0.9:9/v1", modalities: [chat], model: far}}
gateway: {{port: {port}, database: true, cache: redis}}
overrides:
  litellm:
    compose: {{image: "python:3.13-slim", entrypoint: [python, -c, GATEWAY], command: []}}
""".replace("GATEWAY", json.dumps(GATEWAY))
SERVICES = {"litellm", "postgres", "redis"}


@pytest.fixture(scope="module")
def stack(make_small_stack):
    made = make_small_stack("up")
    made.write(SPEC)
    return made


def start(stack, *words):
    return subprocess.Popen(
        stack.command("up", *words),
        cwd=stack.folder,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def kill_when(stack, sign):
    """SIGKILL of everything that a terminal would kill, at the first line that holds a sign."""
    process = start(stack)
    said = []
    for line in process.stderr:
        said.append(line)
        if sign in line:
            os.killpg(process.pid, signal.SIGKILL)
            break
    else:
        pytest.fail(f"no {sign!r} in {''.join(said)}")
    process.stderr.close()
    assert process.wait(30) == -signal.SIGKILL


def is_whole(stack):
    return set(stack.containers()) == SERVICES and stack.run("status").stdout.count(" healthy ") == len(SERVICES)


@pytest.mark.parametrize(
    "sign", ["generated", " waiting", " starting", "redis            healthy", "postgres         healthy"]
)
def test_up_continues_wherever_it_was_killed(stack, sign):
    stack.good("down", "--volumes", "--yes")
    if sign == "generated":
        (stack.folder / ".stackgen" / "secrets.env").unlink(missing_ok=True)
    kill_when(stack, sign)
    stack.good("up")
    assert is_whole(stack), stack.run("status").stdout


def test_a_second_up_at_the_same_time_waits_and_then_finds_all_done(stack):
    stack.good("down")
    first = start(stack)
    said = next(line for line in first.stderr if "waiting" in line or "starting" in line)
    second = stack.run("up")
    said += "".join(first.stderr)
    first.stderr.close()
    assert first.wait(300) == 0, said
    assert second.returncode == 0, second.stderr
    assert f"another `up` of this stack is at work (process {first.pid}, since " in second.stderr
    assert len(re.findall("healthy +as before", second.stderr)) == len(SERVICES)
    assert is_whole(stack)


def test_a_second_up_gives_up_in_time(stack):
    stack.good("down")
    first = start(stack)
    next(line for line in first.stderr if "starting" in line)
    first.send_signal(signal.SIGSTOP)  # it is at work for as long as the second one waits
    try:
        second = stack.run("up", "--timeout", "1")
    finally:
        first.send_signal(signal.SIGCONT)
    list(first.stderr)
    first.stderr.close()
    assert first.wait(300) == 0
    assert second.returncode == 1
    assert "is still at work" in second.stderr


def test_up_of_a_healthy_stack_changes_nothing_and_is_quick(stack):
    before = stack.containers()
    began = time.monotonic()
    result = stack.good("up")
    took = time.monotonic() - began
    assert stack.containers() == before
    assert len(re.findall("healthy +as before", result.stderr)) == len(SERVICES)
    assert took < 30, result.stderr


def test_only_the_service_that_changed_is_made_anew(stack):
    before = stack.containers()
    stack.write(SPEC + '  redis: {{compose: {{labels: {{changed: "1"}}}}}}\n')
    stack.good("up")
    after = stack.containers()
    assert {service for service in before if before[service] != after[service]} == {"redis"}
    stack.write(SPEC)
    stack.good("up")


def test_the_last_words_lead_to_the_gateway_and_to_check(stack):
    result = stack.good("up")
    assert result.stdout == ""
    assert f"{stack.name} is up after" in result.stderr
    assert f"http://127.0.0.1:{stack.port}/v1" in result.stderr
    assert "models: far (chat)" in result.stderr
    assert "key: LITELLM_MASTER_KEY in .stackgen/secrets.env" in result.stderr
    assert result.stderr.rstrip().endswith("next: stackgen check")
    secrets = (stack.folder / ".stackgen" / "secrets.env").read_text()
    for value in re.findall(r"^\w+=(.+)$", secrets, re.MULTILINE):
        assert value.strip("'") not in result.stderr


def on_a_terminal(stack):
    """Exit code of `up` on a terminal of 100 columns, and what it showed, without colours."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        stack.command("up"),
        cwd=stack.folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(theirs)
    said = b""
    while select.select([ours], [], [], 120)[0]:
        try:
            said += os.read(ours, 65536)
        except OSError:
            break
    os.close(ours)
    return process.wait(30), re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.decode())


def test_on_a_terminal_a_table_lives_and_stays(stack):
    stack.good("down")
    code, said = on_a_terminal(stack)
    assert code == 0, said
    assert re.search(r"litellm +waiting +\d+\.\d +for postgres, redis", said)
    last = said[: said.index(f"{stack.name} is up after")].splitlines()[-3:]
    assert [row.split()[:2] for row in last] == [["postgres", "healthy"], ["redis", "healthy"], ["litellm", "healthy"]]


def test_an_image_that_is_fetched_shows_how_far_it_is(make_small_stack, engine):
    fetching = make_small_stack("fetch")
    with slow_registry() as image:
        fetching.write(SPEC + f"services: {{{{web: {{{{compose: {{{{image: '{image}'}}}}}}}}}}}}\n")
        code, said = on_a_terminal(fetching)
    fetching.good("down", "--volumes", "--yes")
    engine("rmi", image, check=False)
    shares = [int(share) for share in re.findall(r"web +pulling +\d+\.\d +(\d+) % of 12 MiB", said)]
    assert len(set(shares)) > 2
    assert shares == sorted(shares)
    assert code == 1
    assert "web ended with exit code 127 (its program is not in the image)" in said


def test_a_store_that_dies_ends_it_at_once_with_its_own_words(make_small_stack):
    broken = make_small_stack("dies")
    broken.write(SPEC + "  redis: {{compose: {{command: [redis-server, --no-such-flag, x]}}}}\n")
    began = time.monotonic()
    result = broken.run("up")
    assert time.monotonic() - began < 60
    assert result.returncode == 1
    assert (
        "redis ended with exit code 1: its configuration has a directive that this version does not know"
        in result.stderr
    )
    assert "| " in result.stderr
    assert "no-such-flag" in result.stderr
    assert "stackgen logs redis" in result.stderr
    broken.good("down", "--volumes", "--yes")


def test_a_network_that_the_spec_names_is_made_on_consent_and_left_behind(make_small_stack, engine):
    shared = make_small_stack("door")
    shared.write(
        SPEC.replace("database: true, cache: redis", "database: false") + "network: {{external: {name}-door}}\n"
    )
    refused = shared.run("up")
    assert refused.returncode == 1
    assert f"docker network create {shared.name}-door" in refused.stderr
    assert shared.traces() == []
    try:
        result = shared.good("up", "--yes")
        assert f"made the network {shared.name}-door" in result.stderr
        shared.good("down", "--volumes", "--yes")
        assert engine("network", "inspect", "-f", "{{.Name}}", f"{shared.name}-door") == f"{shared.name}-door"
    finally:
        engine("network", "rm", f"{shared.name}-door", check=False)


def make_network(engine, name):
    """The first three numbers of a subnet that was free, and is now that network's."""
    for _ in range(20):
        first = f"10.213.{random.SystemRandom().randrange(256)}"
        if engine("network", "create", "--subnet", f"{first}.0/24", name, check=False):
            return first
    pytest.fail("20 subnets of 10.213.0.0/16 are all taken")


def test_a_subnet_that_another_network_has_is_refused_and_the_range_that_is_offered_works(make_small_stack, engine):
    clash = make_small_stack("net")
    taken = make_network(engine, f"{clash.name}-other")
    text = SPEC.replace("database: true, cache: redis", "database: false")
    try:
        clash.write(text + f"network: {{{{subnet: {taken}.128/25}}}}\n")
        refused = clash.run("up")
        assert refused.returncode == 1
        assert f"overlaps with {taken}.0/24, of the network `{clash.name}-other`" in refused.stderr
        offered = re.search(r"`network: \{subnet: ([\d./]+)\}` is free", refused.stderr)[1]
        clash.write(text + f"network: {{{{subnet: {offered}}}}}\n")
        clash.good("up")
        clash.good("down", "--volumes", "--yes")
    finally:
        engine("network", "rm", f"{clash.name}-other", check=False)
