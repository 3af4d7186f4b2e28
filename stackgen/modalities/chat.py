"""Chat: whole and streamed answers to a list of messages, and calls of tools (`/v1/chat/completions`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from stackgen.modalities.probe import Modality, Probe, Reply, first_choice, same, shortened

_BODY: Mapping[str, Any] = {
    "messages": [{"role": "user", "content": "Answer with one short sentence: what is the capital of France?"}],
    "max_tokens": 24,
    "temperature": 0,
}
_TOOL = "get_weather"
_TOOLS_BODY: Mapping[str, Any] = {
    "messages": [{"role": "user", "content": f"How is the weather in Paris now? Call {_TOOL} to find out."}],
    "tools": [
        {
            "type": "function",
            "function": {
                "name": _TOOL,
                "description": "Tells the weather of a city.",
                "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
            },
        }
    ],
    "tool_choice": "auto",  # `required` forces the form upon the model and goes around the engine's parser of calls
    "max_tokens": 512,  # thoughts come before the call
    "temperature": 0,
}


def text_of(message: Any) -> str:
    """What the model said: a model that thinks may have used up the probe's tokens before it answers."""
    if not isinstance(message, dict):
        return ""
    return "".join(str(message.get(part) or "") for part in ("content", "reasoning_content", "reasoning"))


def complaint(reply: Reply) -> str | None:
    """A good reply has a choice with text: an answer, or the thoughts before it."""
    refusal = reply.refusal()
    if refusal:
        return refusal
    choice = first_choice(reply)
    if choice is None:
        return "the reply has no `choices`"
    return None if text_of(choice.get("message")) else "the answer is empty"


def stream_complaint(reply: Reply) -> str | None:
    """A good stream is made of events, brings text in pieces and ends with [DONE]."""
    refusal = reply.refusal()
    if refusal:
        return refusal
    if "text/event-stream" not in reply.content_type:
        return f"not a stream but {shortened(reply.content_type) or 'nothing'}"
    events = [line[5:].strip() for line in reply.body.splitlines() if line.startswith("data:")]
    if not events or events[-1] != "[DONE]":
        return "the stream ends without [DONE]"
    pieces = 0
    for event in events[:-1]:
        try:
            data = json.loads(event)
        except ValueError:
            return f"an event is not JSON: {event[:80]}"
        if "error" in data:
            return f"the stream carries an error: {event[:200]}"
        pieces += sum(bool(text_of(choice.get("delta"))) for choice in data.get("choices", ()))
    return None if pieces else "the stream brought no text"


def tools_complaint(reply: Reply) -> str | None:
    """A good reply calls the one tool that there is, with arguments that are JSON."""
    refusal = reply.refusal()
    if refusal:
        return refusal
    choice = first_choice(reply)
    if choice is None:
        return "the reply has no `choices`"
    message = choice["message"]
    calls = message.get("tool_calls")
    if not calls:
        return _without_call(choice, text_of(message))
    return _call_complaint(calls[0]["function"])


def _call_complaint(function: Mapping[str, Any]) -> str | None:
    if function["name"] != _TOOL:
        return f"the model calls {shortened(str(function['name']))}, and there is only {_TOOL}"
    arguments = function["arguments"]
    if not isinstance(arguments, str):
        return "the arguments of the call are not the text of a JSON object"
    try:
        given = json.loads(arguments)
    except ValueError:
        return f"the arguments of the call are not JSON: {shortened(arguments)}"
    return None if isinstance(given, dict) and given.get("city") else f"the call names no city: {shortened(arguments)}"


def _without_call(choice: Mapping[str, Any], text: str) -> str:
    if _TOOL in text and choice.get("finish_reason") != "length":
        return f"the call came as text, so the engine's parser of calls does not fit the model: {shortened(text)}"
    cut = " before max_tokens cut it" if choice.get("finish_reason") == "length" else ""
    return f"the model called no tool{cut}: {shortened(text)}" if text else "the answer is empty"


_GOOD = Reply(  # vLLM 0.32.0
    status=200,
    content_type="application/json",
    body='{"id":"chatcmpl-80b4","object":"chat.completion","created":1795228630,"model":"chat","choices":[{"index":0,'
    '"message":{"role":"assistant","content":" Paris","refusal":null,"reasoning":null},"logprobs":null,'
    '"finish_reason":"length","stop_reason":null}],"usage":{"prompt_tokens":48,"total_tokens":72,"completion_tokens":24}}',
)
_THINKING = Reply(  # LiteLLM 1.106.2 before a vLLM with a reasoning parser, cut by max_tokens
    status=200,
    content_type="application/json",
    body='{"choices":[{"index":0,"finish_reason":"length","message":{"role":"assistant","content":null,'
    '"reasoning_content":"The user asks for"}}]}',
)
_EMPTY = Reply(
    status=200,
    content_type="application/json",
    body='{"choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":""}}]}',
)
_UNKNOWN = Reply(  # vLLM 0.32.0
    status=404,
    content_type="application/json",
    body='{"error":{"message":"The model `nope` does not exist. Valid aliases: chat.","type":"NotFoundError","code":404}}',
)
_GOOD_STREAM = Reply(  # vLLM 0.32.0
    status=200,
    content_type="text/event-stream; charset=utf-8",
    body='data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
    'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":" Paris"}}]}\n\n'
    'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":""},"finish_reason":"length"}]}\n\n'
    "data: [DONE]\n\n",
)
_CUT_STREAM = Reply(
    status=200,
    content_type="text/event-stream",
    body='data: {"choices":[{"index":0,"delta":{"content":" Par"}}]}\n\n',
)
_SILENT_STREAM = Reply(
    status=200,
    content_type="text/event-stream",
    body='data: {"choices":[{"index":0,"delta":{"content":""}}]}\n\ndata: [DONE]\n\n',
)


def _calling(message: str, finish_reason: str = "tool_calls") -> Reply:
    """An answer as vLLM 0.32.0 spells it, shortened."""
    choice = f'{{"index":0,"message":{{"role":"assistant",{message}}},"finish_reason":"{finish_reason}"}}'
    return Reply(
        status=200, content_type="application/json", body=f'{{"object":"chat.completion","choices":[{choice}]}}'
    )


def _call(function: str) -> Reply:
    return _calling(f'"content":null,"tool_calls":[{{"id":"call_80b4","type":"function","function":{function}}}]')


_GOOD_CALL = _call('{"name":"get_weather","arguments":"{\\"city\\": \\"Paris\\"}"}')
_BAD_CALLS = (
    _call('{"name":"weather","arguments":"{\\"city\\": \\"Paris\\"}"}'),
    _call('{"name":"get_weather","arguments":"{city: Paris"}'),
    _call('{"name":"get_weather","arguments":"{}"}'),
    _call('{"name":"get_weather","arguments":{"city":"Paris"}}'),
    _calling('"content":"<tool_call>{\\"name\\": \\"get_weather\\"}</tool_call>"', "stop"),
    _calling('"content":"I cannot know.","tool_calls":[]', "stop"),
    _calling('"content":null,"reasoning":"The user wants get_weather"', "length"),
    Reply(
        status=400,
        content_type="application/json",
        body='{"error":{"message":"\\"auto\\" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set"}}',
    ),
)
_NO_ANSWER = Reply(error="no connection: [Errno 111] Connection refused")

MODALITY = Modality(
    name="chat",
    kinds=frozenset({"llm", "vlm"}),
    path="/v1/chat/completions",
    call="chat.completions.create",
    answer=".choices[0].message.content",
    probes=(
        Probe(
            name="chat",
            body=same(_BODY),
            complaint=complaint,
            good=(_GOOD, _THINKING),
            bad=(_EMPTY, _UNKNOWN, _NO_ANSWER),
        ),
        Probe(
            name="chat stream",
            body=same({**_BODY, "stream": True}),
            complaint=stream_complaint,
            good=(_GOOD_STREAM,),
            bad=(_CUT_STREAM, _SILENT_STREAM, _GOOD, _UNKNOWN, _NO_ANSWER),
        ),
        Probe(
            name="chat tools",
            body=same(_TOOLS_BODY),
            complaint=tools_complaint,
            good=(_GOOD_CALL,),
            bad=(*_BAD_CALLS, _GOOD, _EMPTY, _UNKNOWN, _NO_ANSWER),
            wanted=lambda quirks: quirks.tools,
        ),
    ),
)
