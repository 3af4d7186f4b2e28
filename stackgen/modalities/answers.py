"""Answers of models that write, as OpenAI spells them: their text, their thoughts, and what servers send in their place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from stackgen.modalities.probe import Reply, of_choice

_THOUGHTS = ("reasoning_content", "reasoning", "thinking")


def thoughts_of(message: Any) -> str:
    """What a model thought before it answered, whatever its server calls the field."""
    return "".join(str(message.get(part) or "") for part in _THOUGHTS) if isinstance(message, dict) else ""


def text_of(message: Any) -> str:
    """What the model said: a model that thinks may have used up the probe's tokens before it answers."""
    return str(message.get("content") or "") + thoughts_of(message) if isinstance(message, dict) else ""


@of_choice
def complaint(choice: Mapping[str, Any]) -> str | None:
    """A good reply has a choice with text: an answer, or the thoughts before it."""
    return None if text_of(choice.get("message")) else "the answer is empty"


def answer(message: Mapping[str, Any], finish_reason: str = "stop") -> Reply:
    """An answer as vLLM 0.32.0 spells it, shortened."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish_reason}
    body = json.dumps({"object": "chat.completion", "choices": [choice]}, ensure_ascii=False)
    return Reply(status=200, content_type="application/json", body=body)


def call(arguments: Any, name: str, identifier: str = "call_80b4") -> Mapping[str, Any]:
    """A message that calls a tool."""
    function = {"name": name, "arguments": arguments}
    return {"content": None, "tool_calls": [{"id": identifier, "type": "function", "function": function}]}


GOOD = Reply(  # vLLM 0.32.0
    status=200,
    content_type="application/json",
    body='{"id":"chatcmpl-80b4","object":"chat.completion","created":1795228630,"model":"chat","choices":[{"index":0,'
    '"message":{"role":"assistant","content":" Paris","refusal":null,"reasoning":null},"logprobs":null,'
    '"finish_reason":"length","stop_reason":null}],"usage":{"prompt_tokens":48,"total_tokens":72,"completion_tokens":24}}',
)
THINKING = Reply(  # LiteLLM 1.106.2 before a vLLM with a reasoning parser, cut by max_tokens
    status=200,
    content_type="application/json",
    body='{"choices":[{"index":0,"finish_reason":"length","message":{"role":"assistant","content":null,'
    '"reasoning_content":"The user asks for"}}]}',
)
EMPTY = answer({"content": ""})
UNKNOWN = Reply(  # vLLM 0.32.0
    status=404,
    content_type="application/json",
    body='{"error":{"message":"The model `nope` does not exist. Valid aliases: chat.","type":"NotFoundError","code":404}}',
)
NO_ANSWER = Reply(error="no connection: [Errno 111] Connection refused")
