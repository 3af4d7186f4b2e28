"""What the stand-in for vLLM writes: whole and streamed, thoughts, calls of tools, forms, pictures."""

from __future__ import annotations

import json
import re

import pytest
from simulated import ask, refused, stand_in, user

from stackgen.modalities import MODALITIES
from stackgen.parts import Quirks

CHAT = "POST /v1/chat/completions"
TOOLS = ("--enable-auto-tool-choice", "--tool-call-parser", "hermes")


def content_of(answer):
    assert answer.status == 200, answer.text
    return answer.json()["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    ("modality", "source", "words"),
    [
        ("chat", "Qwen/Qwen3-0.6B", TOOLS),
        ("chat", "Qwen/Qwen3-0.6B", (*TOOLS, "--reasoning-parser", "qwen3")),
        ("completion", "Qwen/Qwen3-0.6B", ()),
        ("vision", "qwen2.5vl:7b", ()),
    ],
)
def test_the_probes_of_check_are_content(modality, source, words):
    door = stand_in("vllm", source, "--served-model-name", "m", *words)
    kind = MODALITIES[modality]
    for probe in kind.probes_for(Quirks(tools=bool(words))):
        answer = ask(door, f"POST {kind.path}", {**probe.body(Quirks()), "model": "m"})
        assert probe.complaint(answer.reply()) is None, probe.name


def test_unicode_comes_back_whole_also_in_a_stream():
    text = "Grüße aus 東京 🎌 — ½ ﷺ"
    door = stand_in("vllm", "m")
    assert text in content_of(ask(door, CHAT, user(text)))
    events = ask(door, CHAT, user(text, stream=True)).events()
    assert text in "".join(choice["delta"].get("content", "") for event in events for choice in event["choices"])


def test_an_answer_is_cut_where_it_is_asked_to_be():
    door = stand_in("vllm", "m")
    cut = ask(door, CHAT, user("one two three four", max_tokens=4)).json()
    assert (cut["choices"][0]["message"]["content"], cut["choices"][0]["finish_reason"]) == ("You said: one", "length")
    assert cut["usage"]["completion_tokens"] == 4
    stopped = ask(door, CHAT, user("one two three four", stop=[" three"])).json()["choices"][0]
    assert (stopped["message"]["content"], stopped["finish_reason"], stopped["stop_reason"]) == (
        "You said: one two",
        "stop",
        " three",
    )


def test_context_that_does_not_suffice():
    door = stand_in("vllm", "m", "--max-model-len", "50")
    assert ask(door, CHAT, user("word " * 30)).status == 200
    status, message = refused(ask(door, CHAT, user("word " * 60)))
    assert status == 400
    assert message.startswith(
        "This model's maximum context length is 50 tokens. However, your prompt contains at least 51"
    )
    status, message = refused(ask(door, CHAT, user("word", max_tokens=51)))
    assert (status, message.partition(".")[0]) == (400, "max_tokens=51 cannot be greater than max_model_len=50")


def test_a_stream_ends_with_its_reason_and_its_usage():
    door = stand_in("vllm", "m", "--reasoning-parser", "qwen3")
    *events, usage = ask(door, CHAT, user("Hello", stream=True, stream_options={"include_usage": True}, n=2)).events()
    assert usage["choices"] == []
    whole = ask(door, CHAT, user("Hello", n=2)).json()["usage"]
    assert usage["usage"].items() <= whole.items()
    for place in (0, 1):
        choices = [event["choices"][0] for event in events if event["choices"][0]["index"] == place]
        assert choices[0]["delta"] == {"role": "assistant", "content": ""}
        assert [choice["finish_reason"] for choice in choices if choice["finish_reason"]] == ["stop"]
        assert "".join(choice["delta"].get("content", "") for choice in choices) == "You said: Hello"


@pytest.mark.parametrize(
    ("version", "fields"),
    [("0.32.0", {"reasoning"}), ("0.13.0", {"reasoning", "reasoning_content"}), ("0.11.0", {"reasoning_content"})],
)
def test_thoughts_have_the_name_of_the_release_and_can_be_switched_off(version, fields):
    words = ("m",) if version == "0.32.0" else ("--model", "m")
    door = stand_in("vllm", *words, "--reasoning-parser", "qwen3", version=version)
    message = ask(door, CHAT, user("Hello")).json()["choices"][0]["message"]
    assert {name for name in message if name.startswith("reasoning")} == fields
    assert all(message[name] for name in fields)
    off = ask(door, CHAT, user("Hello", chat_template_kwargs={"enable_thinking": False})).json()
    assert not any(off["choices"][0]["message"][name] for name in fields)
    short = ask(door, CHAT, user("Hello", max_tokens=3)).json()["choices"][0]
    assert (short["message"]["content"], short["finish_reason"]) == (None, "length")


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
OTHER = {"type": "function", "function": {"name": "other", "parameters": {"type": "object", "properties": {}}}}


def test_tools_are_called_with_arguments_that_fit():
    door = stand_in("vllm", "m", *TOOLS)
    body = user("How is the weather in Paris?", tools=[WEATHER, OTHER])
    for choice, name, ends in (("auto", "get_weather", "tool_calls"), ("required", "get_weather", "tool_calls")):
        answer = ask(door, CHAT, {**body, "tool_choice": choice}).json()["choices"][0]
        call = answer["message"]["tool_calls"][0]["function"]
        assert (call["name"], json.loads(call["arguments"]), answer["finish_reason"]) == (name, {"city": "Paris"}, ends)
    named = {"type": "function", "function": {"name": "other"}}
    answer = ask(door, CHAT, {**body, "tool_choice": named}).json()["choices"][0]
    assert answer["message"]["tool_calls"][0]["function"]["name"] == "other"
    assert "tool_calls" not in ask(door, CHAT, {**body, "tool_choice": "none"}).json()["choices"][0]["message"]


def test_a_streamed_call_is_the_whole_one_in_pieces():
    door = stand_in("vllm", "m", *TOOLS)
    events = ask(door, CHAT, user("How is the weather in Paris?", tools=[WEATHER], stream=True)).events()
    pieces = [piece["function"] for event in events for piece in event["choices"][0]["delta"].get("tool_calls", ())]
    assert pieces[0] == {"name": "get_weather"}
    assert len(pieces) > 2
    assert json.loads("".join(piece["arguments"] for piece in pieces[1:])) == {"city": "Paris"}
    assert events[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_the_result_of_a_tool_is_answered_in_words():
    door = stand_in("vllm", "m", *TOOLS)
    messages = [{"role": "user", "content": "Weather?"}, {"role": "tool", "tool_call_id": "1", "content": "12 degrees"}]
    assert "12 degrees" in content_of(ask(door, CHAT, {"messages": messages, "tools": [WEATHER]}))


def test_without_its_flags_tools_are_called_by_force_alone():
    door = stand_in("vllm", "m")
    body = user("Weather in Paris?", tools=[WEATHER])
    assert refused(ask(door, CHAT, body)) == (
        400,
        '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
    )
    assert ask(door, CHAT, {**body, "tool_choice": "required"}).status == 200


def test_structured_answers_have_their_form():
    door = stand_in("vllm", "m")
    schema = {
        "type": "object",
        "properties": {
            "age": {"type": "integer", "minimum": 18, "maximum": 20},
            "name": {"type": "string", "maxLength": 4},
        },
        "required": ["age", "name"],
    }
    shape = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}
    person = json.loads(content_of(ask(door, CHAT, user("Who is Ada Lovelace?", response_format=shape))))
    assert 18 <= person["age"] <= 20
    assert len(person["name"]) <= 4
    assert json.loads(content_of(ask(door, CHAT, user("JSON!", response_format={"type": "json_object"})))) == {}
    for form, pattern in (({"choice": ["yes", "no"]}, "yes|no"), ({"regex": "[0-9]{3}-[a-f]+"}, "[0-9]{3}-[a-f]+")):
        assert re.fullmatch(pattern, content_of(ask(door, CHAT, user("Hm", structured_outputs=form))))


def test_pictures_are_seen_by_models_that_see():
    picture = MODALITIES["vision"].probes[0].body(Quirks())
    assert "red" in content_of(ask(stand_in("vllm", "qwen2.5vl:7b"), CHAT, dict(picture)))
    blind = stand_in("vllm", "Qwen/Qwen3-0.6B", "--served-model-name", "chat")
    assert refused(ask(blind, CHAT, dict(picture))) == (400, "chat is not a multimodal model")
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    damaged = ask(stand_in("vllm", "qwen2.5vl:7b"), CHAT, user([part]))
    assert refused(damaged)[0] == 400


def test_completions_go_on_with_every_prompt():
    door = stand_in("vllm", "m")
    route = "POST /v1/completions"
    whole = ask(door, route, {"prompt": ["alpha", "beta"], "echo": True, "max_tokens": 8}).json()
    assert [choice["text"] for choice in whole["choices"]] == ["alphaYou said: alpha", "betaYou said: beta"]
    events = ask(door, route, {"prompt": "alpha", "stream": True}).events()
    assert "".join(event["choices"][0]["text"] for event in events) == "You said: alpha"
    events = ask(door, route, {"prompt": ["alpha", "beta"], "stream": True}).events()
    for place, prompt in enumerate(("alpha", "beta")):
        choices = [event["choices"][0] for event in events if event["choices"][0]["index"] == place]
        assert "".join(choice["text"] for choice in choices) == f"You said: {prompt}"
        assert [choice["finish_reason"] for choice in choices if choice["finish_reason"]] == ["stop"]
    assert refused(ask(door, route, {}))[0] == 400


def test_series_move_with_every_answer():
    door = stand_in("vllm", "m")

    def tokens():
        found = re.search(
            r'^vllm:generation_tokens_total\{engine="0",model_name="m"\} (.+)$',
            ask(door, "GET /metrics").text,
            re.MULTILINE,
        )
        return float(found[1])

    before = tokens()
    ask(door, CHAT, user("Hello"))
    assert tokens() == before + 5
    assert 'finished_reason="stop",model_name="m"} 1' in ask(door, "GET /metrics").text


def test_without_statistics_there_are_no_series_of_the_engine():
    assert "vllm:" not in ask(stand_in("vllm", "m", "--disable-log-stats"), "GET /metrics").text
