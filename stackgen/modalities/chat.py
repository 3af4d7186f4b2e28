"""Chat: whole and streamed answers to a list of messages (`/v1/chat/completions`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from stackgen.modalities.probe import Modality, Probe, Reply

_BODY: Mapping[str, Any] = {
    "messages": [{"role": "user", "content": "Answer with one short sentence: what is the capital of France?"}],
    "max_tokens": 24,
    "temperature": 0,
}


def _text_of(message: Any) -> str:
    """What the model said: a model that thinks may have used up the probe's tokens before it answers."""
    if not isinstance(message, dict):
        return ""
    return "".join(str(message.get(part) or "") for part in ("content", "reasoning_content", "reasoning"))


def complaint(reply: Reply) -> str | None:
    """A good reply has a choice with text: an answer, or the thoughts before it."""
    refusal = reply.refusal()
    if refusal:
        return refusal
    data = reply.json()
    choices = data.get("choices") if isinstance(data, dict) else None
    if not isinstance(choices, list) or not choices:
        return "the reply has no `choices`"
    if _text_of(choices[0].get("message")):
        return None
    return "the answer is empty"


def stream_complaint(reply: Reply) -> str | None:
    """A good stream is made of events, brings text in pieces and ends with [DONE]."""
    refusal = reply.refusal()
    if refusal:
        return refusal
    if "text/event-stream" not in reply.content_type:
        return f"not a stream but {reply.content_type or 'nothing'}"
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
        pieces += sum(bool(_text_of(choice.get("delta"))) for choice in data.get("choices", ()))
    return None if pieces else "the stream brought no text"


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
_NO_ANSWER = Reply(error="no connection: [Errno 111] Connection refused")

MODALITY = Modality(
    name="chat",
    path="/v1/chat/completions",
    probes=(
        Probe(
            name="chat", body=_BODY, complaint=complaint, good=(_GOOD, _THINKING), bad=(_EMPTY, _UNKNOWN, _NO_ANSWER)
        ),
        Probe(
            name="chat stream",
            body={**_BODY, "stream": True},
            complaint=stream_complaint,
            good=(_GOOD_STREAM,),
            bad=(_CUT_STREAM, _SILENT_STREAM, _GOOD, _UNKNOWN, _NO_ANSWER),
        ),
    ),
)
