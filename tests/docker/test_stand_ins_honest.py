"""The stand-ins for engines against the real ones: the same command line, the same requests, the same answers in form.

What differs stands in stand_in_differences.yaml with its reason; an entry that no longer differs fails as well.
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import honesty
import pytest
import yaml
from stacks import STUCK_SECONDS
from stand_in_requests import INFINITY, VLLM
from support import free_port, plan_of

pytestmark = pytest.mark.docker

SPEC = """\
version: 1
name: honest
profiles: [cpu]
models:
  chat:
    source: /models/tiny-llama
    engine: vllm
    modalities: [chat]
    context: 256
    options:
      dtype: float32
      enforce_eager: true
      max_num_batched_tokens: 256
      cpu_cache_gib: 1
      tool_call_parser: hermes
      reasoning_parser: qwen3
  embed: {source: /models/minilm, engine: infinity, modalities: [embedding]}
  rank: {source: /models/tiny-reranker, engine: infinity, modalities: [rerank]}
"""
SERVICES = {"vllm": "vllm-chat", "infinity": "infinity"}
KEYS = {"vllm": "VLLM_API_KEY", "infinity": "INFINITY_API_KEY"}
TABLES = {"vllm": VLLM, "infinity": INFINITY}
REFUSED_STARTS = {
    "vllm": (
        ("unknown flag", ("/models/tiny-llama", "--no-such-flag")),
        ("unknown choice", ("/models/tiny-llama", "--dtype", "float99")),
        ("number in words", ("/models/tiny-llama", "--max-num-seqs", "many")),
        ("unknown parser", ("/models/tiny-llama", "--enable-auto-tool-choice", "--tool-call-parser", "nope")),
        ("too large a share", ("/models/tiny-llama", "--gpu-memory-utilization", "2")),
    ),
    "infinity": (
        ("unknown flag", ("v2", "--no-such-flag")),
        ("unknown choice", ("v2", "--model-id", "/models/minilm", "--dtype", "float99")),
        ("unknown command", ("v3",)),
        ("one name for two", ("v2", *["--model-id", "/models/minilm", "--served-model-name", "x"] * 2)),
        ("no texts at once", ("v2", "--model-id", "/models/minilm", "--batch-size", "0")),
        ("values for neither one nor all", ("v2", *["--model-id", "m"] * 3, *["--batch-size", "1"] * 2)),
    ),
}
LATE = frozenset({"one name for two", "no texts at once"})
"""Refused only after models were loaded, by threads that no fork has."""
LOADED = {
    "vllm": ["vllm.entrypoints.cli.openai", "vllm.entrypoints.cli.serve"],
    "infinity": ["infinity_emb.cli"],
}
"""What each engine's program loads before it reads its command line."""
KNOWN = yaml.safe_load(Path(__file__).with_name("stand_in_differences.yaml").read_text(encoding="utf-8"))


class Pair:
    """A real engine in a container, and its stand-in in a process of this machine."""

    def __init__(self, name, service, docker):
        self.docker = docker
        self.name = name
        self.image = service.image.reference
        self.version = service.image.version
        self.words = [arg.value for arg in service.command]
        self.inside = service.ports[0].container
        self.container = f"stand-in-honest-{name}-{secrets.token_hex(4)}"
        plain = {key: arg.value for key, arg in service.environment.items() if isinstance(arg.value, str)}
        self.environment = {**plain, KEYS[name]: honesty.KEY}
        self.port = free_port()
        self.process = None

    def start(self):
        variables = [word for name, value in self.environment.items() for word in ("-e", f"{name}={value}")]
        self.docker(
            *("run", "-d", "--name", self.container, "--shm-size", "4g", "-p", f"127.0.0.1::{self.inside}"),
            *(*variables, self.image, *self.words),
        )
        self.process = subprocess.Popen(
            self.stand_in(*self.words, "--port", str(self.port)),
            env={**os.environ, **self.stand_in_environment()},
            stdout=subprocess.DEVNULL,
        )

    def stand_in(self, *words):
        return [sys.executable, "-m", "stackgen.simulators.start", *words]

    def stand_in_environment(self):
        return {**self.environment, "STAND_IN_ENGINE": self.name, "STAND_IN_VERSION": self.version}

    def real_port(self):
        return int(self.docker("port", self.container, str(self.inside)).rpartition(":")[2])

    def wait(self):
        end = time.monotonic() + STUCK_SECONDS
        for port in (self.real_port(), self.port):
            while not is_healthy(port):
                logs = ["docker", "logs", "--tail", "20", self.container]
                assert self.runs(), subprocess.run(logs, capture_output=True, text=True, check=False)
                assert time.monotonic() < end, f"{self.name} is not healthy after {STUCK_SECONDS} s"
                time.sleep(0.3)

    def runs(self):
        """Whether both are alive: who has died will not become healthy."""
        state = self.docker("inspect", "-f", "{{.State.Running}}", self.container)
        return state == "true" and self.process.poll() is None

    def both(self, ask):
        return honesty.send(self.real_port(), ask), honesty.send(self.port, ask)

    def stop(self):
        self.docker("rm", "-f", self.container, check=False)
        if self.process:
            self.process.terminate()
            self.process.wait(10)


def is_healthy(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def pairs(engine, images, tmp_path_factory):
    services = {service.name: service for service in plan_of(tmp_path_factory.mktemp("spec"), SPEC).services}
    made = {name: Pair(name, services[service], engine) for name, service in SERVICES.items()}
    try:
        for pair in made.values():
            pair.start()
        for pair in made.values():
            pair.wait()
        yield made
    finally:
        for pair in made.values():
            pair.stop()


def compare_with_known(kind, part, found):
    """Fail with a table that can be read: what is new, and what stands in the file in vain."""
    known = {entry["request"]: entry["differs"] for entry in KNOWN if (entry["engine"], entry["part"]) == (kind, part)}
    new = {name: text for name, text in found.items() if known.get(name) != text}
    stale = {name: text for name, text in known.items() if found.get(name) != text}
    assert not new, "the stand-in differs:\n" + "\n".join(f"{name}: {text}" for name, text in new.items())
    assert not stale, f"no longer so: {stale}"


def difference(real_port, port, ask):
    """In what the answers differ; a busy engine puts pieces of a stream together, so that a stream is asked for again."""
    attempts = 5 if isinstance(ask.body, dict) and ask.body.get("stream") else 1
    texts = (honesty.difference(honesty.send(real_port, ask), honesty.send(port, ask)) for _ in range(attempts))
    told = list(itertools.takewhile(bool, texts))
    return told[-1] if len(told) == attempts else ""


@pytest.mark.parametrize("kind", TABLES)
def test_both_answer_alike(pairs, kind):
    pair, table = pairs[kind], TABLES[kind]
    names = [ask.name for ask in table]
    assert len(set(names)) == len(names)
    real_port = pair.real_port()
    found = {}
    for ask in table:
        text = difference(real_port, pair.port, ask)
        if text:
            found[ask.name] = text
    compare_with_known(kind, "requests", found)


@pytest.mark.parametrize("kind", TABLES)
def test_both_have_the_same_routes(pairs, kind):
    """What each describes of itself; pages for people are not described."""
    routes = []
    for answer in pairs[kind].both(honesty.Ask(name="", method="GET", path="/openapi.json")):
        paths = yaml.safe_load(answer.text)["paths"]
        routes.append({f"{method.upper()} {path}" for path, methods in paths.items() for method in methods})
    assert routes[0] == routes[1]


@pytest.mark.parametrize("kind", TABLES)
def test_every_series_of_the_stand_in_is_one_of_the_engine(pairs, kind):
    """By name and type, and with the same names of labels; the engine has many more.

    Labels of an information are its figures: the stand-in tells some of them.
    """
    real, ours = pairs[kind].both(honesty.Ask(name="", method="GET", path="/metrics"))
    families = honesty.families(ours.text)
    assert families
    assert families.items() <= honesty.families(real.text).items()
    for name in families:
        known = honesty.labels(real.text, name)
        for told in honesty.labels(ours.text, name):
            assert told in known or (name.endswith("_info") and any(set(told) <= set(labels) for labels in known)), name


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize(
    "head",
    [
        b"nonsense\r\n\r\n",
        b"POST /v1/nope HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        b"POST /v1/nope HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nmany\r\n",
    ],
)
def test_both_refuse_what_is_no_request(pairs, kind, head):
    real, ours = (honesty.send_plain(port, head) for port in (pairs[kind].real_port(), pairs[kind].port))
    assert real == ours


@pytest.mark.parametrize("kind", TABLES)
def test_both_go_on_after_a_refused_body(pairs, kind):
    """Who refuses without reading the body takes its rest for the next request."""
    path = {"vllm": "/v1/chat/completions", "infinity": "/embeddings"}[kind]
    asks = (
        honesty.Ask(name="", path=path, body={"input": "x" * 300_000}),
        honesty.Ask(name="", method="GET", path="/health"),
    )
    real, ours = (honesty.send_twice(port, *asks) for port in (pairs[kind].real_port(), pairs[kind].port))
    assert real == ours == [401, 200]


def ending(code, stderr):
    """How a start ended, and with which last words."""
    return f"exit code {code}: {honesty.telling_line(stderr)}"


def stand_in_ending(pair, words):
    command = pair.stand_in(*words, "--port", str(free_port()))
    environment = {**os.environ, **pair.stand_in_environment()}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    except subprocess.TimeoutExpired:
        return "no end in 120 s"
    return ending(done.returncode, done.stderr)


def real_endings(pair, cases):
    """Of some refused starts by name; those that are refused before anything runs share the loading of libraries."""
    entrypoint = json.loads(pair.docker("image", "inspect", "-f", "{{json .Config.Entrypoint}}", pair.image))
    before = [name for name in cases if name not in LATE]
    starts = [[*entrypoint, *cases[name]] for name in before]
    wanted = {"modules": LOADED[pair.name], "starts": starts}
    source = Path(__file__).with_name("many_starts.py").read_text(encoding="utf-8")
    told = in_container(pair, "many", ["--interactive", "--entrypoint", "python"], ["-", json.dumps(wanted)], source)
    assert told.returncode == 0, told.stderr
    found = {name: ending(*one) for name, one in zip(before, json.loads(told.stdout), strict=True)}
    for name in sorted(cases.keys() & LATE):
        done = in_container(pair, name.replace(" ", "-"), [], cases[name])
        found[name] = ending(done.returncode, done.stderr)
    return found


def in_container(pair, name, options, words, source=None):
    container = f"{pair.container}-{name}"
    command = ["docker", "run", "--rm", "--name", container, "--network", "none", *options, pair.image, *words]
    try:
        return subprocess.run(command, input=source, capture_output=True, text=True, check=False, timeout=STUCK_SECONDS)
    finally:
        pair.docker("rm", "-f", container, check=False)


@pytest.mark.parametrize("kind", REFUSED_STARTS)
def test_both_refuse_the_same_command_lines(pairs, kind):
    pair, cases = pairs[kind], dict(REFUSED_STARTS[kind])
    real = real_endings(pair, cases)
    ours = {name: stand_in_ending(pair, words) for name, words in cases.items()}
    found = {name: f"{real[name]}, not {ours[name]}" for name in cases if real[name] != ours[name]}
    compare_with_known(kind, "starts", found)


@pytest.mark.parametrize("kind", TABLES)
def test_both_end_alike_at_a_signal(pairs, kind):
    """The last test: nobody answers after it."""
    pair = pairs[kind]
    pair.docker("stop", "--time", "60", pair.container)
    pair.process.terminate()
    assert int(pair.docker("wait", pair.container)) == pair.process.wait(30)
