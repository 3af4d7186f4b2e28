"""Probes over transports: who is blamed, what travels, what is never shown."""

from __future__ import annotations

import base64
import json
import shlex
from dataclasses import asdict, replace

import pytest
from support import SMALL, plan_of

from stackgen import facts, smoke
from stackgen.errors import StackError
from stackgen.modalities import MODALITIES, Reply
from stackgen.parts import Quirks, Route, Secret
from stackgen.render.runbook import runbook
from stackgen.smoke import Hop, Request

KEYS = {"LITELLM_MASTER_KEY": "sk-master", "VLLM_API_KEY": "sk-vllm", "INFINITY_API_KEY": "sk-infinity"}


SPEAKS = Quirks(voice="thorsten", language="de")


def good(request):
    """The recorded good reply that fits a request; 401 without a key."""
    if not request.headers:
        return Reply(status=401)
    body = {key: value for key, value in request.body.items() if key not in {"model", "cache", "disable_fallbacks"}}
    probes = [probe for modality in MODALITIES.values() for probe in modality.probes]
    (probe,) = [probe for probe in probes if body in (probe.body(Quirks()), probe.body(SPEAKS))]
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


@pytest.mark.parametrize(
    ("answered_by", "complaint"),
    [
        ("chat@vllm-chat", None),
        ("more@vllm-more", None),
        ("spare@vllm-spare", "answered by a fallback, not by this model"),
    ],
)
def test_any_of_those_who_share_a_name_may_answer_to_it_whatever_their_rank(tmp_path, answered_by, complaint):
    text = SMALL.replace("modalities: [chat]", "modalities: [chat]\n    public_names: [shared]")
    for name, public_name in (("more", "shared"), ("spare", "spare")):
        line = f"{{source: Qwen/Qwen3-0.6B, engine: vllm, modalities: [chat], public_names: [{public_name}]}}"
        text += f"  {name}: {line}\n"
    plan = plan_of(tmp_path, text + "gateway: {default_fallbacks: [spare]}\n")
    told = {"x-litellm-attempted-fallbacks": "1", "x-litellm-model-id": answered_by}
    host = []

    def breaks(request):
        return replace(good(request), headers=told) if request.body["model"] == "shared" else None

    results = smoke.run(plan, transport(host, breaks), transport(), KEYS)
    assert [result.complaint for result in results if result.name == "shared"] == [complaint]
    flags = {request.body["model"]: request.body.get("disable_fallbacks") for request in host if request.headers}
    assert flags == {"shared": None, "chat@vllm-chat": True, "more@vllm-more": True, "embed": True, "spare": True}


def test_an_answer_of_a_fallback_is_not_the_models_own(plan):
    def answered(request, attempts):
        return replace(good(request), headers={"x-litellm-attempted-fallbacks": attempts}) if request.headers else None

    def complaints(attempts):
        results = smoke.run(plan, transport(breaks=lambda request: answered(request, attempts)), transport(), KEYS)
        return {result.complaint for result in results if result.hop is Hop.GATEWAY}

    assert complaints("0") == {None}
    assert complaints("1") == {"answered by a fallback, not by this model"}

    def empty(request):
        headers = {"x-litellm-attempted-fallbacks": "2"}
        return Reply(status=200, body="{}", headers=headers) if request.headers else None

    results = smoke.run(plan, transport(breaks=empty), transport(), KEYS)
    (complaint, _) = [result.complaint for result in results if result.name == "chat" and result.hop is Hop.GATEWAY]
    assert complaint == "the reply has no `choices`; answered by a fallback, not by this model"


def test_secrets_are_hidden_wherever_the_gateway_tells_about_itself():
    reply = Reply(status=500, body="key sk-1", error="sk-1?", headers={"x-litellm-model-api-base": "http://sk-1@x"})
    send = smoke.masked(lambda requests: [reply] * len(requests), lambda text: text.replace("sk-1", "***"))
    (hidden,) = send([Request(url="http://x", headers={}, body={})])
    assert "sk-1" not in str(hidden)
    assert hidden.headers == {"x-litellm-model-api-base": "http://***@x"}


def route(modality, **more):
    """One route of every modality at a made-up engine."""
    path = MODALITIES[modality].path
    settings = {
        "model": f"my-{modality}",
        "modality": modality,
        "public_names": (modality,),
        "engine": "made-up",
        "served_name": f"org/{modality}",
        "provider": "openai",
        "service": "made-up",
        "port": 8000,
        "base_path": "/v1",
        "endpoint": path,
        "key": Secret(name="VLLM_API_KEY", purpose="guards the engine"),
    }
    return Route(**(settings | more))


@pytest.fixture
def every_modality(plan):
    """A plan with a route of each modality; chat has tools, speech speaks German."""
    quirks = {"chat": Quirks(tools=True), "speech": SPEAKS}
    return replace(plan, routes=tuple(route(name, quirks=quirks.get(name, Quirks())) for name in MODALITIES))


def test_every_modality_is_asked_by_what_the_model_can(every_modality):
    host, inside = [], []
    results = smoke.run(every_modality, transport(host), transport(inside), KEYS)
    probes = ["chat", "chat stream", "chat tools", *(name for name in MODALITIES if name != "chat")]
    for hop in (Hop.GATEWAY, Hop.ENGINE):
        assert [result.probe for result in results if result.hop is hop] == probes
    assert all(result.ok for result in results)
    assert {request.body["model"] for request in inside} == {f"org/{name}" for name in MODALITIES}
    for requests in (host[:-1], inside):
        (speech,) = [request for request in requests if request.url.endswith("/v1/audio/speech")]
        assert (speech.body["voice"], speech.body["input"]) == ("thorsten", facts.speech_texts()["de"])


def test_a_recording_travels_as_a_file_of_its_own_per_request(every_modality):
    host, inside = [], []
    smoke.run(every_modality, transport(host), transport(inside), KEYS)
    uploads = [request for request in (*host, *inside) if request.upload]
    assert [request.url for request in uploads] == [
        "http://127.0.0.1:4000/v1/audio/transcriptions",
        "http://made-up:8000/v1/audio/transcriptions",
    ]
    assert len({request.upload.data for request in uploads}) == 2
    for request in uploads:
        assert base64.b64decode(request.upload.data).startswith(b"RIFF")
        assert "cache" not in request.body  # fields of a form are texts, and this one is an object
        json.dumps(asdict(request))


def test_an_engine_with_a_dialect_of_its_own_is_asked_where_it_takes_openais(plan):
    inside = []
    native = route("chat", endpoint="/api/chat", base_path="", probe_endpoint="/v1/chat/completions", key=None)
    smoke.run(replace(plan, routes=(native,)), transport(), transport(inside), KEYS)
    assert [(request.url, request.headers) for request in inside] == [
        ("http://made-up:8000/v1/chat/completions", {})
    ] * 2


def test_the_door_is_tried_with_a_form_too(every_modality):
    host = []
    smoke.run(replace(every_modality, routes=every_modality.routes[5:6]), transport(host), transport(), KEYS)
    assert (host[-1].headers, host[-1].upload.name) == ({}, "spoken.wav")


def test_the_runbook_tells_how_to_ask_each_modality(every_modality):
    text = runbook(every_modality)
    commands = {}
    for block in text.split("```sh\n")[1:]:
        words = shlex.split(block.split("```")[0])
        if words[0] == "curl":
            commands[next(word for word in words if word.startswith("http")).partition("/v1/")[2]] = words
    assert set(commands) == {modality.path.removeprefix("/v1/") for modality in MODALITIES.values()}
    heard = commands["audio/transcriptions"]
    assert "file=@recording.wav" in heard
    assert {"model=transcription", "response_format=json"} <= set(heard)
    assert not any("application/json" in word for word in heard)
    assert "with a recording.wav of yours in this folder" in text
    spoken = commands["audio/speech"]
    assert spoken[-2:] == ["--output", "speech.wav"]
    assert json.loads(spoken[spoken.index("-d") + 1])["voice"] == "thorsten"
    assert json.loads(commands["completions"][-1])["prompt"]


def test_models_of_one_process_that_share_a_name_are_asked_one_by_one(tmp_path):
    entry = "  %s: {source: %s, engine: ollama, modalities: [chat], public_names: [small]}\n"
    models = entry % ("a", '"llama3.2:3b"') + entry % ("b", '"qwen2.5:1.5b"')
    shared = plan_of(tmp_path, f"version: 1\nname: shared\nprofiles: [cpu]\nmodels:\n{models}")
    host = []

    def answered_by(identifier):
        def breaks(request):
            by_name = request.headers and request.body["model"] == "small"
            headers = {"x-litellm-model-id": identifier, "x-litellm-attempted-fallbacks": "0"}
            return replace(good(request), headers=headers) if by_name else None

        return breaks

    for identifier in ("a@ollama", "b@ollama"):
        results = smoke.run(shared, transport(host, answered_by(identifier)), transport(), KEYS)
        assert [result for result in results if not result.ok and result.hop is Hop.GATEWAY] == []
    assert {request.body["model"] for request in host if request.headers} == {"a@ollama", "b@ollama", "small"}
