"""The program of the stand-ins as a container runs it: a process, a port, and what goes wrong on request."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest
import yaml
from simulated import ask, send, served, stand_in
from support import GOLDEN, free_port, plan_of

from stackgen import facts

CHAT = json.dumps({"messages": [{"role": "user", "content": "Hello"}]})
STREAM = json.dumps({"messages": [{"role": "user", "content": "Hello"}], "stream": True})


@contextmanager
def started(fault=""):
    """A stand-in for vLLM in a process of its own, which may not be ready yet, and its port."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "stackgen.simulators.start", "m", "--port", str(port)],
        env={**os.environ, "STAND_IN_ENGINE": "vllm", "STAND_IN_VERSION": "0.32.0", "STACKGEN_FAULT": fault},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, port
    finally:
        process.kill()
        process.communicate()


def wait_until_ready(process):
    for line in process.stdout:
        if line.startswith("stand-in ready"):
            return
    raise AssertionError(process.stderr.read())


def asked(port, path, body=None, timeout=30.0):
    """Status, header and body of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        headers = {"Content-Type": "application/json"} if body else {}
        connection.request("POST" if body else "GET", path, body, headers)
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read().decode()
    finally:
        connection.close()


def test_it_answers_over_the_network_whole_and_in_pieces():
    with started() as (process, port):
        wait_until_ready(process)
        assert asked(port, "/health")[0] == 200
        status, headers, body = asked(port, "/v1/chat/completions", CHAT)
        assert (status, headers["Server"], int(headers["Content-Length"])) == (200, "uvicorn", len(body.encode()))
        _, headers, body = asked(port, "/v1/chat/completions", STREAM)
        assert (headers["Transfer-Encoding"], headers["Content-Type"]) == (
            "chunked",
            "text/event-stream; charset=utf-8",
        )
        assert body.endswith("data: [DONE]\n\n")


def test_bodies_in_chunks_are_read_and_clients_that_leave_are_no_error():
    with started() as (process, port):
        wait_until_ready(process)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/v1/chat/completions", iter([CHAT[:9].encode(), CHAT[9:].encode()]), headers)
        reply = connection.getresponse()
        assert (reply.status, b"You said: Hello" in reply.read()) == (200, True)
        connection.request("GET", "/health")
        assert connection.getresponse().status == 200
        connection.close()
        long = json.dumps({"prompt": "word " * 2000, "max_tokens": 2000, "stream": True})
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", port)) as left:
                left.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                head = f"POST /v1/completions HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {len(long)}\r\n\r\n"
                left.sendall((head + long).encode())
                left.recv(10)
        assert asked(port, "/health")[0] == 200
        process.terminate()
        assert process.communicate()[1] == ""


@pytest.mark.parametrize(
    "head",
    [
        b"nonsense\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 999999999999\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nmany\r\n",
    ],
)
def test_what_is_no_request_is_refused_and_hung_up_on(head):
    with (
        served(stand_in("vllm", "m", "--port", "0")) as url,
        socket.create_connection(url[7:].split(":")) as connection,
    ):
        connection.sendall(head)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert answer.endswith(b"\r\n\r\nInvalid HTTP request received.")


def test_a_stand_in_that_fails_answers_as_its_engine_does_then_and_goes_on(capfd):
    door = stand_in("vllm", "m")
    broken = {**door.routes, "POST /v1/completions": lambda _: 1 / 0}
    with served(replace(door, port=0, routes=broken)) as url:
        got = send("POST", f"{url}/v1/completions", {})
        assert (got.status, got.json()["error"]["code"]) == (500, 500)
        assert send("GET", f"{url}/health").status == 200
    assert "ZeroDivisionError" in capfd.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it(number, code):
    with started() as (process, _):
        wait_until_ready(process)
        process.send_signal(number)
        assert process.wait(60) == code


def test_slow_is_slow():
    began = time.monotonic()
    with started("slow:1") as (process, port):
        with pytest.raises(ConnectionRefusedError):
            asked(port, "/health")
        wait_until_ready(process)
        assert time.monotonic() - began >= 1
        assert asked(port, "/health")[0] == 200


@pytest.mark.parametrize(("fault", "said"), [("loop", "the stand-in ends"), ("memory", "Free memory on device cuda:0")])
def test_starts_that_fail_say_why(fault, said):
    with started(fault) as (process, _):
        _, stderr = process.communicate(timeout=60)
        assert (process.returncode, said in stderr) == (1, True), stderr


@pytest.mark.parametrize(("fault", "code"), [("crash:3", 1), ("killed:3", -9)])
def test_it_ends_after_it_was_ready(fault, code):
    with started(fault) as (process, port):
        wait_until_ready(process)
        assert asked(port, "/health")[0] == 200
        assert process.wait(60) == code


def test_errors_strike_work_alone():
    with started("errors") as (process, port):
        wait_until_ready(process)
        assert [asked(port, path)[0] for path in ("/health", "/v1/models")] == [200, 200]
        status, _, body = asked(port, "/v1/chat/completions", CHAT)
        assert status == 500
        assert json.loads(body)["error"] == {
            "message": "EngineCore encountered an issue. See stack trace (above) for the root cause.",
            "type": "InternalServerError",
            "param": None,
            "code": 500,
        }


def test_what_hangs_looks_healthy_and_what_is_deaf_does_not():
    with started("hang") as (process, port):
        wait_until_ready(process)
        assert asked(port, "/health")[0] == 200
        with pytest.raises(TimeoutError):
            asked(port, "/v1/chat/completions", CHAT, timeout=0.5)
    with started("deaf") as (process, port):
        wait_until_ready(process)
        with pytest.raises(TimeoutError):
            asked(port, "/health", timeout=0.5)


def test_many_clients_are_answered_at_once():
    with started() as (process, port):
        wait_until_ready(process)
        connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=30) for _ in range(40)]
        for connection in connections:
            connection.request("POST", "/v1/chat/completions", CHAT, {"Content-Type": "application/json"})
        assert {connection.getresponse().status for connection in connections} == {200}
        for connection in connections:
            connection.close()


def rendered_commands():
    """Engine, version and words of every vLLM and Infinity that the golden stacks render."""
    for file in sorted(GOLDEN.glob("*/docker-compose.yml")):
        for name, service in yaml.safe_load(file.read_text(encoding="utf-8"))["services"].items():
            image, _, tag = service["image"].rpartition(":")
            engine = {"vllm/vllm-openai": "vllm", "michaelf34/infinity": "infinity"}.get(image.removesuffix("-cpu"))
            if engine:
                version = tag.removeprefix("v").partition("-")[0]
                yield pytest.param(engine, version, service["command"], id=f"{file.parent.name} {name}")


@pytest.mark.parametrize(("engine", "version", "words"), list(rendered_commands()))
def test_every_command_line_that_is_rendered_is_taken(engine, version, words):
    assert stand_in(engine, *map(str, words), version=version).port == {"vllm": 8000, "infinity": 7997}[engine]


PINNED = """\
version: 1
name: pinned
profiles: [cpu]
models:
  chat:
    source: Qwen/Qwen3-8B
    engine: vllm
    modalities: [chat]
    context: 8192
    tools: true
    image: {{repository: vllm/vllm-openai-cpu, tag: v{0}, version: {0}}}
"""


@pytest.mark.parametrize("version", facts.flag_versions("vllm"))
def test_every_release_of_vllm_serves_the_model_of_the_spec(tmp_path, version):
    """Images up to 0.11.0 want `--model`; from 0.10.0 on they start with another model where it is missing."""
    (service,) = (
        service for service in plan_of(tmp_path, PINNED.format(version)).services if service.name == "vllm-chat"
    )
    words = [str(arg.value) for arg in service.command]
    door = stand_in("vllm", *words, version=service.image.version)
    (model,) = ask(door, "GET /v1/models").json()["data"]
    assert (model["id"], model["root"], model["max_model_len"]) == ("chat", "Qwen/Qwen3-8B", 8192)
