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
from stackgen.facts.requests import request_advice, request_causes
from stackgen.modalities import MODALITIES, Reply
from stackgen.parts import Quirks, Route, Secret
from stackgen.render.litellm import document
from stackgen.render.runbook import runbook
from stackgen.render.yaml import Note
from stackgen.report import Report
from stackgen.smoke import Hop, Request, Wishes

KEYS = {"LITELLM_MASTER_KEY": "sk-master", "VLLM_API_KEY": "sk-vllm", "INFINITY_API_KEY": "sk-infinity"}


SPEAKS = Quirks(voice="thorsten", language="de")
NOBODY = "stackgen-no-such-model"
LEFT_OUT = {"model", "cache", "disable_fallbacks", "language"}
ALL_QUIRKS = (Quirks(), SPEAKS, Quirks(reasoning=True))


def probe_of(request):
    """The probe that a request asks."""
    if request.body.get("messages", [{}])[-1].get("role") == "tool":
        return next(probe for probe in MODALITIES["chat"].probes if probe.after)
    body = {key: value for key, value in request.body.items() if key not in LEFT_OUT}
    probes = [probe for modality in MODALITIES.values() for probe in modality.probes]
    (probe,) = [probe for probe in probes if body in [probe.body(quirks) for quirks in ALL_QUIRKS]]
    return probe


def vectors(*begins):
    """An answer with vectors of the size that the small model has."""
    return Reply(status=200, body=json.dumps({"data": [{"embedding": [*begin, *[0.0] * 382]} for begin in begins]}))


def good(request, plan=None):
    """The recorded good reply that fits a request; refusals where a door must refuse."""
    return at_a_door(request, plan) or of_a_model(request)


def at_a_door(request, plan):
    if not request.headers or "wrong-key" in request.headers["Authorization"]:
        return Reply(status=401)
    if request.url.endswith("/v1/model/info"):
        return Reply(status=200, body=json.dumps({"data": [plain(entry) for entry in document(plan)["model_list"]]}))
    if request.method == "GET":
        return Reply(status=200, body='{"status": "healthy", "db": "connected"}')
    if request.body["model"] == NOBODY:
        return Reply(status=404)
    return None


def of_a_model(request):
    if request.upload and request.upload.name == "speech.wav":
        return Reply(status=200, body=json.dumps({"text": facts.speech_texts()["de"].upper()}))
    if "input" in request.body and "voice" not in request.body:
        return vectors([-0.0627, 0.0549], [-0.0611, 0.0552], [0.0121, -0.0035])
    return probe_of(request).good[0]


def plain(value):
    """Data of the gateway's file without notes."""
    if isinstance(value, Note):
        return plain(value.value)
    return {key: plain(entry) for key, entry in value.items()} if isinstance(value, dict) else value


def transport(plan, seen=None, breaks=lambda _: None):
    def send(requests):
        if seen is not None:
            seen.extend(requests)
        return [breaks(request) or good(request, plan) for request in requests]

    return send


def run(plan, host=None, inside=None, breaks=lambda _: None, breaks_inside=lambda _: None, **more):
    """The smoke test with recording transports."""
    return smoke.run(plan, transport(plan, host, breaks), transport(plan, inside, breaks_inside), KEYS, **more)


def to_models(requests):
    """Those that ask a model, in the order of the probes."""
    return [
        request
        for request in requests
        if request.method == "POST"
        and request.headers
        and "wrong-key" not in str(request.headers)
        and request.body["model"] != NOBODY
    ]


@pytest.fixture
def plan(tmp_path):
    return plan_of(tmp_path, SMALL + "gateway: {cache: redis}\n")


def test_every_model_is_asked_on_both_hops_with_the_right_key_and_path(plan):
    host, inside = [], []
    results = run(plan, host, inside)
    assert all(result.state == "ok" for result in results)
    chat = ("http://vllm-chat:8000/v1/chat/completions", "Bearer sk-vllm", "chat")
    embed = ("http://infinity:7997/embeddings", "Bearer sk-infinity", "embed")
    asked = [(request.url, request.headers["Authorization"], request.body["model"]) for request in to_models(inside)]
    assert asked == [chat, embed, chat, chat, chat]  # the first question to each model, then the others
    assert [(request.url, request.headers["Authorization"]) for request in to_models(host)] == [
        ("http://127.0.0.1:4000/v1/chat/completions", "Bearer sk-master"),
        ("http://127.0.0.1:4000/v1/embeddings", "Bearer sk-master"),
        *[("http://127.0.0.1:4000/v1/chat/completions", "Bearer sk-master")] * 3,
    ]


def test_results_stand_in_the_order_of_the_plan_whatever_came_first(plan):
    probes = ["chat", "chat stream", "chat unicode", "chat structured", "embedding"]
    results = run(plan)
    for hop in (Hop.GATEWAY, Hop.ENGINE):
        assert [result.probe for result in results if result.modality and result.hop is hop] == probes
    doors = [(result.hop.value, result.service, result.name, result.probe) for result in results if not result.modality]
    assert doors == [
        ("gateway", "litellm", "gateway", "refuses without key"),
        ("gateway", "litellm", "gateway", "refuses a wrong key"),
        ("gateway", "litellm", "gateway", "refuses an unknown model"),
        ("gateway", "vllm-chat", "chat", "entry"),
        ("gateway", "infinity", "embed", "entry"),
        ("gateway", "redis", "redis", "cache of the gateway"),
        ("gateway", "postgres", "postgres", "database of the gateway"),
        ("engine", "vllm-chat", "vllm-chat", "refuses without key"),
        ("engine", "vllm-chat", "vllm-chat", "refuses a wrong key"),
        ("engine", "vllm-chat", "vllm-chat", "refuses an unknown model"),
        ("engine", "infinity", "infinity", "refuses without key"),
        ("engine", "infinity", "infinity", "refuses a wrong key"),
    ]  # Infinity with one model answers to any name


def test_cached_answers_are_bypassed_where_there_is_a_cache(plan, tmp_path):
    host = []
    run(plan, host)
    assert all(request.body["cache"] == {"no-cache": True} for request in to_models(host))
    host = []
    run(plan_of(tmp_path, SMALL), host)
    assert not any("cache" in request.body for request in host)


NOT_FOUND = Reply(status=404, body='{"detail": "Not Found"}')
DEAD = Reply(error="no connection: [Errno -2] Name or service not known")
HANGS = Reply(error="no answer within 60 s", seconds=60.0)
NO_SUCH_MODEL = Reply(status=404, body='{"error":{"message":"The model `chta` does not exist."}}')
REFUSED_KEY = Reply(
    status=401, body='{"error":{"message":"litellm.AuthenticationError: Hosted_vllmException - Unauthorized"}}'
)
NOBODY_THERE = Reply(status=500, body='{"error":{"message":"litellm.InternalServerError: Connection error."}}')
URL = "http://vllm-chat:8000/v1"
ITSELF = "chat: vllm-chat itself answers; the gateway's route to it is wrong: "
BOTH = "chat: vllm-chat does not answer, with or without the gateway: "


@pytest.mark.parametrize(
    ("at_gateway", "at_engine", "sentence"),
    [
        (
            NOT_FOUND,
            None,
            f"{ITSELF}the gateway calls another path than {URL}/chat/completions; its api_base must be {URL}",
        ),
        (NO_SUCH_MODEL, None, f"{ITSELF}the gateway asks it for another model than chat"),
        (
            REFUSED_KEY,
            None,
            f"{ITSELF}the gateway shows it another key than the one in .stackgen/secrets.env -> `stackgen up`",
        ),
        (
            NOBODY_THERE,
            None,
            f"{ITSELF}the gateway finds nobody where it looks; it must ask http://vllm-chat:8000/v1",
        ),
        (
            Reply(status=200, body="{}"),
            None,
            "chat: vllm-chat itself answers chat well; what comes through the gateway is not that answer",
        ),
        (
            NOBODY_THERE,
            DEAD,
            f"{BOTH}its container is down, or not in the network of the gateway -> `stackgen up`",
        ),
        (
            HANGS,
            HANGS,
            f"{BOTH}it takes requests and does not answer: it hangs -> `docker compose -p small restart vllm-chat`",
        ),
        (
            Reply(status=401, body='{"error":{"message":"litellm.AuthenticationError: Unauthorized"}}'),
            Reply(status=401, body='{"error":"Unauthorized"}'),
            f"{BOTH}it refuses the key in .stackgen/secrets.env, so it was started with another -> `stackgen up`",
        ),
        (
            NO_SUCH_MODEL,
            NO_SUCH_MODEL,
            f"{BOTH}it does not serve the model as chat -> `stackgen logs vllm-chat`",
        ),
    ],
)
def test_the_sentence_names_service_hop_cause_and_next_step(plan, at_gateway, at_engine, sentence):
    def when(reply):
        return lambda request: reply if request.headers and "chat/completions" in request.url else None

    def of_chat(request):
        return at_gateway if request.body.get("model") == "chat" and request.headers != {} else None

    results = run(plan, breaks=of_chat, breaks_inside=when(at_engine))
    assert list(smoke.diagnosis(plan, results)) == [sentence]
    blamed = {(result.hop, result.service) for result in results if result.state == "failed" and result.modality}
    hops = {Hop.GATEWAY, Hop.ENGINE} if at_engine else {Hop.GATEWAY}
    assert blamed == {(hop, "vllm-chat") for hop in hops}


def test_an_engine_that_hangs_costs_one_wait_and_the_others_are_judged(plan):
    host, inside = [], []

    def hangs(request):
        return HANGS if "chat/completions" in request.url else None

    results = run(
        plan, host, inside, breaks=lambda request: hangs(request) if request.headers else None, breaks_inside=hangs
    )
    assert len([request for request in to_models(inside) if "chat/completions" in request.url]) == 1
    states = {(result.name, result.probe): result for result in results if result.hop is Hop.ENGINE}
    assert states["embed", "embedding"].state == "ok"
    assert states["chat", "chat"].state == "failed"
    assert states["chat", "chat stream"].skipped == "vllm-chat gave no answer to chat of chat"
    assert states["vllm-chat", "refuses without key"].skipped == "no answer within 60 s"


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        (Reply(status=200, body="{}"), "answered without a key"),
        (Reply(status=500, body='{"error":"x"}'), "expected HTTP 401, got HTTP 500: x"),
        (Reply(error="no connection: refused"), "no connection: refused"),
    ],
)
def test_a_door_that_is_open_or_broken_is_a_failure(plan, reply, complaint):
    results = run(plan, breaks=lambda request: None if request.headers else reply)
    (result,) = [result for result in results if result.probe == "refuses without key" and result.hop is Hop.GATEWAY]
    assert (result.complaint, result.service) == (complaint, "litellm")


def test_an_engine_that_lets_everybody_in_is_a_failure_at_its_own_hop(plan):
    results = run(plan, breaks_inside=lambda request: None if request.headers else Reply(status=200))
    failed = [(result.hop, result.service, result.complaint) for result in results if result.state == "failed"]
    assert failed == [(Hop.ENGINE, service, "answered without a key") for service in ("vllm-chat", "infinity")]


def test_a_model_that_nobody_has_must_be_refused(plan):
    def answers(request):
        return Reply(status=200) if request.body.get("model") == NOBODY else None

    results = run(plan, breaks=answers, breaks_inside=answers)
    failed = [(result.hop.value, result.service, result.complaint) for result in results if result.state == "failed"]
    words = "answered for a model that does not exist"
    assert failed == [("gateway", "litellm", words), ("engine", "vllm-chat", words)]


def test_a_store_that_answers_when_asked_again_is_well(plan):
    seen = []

    def once(request):
        if not request.url.endswith("/cache/ping"):
            return None
        seen.append(request)
        return Reply(status=503) if len(seen) == 1 else None

    assert all(result.state == "ok" for result in run(plan, breaks=once))
    assert len(seen) == 2


def test_without_a_database_the_gateway_refuses_a_wrong_key_in_other_words(plan):
    def refuses(status):
        return lambda request: Reply(status=status) if "wrong-key" in str(request.headers) else None

    for status, state in ((400, "ok"), (401, "ok"), (403, "failed"), (500, "failed")):
        results = run(plan, breaks=refuses(status))
        (result,) = [each for each in results if (each.probe, each.service) == ("refuses a wrong key", "litellm")]
        assert result.state == state


def test_a_gateway_that_runs_without_a_database_says_so(plan):
    without = Reply(status=200, body='{"status": "healthy", "db": "Not connected"}')
    results = run(plan, breaks=lambda request: without if request.url.endswith("/health/readiness") else None)
    (result,) = [each for each in results if each.service == "postgres"]
    words = "the gateway runs without a database, so it knows no teams and keys"
    assert (result.state, result.skipped) == ("skipped", words)


@pytest.mark.parametrize(
    ("section", "key", "there", "complaint"),
    [
        ("model_info", "mode", "chat", "mode is chat, must be embedding"),
        ("litellm_params", "model", "openai/embed", "model is openai/embed, must be infinity/embed"),
        ("litellm_params", "api_base", "http://x", "api_base is http://x, must be http://infinity:7997"),
    ],
)
def test_a_gateway_that_runs_with_another_entry_is_named_with_the_service(plan, section, key, there, complaint):
    def edited(request):
        if not request.url.endswith("/v1/model/info"):
            return None
        data = good(request, plan).json()
        data["data"][1][section][key] = there
        return Reply(status=200, body=json.dumps(data))

    results = run(plan, breaks=edited)
    failed = [(result.hop, result.service, result.complaint) for result in results if result.state == "failed"]
    assert failed == [(Hop.GATEWAY, "infinity", complaint)]
    assert list(smoke.diagnosis(plan, results)) == [
        f"embed: the gateway's entry for infinity is not the spec's: {complaint} -> `stackgen up`"
    ]


def test_entries_that_are_missing_and_strangers_are_told(plan):
    stranger = {"model_name": "gpt", "litellm_params": {}, "model_info": {"id": "gpt@elsewhere"}}

    def edited(request):
        if not request.url.endswith("/v1/model/info"):
            return None
        return Reply(status=200, body=json.dumps({"data": [good(request, plan).json()["data"][0], stranger]}))

    failed = [(result.service, result.complaint) for result in run(plan, breaks=edited) if result.state == "failed"]
    assert failed == [
        ("infinity", "the gateway has no such entry"),
        ("litellm", "the gateway serves `gpt` (id gpt@elsewhere), which is not in the spec"),
    ]


@pytest.mark.parametrize(
    ("path", "reply", "service", "complaint"),
    [
        (
            "/cache/ping",
            Reply(status=503, body='{"error":{"message":"Redis is down"}}'),
            "redis",
            "the gateway does not reach its cache: HTTP 503",
        ),
        (
            "/health/readiness",
            Reply(status=503, body='{"db": "disconnected"}'),
            "postgres",
            "the gateway does not reach its database: disconnected",
        ),
        (
            "/health/readiness",
            Reply(status=200, body="{}"),
            "postgres",
            "the gateway does not reach its database: it does not say why",
        ),
    ],
)
def test_a_store_that_the_gateway_lost_is_named(plan, path, reply, service, complaint):
    results = run(plan, breaks=lambda request: reply if request.url.endswith(path) else None)
    failed = [(result.hop, result.service, result.complaint) for result in results if result.state == "failed"]
    assert failed == [(Hop.GATEWAY, service, complaint)]


def test_without_the_gateways_key_nothing_is_sent(plan):
    with pytest.raises(StackError, match="LITELLM_MASTER_KEY"):
        smoke.run(plan, transport(plan), transport(plan), {})


def test_a_gateway_that_is_down_is_blamed_and_no_engine(plan):
    def down(request):
        return Reply(error="no connection: refused") if request.headers else None

    results = smoke.run(plan, transport(plan, breaks=down), smoke.unreachable("litellm does not run"), KEYS)
    assert list(smoke.diagnosis(plan, results)) == [
        "no model answers through the gateway, and no engine is to blame: look at litellm and its key first"
    ]
    at_engines = [result for result in results if result.hop is Hop.ENGINE]
    assert {result.skipped for result in at_engines if result.modality} == {"not asked: litellm does not run"}
    assert {result.state for result in at_engines} == {"skipped"}


def test_who_cannot_be_asked_is_blamed_for_nothing(plan):
    nowhere = smoke.unreachable("litellm does not run")
    results = smoke.run(plan, nowhere, nowhere, KEYS)
    assert {result.state for result in results} == {"skipped"}
    assert {result.skipped for result in results if not result.modality} == {"not asked: litellm does not run"}
    assert list(smoke.diagnosis(plan, results)) == []


def test_a_gateway_that_refuses_its_own_key_is_told_so(plan):
    refusal = Reply(status=401, body='{"error":{"message":"Authentication Error, Invalid proxy server token passed."}}')
    results = run(plan, breaks=lambda request: refusal if request.headers else None)
    (sentence,) = smoke.diagnosis(plan, results)
    assert sentence.startswith("no model answers through the gateway, and no engine is to blame")
    assert sentence.endswith("the gateway refuses its own key in .stackgen/secrets.env -> `stackgen up`")


def test_a_reply_of_another_shape_is_a_complaint(plan):
    strange = Reply(status=200, content_type="application/json", body='{"data":[1,2,3],"results":[1],"choices":[1]}')
    results = run(plan, breaks=lambda request: strange if request.headers else None)
    assert all(result.complaint for result in results if result.hop is Hop.GATEWAY and result.modality)


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
        return replace(good(request), headers=told) if request.body.get("model") == "shared" else None

    results = run(plan, host, breaks=breaks)
    assert [result.complaint for result in results if result.name == "shared" and result.modality] == [complaint]
    flags = {request.body["model"]: request.body.get("disable_fallbacks") for request in to_models(host)}
    assert flags == {"shared": None, "chat@vllm-chat": True, "more@vllm-more": True, "embed": True, "spare": True}


def test_an_answer_of_a_fallback_is_not_the_models_own(plan):
    def answered(request, attempts):
        return replace(good(request, plan), headers={"x-litellm-attempted-fallbacks": attempts})

    def complaints(attempts):
        results = run(plan, breaks=lambda request: answered(request, attempts))
        return {result.complaint for result in results if result.hop is Hop.GATEWAY and result.modality}

    assert complaints("0") == {None}
    assert complaints("1") == {"answered by a fallback, not by this model"}

    def empty(request):
        headers = {"x-litellm-attempted-fallbacks": "2"}
        return Reply(status=200, body="{}", headers=headers) if request.headers else None

    results = run(plan, breaks=empty)
    (complaint,) = [each.complaint for each in results if (each.probe, each.hop) == ("chat", Hop.GATEWAY)]
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
    """A plan with a route of each modality; chat can everything, speech speaks German."""
    quirks = {"chat": Quirks(tools=True, reasoning=True, structured=True), "speech": SPEAKS}
    return replace(plan, routes=tuple(route(name, quirks=quirks.get(name, Quirks())) for name in MODALITIES))


def test_every_modality_is_asked_by_what_the_model_can(every_modality):
    host, inside = [], []
    results = run(every_modality, host, inside)
    probes = [
        "chat",
        "chat stream",
        "chat unicode",
        "chat reasoning",
        "chat structured",
        "chat tools",
        "chat tool result",
    ]
    probes += [name for name in MODALITIES if name != "chat"]
    for hop in (Hop.GATEWAY, Hop.ENGINE):
        assert [result.probe for result in results if result.hop is hop and result.modality] == probes
    assert all(result.ok for result in results)
    assert {request.body["model"] for request in to_models(inside)} == {f"org/{name}" for name in MODALITIES}
    for requests in (host, inside):
        (speech,) = [each for each in to_models(requests) if each.url.endswith("/v1/audio/speech")]
        assert (speech.body["voice"], speech.body["input"]) == ("thorsten", facts.speech_texts()["de"])


def test_a_tools_result_goes_back_with_the_call_that_the_model_made(every_modality):
    host, inside = [], []
    own = {"tool_calls": [{"id": "mine", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}]}
    call = Reply(status=200, body=json.dumps({"choices": [{"message": own}]}))

    def calls(request):
        return call if len(request.body.get("messages", ())) == 1 and "tools" in request.body else None

    results = run(every_modality, host, inside, breaks=calls, breaks_inside=calls)
    assert all(result.ok for result in results)
    for requests in (host, inside):
        *_, last = to_models(requests)
        assert [message["role"] for message in last.body["messages"]] == ["user", "assistant", "tool"]
        assert last.body["messages"][1]["tool_calls"] == own["tool_calls"]


def test_nothing_goes_on_from_a_bad_answer(every_modality):
    results = run(every_modality, breaks_inside=lambda request: Reply(status=400) if "tools" in request.body else None)
    (follower,) = [each for each in results if (each.probe, each.hop) == ("chat tool result", Hop.ENGINE)]
    assert follower.skipped == "it goes on from the answer to chat tools"


def test_what_one_model_says_another_hears_on_the_same_way(every_modality):
    host, inside = [], []
    assert all(result.ok for result in run(every_modality, host, inside, exact=True))
    for requests in (host, inside):
        (heard,) = [request for request in to_models(requests) if request.upload]
        assert (heard.upload.name, heard.upload.content_type, heard.body["language"]) == (
            "speech.wav",
            "audio/wav",
            "de",
        )
        said = MODALITIES["speech"].probes[0].good[0].content()
        assert base64.b64decode(heard.upload.data)[8:].startswith(said[8:])


@pytest.mark.parametrize(("exact", "complaints"), [(False, 0), (True, 2)])
def test_of_what_was_said_stand_ins_must_hear_each_word(every_modality, exact, complaints):
    heard = Reply(status=200, body=json.dumps({"text": "Guten Tag, dies ist eine kurze Probe der Summe."}))

    def mishears(request):
        return heard if request.upload and request.upload.name == "speech.wav" else None

    results = run(every_modality, breaks=mishears, breaks_inside=mishears, exact=exact)
    assert len([result for result in results if not result.ok]) == complaints


def test_a_recording_travels_as_a_file_of_its_own_per_request(every_modality):
    host, inside = [], []
    silent = replace(every_modality, routes=tuple(each for each in every_modality.routes if each.modality != "speech"))
    run(silent, host, inside)
    uploads = [request for requests in (host, inside) for request in to_models(requests) if request.upload]
    assert [request.url for request in uploads] == [
        "http://127.0.0.1:4000/v1/audio/transcriptions",
        "http://made-up:8000/v1/audio/transcriptions",
    ]
    assert len({request.upload.data for request in uploads}) == 2
    for request in uploads:
        assert base64.b64decode(request.upload.data).startswith(b"RIFF")
        assert "cache" not in request.body  # fields of a form are texts, and this one is an object
        json.dumps(asdict(request))


def test_an_ear_for_one_language_is_not_given_another(every_modality):
    host = []
    routes = [replace(each, quirks=Quirks(hears="en")) if each.modality == "transcription" else each
              for each in every_modality.routes]  # fmt: skip
    run(replace(every_modality, routes=tuple(routes)), host)
    assert [request.upload.name for request in to_models(host) if request.upload] == ["spoken.wav"]


def test_an_engine_with_a_dialect_of_its_own_is_asked_where_it_takes_openais(plan):
    inside = []
    native = route("chat", endpoint="/api/chat", base_path="", probe_endpoint="/v1/chat/completions", key=None)
    run(replace(plan, routes=(native,)), inside=inside)
    asked = [(request.url, request.headers) for request in inside]
    assert asked == [("http://made-up:8000/v1/chat/completions", {})] * 4  # three probes, and a model that nobody has


def test_the_door_is_tried_with_a_form_too(every_modality):
    host = []
    run(replace(every_modality, routes=every_modality.routes[5:6]), host)
    refused = [request for request in host if not request.headers]
    assert [request.upload.name for request in refused] == ["spoken.wav"]


def test_the_gateway_must_hand_on_the_engines_own_vectors(plan):
    other = vectors([1.0, 0.0], [1.0, 0.1], [-1.0, 0.0])
    results = run(plan, breaks=lambda request: other if to_models([request]) and "input" in request.body else None)
    failed = [(each.hop, each.probe, each.complaint) for each in results if not each.ok]
    assert failed == [(Hop.GATEWAY, "embedding", "the gateway's vectors are not the engine's: likeness -0.752")]


@pytest.mark.parametrize(
    ("wishes", "asked"),
    [
        (Wishes(models=("embed",)), {("embed", "embedding")}),
        (Wishes(modalities=("embedding",)), {("embed", "embedding")}),
        (Wishes(models=("embed", "chat"), modalities=("embedding",)), {("embed", "embedding")}),
    ],
)
def test_wishes_narrow_what_is_asked(plan, wishes, asked):
    results = run(plan, wishes=wishes)
    assert {(result.name, result.probe) for result in results if result.modality} == asked
    assert {result.service for result in results if not result.modality} == {"litellm", "infinity", "redis", "postgres"}


@pytest.mark.parametrize(
    ("wishes", "message", "hint"),
    [
        (Wishes(models=("embd",)), "the stack has no model `embd`", "did you mean `embed`?"),
        (Wishes(modalities=("speach",)), "the stack has no modality `speach`", "known here: chat, embedding"),
        (Wishes(models=("chat",), modalities=("embedding",)), "nothing to ask: chat does not serve embedding", "drop"),
    ],
)
def test_a_wish_for_what_is_not_there_is_refused(plan, wishes, message, hint):
    with pytest.raises(StackError) as refused:
        run(plan, wishes=wishes)
    assert refused.value.message == message
    assert refused.value.hint.startswith(hint)


def test_a_small_budget_of_tokens_still_asks_each_model_something_and_lists_the_rest(plan):
    host = []
    results = run(plan, host, wishes=Wishes(tokens=250))
    states = {(result.probe, result.hop): result for result in results if result.modality}
    assert states["chat", Hop.GATEWAY].state == states["embedding", Hop.ENGINE].state == "ok"
    left_out = states["chat structured", Hop.ENGINE]
    assert left_out.skipped == "the budget of 250 tokens is used up; --budget-tokens sets another"
    assert "response_format" not in str([request.body for request in host])


def test_a_budget_that_no_request_fits_into_proves_nothing(plan):
    report = Report("small", results=run(plan, wishes=Wishes(tokens=1)))
    assert {result.state for result in report.results if result.modality} == {"skipped"}
    assert any(result.state == "ok" for result in report.results)
    assert (report.ok, report.unproven) == (False, ("chat", "embed"))


def test_the_budget_of_seconds_limits_each_wait_and_lists_what_came_too_late(plan, monkeypatch):
    host = []
    moments = iter([0.0, 0.0])
    monkeypatch.setattr("stackgen.smoke.course.time.monotonic", lambda: next(moments, 20.5))
    results = run(plan, host, wishes=Wishes(seconds=21.0))
    assert {request.within_seconds for request in host} == {0.5}
    assert {request.timeout_seconds for request in host} == {0.5}
    (late,) = [result for result in results if (result.probe, result.hop) == ("chat stream", Hop.ENGINE)]
    assert late.skipped == "the budget of 21 seconds is used up; --budget-seconds sets another"


def test_how_far_it_is_is_told_after_each_wave(plan):
    said = []
    run(plan, tell=said.append)
    assert [line.split("s  ")[1] for line in said] == [
        "4 of 10 requests to models are done",
        "10 of 10 requests to models are done",
    ]


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
            by_name = request.headers and request.body.get("model") == "small"
            headers = {"x-litellm-model-id": identifier, "x-litellm-attempted-fallbacks": "0"}
            return replace(good(request), headers=headers) if by_name else None

        return breaks

    for identifier in ("a@ollama", "b@ollama"):
        results = run(shared, host, breaks=answered_by(identifier))
        assert [result for result in results if not result.ok and result.hop is Hop.GATEWAY] == []
    assert {request.body["model"] for request in to_models(host)} == {"a@ollama", "b@ollama", "small"}


def test_every_kind_of_refusal_has_advice_where_it_can_come_up():
    kinds = {entry.cause for entry in request_causes()}
    for hop in Hop:
        advice = request_advice(hop.value)
        assert set(advice) <= kinds
        names = dict.fromkeys(("project", "service", "gateway", "url", "base", "served", "up", "logs"), "x")
        assert all(text.format(**names) for text in advice.values())
    assert {"silent", "unreachable", "key", "path", "wrong model"} <= set(request_advice("gateway")) & set(
        request_advice("engine")
    )
