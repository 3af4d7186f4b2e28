"""The JSON in which vLLM 0.32 gives an answer, whole and as a stream."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..door import Answer
from ..language import tokens
from .text import Written

_STREAM = "text/event-stream; charset=utf-8"
_REASONING_SINCE = (0, 12, 0)
_REASONING_ALONE_SINCE = (0, 16, 0)
"""Thoughts were called `reasoning_content`, then had both names, then `reasoning` alone (vllm#27752, #33402)."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """What all pieces of one answer share."""

    model: str
    version: tuple[int, ...]
    prompt_tokens: int
    called: str = "stop"
    """How a call of a tool ends: `tool_calls`, or `stop` where the request named the tool."""
    forced: bool = False
    """Whether the request forced the call; the content is then empty, else null."""
    counts_thoughts: bool = False
    tells_usage: bool = False
    """Whether a stream ends with a chunk that tells the tokens."""
    tells_each: bool = False
    """Whether each chunk tells them."""

    @property
    def fingerprint(self) -> str:
        """What vLLM puts where OpenAI tells its configuration."""
        return f"vllm-{'.'.join(map(str, self.version))}-standin"

    def thoughts(self, text: str | None) -> dict[str, str | None]:
        """Thoughts under the names of this release."""
        names = ["reasoning"] if self.version >= _REASONING_SINCE else []
        names += ["reasoning_content"] if self.version < _REASONING_ALONE_SINCE else []
        return dict.fromkeys(names, text)

    def usage(self, answers: Sequence[Written]) -> dict[str, Any]:
        """Tokens of the prompt and of all answers."""
        thoughts = sum(len(answer.thoughts) for answer in answers)
        return self.used(sum(answer.count for answer in answers), thoughts)

    def used(self, count: int, thoughts: int) -> dict[str, Any]:
        """Tokens of the prompt and so many more."""
        usage = {
            "prompt_tokens": self.prompt_tokens,
            "total_tokens": self.prompt_tokens + count,
            "completion_tokens": count,
        }
        return usage | ({"completion_tokens_details": {"reasoning_tokens": thoughts}} if self.counts_thoughts else {})

    def last_chunk(self, first: Mapping[str, Any], answers: Sequence[Written]) -> Iterator[Mapping[str, Any]]:
        """The chunk that tells usage at the end of a stream, where it is asked for."""
        if self.tells_usage:
            yield {**first, "choices": [], "usage": self.usage(answers), "system_fingerprint": self.fingerprint}

    def marks(self, *, last: bool) -> dict[str, str]:
        """The fingerprint, on the chunk that ends an answer; on the one that tells usage where there is one."""
        return {"system_fingerprint": self.fingerprint} if last and not self.tells_usage else {}

    def ends(self, answer: Written) -> str:
        """Why an answer ends."""
        return self.called if answer.call else answer.ends


def chat(head: Head, answers: Sequence[Written]) -> Answer:
    """A whole answer of `/v1/chat/completions`."""
    choices = [
        {
            "index": at,
            "message": _message(head, answer),
            "logprobs": None,
            "finish_reason": head.ends(answer),
            "stop_reason": answer.stop_word,
            "token_ids": None,
            "routed_experts": None,
        }
        for at, answer in enumerate(answers)
    ]
    usage = {"prompt_tokens_details": None, "completion_tokens_details": None, **head.usage(answers)}
    nothing = dict.fromkeys(
        ("prompt_logprobs", "prompt_token_ids", "prompt_text", "kv_transfer_params", "ec_transfer_params", "metrics")
    )
    first = {"id": _id("chatcmpl"), "object": "chat.completion", "created": int(time.time()), "model": head.model}
    last = {"service_tier": None, "system_fingerprint": head.fingerprint, "usage": usage, **nothing}
    return Answer.json({**first, "choices": choices, **last})


def _message(head: Head, answer: Written) -> dict[str, Any]:
    content = "".join(answer.content) or ("" if answer.call and head.forced else None)
    message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None, "annotations": None}
    message |= {"audio": None, "function_call": None}
    if answer.call:
        function = {"name": answer.call.name, "arguments": answer.call.arguments}
        message["tool_calls"] = [{"id": _id("chatcmpl-tool"), "type": "function", "function": function}]
    return {**message, **head.thoughts("".join(answer.thoughts) or None)}


def chat_stream(head: Head, answers: Sequence[Written]) -> Answer:
    """A streamed answer of `/v1/chat/completions`."""
    first = {"id": _id("chatcmpl"), "object": "chat.completion.chunk", "created": int(time.time()), "model": head.model}

    def usage(count: int, thoughts: int) -> dict[str, Any]:
        return {"usage": {"completion_tokens_details": None, **head.used(count, thoughts)}} if head.tells_each else {}

    def chunks() -> Iterator[Mapping[str, Any]]:
        for at in range(len(answers)):
            choice = _choice(at, {"role": "assistant", "content": ""})
            yield {**first, "choices": [choice], **usage(0, 0), "prompt_token_ids": None, "prompt_text": None}
        for at, delta, count, last in _in_turn([list(_deltas(head, answer)) for answer in answers]):
            answer = answers[at]
            choice = {**_choice(at, delta), "token_ids": None}
            if last:
                choice |= {"finish_reason": head.ends(answer), "stop_reason": answer.stop_word}
            counted = usage(answer.count if last else count, min(count, len(answer.thoughts)))
            yield {**first, "choices": [choice], **head.marks(last=last), **counted}
        yield from head.last_chunk(first, answers)

    return Answer(content_type=_STREAM, pieces=_events(chunks()))


def _choice(at: int, delta: Mapping[str, Any]) -> dict[str, Any]:
    return {"index": at, "delta": delta, "logprobs": None, "finish_reason": None}


def _deltas(head: Head, answer: Written) -> Iterator[dict[str, Any]]:
    """What each chunk adds; the last one goes with the reason of the end."""
    yield from (dict(head.thoughts(piece)) for piece in answer.thoughts)
    yield from ({"content": piece} for piece in answer.content)
    if answer.call:
        start = {"id": _id("chatcmpl-tool"), "type": "function", "index": 0, "function": {"name": answer.call.name}}
        yield {"content": None, "tool_calls": [start]}
        for piece in tokens(answer.call.arguments):
            yield {"content": None, "tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
    if (answer.ends == "stop" and answer.stop_word is None) or not (answer.thoughts or answer.content):
        yield {}


def completion(head: Head, answers: Sequence[Written], echoes: Sequence[str]) -> Answer:
    """A whole answer of `/v1/completions`; each text begins with its echo."""
    choices = [
        {
            "index": at,
            "text": echo + "".join(answer.content),
            "logprobs": None,
            "finish_reason": answer.ends,
            "stop_reason": answer.stop_word,
            "token_ids": None,
            "prompt_logprobs": None,
            "prompt_token_ids": None,
            "routed_experts": None,
        }
        for at, (answer, echo) in enumerate(zip(answers, echoes, strict=True))
    ]
    details = {"prompt_tokens_details": None, "completion_tokens_details": None}
    nothing = dict.fromkeys(("kv_transfer_params", "ec_transfer_params", "metrics"))
    first = {"id": _id("cmpl"), "object": "text_completion", "created": int(time.time()), "model": head.model}
    usage = {**head.usage(answers), **details}
    last = {"service_tier": None, "system_fingerprint": head.fingerprint, "usage": usage, **nothing}
    return Answer.json({**first, "choices": choices, **last})


def completion_stream(head: Head, answers: Sequence[Written], echoes: Sequence[str]) -> Answer:
    """A streamed answer of `/v1/completions`."""
    first = {"id": _id("cmpl"), "object": "text_completion", "created": int(time.time()), "model": head.model}

    def chunks() -> Iterator[Mapping[str, Any]]:
        texts = [_pieces(answer, echo) for answer, echo in zip(answers, echoes, strict=True)]
        for at, piece, _, last in _in_turn(texts):
            answer = answers[at]
            choice = {"index": at, "text": piece, "logprobs": None, "finish_reason": answer.ends if last else None}
            ends = {"stop_reason": answer.stop_word if last else None, "prompt_token_ids": None, "token_ids": None}
            yield {**first, "choices": [{**choice, **ends}], **head.marks(last=last)}
        yield from head.last_chunk(first, answers)

    return Answer(content_type=_STREAM, pieces=_events(chunks()))


def _pieces(answer: Written, echo: str) -> list[str]:
    pieces = [*filter(None, [echo]), *answer.content]
    return [*pieces, ""] if answer.ends == "stop" or not pieces else pieces


def _in_turn(queues: Sequence[Sequence[Any]]) -> Iterator[tuple[int, Any, int, bool]]:
    """A piece of each queue by turns: the queue's place, the piece, its number from one, whether it is the last."""
    for turn in range(max(map(len, queues))):
        for at, queue in enumerate(queues):
            if turn < len(queue):
                yield at, queue[turn], turn + 1, turn + 1 == len(queue)


def _events(chunks: Iterator[Mapping[str, Any]]) -> Iterator[bytes]:
    for chunk in chunks:
        yield f"data: {json.dumps(chunk, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()
    yield b"data: [DONE]\n\n"


def _id(kind: str) -> str:
    return f"{kind}-{secrets.token_hex(8)}"
