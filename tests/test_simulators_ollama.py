"""The stand-in for Ollama, asked over a socket: pulls, answers in both dialects, refusals, and what stays over a restart."""

from __future__ import annotations

import base64
import json
import struct
from concurrent.futures import ThreadPoolExecutor

import pytest
from pictures import square
from simulated import fetch, form, send, served

from stackgen.modalities import MODALITIES
from stackgen.parts import Quirks
from stackgen.simulators import ollama

CHAT, SEES, EMBEDS = "qwen3:0.6b", "qwen2.5vl:7b", "nomic-embed-text"
HELLO = {"role": "user", "content": "Good morning, whoever you are!"}


def door(folder, **environment):
    known = {"HOME": str(folder), "OLLAMA_HOST": "127.0.0.1:0", "STAND_IN_PULL_SECONDS": "0.01"}
    return ollama.door(["serve"], {**known, **environment}, "0.32.15")


@pytest.fixture
def url(tmp_path):
    with served(door(tmp_path)) as url:
        yield url


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """One that has a model of each kind."""
    with served(door(tmp_path_factory.mktemp("ollama"))) as url:
        for model in (CHAT, SEES, EMBEDS):
            assert send("POST", f"{url}/api/pull", {"model": model, "stream": False}).json() == {"status": "success"}
        yield url


def test_the_job_fetches_models_once(url):
    first = fetch("ollama", url, CHAT, "Qwen3:8B", "hf.co/Owner/Some-GGUF:Q4_K_M")
    assert (first.returncode, first.stderr) == (0, "")
    assert "Qwen3:8B: 100 % of 4.9 GiB" in first.stdout
    assert "3 of 3 models are there" in first.stdout
    second = fetch("ollama", url, CHAT, "Qwen3:8B", "hf.co/Owner/Some-GGUF:Q4_K_M")
    assert (second.returncode, second.stdout.count(": present")) == (0, 3)
    names = {row["name"] for row in send("GET", f"{url}/api/tags").json()["models"]}
    assert names == {CHAT, "Qwen3:8B", "hf.co/Owner/Some-GGUF:Q4_K_M"}


def test_a_model_of_no_registry_is_a_failure_at_the_first_attempt(url):
    done = fetch("ollama", url, "missing:1b", CHAT)
    assert done.returncode == 1
    assert "no such model or tag (pull model manifest: file does not exist)" in done.stdout
    assert "attempt" not in done.stdout
    assert "1 of 2 models are there" in done.stdout


def test_a_pull_tells_growing_layers_and_then_success(url):
    got = send("POST", f"{url}/api/pull", {"model": CHAT})
    lines = got.lines()
    assert (got.status, got.headers["content-type"]) == (200, "application/x-ndjson")
    assert [line["status"] for line in (lines[0], *lines[-3:])] == [
        "pulling manifest", "verifying sha256 digest", "writing manifest", "success",
    ]  # fmt: skip
    weights = [line for line in lines if line.get("total", 0) > 2**28]
    done = [line.get("completed", 0) for line in weights]
    assert done == sorted(done)
    assert done[0] == 0
    assert done[-1] == weights[0]["total"] == round(0.49 * 2**30)
    assert {line["status"] for line in weights} == {f"pulling {weights[0]['digest'][7:19]}"}


def test_a_failure_is_a_line_of_a_stream_and_a_status_of_a_whole_answer(url):
    asked = {"model": "gone"}
    streamed, whole = (send("POST", f"{url}/api/pull", {**asked, "stream": stream}) for stream in (True, False))
    error = {"error": "pull model manifest: file does not exist"}
    assert (streamed.status, streamed.lines()) == (200, [{"status": "pulling manifest"}, error])
    assert (whole.status, whole.json()) == (500, error)


@pytest.mark.parametrize("name", ["", "a b", "/m", "m:", "a/b/c/d/e", "-m", "m:x/y:"])
def test_what_is_no_name_of_a_model_is_refused(url, name):
    got = send("POST", f"{url}/api/pull", {"model": name})
    assert (got.status, got.json()) == (400, {"error": "invalid model name"})


def test_many_may_pull_list_and_delete_at_once(url):
    def work(number):
        if number % 4 == 3:
            return send("GET", f"{url}/api/tags").status == 200
        if number % 4 == 2:
            return send("DELETE", f"{url}/api/delete", {"model": CHAT}).status in {200, 404}
        return send("POST", f"{url}/api/pull", {"model": CHAT}).lines()[-1] == {"status": "success"}

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(work, range(200)))


def test_models_stay_over_a_restart(tmp_path):
    with served(door(tmp_path)) as url:
        send("POST", f"{url}/api/pull", {"model": CHAT, "stream": False})
        before = send("GET", f"{url}/api/tags").json()
    with served(door(tmp_path)) as url:
        assert send("GET", f"{url}/api/tags").json() == before
        assert send("GET", f"{url}/api/ps").json() == {"models": []}
        assert send("POST", f"{url}/api/chat", {"model": CHAT, "messages": [HELLO]}).status == 200


def test_a_copy_is_the_same_model_under_another_name_and_both_can_be_deleted(url):
    send("POST", f"{url}/api/pull", {"model": EMBEDS, "stream": False})
    assert send("POST", f"{url}/api/copy", {"source": EMBEDS, "destination": "mine"}).status == 200
    embedded = send("POST", f"{url}/api/embed", {"model": "mine", "input": "a"}).json()
    assert len(embedded["embeddings"][0]) == 768
    assert send("POST", f"{url}/api/chat", {"model": "mine", "messages": [HELLO]}).json() == {
        "error": '"mine" does not support chat'
    }
    for name in ("mine:latest", EMBEDS):
        assert send("DELETE", f"{url}/api/delete", {"model": name}).status == 200
    assert send("DELETE", f"{url}/api/delete", {"model": EMBEDS}).json() == {"error": f"model '{EMBEDS}' not found"}
    assert send("GET", f"{url}/api/tags").json() == {"models": []}


def test_a_folder_that_cannot_be_written_ends_the_start(tmp_path, capsys):
    (tmp_path / ".ollama").write_text("a file")
    with pytest.raises(SystemExit) as ended:
        door(tmp_path)
    assert ended.value.code == 1
    assert "not a directory" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["server"], ["serve", "--port", "1"]])
def test_a_wrong_command_ends_the_start(tmp_path, words):
    with pytest.raises(SystemExit) as ended:
        ollama.door(words, {"HOME": str(tmp_path)}, "0.32.15")
    assert ended.value.code == 1


@pytest.mark.parametrize(
    ("host", "port"), [("", 11434), ("0.0.0.0:11434", 11434), ("0.0.0.0", 11434), ("http://[::]:8080/x", 8080)]
)
def test_the_port_is_that_of_its_variable(tmp_path, host, port):
    assert door(tmp_path, OLLAMA_HOST=host).port == port


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/", 200, "Ollama is running"),
        ("HEAD", "/", 200, ""),
        ("HEAD", "/api/tags", 200, ""),
        ("GET", "/api/version", 200, '{"version":"0.32.15"}'),
        ("GET", "/v1", 404, "404 page not found"),
        ("POST", "//api/chat", 404, "404 page not found"),
        ("POST", "/v1/api/chat", 404, "404 page not found"),
        ("POST", "/v1/rerank", 404, "404 page not found"),
        ("GET", "/api/chat", 405, "405 method not allowed"),
        ("HEAD", "/api/ps", 405, ""),
        ("POST", "/api/chat", 400, '{"error":"missing request body"}'),
    ],
)
def test_its_routes_and_no_others(full, method, path, status, text):
    got = send(method, full + path)
    assert (got.status, got.text) == (status, text)
    assert "server" not in got.headers


def test_a_slash_at_the_end_leads_to_the_route(full):
    assert send("GET", f"{full}/api/tags/").status == 301
    assert send("POST", f"{full}/api/chat/", {}).headers["location"] == "/api/chat"


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate", "/api/embed", "/api/show"])
def test_a_model_that_was_not_pulled_is_not_found(full, path):
    body = {"model": "llama3.2:1b", "messages": [HELLO], "prompt": "a", "input": "a"}
    got = send("POST", full + path, body)
    assert (got.status, got.json()) == (404, {"error": "model 'llama3.2:1b' not found"})


def test_refusals_of_the_other_dialect_have_its_form(full):
    got = send("POST", f"{full}/v1/chat/completions", {"model": "no", "messages": [HELLO]})
    error = {"message": "model 'no' not found", "type": "not_found_error", "param": None, "code": None}
    assert (got.status, got.json()) == (404, {"error": error})
    empty = send("POST", f"{full}/v1/chat/completions", {"model": CHAT, "messages": []})
    assert (empty.status, empty.json()["error"]["message"]) == (400, "[] is too short - 'messages'")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"messages": "hello"}, "json: cannot unmarshal string into Go struct field ChatRequest.messages of type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "ChatRequest.messages.content of type string"),
        ({"messages": [{**HELLO, "images": ["data:image/png;base64,AAAA"]}]}, "illegal base64 data at input byte 4"),
        ({"messages": [HELLO], "stream": "no"}, "cannot unmarshal string into Go struct field ChatRequest.stream of type bool"),
        ({"messages": [HELLO], "options": {"num_ctx": "8k"}}, 'option "num_ctx" must be of type integer'),
        ({"messages": [HELLO], "keep_alive": "soon"}, 'time: invalid duration "soon"'),
    ],
)  # fmt: skip
def test_a_body_of_another_form_is_refused(full, body, said):
    got = send("POST", f"{full}/api/chat", {"model": CHAT, **body})
    assert got.status == 400
    assert said in got.json()["error"]


@pytest.mark.parametrize("content", [b"{", b"[1]", b"nonsense", b"\xff"])
def test_what_is_no_object_is_refused(full, content):
    assert send("POST", f"{full}/api/chat", content).status == 400


def test_a_chat_is_a_stream_of_lines_unless_it_is_told_otherwise(full):
    got = send("POST", f"{full}/api/chat", {"model": CHAT, "messages": [HELLO], "think": False})
    assert got.headers["content-type"] == "application/x-ndjson"
    *pieces, last = got.lines()
    assert len(pieces) > 3
    assert not any(piece["done"] for piece in pieces)
    said = "".join(piece["message"]["content"] for piece in pieces)
    assert HELLO["content"] in said
    assert (last["done"], last["done_reason"], last["message"]["content"]) == (True, "stop", "")
    assert last["eval_count"] == len(pieces)
    whole = send("POST", f"{full}/api/chat", {"model": CHAT, "messages": [HELLO], "think": False, "stream": False})
    assert whole.json()["message"] == {"role": "assistant", "content": said}
    assert whole.headers["content-type"] == "application/json; charset=utf-8"


def test_a_model_that_thinks_tells_its_thoughts_beside_the_answer(full):
    body = {"model": CHAT, "messages": [HELLO], "stream": False}
    thought = send("POST", f"{full}/api/chat", body).json()["message"]
    assert thought["thinking"]
    assert HELLO["content"] in thought["content"]
    assert "thinking" not in send("POST", f"{full}/api/chat", {**body, "think": False}).json()["message"]
    cut = send("POST", f"{full}/api/chat", {**body, "options": {"num_predict": 3}}).json()
    assert (cut["message"]["content"], cut["done_reason"], cut["eval_count"]) == ("", "length", 4)
    refused = send("POST", f"{full}/api/chat", {**body, "model": SEES, "think": True})
    assert (refused.status, refused.json()) == (400, {"error": f'"{SEES}" does not support thinking'})


def test_a_prompt_that_is_too_long_loses_its_beginning(full):
    words = " ".join(f"word{number}" for number in range(200))
    body = {"model": CHAT, "messages": [{"role": "user", "content": words}], "stream": False, "think": False}
    got = send("POST", f"{full}/api/chat", {**body, "options": {"num_ctx": 20}}).json()
    assert got["prompt_eval_count"] == 20
    assert "word0 " not in got["message"]["content"]
    assert "word181" in got["message"]["content"]


def test_the_server_says_how_much_context_there_is(tmp_path):
    words = " ".join(f"word{number}" for number in range(200))
    with served(door(tmp_path, OLLAMA_CONTEXT_LENGTH="50")) as url:
        send("POST", f"{url}/api/pull", {"model": CHAT, "stream": False})
        got = send("POST", f"{url}/api/generate", {"model": CHAT, "prompt": words, "stream": False})
        assert got.json()["prompt_eval_count"] == 50
        assert send("GET", f"{url}/api/ps").json()["models"][0]["context_length"] == 50


def test_num_predict_and_stop_end_an_answer(full):
    body = {"model": CHAT, "messages": [HELLO], "stream": False, "think": False}
    cut = send("POST", f"{full}/api/chat", {**body, "options": {"num_predict": 4}}).json()
    assert (cut["done_reason"], cut["eval_count"]) == ("length", 4)
    stopped = send("POST", f"{full}/api/chat", {**body, "options": {"stop": ["morning"]}}).json()
    assert stopped["done_reason"] == "stop"
    assert stopped["message"]["content"].endswith("Good ")


def test_an_answer_fits_the_schema_that_is_asked_for(full):
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    body = {"model": CHAT, "messages": [{"role": "user", "content": "I live in Paris"}], "stream": False}
    answered = send("POST", f"{full}/api/chat", {**body, "format": schema}).json()["message"]["content"]
    assert json.loads(answered) == {"city": "Paris"}
    loose = send("POST", f"{full}/api/chat", {**body, "format": "json"}).json()["message"]["content"]
    assert isinstance(json.loads(loose), dict)
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": schema}}
    openai = send("POST", f"{full}/v1/chat/completions", {"model": CHAT, **body, "response_format": form}).json()
    assert json.loads(openai["choices"][0]["message"]["content"]) == {"city": "Paris"}
    assert send("POST", f"{full}/api/chat", {**body, "format": "xml"}).status == 500


@pytest.mark.parametrize(
    ("model", "modality"), [(CHAT, "chat"), (SEES, "vision"), (EMBEDS, "embedding"), (SEES, "chat")]
)
def test_probes_are_content(full, model, modality):
    """Those that a model of this kind is asked."""
    quirks = Quirks(tools=model == CHAT, reasoning=model == CHAT)
    for probe in MODALITIES[modality].probes_for(quirks):
        body = {"model": model, **probe.body(quirks)}
        got = send("POST", full + MODALITIES[modality].path, body)
        assert probe.complaint(got.reply()) is None, probe.name


def test_a_model_without_tools_refuses_them(full):
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    got = send("POST", f"{full}/api/chat", {"model": SEES, "messages": [HELLO], "tools": [tool]})
    assert got.status == 400
    assert got.json() == {"error": f"registry.ollama.ai/library/{SEES} does not support tools"}


def test_a_call_has_an_object_of_arguments_and_the_answer_of_the_tool_is_talked_about(full):
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tools = [
        {
            "type": "function",
            "function": {"name": "get_time", "description": "Tells the hour.", "parameters": parameters},
        },
        {
            "type": "function",
            "function": {"name": "get_weather", "description": "Tells the weather.", "parameters": parameters},
        },
    ]
    asked = {"role": "user", "content": "How is the weather in Paris?"}
    body = {"model": CHAT, "messages": [asked], "tools": tools, "stream": False}
    message = send("POST", f"{full}/api/chat", body).json()["message"]
    function = message["tool_calls"][0]["function"]
    assert (message["content"], function) == ("", {"index": 0, "name": "get_weather", "arguments": {"city": "Paris"}})
    told = {"role": "tool", "content": "It rains.", "tool_name": "get_weather"}
    after = send("POST", f"{full}/api/chat", {**body, "messages": [asked, message, told]}).json()["message"]
    assert "It rains." in after["content"]
    assert "tool_calls" not in after
    events = send("POST", f"{full}/v1/chat/completions", {**body, "stream": True}).events()
    calls = [call for event in events for call in event["choices"][0]["delta"].get("tool_calls", ())]
    assert json.loads(calls[0]["function"]["arguments"]) == {"city": "Paris"}
    assert events[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_a_model_without_eyes_does_not_see_the_picture(full):
    body = MODALITIES["vision"].probes[0].body(Quirks())
    got = send("POST", f"{full}/v1/chat/completions", {"model": CHAT, **body})
    assert MODALITIES["vision"].probes[0].complaint(got.reply()) is not None
    png = body["messages"][0]["content"][1]["image_url"]["url"].partition(",")[2]
    assert square(base64.b64decode(png))[2] == {b"\xff\x00\x00"}
    own = {"messages": [{"role": "user", "content": "What is it?", "images": [png]}], "stream": False}
    assert " red." in send("POST", f"{full}/api/chat", {"model": SEES, **own}).json()["message"]["content"]
    prompt = {"prompt": "What is it?", "images": [png], "stream": False}
    assert " red." in send("POST", f"{full}/api/generate", {"model": SEES, **prompt}).json()["response"]
    broken = {**prompt, "images": [base64.b64encode(b"no picture at all").decode()]}
    assert send("POST", f"{full}/api/generate", {"model": SEES, **broken}).status == 500


def test_a_stream_of_events_ends_with_the_counts_that_are_wanted(full):
    body = {"model": CHAT, "messages": [HELLO], "stream": True, "reasoning_effort": "none"}
    events = send("POST", f"{full}/v1/chat/completions", body).events()
    assert {event["system_fingerprint"] for event in events} == {"fp_ollama"}
    said = "".join(event["choices"][0]["delta"]["content"] for event in events)
    assert HELLO["content"] in said
    assert [event["choices"][0]["finish_reason"] for event in events] == [None] * (len(events) - 1) + ["stop"]
    counted = send("POST", f"{full}/v1/chat/completions", {**body, "stream_options": {"include_usage": True}}).events()
    assert counted[-1]["choices"] == []
    assert counted[-1]["usage"]["completion_tokens"] == len(events) - 1
    text = send("POST", f"{full}/v1/completions", {"model": CHAT, "prompt": "Hello", "stream": True}).events()
    assert "Hello" in "".join(event["choices"][0]["text"] for event in text)


def test_routes_without_work_behind_them_check_what_they_are_asked(full):
    recording, kind = form(model=CHAT, file=("a.wav", "audio/wav", b"RIFF"))
    for path, body, headers in (
        ("/v1/responses", {"model": CHAT, "input": "Good evening"}, {}),
        ("/v1/messages", {"model": CHAT, "messages": [HELLO]}, {}),
        ("/v1/audio/transcriptions", recording, {"Content_Type": kind}),
    ):
        got = send("POST", full + path, body, **headers)
        assert (got.status, got.json()["error"]["message"]) == (501, f"A stand-in does no work at {path}")
        assert send("POST", full + path, {"model": CHAT}).status == 400
    unknown = send("POST", f"{full}/v1/responses", {"model": "no", "input": "Good evening"})
    assert (unknown.status, unknown.json()["error"]["message"]) == (404, "model 'no' not found")


def test_vectors_have_the_size_of_the_catalogue_whatever_the_case_of_the_name(full, url):
    send("POST", f"{url}/api/pull", {"model": "Qwen3:0.6B", "stream": False})
    assert len(send("POST", f"{url}/api/embed", {"model": "Qwen3:0.6B", "input": "a"}).json()["embeddings"][0]) == 1024
    both = send("POST", f"{full}/api/embed", {"model": CHAT, "input": ["a cat", "a car"]}).json()
    assert [len(vector) for vector in both["embeddings"]] == [1024, 1024]
    assert both["embeddings"][0] != both["embeddings"][1]
    old = send("POST", f"{full}/api/embeddings", {"model": CHAT, "prompt": "a cat"}).json()
    assert old["embedding"] == both["embeddings"][0]
    packed = {"model": CHAT, "input": "a cat", "encoding_format": "base64", "dimensions": 8}
    data = send("POST", f"{full}/v1/embeddings", packed).json()["data"][0]["embedding"]
    assert len(struct.unpack("<8f", base64.b64decode(data))) == 8
    assert send("POST", f"{full}/api/embed", {"model": CHAT, "input": {"a": 1}}).json() == {
        "error": "invalid input type"
    }


def test_loaded_models_stay_as_long_as_they_are_told(tmp_path):
    def loaded(url):
        return [row["name"] for row in send("GET", f"{url}/api/ps").json()["models"]]

    with served(door(tmp_path, OLLAMA_MAX_LOADED_MODELS="2", OLLAMA_KEEP_ALIVE="10m")) as url:
        for model in (CHAT, SEES, EMBEDS):
            send("POST", f"{url}/api/pull", {"model": model, "stream": False})
        send("POST", f"{url}/api/chat", {"model": CHAT, "messages": [HELLO], "keep_alive": -1})
        send("POST", f"{url}/api/chat", {"model": SEES, "messages": [HELLO]})
        assert loaded(url) == [CHAT, SEES]
        send("POST", f"{url}/api/embed", {"model": EMBEDS, "input": "a"})
        assert loaded(url) == [CHAT, f"{EMBEDS}:latest"]
        gone = send("POST", f"{url}/api/generate", {"model": CHAT, "keep_alive": 0}).json()
        assert (gone["done"], gone["done_reason"], loaded(url)) == (True, "unload", [f"{EMBEDS}:latest"])
        assert send("POST", f"{url}/api/chat", {"model": CHAT}).json()["done_reason"] == "load"
        assert loaded(url) == [CHAT, f"{EMBEDS}:latest"] or loaded(url) == [f"{EMBEDS}:latest", CHAT]


def test_a_model_says_what_it_can_do(full):
    shown = send("POST", f"{full}/api/show", {"model": CHAT}).json()
    assert shown["capabilities"] == ["completion", "tools", "thinking"]
    assert ".Tools" in shown["template"]
    assert shown["model_info"] == {
        "general.architecture": "qwen3", "qwen3.context_length": 40960, "qwen3.embedding_length": 1024,
    }  # fmt: skip
    assert ".Tools" not in send("POST", f"{full}/api/show", {"name": SEES}).json()["template"]
    assert send("GET", f"{full}/v1/models/{CHAT}").json()["id"] == CHAT
    assert {row["id"] for row in send("GET", f"{full}/v1/models").json()["data"]} == {CHAT, SEES, f"{EMBEDS}:latest"}


def test_a_fault_strikes_work_and_leaves_information_alone(tmp_path):
    with served(door(tmp_path), "errors") as url:
        assert send("GET", f"{url}/api/tags").status == 200
        assert send("POST", f"{url}/api/pull", {"model": CHAT, "stream": False}).status == 200
        for path in ("/api/chat", "/api/embed"):
            got = send("POST", url + path, {"model": CHAT})
            assert (got.status, list(got.json())) == (500, ["error"])
            assert got.json()["error"].startswith("model runner has unexpectedly stopped")
        for path in ("/v1/chat/completions", "/v1/responses"):
            got = send("POST", url + path, {"model": CHAT})
            assert (got.status, got.json()["error"]["type"]) == (500, "api_error")
            assert got.json()["error"]["message"].startswith("model runner has unexpectedly stopped")
