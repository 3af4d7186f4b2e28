"""Requests over real sockets: what servers receive, and what comes back of what they answer."""

from __future__ import annotations

import base64
import email.policy
import http.server
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
from support import Listener

from stackgen import smoke
from stackgen.smoke import File, Request
from stackgen.smoke.caller import LARGEST_REPLY_BYTES, call_all

HANG_SECONDS = 6.0
TONE = bytes(range(256)) * 40
"""No text in any encoding."""
ANSWERS = {
    "recording": (200, "audio/wav", TONE),
    "bytes": (200, "Application/Octet-Stream", TONE),
    "false": (200, "audio/mpeg", b' {"error": {"message": "no voice"}}'),
    "page": (200, "application/octet-stream", b"<html></html>"),
    "text": (200, "text/plain; charset=utf-8", "é".encode()),
    "nothing": (200, "audio/wav", b""),
    "refusal": (503, "audio/wav", TONE),
    "stream": (200, "text/event-stream", b'data: {"choices": []}\n\ndata: [DONE]\n\n'),
    "endless": (200, "audio/wav", bytes(LARGEST_REPLY_BYTES + 100_000)),
}


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        name = self.path.rsplit("/", 1)[1]
        if name == "hangs":
            time.sleep(HANG_SECONDS)
            name = "200"
        if name in ANSWERS:
            status, content_type, answer = ANSWERS[name]
        else:
            status, content_type = int(name), "application/json"
            answer = json.dumps({"got": self.told(body), "key": self.headers.get("Authorization")}).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("X-LiteLLM-Attempted-Fallbacks", "1")
        self.send_header("Set-Cookie", "session=1")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        try:
            if name == "stream":
                time.sleep(0.2)
                self.wfile.write(answer[:24])
                time.sleep(1.5)
                answer = answer[24:]
            self.wfile.write(answer)
        except OSError:
            assert name == "endless"  # the client had enough

    def told(self, body):
        """The body as a parser that is not ours reads it."""
        content_type = self.headers["Content-Type"]
        if content_type == "application/json":
            return json.loads(body)
        message = email.message_from_bytes(
            b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body, policy=email.policy.HTTP
        )
        assert message.get_content_type() == "multipart/form-data"
        assert not message.defects
        return [
            {
                **part["Content-Disposition"].params,
                "content_type": part.get_content_type() if "Content-Type" in part else None,
                "data": base64.b64encode(part.get_payload(decode=True)).decode(),
            }
            for part in message.iter_parts()
        ]

    def log_message(self, *_):
        pass


@contextmanager
def server():
    with Listener(("127.0.0.1", 0), _Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_port}"
        finally:
            running.shutdown()
            thread.join()


def in_another_interpreter(program, stdin, timeout_seconds):
    """As in a container: the program as text, its input on stdin."""
    command = [sys.executable, "-I", "-c", program]
    done = subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=timeout_seconds)
    return done.returncode, done.stdout, done.stderr


each_way = pytest.mark.parametrize(
    "send", [smoke.from_this_host, smoke.by_script(in_another_interpreter)], ids=["host", "script"]
)


def asked(url, names, **more):
    return [Request(url=f"{url}/{name}", headers={}, body={}, **more) for name in names]


@each_way
def test_json_goes_out_and_statuses_come_back(send):
    with server() as url:
        replies = send(
            [
                Request(url=f"{url}/200", headers={"Authorization": "Bearer sk-é"[:10]}, body={"text": "ünïcode"}),
                Request(url=f"{url}/404", headers={}, body={}),
                Request(url="http://127.0.0.1:1/", headers={}, body={}),
            ]
        )
    assert [reply.status for reply in replies] == [200, 404, 0]
    assert replies[0].json() == {"got": {"text": "ünïcode"}, "key": "Bearer sk-"}
    assert replies[2].error.startswith("no connection")


@each_way
def test_a_form_arrives_whole_at_another_parser(send):
    content = b"\r\n--boundary\r\n" + TONE + b"\n\r"
    file = File(field="file", name='a "b"\r\nü.wav', content_type="audio/wav", data=base64.b64encode(content).decode())
    body = {"model": "org/whisper", "note": "ünï\r\ncode", "temperature": 0, "stream": False}
    with server() as url:
        (reply,) = send([Request(url=f"{url}/200", headers={"Authorization": "Bearer k"}, body=body, upload=file)])
    assert reply.json()["key"] == "Bearer k"
    *fields, upload = reply.json()["got"]
    assert {field["name"]: base64.b64decode(field["data"]).decode() for field in fields} == {
        "model": "org/whisper",
        "note": "ünï\r\ncode",
        "temperature": "0",
        "stream": "false",
    }
    assert [field["content_type"] for field in fields] == [None] * len(fields)
    assert (upload["name"], upload["content_type"]) == ("file", "audio/wav")
    assert upload["filename"].startswith("a %22b%22%0D%0A")
    assert base64.b64decode(upload["data"]) == content


@each_way
def test_bytes_come_back_intact_and_texts_as_texts(send):
    with server() as url:
        names = ("recording", "bytes", "refusal", "nothing", "false", "page", "text")
        replies = dict(zip(names, send(asked(url, names)), strict=True))
    for name in ("recording", "bytes", "refusal"):
        assert (replies[name].content(), replies[name].body) == (TONE, "")
    assert {name: replies[name].body for name in ("nothing", "false", "page", "text")} == {
        "nothing": "",
        "false": ' {"error": {"message": "no voice"}}',
        "page": "<html></html>",
        "text": "é",
    }
    assert not any(replies[name].data for name in ("nothing", "false", "page", "text"))
    assert replies["refusal"].status == 503


@each_way
def test_of_headers_only_what_the_gateway_says_about_itself_comes_back(send):
    with server() as url:
        replies = send(asked(url, ("200", "404", "recording")))
    assert [reply.headers for reply in replies] == [{"x-litellm-attempted-fallbacks": "1"}] * 3


@each_way
def test_when_the_first_piece_of_a_stream_came_is_measured(send):
    with server() as url:
        stream, plain = send(asked(url, ("stream", "200")))
    assert 0.15 < stream.first_seconds < stream.seconds - 0.3
    assert plain.first_seconds is None


@each_way
def test_who_hangs_is_left_and_what_comes_too_late_is_not_asked(send):
    with server() as url:
        hangs = asked(url, ["hangs"] * 8, timeout_seconds=0.8, within_seconds=5.0)
        late = asked(url, ["200"], within_seconds=0.9)
        *answers, last = send([*hangs, *late])
    assert {answer.error for answer in answers} == {"no answer within 0.8 s"}
    assert last.error == "not asked: no time is left"


@each_way
def test_the_time_of_all_bounds_each_wait(send):
    with server() as url:
        (answer,) = send(asked(url, ["hangs"], within_seconds=0.7))
    assert answer.error == "no answer within 0.7 s"
    assert answer.seconds < HANG_SECONDS


INTERRUPTED = """
import sys
from stackgen.modalities import Reply
from stackgen.smoke import Request, from_this_host
print("asking", flush=True)
from_this_host([Request(url=sys.argv[1], headers={}, body={}, timeout_seconds=30) for _ in range(20)])
"""


def test_an_interrupt_does_not_wait_for_servers_that_are_silent():
    with socket.create_server(("127.0.0.1", 0), backlog=32) as silent:
        command = [sys.executable, "-c", INTERRUPTED, f"http://127.0.0.1:{silent.getsockname()[1]}/"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            assert process.stdout.readline() == "asking\n"
            time.sleep(1)
            process.send_signal(signal.SIGINT)
            began = time.monotonic()
            assert process.wait(60) != 0
            assert time.monotonic() - began < 15


def test_a_bug_in_a_worker_is_not_lost():
    with pytest.raises(KeyError):
        call_all([{"url": "http://127.0.0.1:1"}], 1.0)


def test_the_script_gets_the_time_that_its_requests_may_take():
    given = []

    def run(program, stdin, timeout_seconds):
        given.append(timeout_seconds)
        return 0, b"[{}, {}]", b""

    smoke.by_script(run)(asked("http://x", "ab", within_seconds=700.0))
    assert 700 < given[0] < 800


def test_a_recording_without_end_is_cut():
    with server() as url:
        (reply,) = smoke.from_this_host(asked(url, ["endless"]))
    assert LARGEST_REPLY_BYTES <= len(reply.content()) < LARGEST_REPLY_BYTES + 65_536


def test_a_script_that_fails_is_told_for_every_request():
    send = smoke.by_script(lambda *_: (127, b"", b"exec failed\nexecutable file not found"))
    (reply,) = send([Request(url="http://x", headers={}, body={})])
    assert "exit code 127" in reply.error
    assert "executable file not found" in reply.error


def test_proxies_of_the_environment_are_not_asked(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with server() as url:
        (reply,) = smoke.from_this_host([Request(url=f"{url}/200", headers={}, body={})])
    assert reply.status == 200
