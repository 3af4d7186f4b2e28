"""templates/fetch.py as a program: against strict stand-ins for Ollama and Speaches on the loopback."""

from __future__ import annotations

import ast
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from contextlib import contextmanager

import pytest
from support import Listener, free_port

from stackgen.resources import shipped

SCRIPT = shipped("templates") / "fetch.py"
QUICK = {"FETCH_ATTEMPTS": "3", "FETCH_FIRST_PAUSE_SECONDS": "0.05", "FETCH_PROGRESS_SECONDS": "0"}
GIB = 2**30


class Fake(http.server.BaseHTTPRequestHandler):
    """Answers only what the real server answers; anything else is kept in `unexpected` and refused."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):  # noqa: A002 - the name in the base class
        pass

    def do_GET(self):
        self.take(b"")

    def do_POST(self):
        self.take(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def take(self, body):
        self.server.seen.append(f"{self.command} {self.path}")
        self.server.keys.append(self.headers.get("Authorization"))
        if self.server.refusals:
            self.answer(self.server.refusals.pop(0), "<html>busy</html>")
        else:
            self.route(body)

    def answer(self, status, content):
        body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, body=b""):
        self.server.unexpected.append((self.command, self.path, dict(self.headers), body))
        self.answer(405, {"error": "no such call"})


class Ollama(Fake):
    """`pulls`: per model the scripts of its pulls; a script is lines (dict), pauses (float), `broken`, or a status."""

    def route(self, body):
        if (self.command, self.path) == ("GET", "/api/tags"):
            self.answer(200, {"models": [{"name": name, "model": name} for name in self.server.models]})
        elif (self.command, self.path) == ("POST", "/api/pull"):
            asked = json.loads(body)
            scripts = self.server.pulls.get(asked.get("model"))
            if scripts and set(asked) == {"model"} and self.headers["Content-Type"] == "application/json":
                self.pull(asked["model"], scripts.pop(0))
            else:
                self.refuse(body)
        else:
            self.refuse(body)

    def pull(self, model, script):
        if isinstance(script[0], int):
            self.answer(*script)
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if script[-1] == SUCCESS and model not in self.server.unlisted:
            self.server.models.append(model)  # before the last word goes out: the client looks at the list at once
        for step in script:
            if isinstance(step, float):
                time.sleep(step)
            elif step == "broken":
                self.wfile.write(b"ff\r\n{")
                self.close_connection = True
                return
            else:
                line = step if isinstance(step, bytes) else json.dumps(step).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")


class Speaches(Fake):
    """`registry`: what the hub has; `gated` and `key` refuse; `seconds` is how long a download takes."""

    def route(self, body):
        path = urllib.parse.unquote(self.path)
        model = path.removeprefix("/v1/models/")
        if self.server.key and self.headers.get("Authorization") != f"Bearer {self.server.key}":
            self.answer(403, {"detail": "Not authenticated"})
        elif (self.command, path) == ("GET", "/v1/models"):
            self.answer(200, {"data": [{"id": name} for name in self.server.models], "object": "list"})
        elif (self.command, path) == ("GET", "/v1/registry"):
            self.answer(200, {"data": [{"id": name} for name in self.server.registry], "object": "list"})
        elif self.command != "POST" or model == path:
            self.refuse(body)
        elif model in self.server.gated:
            self.answer(401, {"detail": f"Model '{model}' is gated"})
        elif model not in self.server.registry:
            self.answer(404, {"detail": f"Model '{model}' not found"})
        else:
            time.sleep(self.server.seconds)
            if model not in self.server.unlisted:
                self.server.models.append(model)
            self.answer(200, f"Model '{model}' downloaded")


SUCCESS = {"status": "success"}
MANIFEST = {"status": "pulling manifest"}


def blob(digest, completed, total):
    line = {"status": f"pulling {digest}", "digest": f"sha256:{digest}", "total": total}
    return line | ({"completed": completed} if completed else {})


@contextmanager
def serving(kind, *, after=None, **state):
    """A stand-in that listens, at once or after an event; it must have seen nothing that it does not know."""
    defaults = {"models": [], "pulls": {}, "registry": [], "gated": [], "unlisted": [], "refusals": [], "key": ""}
    port = free_port() if after else 0
    server = Listener(("127.0.0.1", port), kind, bind_and_activate=not after)
    server.daemon_threads = True
    vars(server).update(defaults | {"seconds": 0.0, "seen": [], "keys": [], "unexpected": []} | state)
    server.url = f"http://127.0.0.1:{port or server.server_port}"

    def listen():
        if after:
            after.wait(30)
            server.server_bind()
            server.server_activate()
        server.serve_forever(0.02)

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield server
        assert server.unexpected == []
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def environment(**settings):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FETCH_", "SPEACHES_"))}
    return kept | QUICK | settings


def command(*arguments):
    return [sys.executable, "-I", "-W", "error", str(SCRIPT), *arguments]


def fetch(*arguments, **settings):
    """Exit code and lines; a traceback or anything else on standard error is a failure."""
    done = subprocess.run(
        command(*arguments), env=environment(**settings), capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def posts(server):
    return [line for line in server.seen if line.startswith("POST")]


# Look first


def test_ollama_that_has_the_models_is_never_asked_to_pull():
    have = ["qwen3:8b", "nomic-embed-text:latest", "hf.co/Org/Repo-GGUF:Q4_K_M"]
    ask = ["QWEN3:8B", "nomic-embed-text", "hf.co/org/repo-gguf:q4_k_m", "registry.ollama.ai/library/qwen3:8b"]
    with serving(Ollama, models=have) as server:
        code, lines = fetch("ollama", server.url, *ask)
    assert (code, lines) == (0, [f"{model}: present" for model in ask] + ["4 of 4 models are there"])
    assert set(server.seen) == {"GET /api/tags"}


def test_speaches_that_has_the_models_is_never_asked_to_fetch():
    with serving(Speaches, models=["Systran/faster-whisper-small", "speaches-ai/Kokoro-82M-v1.0-ONNX"]) as server:
        code, lines = fetch("speaches", server.url + "/", *server.models)
    assert code == 0
    assert lines[-1] == "2 of 2 models are there"
    assert set(server.seen) == {"GET /v1/models"}


def test_a_tag_or_a_case_that_differs_is_another_model():
    with serving(Ollama, models=["qwen3:8b"], pulls={"qwen3": [[MANIFEST, SUCCESS]]}) as server:
        assert fetch("ollama", server.url, "qwen3") == (
            0, ["qwen3: fetching", "qwen3: pulling manifest", "qwen3: fetched", "1 of 1 models are there"],
        )  # fmt: skip
    with serving(Speaches, models=["org/Model"], registry=["org/model"]) as server:
        assert fetch("speaches", server.url, "org/model")[0] == 0
    assert posts(server) == ["POST /v1/models/org/model"]


def test_a_model_that_is_named_twice_is_fetched_once():
    with serving(Ollama, pulls={"a:1": [[MANIFEST, SUCCESS]]}) as server:
        assert fetch("ollama", server.url, "a:1", "a:1")[1][-1] == "1 of 1 models are there"
    assert len(posts(server)) == 1


# Ollama's stream


def test_progress_is_summed_over_blobs_and_told_once_a_percent():
    script = [MANIFEST, blob("aa", 0, 5 * GIB), blob("aa", 0, 5 * GIB), blob("aa", 2 * GIB, 5 * GIB)]
    script += [blob("aa", 2 * GIB + 1, 5 * GIB), blob("bb", 3 * GIB, 3 * GIB), blob("aa", 5 * GIB, 5 * GIB)]
    script += [{"status": "verifying sha256 digest"}, {"status": "writing manifest"}, SUCCESS]
    with serving(Ollama, pulls={"qwen2.5vl:7b": [script]}) as server:
        code, lines = fetch("ollama", server.url, "qwen2.5vl:7b")
    assert code == 0
    assert lines == [
        "qwen2.5vl:7b: fetching",
        "qwen2.5vl:7b: pulling manifest",
        "qwen2.5vl:7b: 0 % of 5.0 GiB",
        "qwen2.5vl:7b: 40 % of 5.0 GiB",
        "qwen2.5vl:7b: 62 % of 8.0 GiB",
        "qwen2.5vl:7b: 100 % of 8.0 GiB",
        "qwen2.5vl:7b: verifying sha256 digest",
        "qwen2.5vl:7b: writing manifest",
        "qwen2.5vl:7b: fetched",
        "1 of 1 models are there",
    ]


def test_progress_comes_while_the_stream_runs_and_not_too_often():
    script = [MANIFEST, *(step for part in range(1, 300) for step in (blob("aa", part * 10**5, 40 * 10**6), 0.08))]
    with serving(Ollama, pulls={"small": [script]}) as server:
        began = time.monotonic()
        process = subprocess.Popen(
            command("ollama", server.url, "small"),
            env=environment(FETCH_PROGRESS_SECONDS="1"), stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        with process:
            lines = [process.stdout.readline() for _ in range(4)]
            assert time.monotonic() - began < 20
            process.kill()
    assert lines[2] == "small: 0 % of 0.04 GiB\n"
    assert 1 < int(lines[3].split()[1]) < 75
    assert lines[3].endswith(" % of 0.04 GiB\n")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("pull model manifest: file does not exist", "no such model or tag"),
        ('model "x" not found', "no such model or tag"),
        ("pull model manifest: 412: requires a newer version of Ollama.", "this Ollama is too old for the model"),
        ("write /root/.ollama/models/blobs/x-partial: no space left on device", "the disk is full"),
        ("mkdir /root/.ollama/models: permission denied", "the server cannot write its models"),
        ('pull model manifest: 401: {"error":"Invalid username or password."}', "the registry refuses"),
        ("unauthorized: access denied", "the registry refuses"),
    ],
)
def test_an_error_that_no_attempt_changes_is_told_once_and_the_next_model_is_fetched(text, reason):
    with serving(Ollama, pulls={"x": [[MANIFEST, {"error": text}]], "y": [[MANIFEST, SUCCESS]]}) as server:
        code, lines = fetch("ollama", server.url, "x", "y")
    assert code == 1
    assert f"x: failed: {reason} ({text})" in lines
    assert lines[-2:] == ["y: fetched", "1 of 2 models are there"]
    assert len(posts(server)) == 2


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ([{"error": "max retries exceeded: EOF"}], "max retries exceeded: EOF"),
        ([{"error": "dial tcp: lookup registry.ollama.ai:\n i/o timeout"}], "dial tcp: lookup registry.ollama.ai: i/o timeout"),
        ([{"error": "pull model manifest: 429: slow down"}], "pull model manifest: 429: slow down"),
        (["broken"], "the connection to {url} broke: IncompleteRead(0 bytes read)"),
        ([blob("aa", 1, 2)], "the stream ended before success, after 'pulling aa'"),
        ([b"<html>\n"], "{url}/api/pull gave an answer of another form; is this the right server?"),
        ([b"[1]\n"], "{url}/api/pull gave an answer of another form; is this the right server?"),
    ],
)  # fmt: skip
def test_what_may_pass_is_tried_again(ending, reason):
    with serving(Ollama, pulls={"x": [[MANIFEST, *ending], [MANIFEST, SUCCESS]]}) as server:
        code, lines = fetch("ollama", server.url, "x")
    assert code == 0
    assert f"x: {reason.format(url=server.url)} (attempt 1 of 3, the next in 0.05 s)" in lines
    assert lines[-2:] == ["x: fetched", "1 of 1 models are there"]
    assert len(posts(server)) == 2


def test_a_success_in_the_middle_of_a_stream_is_none():
    with serving(Ollama, pulls={"x": [[SUCCESS, {"status": "writing manifest"}]] * 3}) as server:
        code, lines = fetch("ollama", server.url, "x")
    assert code == 1
    assert lines[-2] == (
        "x: failed: the stream ended before success, after 'writing manifest' (attempt 3 of 3)"
    )  # fmt: skip


def test_pauses_double_until_the_attempts_are_used_up():
    with serving(Ollama, pulls={"x": [[MANIFEST, {"error": "EOF"}]] * 3}) as server:
        code, lines = fetch("ollama", server.url, "x")
    assert code == 1
    assert [line for line in lines if "EOF" in line] == [
        "x: EOF (attempt 1 of 3, the next in 0.05 s)",
        "x: EOF (attempt 2 of 3, the next in 0.1 s)",
        "x: failed: EOF (attempt 3 of 3)",
    ]
    assert len(posts(server)) == 3


def test_signed_addresses_are_shortened_and_the_reason_behind_them_stays():
    text = f'max retries exceeded: Get "https://r2.example/data?X-Amz-Signature={"f" * 400}": dial tcp: no such host'
    with serving(Ollama, pulls={"x": [[MANIFEST, {"error": text}]]}) as server:
        _, lines = fetch("ollama", server.url, "x", FETCH_ATTEMPTS="1")
    assert lines[-2] == (
        'x: failed: max retries exceeded: Get "https://r2.example/data?...": dial tcp: no such host (attempt 1 of 1)'
    )


def test_a_refusal_before_the_stream_has_a_real_status():
    gone = {"error": "pull model manifest: file does not exist"}
    pulls = {
        "bad name": [[400, {"error": "invalid model name"}]],
        "gone": [[500, gone]],
        "x": [[503, {"error": "busy"}], [MANIFEST, SUCCESS]],
    }
    with serving(Ollama, pulls=pulls) as server:
        code, lines = fetch("ollama", server.url, "bad name", "gone", "x")
    assert code == 1
    assert "bad name: failed: HTTP 400: invalid model name" in lines
    assert "gone: failed: HTTP 500: pull model manifest: file does not exist" in lines
    assert "x: HTTP 503: busy (attempt 1 of 3, the next in 0.05 s)" in lines
    assert lines[-2:] == ["x: fetched", "1 of 3 models are there"]


def test_a_silent_stream_is_given_up():
    with serving(Ollama, pulls={"x": [[MANIFEST, 2.0, SUCCESS]]}) as server:
        code, lines = fetch("ollama", server.url, "x", FETCH_SILENCE_SECONDS="0.3", FETCH_ATTEMPTS="1")
    assert code == 1
    assert lines[-2] == f"x: failed: {server.url} was silent for 0.3 s (attempt 1 of 1)"


@pytest.mark.parametrize("kind", [Ollama, Speaches])
def test_only_what_the_list_shows_counts(kind):
    with serving(kind, pulls={"alias": [[MANIFEST, SUCCESS]]}, registry=["alias"], unlisted=["alias"]) as server:
        code, lines = fetch(kind.__name__.lower(), server.url, "alias")
    assert code == 1
    assert lines[-2:] == [
        "alias: failed: the server says that it has it and does not list it; is this an alias?",
        "0 of 1 models are there",
    ]


# Speaches


def test_speaches_fetches_with_the_key_and_an_encoded_name():
    with serving(Speaches, registry=["org/a model#1?"], key="sk-o") as server:
        code, lines = fetch("speaches", server.url, "org/a model#1?", SPEACHES_API_KEY=" sk-o\n")
    assert code == 0
    assert posts(server) == ["POST /v1/models/org/a%20model%231%3F"]
    assert set(server.keys) == {"Bearer sk-o"}
    assert lines == ["org/a model#1?: fetching", "org/a model#1?: fetched", "1 of 1 models are there"]
    assert "sk-o" not in "".join(lines)


@pytest.mark.parametrize("settings", [{}, {"SPEACHES_API_KEY": ""}, {"SPEACHES_API_KEY": "sk-wrong"}])
def test_a_key_that_is_wrong_or_missing_is_final_and_not_shown(settings):
    with serving(Speaches, registry=["a", "b"], key="sk-right") as server:
        code, lines = fetch("speaches", server.url, "a", "b", **settings)
    assert (code, lines) == (
        1, [f"{server.url}: failed: HTTP 403: Not authenticated", "0 of 2 models are there"],
    )  # fmt: skip
    assert server.seen == ["GET /v1/models"]


def test_the_key_is_for_speaches_only():
    with serving(Ollama, models=["x:latest"]) as server:
        assert fetch("ollama", server.url, "x", SPEACHES_API_KEY="sk-secret")[0] == 0
    assert set(server.keys) == {None}


def test_a_model_that_is_unknown_or_gated_is_not_tried_again():
    with serving(Speaches, registry=["org/good"], gated=["org/gated"]) as server:
        code, lines = fetch("speaches", server.url, "org/typo", "org/gated", "org/good")
    assert code == 1
    assert "org/typo: failed: HTTP 404: Model 'org/typo' not found" in lines
    assert "org/gated: failed: HTTP 401: Model 'org/gated' is gated" in lines
    assert lines[-2:] == ["org/good: fetched", "1 of 3 models are there"]
    assert posts(server) == [f"POST /v1/models/org/{name}" for name in ("typo", "gated", "good")]


def test_a_404_from_a_speaches_that_sees_no_hub_may_pass():
    with serving(Speaches) as server:
        code, lines = fetch("speaches", server.url, "org/model")
    assert code == 1
    assert lines[-2] == (
        "org/model: failed: Speaches sees no models at all on the Hugging Face hub: no network? (attempt 3 of 3)"
    )
    assert len(posts(server)) == 3


def test_a_long_fetch_says_that_it_goes_on():
    with serving(Speaches, registry=["m"], seconds=0.7) as server:
        code, lines = fetch("speaches", server.url, "m", FETCH_HEARTBEAT_SECONDS="0.2")
    assert code == 0
    assert lines[0] == "m: fetching"
    assert 1 <= lines.count("m: still fetching after 0 s") + lines.count("m: still fetching after 1 s") <= 3
    assert lines[-2:] == ["m: fetched", "1 of 1 models are there"]


# The server


def test_a_server_that_does_not_listen_yet_is_waited_for():
    tried = threading.Event()
    with serving(Ollama, after=tried, models=["x:latest"]) as server:
        process = subprocess.Popen(
            command("ollama", server.url, "x"),
            env=environment(FETCH_ATTEMPTS="8", FETCH_FIRST_PAUSE_SECONDS="0.1"), stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        with process:
            first = process.stdout.readline()
            tried.set()
            lines = process.stdout.read().splitlines()
    assert first == (
        f"{server.url}: no connection to {server.url}: Connection refused (attempt 1 of 8, the next in 0.1 s)\n"
    )
    assert process.returncode == 0
    assert lines[-2:] == ["x: present", "1 of 1 models are there"]


def test_a_server_that_never_listens_is_waited_for_once_not_once_a_model():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        code, lines = fetch("speaches", f"http://127.0.0.1:{silent.getsockname()[1]}", "a", "b")
    assert code == 1
    assert len(lines) == 4
    assert lines[2].endswith("Connection refused (attempt 3 of 3)")
    assert lines[3] == "0 of 2 models are there"


@pytest.mark.parametrize("status", [500, 502, 429])
def test_a_server_that_is_busy_is_asked_again(status):
    with serving(Speaches, models=["m"], refusals=[status, status]) as server:
        code, lines = fetch("speaches", server.url, "m")
    assert code == 0
    assert f"{server.url}: HTTP {status}: <html>busy</html> (attempt 2 of 3, the next in 0.1 s)" in lines


def test_another_server_behind_the_address_is_told():
    with serving(Speaches) as server:
        server.refusals = [200, 200, 200]
        code, lines = fetch("ollama", server.url, "m")
    assert code == 1
    assert f"{server.url}/api/tags gave an answer of another form; is this the right server?" in lines[0]


def test_a_proxy_of_the_environment_is_not_asked():
    with serving(Ollama, models=["x:latest"]) as server:
        proxy = "http://127.0.0.1:1"
        assert fetch("ollama", server.url, "x", http_proxy=proxy, HTTP_PROXY=proxy, all_proxy=proxy)[0] == 0


# The program


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("kind", [Ollama, Speaches])
def test_a_signal_ends_it_at_once(kind, number, code):
    with serving(kind, pulls={"m": [[MANIFEST, 30.0, SUCCESS]]}, registry=["m"], seconds=30.0) as server:
        process = subprocess.Popen(
            command(kind.__name__.lower(), server.url, "m"),
            env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout.readline() == "m: fetching\n"
        while not posts(server):
            time.sleep(0.01)
        began = time.monotonic()
        process.send_signal(number)
        output, errors = process.communicate(timeout=25)
    assert time.monotonic() - began < 15
    assert (process.returncode, errors) == (code, "")
    assert output.splitlines()[-1] == f"stopped by {number.name}"


@pytest.mark.parametrize(
    ("arguments", "settings", "complaint"),
    [
        ([], {}, "usage: fetch.py ollama|speaches http://HOST:PORT MODEL..."),
        (["ollama", "http://ollama:11434"], {}, "usage: "),
        (["vllm", "http://vllm:8000", "m"], {}, "usage: "),
        (["ollama", "ollama:11434", "m"], {}, "usage: "),
        (["ollama", "http://user:secret@ollama", "m"], {}, "usage: "),
        (["ollama", "http://ollama:11434", ""], {}, "not a name of a model: ''"),
        (["speaches", "http://speaches:8000", "a\nb"], {}, "not a name of a model: 'a\\nb'"),
        (["ollama", "http://ollama", "m"], {"FETCH_ATTEMPTS": "many"}, "FETCH_ATTEMPTS is no number: 'many'"),
        (["speaches", "http://s", "m"], {"SPEACHES_API_KEY": "a\nb"}, "SPEACHES_API_KEY holds characters that"),
    ],
)
def test_wrong_usage(arguments, settings, complaint):
    done = subprocess.run(
        command(*arguments), env=environment(**settings), capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"fetch.py: {complaint}")
    assert done.stderr.count("\n") == 1


def test_it_needs_nothing_but_the_standard_library_of_python_3_11():
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 11))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {module.partition(".")[0] for module in modules} <= sys.stdlib_module_names
