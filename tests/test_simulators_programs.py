"""curl and ollama for the images of stand-ins: what they answer, and curl beside the real program."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from threading import Thread

import pytest
from simulated import served
from support import free_port

from stackgen.simulators import ollama, speaches
from stackgen.simulators.door import Answer, Door

CURL = shutil.which("curl")


def shim(program, *words, **environment):
    return subprocess.run(
        [sys.executable, "-m", f"stackgen.simulators.programs.{program}", *words],
        env={**os.environ, **environment},
        capture_output=True,
        timeout=60,
        check=False,
    )


@contextmanager
def raw(reply, seconds=0.0):
    """A server that reads a request, waits, sends some bytes and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            try:
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.recv(65536)
                        time.sleep(seconds)
                        connection.sendall(reply)
                        connection.shutdown(socket.SHUT_WR)
                        connection.recv(65536)
            except OSError:
                pass  # the server was closed

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def echo(request):
    """What arrived, so that both programs can be compared."""
    names = ("accept", "content-type", "x-one", "content-length")
    headers = {name: request.headers.get(name) for name in names}
    return Answer.json({"method": request.method, "content": request.content.decode(), **headers})


@pytest.fixture(scope="module")
def url():
    methods = ("GET", "POST", "PUT", "HEAD", "DELETE")
    routes = {f"{method} /echo": echo for method in methods} | {
        "GET /moved": lambda _: Answer(status=302, headers={"Location": "/echo"}),
        "POST /moved": lambda _: Answer(status=302, headers={"Location": "/echo"}),
        "POST /kept": lambda _: Answer(status=307, headers={"Location": "/echo"}),
        "GET /round": lambda _: Answer(status=301, headers={"Location": "/round"}),
        "GET /broken": lambda _: Answer.json({"detail": "no"}, 503),
        "GET /pieces": lambda _: Answer(content_type="text/plain", pieces=(b"a", b"b" * 100_000)),
        "GET /nothing": lambda _: Answer(status=204, content_type=""),
    }
    with served(Door(port=0, routes=routes)) as url:
        yield url


LINES = [
    ("-fsS", "@/echo"),
    ("-fsS", "-o", "/dev/null", "--max-time", "5", "@/echo"),
    ("-s", "-o", "/dev/null", "-w", "%{http_code}\\n", "@/broken"),
    ("-s", "-w", "%{http_code} %{content_type} %{size_download}%%", "@/broken"),
    ("-fsS", "@/broken"),
    ("-f", "-s", "-w", "%{http_code}", "@/nowhere"),
    ("-sf", "-m", "5", "-m2", "@/nothing"),
    ("--fail-with-body", "-s", "@/broken"),
    ("-s", "@/moved"),
    ("-sL", "@/moved"),
    ("-sL", "-d", "a=1", "@/moved"),
    ("-sL", "-d", "a=1", "@/kept"),
    ("-sL", "@/round"),
    ("-s", "@/pieces"),
    ("-s", "-X", "PUT", "-H", "X-One: two", "-H", "Accept:", "@/echo"),
    ("-s", "-d", "a=1", "-d", "b=2", "@/echo"),
    ("-s", "-H", "Content-Type: application/json", "-d", '{"a":"é"}', "@/echo"),
    ("-s", "--json", '{"a":1}', "@/echo"),
    ("-s", "--data-raw", "@no-file", "@/echo"),
    ("-s", "-d", "@FILE", "@/echo"),
    ("-s", "--data-binary", "@FILE", "@/echo"),
    ("-s", "-X", "DELETE", "--retry", "3", "--connect-timeout", "2", "@/echo"),
    ("-s", "-k", "-N", "--url", "@/nothing"),
    ("-sk", "https:@/echo"),
    ("-s", "@/echo", "@/nothing"),
    ("-fsS", "http://127.0.0.1:{closed}/health"),
    ("-sS", "-w", "%{http_code}", "http://127.0.0.1:{closed}/health"),
    ("-s", "127.0.0.1:{closed}"),
    ("-sS", "http://no-such-host.invalid/"),
    ("-s", "gopherus://127.0.0.1/"),
    ("-s", "http://127.0.0.1:99999999/"),
    ("-s", "http://"),
    ("-s", "http://127.0.0.1/a b"),
    ("--max-time=5", "@/echo"),
    ("--no-such-option", "@/echo"),
    ("-fsS~", "@/echo"),
    ("-fsSm",),
    ("-m", "soon", "@/echo"),
    ("-fsS",),
    ("-s", "-o", "/no/such/folder/file", "@/echo"),
]


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_curl_is_like_the_real_program(url, tmp_path, line):
    if CURL is None:
        pytest.skip("there is no curl here to compare with; to run it: apt install curl")
    file = tmp_path / "file.txt"
    file.write_bytes("first\r\nsecond é\n".encode())
    closed = str(free_port())
    words = [
        word.replace("https:@", url.replace("http", "https")).replace("@/", f"{url}/")
        if "@/" in word
        else word.replace("FILE", str(file)).replace("{closed}", closed)
        for word in line
    ]
    ours = shim("curl", *words)
    real = subprocess.run([CURL, *words], capture_output=True, timeout=60, check=False)
    assert (ours.returncode, ours.stdout) == (real.returncode, real.stdout)
    assert bool(ours.stderr) == bool(real.stderr)


@pytest.mark.parametrize(
    ("reply", "seconds", "code"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", 3.0, 28),
        (b"", 0.0, 52),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nOK", 0.0, 18),
        (b"HTTP/1.1 200 OK\r\n\r\nOK", 0.0, 0),
    ],
)
def test_curl_tells_servers_that_fail_apart(reply, seconds, code):
    with raw(reply, seconds) as url:
        ours = shim("curl", "-fsS", "--max-time", "1", url)
        assert ours.returncode == code
        if CURL:
            real = subprocess.run([CURL, "-fsS", "--max-time", "1", url], capture_output=True, timeout=60, check=False)
            assert (real.returncode, real.stdout) == (code, ours.stdout)
            assert ours.stderr.split(b")")[0] == real.stderr.split(b")")[0]


def test_curl_says_what_failed_in_the_real_words(url):
    assert shim("curl", "-fsS", f"{url}/broken").stderr == b"curl: (22) The requested URL returned error: 503\n"
    port = free_port()
    said = shim("curl", "-fsS", f"http://127.0.0.1:{port}/health").stderr.decode()
    assert said.startswith(f"curl: (7) Failed to connect to 127.0.0.1 port {port} after ")
    assert said.endswith(" ms: Couldn't connect to server\n")
    assert shim("curl", "--foo", url).stderr.decode().startswith("curl: option --foo: is unknown\n")


def test_curl_shows_heads_where_it_is_told(url):
    for words in (("-sI",), ("-si",)):
        lines = shim("curl", *words, f"{url}/echo").stdout.decode().splitlines()
        assert lines[0] == "HTTP/1.1 200 OK"
        assert "Content-Type: application/json" in lines


def test_curl_tells_its_version_and_its_usage():
    assert shim("curl", "--version").stdout.startswith(b"curl ")
    assert (shim("curl", "-h").returncode, shim("curl").returncode) == (0, 2)


def test_health_checks_tell_a_sick_server_from_a_sound_one(tmp_path):
    environment = {"HOME": str(tmp_path), "UVICORN_PORT": "0", "API_KEY": "k"}
    check = ("curl", "-fsS", "-o", "/dev/null", "--max-time", "1")
    with served(speaches.door([], environment, "0.9.0")) as url:
        assert shim(*check, f"{url}/health").returncode == 0
    with served(speaches.door([], environment, "0.8.3")) as url:
        assert shim(*check, f"{url}/health").returncode == 22
    with served(speaches.door([], environment, "0.9.0"), "deaf") as url:
        assert shim(*check, f"{url}/health").returncode == 28


@pytest.fixture
def host(tmp_path):
    environment = {"HOME": str(tmp_path), "OLLAMA_HOST": "127.0.0.1:0", "STAND_IN_PULL_SECONDS": "0.05"}
    with served(ollama.door([], environment, "0.32.15")) as url:
        yield url.removeprefix("http://")


def test_ollama_pulls_lists_shows_and_removes(host):
    empty = shim("ollama", "list", OLLAMA_HOST=host)
    assert (empty.returncode, empty.stdout.split()) == (0, [b"NAME", b"ID", b"SIZE", b"MODIFIED"])
    pulled = shim("ollama", "pull", "qwen3:0.6b", OLLAMA_HOST=host)
    steps = pulled.stderr.decode().splitlines()
    assert (pulled.returncode, steps[0], steps[-1]) == (0, "pulling manifest", "success")
    shim("ollama", "pull", "nomic-embed-text", OLLAMA_HOST=f"http://{host}/")
    rows = shim("ollama", "ls", OLLAMA_HOST=host).stdout.decode().splitlines()
    assert {row.split()[0] for row in rows} == {"NAME", "qwen3:0.6b", "nomic-embed-text:latest"}
    assert " 526 MB " in next(row for row in rows if row.startswith("qwen3"))
    assert re.search(r" seconds? ago *$", rows[1])
    filtered = shim("ollama", "list", "QWEN", "||", "exit", "1", OLLAMA_HOST=host)
    assert (filtered.returncode, len(filtered.stdout.splitlines())) == (0, 2)
    assert b"thinking" in shim("ollama", "show", "qwen3:0.6b", OLLAMA_HOST=host).stdout
    assert shim("ollama", "rm", "qwen3:0.6b", OLLAMA_HOST=host).stdout == b"deleted 'qwen3:0.6b'\n"
    assert b"qwen3" not in shim("ollama", "list", OLLAMA_HOST=host).stdout


def test_ollama_shows_what_is_loaded(host):
    shim("ollama", "pull", "qwen3:0.6b", OLLAMA_HOST=host)
    assert len(shim("ollama", "ps", OLLAMA_HOST=host).stdout.splitlines()) == 1
    loaded = shim("curl", "-s", "-d", '{"model":"qwen3:0.6b"}', f"{host}/api/generate").stdout
    assert b'"done_reason":"load"' in loaded
    row = shim("ollama", "ps", OLLAMA_HOST=host).stdout.decode().splitlines()[1]
    assert row.startswith("qwen3:0.6b ")
    assert "5 minutes from now" in row


def test_ollama_ends_with_1_where_the_server_refuses_or_is_not_there(host):
    failed = shim("ollama", "pull", "missing", OLLAMA_HOST=host)
    assert (failed.returncode, failed.stderr.splitlines()[-1]) == (
        1,
        b"Error: pull model manifest: file does not exist",
    )
    unknown = shim("ollama", "show", "no", OLLAMA_HOST=host)
    assert (unknown.returncode, unknown.stderr) == (1, b"Error: model 'no' not found\n")
    down = shim("ollama", "list", OLLAMA_HOST=f"127.0.0.1:{free_port()}")
    text = b"Error: could not connect to ollama server, run 'ollama serve' to start it\n"
    assert (down.returncode, down.stdout, down.stderr) == (1, b"", text)
    assert shim("ollama", "lst", OLLAMA_HOST=host).stderr == b'Error: unknown command "lst" for "ollama"\n'
    assert shim("ollama", "pull", OLLAMA_HOST=host).returncode == 1


def test_ollama_tells_the_version_of_the_server_or_its_own(host):
    assert shim("ollama", "--version", OLLAMA_HOST=host).stdout == b"ollama version is 0.32.15\n"
    down = {"OLLAMA_HOST": f"127.0.0.1:{free_port()}", "STAND_IN_VERSION": "0.32.15"}
    assert shim("ollama", "-v", **down).stdout.splitlines()[-1] == b"Warning: client version is 0.32.15"


def test_ollama_serve_starts_the_server(tmp_path):
    port = free_port()
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "OLLAMA_HOST": f"127.0.0.1:{port}",
        "STAND_IN_ENGINE": "ollama",
        "STAND_IN_VERSION": "0.32.15",
    }
    words = [sys.executable, "-m", "stackgen.simulators.programs.ollama", "serve"]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert any("stand-in ready" in line for line in server.stdout)
            assert shim("ollama", "list", OLLAMA_HOST=f"127.0.0.1:{port}").returncode == 0
        finally:
            server.terminate()
        assert server.wait(10) == 0
