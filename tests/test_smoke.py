"""Probes over transports: who is blamed, what travels, what is never shown."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest
from support import SMALL, plan_of

from stackgen import smoke
from stackgen.errors import StackError
from stackgen.modalities import MODALITIES, Reply
from stackgen.smoke import Hop, Request

KEYS = {"LITELLM_MASTER_KEY": "sk-master", "VLLM_API_KEY": "sk-vllm", "INFINITY_API_KEY": "sk-infinity"}


def good(request):
    """The recorded good reply that fits a request; 401 without a key."""
    if not request.headers:
        return Reply(status=401)
    probes = [probe for modality in MODALITIES.values() for probe in modality.probes]
    (probe,) = [probe for probe in probes if all(request.body.get(key) == value for key, value in probe.body.items()) and set(
        probe.body) == set(request.body) - {"model", "cache"}]  # fmt: skip
    return probe.good[0]


def transport(seen=None, breaks=lambda _: None):
    def send(requests):
        if seen is not None:
            seen.extend(requests)
        return [breaks(request) or good(request) for request in requests]

    return send


@pytest.fixture
def plan(tmp_path):
    return plan_of(tmp_path, SMALL + "gateway: {cache: redis}\n")


def test_every_model_is_asked_on_both_hops_with_the_right_key_and_path(plan):
    host, inside = [], []
    results = smoke.run(plan, transport(host), transport(inside), KEYS)
    assert all(result.ok for result in results)
    assert [(request.url, request.headers.get("Authorization"), request.body["model"]) for request in inside] == [
        ("http://vllm-chat:8000/v1/chat/completions", "Bearer sk-vllm", "chat"),
        ("http://vllm-chat:8000/v1/chat/completions", "Bearer sk-vllm", "chat"),
        ("http://infinity:7997/embeddings", "Bearer sk-infinity", "embed"),
    ]
    assert [(request.url, request.headers.get("Authorization")) for request in host] == [
        ("http://127.0.0.1:4000/v1/chat/completions", "Bearer sk-master"),
        ("http://127.0.0.1:4000/v1/chat/completions", "Bearer sk-master"),
        ("http://127.0.0.1:4000/v1/embeddings", "Bearer sk-master"),
        ("http://127.0.0.1:4000/v1/chat/completions", None),
    ]


def test_cached_answers_are_bypassed_where_there_is_a_cache(plan, tmp_path):
    host = []
    smoke.run(plan, transport(host), transport(), KEYS)
    assert all(request.body["cache"] == {"no-cache": True} for request in host if request.headers)
    host = []
    smoke.run(plan_of(tmp_path, SMALL), transport(host), transport(), KEYS)
    assert not any("cache" in request.body for request in host)


def test_a_wrong_route_is_told_from_a_dead_engine(plan):
    def broken(request):
        return Reply(status=404, body="{}") if request.headers and "chat" in request.url else None

    results = smoke.run(plan, transport(breaks=broken), transport(), KEYS)
    assert list(smoke.diagnosis(results)) == ["chat: vllm-chat itself answers; the gateway's route to it is wrong"]

    def dead(request):
        return Reply(error="no connection: refused") if "chat" in request.url and request.headers else None

    results = smoke.run(plan, transport(breaks=dead), transport(breaks=dead), KEYS)
    assert list(smoke.diagnosis(results)) == ["chat: vllm-chat does not answer, with or without the gateway"]
    assert {(result.hop, result.service) for result in results if not result.ok} == {
        (Hop.GATEWAY, "vllm-chat"),
        (Hop.ENGINE, "vllm-chat"),
    }


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        (Reply(status=200, body="{}"), "answered without a key"),
        (Reply(status=500, body='{"error":"x"}'), "expected HTTP 401, got HTTP 500: x"),
        (Reply(error="no connection: refused"), "no connection: refused"),
    ],
)
def test_a_door_that_is_open_or_broken_is_a_failure(plan, reply, complaint):
    results = smoke.run(plan, transport(breaks=lambda request: None if request.headers else reply), transport(), KEYS)
    assert [result.complaint for result in results if result.hop is Hop.KEY] == [complaint]


def test_without_the_gateways_key_nothing_is_sent(plan):
    with pytest.raises(StackError, match="LITELLM_MASTER_KEY"):
        smoke.run(plan, transport(), transport(), {})


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = int(self.path.rsplit("/", 1)[1])
        answer = json.dumps({"got": json.loads(body), "key": self.headers.get("Authorization")}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@contextmanager
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_port}"
        finally:
            running.shutdown()
            thread.join()


def test_the_script_inside_the_network_and_the_host_send_alike():
    """The same program, once as a function and once as text in another interpreter, with its input on stdin."""

    def run(program, stdin):
        done = subprocess.run([sys.executable, "-I", "-c", program], input=stdin, capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr

    with server() as url:
        requests = [
            Request(url=f"{url}/200", headers={"Authorization": "Bearer sk-é"[:10]}, body={"text": "ünïcode"}),
            Request(url=f"{url}/404", headers={}, body={}),
            Request(url="http://127.0.0.1:1/", headers={}, body={}),
        ]
        for replies in (smoke.from_this_host(requests), smoke.by_script(run)(requests)):
            assert [reply.status for reply in replies] == [200, 404, 0]
            assert replies[0].json() == {"got": {"text": "ünïcode"}, "key": "Bearer sk-"}
            assert replies[2].error.startswith("no connection")


def test_a_gateway_that_is_down_is_blamed_and_no_engine(plan):
    def down(request):
        return Reply(error="no connection: refused") if request.headers else None

    results = smoke.run(plan, transport(breaks=down), smoke.unreachable("litellm does not run"), KEYS)
    assert list(smoke.diagnosis(results)) == [
        "no model answers through the gateway, and no engine is to blame: look at litellm and its key first"
    ]


def test_a_reply_of_another_shape_is_a_complaint(plan):
    strange = Reply(status=200, content_type="application/json", body='{"data":[1,2,3],"results":[1],"choices":[1]}')
    results = smoke.run(plan, transport(breaks=lambda request: strange if request.headers else None), transport(), KEYS)
    assert all(result.complaint for result in results if result.hop is Hop.GATEWAY)


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
