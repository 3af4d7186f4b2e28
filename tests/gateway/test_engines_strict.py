"""The stand-ins around the gateway know what the plan tells the engines, and every call is recorded as it arrived."""

from __future__ import annotations

import base64
import secrets
import threading
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from engines_strict import Call, StrictEngine
from simulated import form, send
from stand_ins import LOOPBACK, stand_ins
from support import plan_of

from stackgen import smoke
from stackgen.parts import Route
from stackgen.plan import Plan

SPEC = """\
version: 1
name: around
profiles: [cpu]
models:
  chat: {source: Qwen/Qwen3-0.6B, engine: vllm, modalities: [chat]}
  embed: {source: sentence-transformers/all-MiniLM-L6-v2, engine: infinity, modalities: [embedding]}
  rank: {source: BAAI/bge-reranker-v2-m3, engine: infinity, modalities: [rerank]}
  local: {source: "qwen3:1.7b", engine: ollama, modalities: [chat]}
  hear: {source: Systran/faster-whisper-base, engine: speaches, modalities: [transcription]}
endpoints:
  other: {provider: hosted_vllm, url: "http://10.20.0.11:8000/llm/v1", model: org/far, key: FAR_KEY, public_names: [far]}
secrets:
  FAR_KEY: {required: true}
gateway:
  pass_through:
    straight: {path: /straight, url: "http://10.20.0.12:8000/v1/chat/completions"}
"""
ASKED = {
    "vllm-chat": ("/v1/chat/completions", "chat"),
    "infinity": ("/embeddings", "embed"),
    "ollama": ("/api/chat", "qwen3:1.7b"),
    "speaches": ("/v1/audio/transcriptions", "Systran/faster-whisper-base"),
    "other": ("/llm/v1/chat/completions", "org/far"),
}
"""Where each server answers, and for which model."""
MESSAGES = [{"role": "user", "content": "Hello"}]


@dataclass(frozen=True, kw_only=True)
class Around:
    """All servers of a plan, listening, and what they recorded."""

    plan: Plan
    keys: dict[str, str]
    engines: dict[str, StrictEngine]
    calls: list[Call]

    def url(self, service: str, path: str = "") -> str:
        return f"http://{LOOPBACK}:{self.engines[service].port}{path or ASKED[service][0]}"

    def key(self, service: str) -> dict[str, str]:
        route: Route = next(route for route in self.plan.routes if route.service == service)
        return {"Authorization": f"Bearer {self.keys[route.key.name]}"} if route.key else {}

    def post(self, service: str, path: str = "", *, model: str = "", key: dict[str, str] | None = None) -> int:
        """The status of a request for work."""
        name = model or ASKED[service][1]
        shown = self.key(service) if key is None else key
        if service == "speaches":
            body, kind = form(model=name, file=("a.wav", "audio/wav", b""))
            return send("POST", self.url(service, path), body, Content_Type=kind, **shown).status
        body = {"model": name, "messages": MESSAGES, "input": "Hello", "stream": False}
        return send("POST", self.url(service, path), body, Content_Type="application/json", **shown).status


@pytest.fixture
def around(tmp_path):
    plan = plan_of(tmp_path, SPEC)
    keys = {secret.name: secrets.token_hex(8) for secret in plan.secrets}
    calls: list[Call] = []
    found = [each.engine for each in stand_ins(plan, keys, calls.append, tmp_path / "models")]
    with ExitStack() as stack:
        for engine in found:
            stack.enter_context(engine.listening())
        yield Around(plan=plan, keys=keys, engines={engine.service: engine for engine in found}, calls=calls)


@pytest.mark.parametrize("service", ASKED)
def test_each_is_told_what_the_plan_tells_it(around, service):
    path, model = ASKED[service]
    well = 400 if service == "speaches" else 200  # the recording is empty
    wrong = path.replace("/v1", "", 1) if "/v1" in path else f"/v1{path}"
    statuses = [
        around.post(service),
        around.post(service, wrong),
        around.post(service, key={"Authorization": "Bearer other"}),
    ]
    refused = {"ollama": well, "speaches": 403}.get(service, 401)
    assert statuses == [well, 404, refused]
    assert [(call.path, call.model, call.asks_model, call.status) for call in around.calls] == [
        (path, model, True, well),
        (wrong, model, True, 404),
        (path, model, True, refused),
    ]
    assert {call.service for call in around.calls} == {service}


def test_a_path_that_goes_elsewhere_leads_to_a_server_with_its_name(around):
    body = {"model": "straight", "messages": MESSAGES}
    got = send("POST", around.url("straight", "/v1/chat/completions"), body, Content_Type="application/json")
    assert (got.status, [call.body for call in around.calls]) == (200, [body])


@pytest.mark.parametrize("service", ["vllm-chat", "infinity", "ollama", "other"])
def test_names_that_are_not_served_are_refused(around, service):
    assert around.post(service, model="nobody") in {400, 404}


def test_what_ollama_tells_about_itself_asks_no_model(around):
    assert send("POST", around.url("ollama", "/api/show"), {"model": "qwen3:1.7b"}).json()["capabilities"]
    assert send("GET", around.url("ollama", "/api/tags")).json()["models"][0]["name"] == "qwen3:1.7b"
    assert [call.asks_model for call in around.calls] == [False, False]


def test_a_form_is_recorded_with_its_file_and_with_fields_that_come_twice(around):
    first, kind = form(file=("a.wav", "audio/wav", b"no recording"), model="one", prompt="words")
    second, _ = form(model="two")
    body = first.removesuffix(b"--border--\r\n") + second
    assert send("POST", around.url("speaches", "/v1/nowhere?a=b"), body, Content_Type=kind).status == 404
    (call,) = around.calls
    file = {"name": "a.wav", "content_type": "audio/wav", "data": base64.b64encode(b"no recording").decode()}
    assert (call.path, call.body) == ("/v1/nowhere?a=b", {"file": file, "model": ["one", "two"], "prompt": "words"})


def test_what_is_broken_takes_requests_and_answers_none_of_them(around):
    around.engines["vllm-chat"].broken = True
    with pytest.raises(ConnectionError):
        around.post("vllm-chat")
    assert [(call.model, call.status) for call in around.calls] == [("chat", 0)]
    around.engines["vllm-chat"].broken = False
    assert around.post("vllm-chat") == 200


def test_what_hangs_is_silent_until_it_is_set_free(around):
    engine = around.engines["ollama"]
    engine.hangs = threading.Event()
    asked = smoke.Request(url=around.url("ollama"), headers={}, body={"model": "qwen3:1.7b"}, timeout_seconds=0.3)
    reply = smoke.from_this_host([asked])[0]
    assert (reply.status, around.calls) == (0, [])
    engine.hangs.set()
    engine.hangs = None
    assert around.post("ollama") == 200
