"""The strict servers answer what probes ask of the true routes, and refuse what the engines refuse."""

from __future__ import annotations

import base64
import json

import pytest
from engine_kinds import KINDS
from engines_strict import StrictEngine
from pictures import colour

from stackgen import smoke
from stackgen.modalities import MODALITIES, Reply
from stackgen.parts import Quirks

KEY = "sk-strict"
MODEL = "org/model"
PICTURE = MODALITIES["vision"].probes[0].body(Quirks())["messages"][0]["content"][1]["image_url"]["url"]
SERVED = {
    "vllm": {"chat": "/v1/chat/completions", "vision": "/v1/chat/completions", "completion": "/v1/completions"},
    "infinity": {"embedding": "/embeddings", "rerank": "/rerank"},
    "ollama": {
        "chat": "/v1/chat/completions",
        "vision": "/v1/chat/completions",
        "completion": "/v1/completions",
        "embedding": "/v1/embeddings",
    },
    "speaches": {"transcription": "/v1/audio/transcriptions", "speech": "/v1/audio/speech"},
}
"""Where each engine takes OpenAI's requests."""
ASKED = [
    pytest.param(kind, path, probe, id=f"{kind} {probe.name}")
    for kind, paths in SERVED.items()
    for modality, path in paths.items()
    for probe in MODALITIES[modality].probes
]


@pytest.fixture
def engine(request):
    """A listening engine of the kind that the test names, and what it recorded."""
    calls = []
    made = StrictEngine(
        service=request.param,
        kind=KINDS[request.param],
        served_names=[MODEL],
        key=KEY,
        record=calls.append,
        words=("--enable-auto-tool-choice", "--tool-call-parser", "hermes"),
    )
    with made.listening():
        yield made, calls


def ask(engine, path, body, *, key=KEY, upload=None) -> Reply:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    url = f"http://127.0.0.1:{engine.port}{path}"
    return smoke.from_this_host([smoke.Request(url=url, headers=headers, body=body, upload=upload)])[0]


def probed(engine, path, probe, *, model=MODEL, key=KEY) -> Reply:
    return ask(engine, path, {"model": model, **probe.body(Quirks())}, key=key, upload=smoke.File.of(probe.upload))


@pytest.mark.parametrize(("engine", "path", "probe"), ASKED, indirect=["engine"])
def test_probes_are_answered_well_on_the_true_path_alone(engine, path, probe):
    made, calls = engine
    assert probe.judge(probed(made, path, probe)) is None
    wrong = path.removeprefix("/v1") if path.startswith("/v1") else f"/v1{path}"
    assert probed(made, wrong, probe).status == 404
    assert probed(made, path, probe, model="nobody").status == (400 if made.service == "infinity" else 404)
    assert [(call.path, call.model, call.asks_model) for call in calls] == [
        (path, MODEL, True),
        (wrong, MODEL, True),
        (path, "nobody", True),
    ]


@pytest.mark.parametrize("engine", SERVED, indirect=True)
def test_only_ollama_knows_no_keys(engine):
    made, _ = engine
    modality, path = next(iter(SERVED[made.service].items()))
    statuses = {probed(made, path, MODALITIES[modality].probes[0], key=key).status for key in ("", "sk-other")}
    assert statuses == {{"ollama": 200, "speaches": 403}.get(made.service, 401)}


@pytest.mark.parametrize("engine", ["vllm"], indirect=True)
def test_vllm_calls_tools_by_itself_only_with_both_flags(engine):
    made, _ = engine
    made.words = ("--tool-call-parser", "hermes")
    probe = MODALITIES["chat"].probes[2]
    complaint = probe.judge(probed(made, "/v1/chat/completions", probe))
    assert (
        complaint == 'HTTP 400: "auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
    )


@pytest.mark.parametrize("engine", ["ollama"], indirect=True)
def test_ollamas_own_chat(engine):
    made, _ = engine
    messages = [{"role": "user", "content": "Hello"}]
    whole = ask(made, "/api/chat", {"model": MODEL, "messages": messages, "stream": False}).json()
    assert (whole["message"], whole["done"]) == ({"role": "assistant", "content": "Paris."}, True)
    stream = ask(made, "/api/chat", {"model": f"{MODEL}:latest", "messages": messages})
    assert stream.content_type == "application/x-ndjson"
    assert [json.loads(line)["done"] for line in stream.body.splitlines()] == [False, True]
    picture = {"role": "user", "content": "Colour?", "images": [PICTURE.partition(",")[2]]}
    seen = ask(made, "/api/chat", {"model": MODEL, "messages": [picture], "stream": False})
    assert seen.json()["message"]["content"] == "Red"
    tools = MODALITIES["chat"].probes[2].body(Quirks())["tools"]
    called = ask(made, "/api/chat", {"model": MODEL, "messages": messages, "tools": tools, "stream": False}).json()
    function = called["message"]["tool_calls"][0]["function"]
    assert function == {"name": "get_weather", "arguments": {"city": "Paris"}}


@pytest.mark.parametrize("engine", ["ollama"], indirect=True)
@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": [{"type": "text", "text": "OpenAI's form"}]},
        {"role": "user", "content": "Colour?", "images": [PICTURE]},
        {"role": "user", "content": "Colour?", "images": ["bm8gcGljdHVyZQ=="]},
    ],
)
def test_ollamas_own_chat_refuses_openais_pictures(engine, message):
    assert ask(engine[0], "/api/chat", {"model": MODEL, "messages": [message]}).status == 400


@pytest.mark.parametrize("engine", ["ollama"], indirect=True)
def test_what_ollama_tells_about_itself_asks_no_model(engine):
    made, calls = engine
    assert ask(made, "/api/show", {"model": MODEL}).json()["capabilities"]
    assert ask(made, "/api/show", {"model": "nobody"}).status == 404
    assert made.judge("GET", "/api/tags", None, None).json()["models"][0]["name"] == f"{MODEL}:latest"
    assert made.judge("GET", "/api/version", None, None).json()["version"]
    assert len(ask(made, "/api/embed", {"model": MODEL, "input": ["a", "b"]}).json()["embeddings"]) == 2
    assert [call.asks_model for call in calls] == [False, False, True]


@pytest.mark.parametrize("engine", ["speaches"], indirect=True)
@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"voice": "af"}, 200),
        ({}, 422),
        ({"voice": "af", "input": ""}, 422),
        ({"voice": "af", "response_format": "opus"}, 422),
        *(({"voice": "af", "response_format": form}, 200) for form in ("mp3", "flac", "wav", "pcm")),
    ],
)
def test_speaches_speaks_four_formats_and_wants_a_voice(engine, more, status):
    reply = ask(engine[0], "/v1/audio/speech", {"model": MODEL, "input": "Hello", **more})
    assert (reply.status, reply.content_type.partition("/")[0]) == (status, "audio" if status == 200 else "application")


@pytest.mark.parametrize("engine", ["speaches"], indirect=True)
def test_speaches_wants_a_recording(engine):
    made, _ = engine
    assert ask(made, "/v1/audio/transcriptions", {"model": MODEL}).status == 422
    noise = smoke.File(field="file", name="a.wav", content_type="audio/wav", data=base64.b64encode(b"no").decode())
    assert ask(made, "/v1/audio/transcriptions", {"model": MODEL}, upload=noise).status == 415
    probe = MODALITIES["transcription"].probes[0]
    complaint = probe.judge(probed(made, "/v1/audio/transcriptions", probe, model="nobody"))
    assert complaint.startswith("HTTP 404: Model 'nobody' is not installed locally.")


def test_a_damaged_picture_has_no_colour():
    content = bytearray(base64.b64decode(PICTURE.partition(",")[2]))
    assert colour(PICTURE) == "Red"
    content[45] ^= 1
    with pytest.raises(ValueError, match="sum"):
        colour(base64.b64encode(content).decode())
