"""How vLLM and Infinity behave at their doors, and all kinds by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engine_ollama import OLLAMA
from engine_speaches import SPEACHES
from engines_strict import Kind, RefusedError, StrictEngine, are_texts, json_reply, recorded
from pictures import colour

from stackgen.modalities import Reply

TOOL_FLAGS = ("--enable-auto-tool-choice", "--tool-call-parser")
"""Without them vLLM calls tools by force alone."""


def _chat(engine: StrictEngine, body: dict[str, Any]) -> Reply:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ValueError("messages must be a list of messages")
    seen = [_seen(part) for message in messages for part in _pictures(message)]
    if body.get("stream"):
        return _chat_stream(body["model"])
    if body.get("tools"):
        return _tool_call(engine, body)
    answer = {**recorded("chat", "chat").json(), "model": body["model"]}
    if seen:
        answer["choices"] = [{**answer["choices"][0], "message": {"role": "assistant", "content": " ".join(seen)}}]
    return json_reply(answer)


def _pictures(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    if isinstance(content, str):
        return []
    if not all(part.get("type") in {"text", "image_url"} for part in content):
        raise ValueError("a part of a message is neither text nor picture")
    return [part for part in content if part["type"] == "image_url"]


def _seen(part: dict[str, Any]) -> str:
    url = part["image_url"]["url"]
    if not url.startswith("data:image/png;base64,"):
        raise ValueError("the picture is not inside the request")
    return colour(url)


def _tool_call(engine: StrictEngine, body: dict[str, Any]) -> Reply:
    choice = body.get("tool_choice", "auto")
    if choice == "auto" and not all(flag in engine.words for flag in TOOL_FLAGS):
        raise ValueError(f'"auto" tool choice requires {" and ".join(TOOL_FLAGS)} to be set')
    if choice not in {"auto", "required"}:
        raise ValueError("calls are recorded for `auto` and `required`")
    answer = {**recorded("chat", "chat tools").json(), "id": "chatcmpl-80b4", "model": body["model"]}
    function = body["tools"][0]["function"]
    if answer["choices"][0]["message"]["tool_calls"][0]["function"]["name"] != function["name"]:
        raise ValueError(f"no call of {function['name']} is recorded")
    return json_reply(answer)


def _chat_stream(model: str) -> Reply:
    stream = recorded("chat", "chat stream")
    lines = [_whole_event(line, model) for line in stream.body.splitlines()]
    return Reply(status=200, content_type=stream.content_type, body="".join(f"{line}\n" for line in lines))


def _whole_event(line: str, model: str) -> str:
    """An event of the recorded stream with what was left out of the recording."""
    if not line.startswith("data: {"):
        return line
    head = {"id": "chatcmpl-80b4", "created": 1795228630, "model": model}
    return f"data: {json.dumps({**head, **json.loads(line[6:])})}"


def _completion(_: StrictEngine, body: dict[str, Any]) -> Reply:
    if not isinstance(body.get("prompt"), str) and not are_texts(body.get("prompt")):
        raise ValueError("prompt must be a text or a list of texts")
    if body.get("stream"):
        raise ValueError("completions are recorded whole only")
    return json_reply({**recorded("completion", "completion").json(), "model": body["model"]})


def _embedding(_: StrictEngine, body: dict[str, Any]) -> Reply:
    texts = [body["input"]] if isinstance(body.get("input"), str) else body.get("input")
    if not are_texts(texts):
        raise ValueError("input must be a text or a list of texts")
    if body.get("encoding_format", "float") != "float":
        raise ValueError("vectors are recorded as numbers only")
    answer = recorded("embedding", "embedding").json()
    known = answer["data"]
    data = [{**known[at % len(known)], "index": at} for at in range(len(texts))]
    return json_reply({**answer, "data": data, "model": body["model"]})


def _rerank(_: StrictEngine, body: dict[str, Any]) -> Reply:
    documents = body.get("documents")
    if not isinstance(body.get("query"), str) or not are_texts(documents):
        raise ValueError("query must be a text and documents a list of texts")
    answer = recorded("rerank", "rerank").json()
    known = answer["results"][0]
    # the last document is the best one, so that an answer in the order of the documents is told apart
    results = [{**known, "index": at, "relevance_score": (at + 1) / 10} for at in reversed(range(len(documents)))]
    return json_reply({**answer, "results": results[: body.get("top_n") or None], "model": body["model"]})


def _vllm_error(status: int, kind: str, message: str) -> RefusedError:
    return RefusedError(status, {"error": {"message": message, "type": kind, "param": None, "code": status}})


_VLLM = Kind(  # the routes that the server of vLLM 0.32.0 has for a model that generates text
    key_variable="VLLM_API_KEY",
    open_routes=frozenset({"GET /health", "GET /metrics", "GET /version", "GET /load", "GET /ping", "POST /ping"}),
    guarded_routes=frozenset(
        {
            "GET /v1/models",
            "POST /v1/chat/completions",
            "POST /v1/completions",
            "POST /v1/messages",
            "POST /v1/messages/count_tokens",
            "POST /v1/responses",
        }
    ),
    answers={"POST /v1/chat/completions": _chat, "POST /v1/completions": _completion},
    no_key=(401, {"error": "Unauthorized"}),
    unknown_model=lambda name, served: _vllm_error(
        404, "NotFoundError", f"The model `{name}` does not exist. Valid aliases: {', '.join(served)}."
    ),
    wrong_body=lambda message: _vllm_error(400, "BadRequestError", message),
)
_INFINITY = Kind(  # the routes that Infinity 0.0.77 has without a url prefix
    key_variable="INFINITY_API_KEY",
    open_routes=frozenset({"GET /health", "GET /metrics", "GET /docs", "GET /openapi.json"}),
    guarded_routes=frozenset(
        {
            "GET /models",
            "POST /embeddings",
            "POST /rerank",
            "POST /classify",
            "POST /embeddings_image",
            "POST /embeddings_audio",
        }
    ),
    answers={"POST /embeddings": _embedding, "POST /rerank": _rerank},
    no_key=(401, {"detail": "Unauthorized"}),
    # stricter than Infinity, which takes any name where it serves one model alone
    unknown_model=lambda name, served: RefusedError(
        400, {"error": {"message": f"Invalid model: {name}; there are {served}", "code": 400}}
    ),
    wrong_body=lambda message: RefusedError(422, {"detail": message}),
)
KINDS: Mapping[str, Kind] = {"vllm": _VLLM, "infinity": _INFINITY, "ollama": OLLAMA, "speaches": SPEACHES}
"""By the name of the engine."""
