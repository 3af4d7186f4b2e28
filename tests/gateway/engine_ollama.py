"""How Ollama behaves at its door: no keys, an API of its own, and a part of OpenAI's beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from engines_strict import Kind, RefusedError, StrictEngine, are_texts, json_reply, recorded
from pictures import colour

from stackgen.modalities import Reply

_CREATED = "2026-11-21T12:00:00.000000000Z"
_DONE = {
    "done_reason": "stop",
    "done": True,
    "total_duration": 281_000_000,
    "load_duration": 21_000_000,
    "prompt_eval_count": 24,
    "prompt_eval_duration": 60_000_000,
    "eval_count": 8,
    "eval_duration": 200_000_000,
}
_DETAILS = {"parent_model": "", "format": "gguf", "family": "qwen3", "families": ["qwen3"], "parameter_size": "8B"}


def _chat(_: StrictEngine, body: dict[str, Any]) -> Reply:
    """Whoever does not ask for a whole answer gets a stream of lines."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ValueError("messages must be a list of messages")
    if not all(isinstance(message.get("content"), str) for message in messages):
        raise ValueError("cannot unmarshal array into field ChatRequest.messages.content of type string")
    pictures = [picture for message in messages for picture in message.get("images") or ()]
    if any(picture.startswith("data:") for picture in pictures):
        raise ValueError("illegal base64 data at input byte 4")
    text = " ".join(map(colour, pictures)) or "Paris."
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if body.get("tools"):
        function = {"name": body["tools"][0]["function"]["name"], "arguments": {"city": "Paris"}}
        message = {"role": "assistant", "content": "", "tool_calls": [{"function": function}]}
    head = {"model": body["model"], "created_at": _CREATED}
    if body.get("stream", True) is False:
        return json_reply({**head, "message": message, **_DONE})
    empty = {"role": "assistant", "content": ""}
    lines = [{**head, "message": message, "done": False}, {**head, "message": empty, **_DONE}]
    return Reply(
        status=200, content_type="application/x-ndjson", body="".join(f"{json.dumps(line)}\n" for line in lines)
    )


def _embed(_: StrictEngine, body: dict[str, Any]) -> Reply:
    texts = [body["input"]] if isinstance(body.get("input"), str) else body.get("input")
    if not are_texts(texts):
        raise ValueError("invalid input type")
    vectors = [entry["embedding"] for entry in recorded("embedding", "embedding").json()["data"]]
    answer = {"model": body["model"], "embeddings": [vectors[at % len(vectors)] for at in range(len(texts))]}
    return json_reply({**answer, "total_duration": 14_000_000, "load_duration": 1_000_000, "prompt_eval_count": 8})


def _openai_chat(_: StrictEngine, body: dict[str, Any]) -> Reply:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ValueError("[] is too short - 'messages'")
    if body.get("stream"):
        return recorded("chat", "chat stream")
    if body.get("tools"):
        return recorded("chat", "chat tools")
    parts = [part for message in messages if isinstance(message["content"], list) for part in message["content"]]
    seen = [colour(part["image_url"]["url"]) for part in parts if part["type"] == "image_url"]
    message = {"role": "assistant", "content": " ".join(seen) or "Paris."}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return json_reply(
        {"id": "chatcmpl-80", "object": "chat.completion", "created": 1795228630, "model": body["model"],
         "system_fingerprint": "fp_ollama", "choices": [choice],
         "usage": {"prompt_tokens": 24, "completion_tokens": 8, "total_tokens": 32}}
    )  # fmt: skip


def _openai_completion(_: StrictEngine, body: dict[str, Any]) -> Reply:
    if not isinstance(body.get("prompt"), str) or body.get("stream"):
        raise ValueError("a whole answer to one prompt is recorded")
    return json_reply({**recorded("completion", "completion").json(), "model": body["model"]})


def _openai_embedding(_: StrictEngine, body: dict[str, Any]) -> Reply:
    texts = [body["input"]] if isinstance(body.get("input"), str) else body.get("input")
    if not are_texts(texts) or body.get("encoding_format", "float") != "float":
        raise ValueError("invalid input")
    known = recorded("embedding", "embedding").json()
    data = [{**known["data"][at % len(known["data"])], "index": at} for at in range(len(texts))]
    return json_reply({**known, "data": data, "model": body["model"]})


def _tags(engine: StrictEngine, _: Any) -> Reply:
    head = {"modified_at": _CREATED, "size": 5_225_388_164, "digest": "80b4" * 16, "details": _DETAILS}
    names = [_whole_name(name) for name in engine.served_names]
    return json_reply({"models": [{"name": name, "model": name, **head} for name in names]})


def _show(engine: StrictEngine, body: Any) -> Reply:
    name = (body.get("model") or body.get("name")) if isinstance(body, dict) else None
    if not isinstance(name, str):
        raise RefusedError(400, {"error": "model is required"})
    if not engine.serves(name):
        raise _unknown_model(name, engine.served_names)
    return json_reply(
        {
            "modelfile": "",
            "template": "{{ .Prompt }}{{ .Tools }}",
            "details": _DETAILS,
            "model_info": {"general.architecture": "qwen3", "qwen3.context_length": 40960},
            "capabilities": ["completion", "tools", "vision", "embedding"],
            "modified_at": _CREATED,
        }
    )


def _version(_: StrictEngine, __: Any) -> Reply:
    return json_reply({"version": "0.32.15"})


def _whole_name(name: str) -> str:
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _unknown_model(name: str, _: Sequence[str]) -> RefusedError:
    return RefusedError(404, {"error": f"model '{name}' not found"})


_ANSWERS: Mapping[str, Any] = {
    "POST /api/chat": _chat,
    "POST /api/embed": _embed,
    "POST /v1/chat/completions": _openai_chat,
    "POST /v1/completions": _openai_completion,
    "POST /v1/embeddings": _openai_embedding,
}
_INFORMATION: Mapping[str, Any] = {
    "GET /api/tags": _tags,
    "POST /api/show": _show,
    "GET /api/version": _version,
}
OLLAMA = Kind(  # the routes of Ollama 0.32 that neither fetch nor change models
    key_variable="",
    open_routes=frozenset({"GET /", "HEAD /", *_INFORMATION}),
    guarded_routes=frozenset(
        {*_ANSWERS, "GET /api/ps", "POST /api/generate", "GET /v1/models", "POST /v1/responses", "POST /v1/messages"}
    ),
    answers=_ANSWERS,
    information=_INFORMATION,
    no_key=(401, {"error": "unauthorized"}),
    unknown_model=_unknown_model,
    wrong_body=lambda message: RefusedError(400, {"error": message}),
    whole_name=_whole_name,
)
