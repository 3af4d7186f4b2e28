"""Calls of tools in a chat, there and back: the model calls, gets the result, and answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from stackgen.modalities.answers import EMPTY, GOOD, NO_ANSWER, UNKNOWN, answer, call, complaint, text_of
from stackgen.modalities.probe import Probe, Reply, first_choice, of_choice, same, shortened

_TOOL = "get_weather"
_BODY: Mapping[str, Any] = {
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
_RESULT = '{"city": "Paris", "weather": "sunny", "celsius": 21}'


@of_choice
def call_complaint(choice: Mapping[str, Any]) -> str | None:
    """A good reply calls the one tool that there is, with arguments that are JSON."""
    message = choice["message"]
    calls = message.get("tool_calls")
    if not calls:
        return _without_call(choice, text_of(message))
    return _function_complaint(calls[0]["function"])


def _function_complaint(function: Mapping[str, Any]) -> str | None:
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


def _with_result(body: Mapping[str, Any], called: Reply) -> Mapping[str, Any]:
    """The question, the model's own call, and what the tool gave back."""
    choice = first_choice(called) or {}
    calls = choice["message"]["tool_calls"][:1]
    said = {"role": "assistant", "content": choice["message"].get("content") or "", "tool_calls": calls}
    result = {"role": "tool", "tool_call_id": calls[0].get("id") or "", "content": _RESULT}
    return {**body, "messages": [*_BODY["messages"], said, result]}


_CALL = answer(call('{"city": "Paris"}', _TOOL), "tool_calls")  # vLLM 0.32.0, shortened
_BAD_CALLS = (
    answer(call('{"city": "Paris"}', "weather")),
    answer(call("{city: Paris", _TOOL)),
    answer(call("{}", _TOOL)),
    answer(call({"city": "Paris"}, _TOOL)),
    answer({"content": '<tool_call>{"name": "get_weather"}</tool_call>'}),
    answer({"content": "I cannot know.", "tool_calls": []}),
    answer({"content": None, "reasoning": "The user wants get_weather"}, "length"),
    Reply(
        status=400,
        content_type="application/json",
        body='{"error":{"message":"\\"auto\\" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set"}}',
    ),
)

PROBES = (
    Probe(
        name="chat tools",
        body=same(_BODY),
        complaint=call_complaint,
        good=(_CALL,),
        bad=(*_BAD_CALLS, GOOD, EMPTY, UNKNOWN, NO_ANSWER),
        wanted=lambda quirks: quirks.tools,
    ),
    Probe(
        name="chat tool result",
        body=same(_with_result(_BODY, _CALL)),
        complaint=complaint,
        good=(answer({"content": "It is sunny in Paris, at 21 °C."}), GOOD),
        bad=(
            EMPTY,
            _CALL,
            Reply(
                status=400,
                content_type="application/json",
                body='{"error":{"message":"After the optional system message, conversation roles must alternate","code":400}}',
            ),
            UNKNOWN,
            NO_ANSWER,
        ),
        wanted=lambda quirks: quirks.tools,
        after="chat tools",
        onward=_with_result,
    ),
)
