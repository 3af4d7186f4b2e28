"""Chat: answers to a list of messages, whole, streamed, thought over, or held to a schema (`/v1/chat/completions`)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from stackgen.modalities import tools
from stackgen.modalities.answers import (
    EMPTY,
    GOOD,
    NO_ANSWER,
    THINKING,
    UNKNOWN,
    answer,
    complaint,
    text_of,
    thoughts_of,
)
from stackgen.modalities.probe import Modality, Probe, Reply, first_choice, same, shortened
from stackgen.parts import Quirks

_BODY: Mapping[str, Any] = {
    "messages": [{"role": "user", "content": "Answer with one short sentence: what is the capital of France?"}],
    "max_tokens": 24,
    "temperature": 0,
}
_FOREIGN = "Grüße 你好 😀"
_UNICODE_BODY: Mapping[str, Any] = {
    "messages": [{"role": "user", "content": f"Repeat this and nothing else: {_FOREIGN}"}],
    "max_tokens": 48,
    "temperature": 0,
}
_DAMAGED = "\N{REPLACEMENT CHARACTER}"
_MISREAD = tuple(word.encode().decode(code) for word in ("ü", "你好", "😀") for code in ("cp1252", "latin-1"))
"""What becomes of the words where somebody on the way takes UTF-8 for another encoding."""
_REASONING_BODY: Mapping[str, Any] = {
    "messages": [{"role": "user", "content": "Is 91 a prime number? Think first, then answer with yes or no."}],
    "max_tokens": 512,
    "temperature": 0,
}
_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"capital": {"type": "string", "enum": ["London", "Paris"]}, "in_europe": {"type": "boolean"}},
    "required": ["capital", "in_europe"],
    "additionalProperties": False,
}
_BEGIN = re.compile(r'\s*(\{\s*("(capital|in_europe)".*)?)?', re.DOTALL)
"""How an object of the schema may begin."""
_TOKENS_OF_AN_OBJECT, _TOKENS_OF_THOUGHTS = 64, 960


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
            return f"an event is not JSON: {shortened(event)}"
        if "error" in data:
            return f"the stream carries an error: {shortened(event)}"
        pieces += sum(bool(text_of(choice.get("delta"))) for choice in data.get("choices", ()))
    return None if pieces else "the stream brought no text"


def unicode_complaint(reply: Reply) -> str | None:
    """A good reply is whole text, whether the model repeats what it was told or not.

    A model that talks nonsense writes broken signs itself, so they are only told where it begins to repeat.
    """
    bad = complaint(reply)
    if bad:
        return bad
    choice = first_choice(reply) or {}
    text = text_of(choice["message"])
    if choice.get("finish_reason") == "length":
        text = text.rstrip(_DAMAGED)  # max_tokens cuts a sign of several bytes
    if _DAMAGED in text and _FOREIGN[:2] in text:
        return f"a sign was lost on the way: {shortened(text)}"
    misread = next((wrong for wrong in _MISREAD if wrong in text), None)
    return f"somebody on the way takes UTF-8 for another encoding: {shortened(text)}" if misread else None


def reasoning_complaint(reply: Reply) -> str | None:
    """A good reply has its thoughts in a field of their own."""
    bad = complaint(reply)
    if bad:
        return bad
    message = (first_choice(reply) or {})["message"]
    if "<think" in str(message.get("content") or ""):
        return "the thoughts came inside the answer, so the engine's parser of thoughts does not fit the model"
    return None if thoughts_of(message) else "the reply has no thoughts in a field of their own"


def _structured_body(quirks: Quirks) -> Mapping[str, Any]:
    form = {"name": "capital", "strict": True, "schema": dict(_SCHEMA)}
    return {
        "messages": [
            {"role": "user", "content": "What is the capital of France, and is it in Europe? Answer in JSON."}
        ],
        "response_format": {"type": "json_schema", "json_schema": form},
        "max_tokens": _TOKENS_OF_AN_OBJECT + (_TOKENS_OF_THOUGHTS if quirks.reasoning else 0),
        "temperature": 0,
    }


def structured_complaint(reply: Reply) -> str | None:
    """A good reply is one JSON object that fits the schema; a begin of one that max_tokens cut passes, and thoughts before it.

    White space is allowed between its parts, and a model that talks nonsense writes nothing else (vLLM 0.32.0).
    """
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - whoever renders judges no reply
    from jsonschema.exceptions import best_match  # noqa: PLC0415 - likewise

    bad = complaint(reply)
    if bad:
        return bad
    choice = first_choice(reply) or {}
    text = str(choice["message"].get("content") or "")
    if choice.get("finish_reason") == "length" and _BEGIN.fullmatch(text):
        return None
    try:
        problem = best_match(Draft202012Validator(_SCHEMA).iter_errors(json.loads(text)))
    except ValueError:
        return f"the answer is not JSON: {shortened(text) or 'empty'}"
    return f"the answer does not fit the schema: {shortened(problem.message)}" if problem else None


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
_NOWHERE = (UNKNOWN, NO_ANSWER)

MODALITY = Modality(
    name="chat",
    kinds=frozenset({"llm", "vlm"}),
    path="/v1/chat/completions",
    call="chat.completions.create",
    answer=".choices[0].message.content",
    probes=(
        Probe(name="chat", body=same(_BODY), complaint=complaint, good=(GOOD, THINKING), bad=(EMPTY, *_NOWHERE)),
        Probe(
            name="chat stream",
            body=same({**_BODY, "stream": True}),
            complaint=stream_complaint,
            good=(_GOOD_STREAM,),
            bad=(_CUT_STREAM, _SILENT_STREAM, GOOD, *_NOWHERE),
        ),
        Probe(
            name="chat unicode",
            body=same(_UNICODE_BODY),
            complaint=unicode_complaint,
            good=(
                answer({"content": _FOREIGN}),
                answer({"content": f"Grüße 你{_DAMAGED}"}, "length"),
                answer({"content": f" files g{_DAMAGED}\x06{_DAMAGED} brital"}, "length"),
                GOOD,
                THINKING,
            ),
            bad=(
                answer({"content": f"Gr{_DAMAGED}{_DAMAGED}e 你好"}),
                answer({"content": _FOREIGN.encode().decode("latin-1")}),
                answer({"content": "GrÃ¼ÃŸe"}),
                EMPTY,
                *_NOWHERE,
            ),
        ),
        Probe(
            name="chat reasoning",
            body=same(_REASONING_BODY),
            complaint=reasoning_complaint,
            good=(
                answer({"content": "No.", "reasoning": "91 is 7 times 13."}),
                answer({"content": "No.", "thinking": "91 is 7 times 13."}),
                THINKING,
            ),
            bad=(
                answer({"content": "<think>91 is 7 times 13.</think>No."}),
                answer({"content": "No.", "reasoning": None}),
                EMPTY,
                *_NOWHERE,
            ),
            wanted=lambda quirks: quirks.reasoning,
        ),
        Probe(
            name="chat structured",
            body=_structured_body,
            complaint=structured_complaint,
            good=(
                answer({"content": '{"capital": "Paris", "in_europe": true}'}),
                answer({"content": '{\t "capital"\t :\n\n\n\n'}, "length"),
                THINKING,
            ),
            bad=(
                answer({"content": "Paris"}),
                answer({"content": '{"capital": "Paris", "in_eur'}),
                answer({"content": "The capital of France is"}, "length"),
                answer({"content": '{"capital": "Rome", "in_europe": true}'}),
                answer({"content": '{"capital": "Paris"}'}),
                answer({"content": None, "reasoning": "Paris."}),
                EMPTY,
                *_NOWHERE,
            ),
            wanted=lambda quirks: quirks.structured,
        ),
        *tools.PROBES,
    ),
)
