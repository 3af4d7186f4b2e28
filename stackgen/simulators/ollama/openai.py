"""The part of OpenAI's API that Ollama offers: requests are put into its own form, answers are put back."""

from __future__ import annotations

import base64
import json
import random
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..door import Answer, Handler, RefusalError, Request
from .bodies import check, decoded, messages_of
from .server import Server
from .talk import Message, Said, refuse

_PICTURES = tuple(f"data:{kind};base64," for kind in ("", "image/jpeg", "image/jpg", "image/png", "image/webp"))
_EFFORTS = ("high", "medium", "low", "none")
_KINDS = {400: "invalid_request_error", 404: "not_found_error"}
_OPTIONS = ("seed", "frequency_penalty", "presence_penalty", "temperature", "top_p")
_FIELDS = {"model": "string", "stream": "bool", "max_tokens": "int"}


def guarded(handler: Handler) -> Handler:
    """A handler whose refusals have OpenAI's form."""

    def answer(request: Request) -> Answer:
        try:
            return handler(request)
        except RefusalError as error:
            return refused(error).answer

    return answer


def refused(own: RefusalError) -> RefusalError:
    """A refusal of Ollama's in OpenAI's form."""
    status, said = own.answer.status, json.loads(own.answer.body)["error"]
    error = {"message": said, "type": _KINDS.get(status, "api_error"), "param": None, "code": None}
    return RefusalError(Answer.json({"error": error}, status))


def information(server: Server) -> dict[str, Handler]:
    """The lists of models."""

    def row(name: str, modified: float) -> dict[str, Any]:
        namespace = name.split("/")[-2] if "/" in name else "library"
        return {"id": name, "object": "model", "created": int(modified), "owned_by": namespace}

    def models(_: Request) -> Answer:
        rows = [row(model.name.shortest, model.modified) for model in server.store.models()]
        return Answer.json({"object": "list", "data": rows or None})

    def model(request: Request) -> Answer:
        name = request.parts["model"]
        return Answer.json(row(name, server.model(name).modified))

    return {"GET /v1/models": models, "GET /v1/models/{model}": guarded(model)}


def working(server: Server) -> dict[str, Handler]:
    """Chat, completion and embedding."""

    def chat(request: Request) -> Answer:
        body = decoded(request)
        check(body, "ChatCompletionRequest", {**_FIELDS, "messages": "[]openai.Message", "tools": "[]api.Tool"})
        if not body.get("messages"):
            raise refuse("[] is too short - 'messages'")
        messages = messages_from(body["messages"])
        said = server.answer(server.model(body.get("model") or ""), _own(body), messages, "chat")
        return _chat_stream(said, body) if body.get("stream") else Answer.json(_chat_whole(said, body))

    def completion(request: Request) -> Answer:
        body = decoded(request)
        check(body, "CompletionRequest", {**_FIELDS, "prompt": "string"})
        asked = (Message(role="user", content=body.get("prompt") or ""),)
        own = {**_own(body), "think": False} if body.get("prompt") else _own(body)
        said = server.answer(server.model(body.get("model") or ""), own, asked, "generate")
        return _text_stream(said, body) if body.get("stream") else Answer.json(_text_whole(said, body))

    def embeddings(request: Request) -> Answer:
        return Answer.json(_embeddings(server, decoded(request)))

    handlers: dict[str, Handler] = {
        "POST /v1/chat/completions": chat,
        "POST /v1/completions": completion,
        "POST /v1/embeddings": embeddings,
    }
    return {route: guarded(handler) for route, handler in handlers.items()}


def messages_from(rows: list[Any]) -> tuple[Message, ...]:
    """Messages in Ollama's form: each part of one becomes a message; raises RefusalError."""
    found: list[Message] = []
    for row in rows:
        content = row.get("content") if isinstance(row, dict) else None
        if isinstance(content, list):
            found.extend(_part(row.get("role") or "", part) for part in content)
        elif isinstance(content, str) or (isinstance(row, dict) and row.get("tool_calls")):
            found.extend(messages_of([{"role": row.get("role"), "content": content}]))
        else:
            kind = {dict: "map[string]interface {}", float: "float64", int: "float64"}.get(type(content), "<nil>")
            raise refuse(f"invalid message content type: {kind}")
    return tuple(found)


def _part(role: str, part: Any) -> Message:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return Message(role=role, content=part["text"])
    if kind != "image_url":
        raise refuse("invalid message format")
    place = part.get("image_url")
    url = place.get("url") if isinstance(place, dict) else place
    if not isinstance(url, str):
        raise refuse("invalid message format")
    head = next((head for head in _PICTURES if url.startswith(head)), None)
    if head is None:
        raise refuse("invalid image input")
    try:
        return Message(role=role, images=(base64.b64decode(url[len(head) :], validate=True),))
    except ValueError:
        raise refuse("invalid message format") from None


def _own(body: Mapping[str, Any]) -> dict[str, Any]:
    """What a request asks beside its messages, in Ollama's form."""
    options = {name: body[name] for name in _OPTIONS if body.get(name) is not None}
    if body.get("max_tokens") is not None:
        options["num_predict"] = body["max_tokens"]
    stop = body.get("stop")
    options["stop"] = [stop] if isinstance(stop, str) else [text for text in stop or () if isinstance(text, str)]
    own: dict[str, Any] = {"model": body.get("model"), "options": options, "tools": body.get("tools")}
    form = body.get("response_format") or {}
    if form.get("type") == "json_object":
        own["format"] = "json"
    elif form.get("type") == "json_schema":
        own["format"] = (form.get("json_schema") or {}).get("schema")
    effort = body.get("reasoning_effort") or (body.get("reasoning") or {}).get("effort")
    if effort:
        if effort not in _EFFORTS:
            raise refuse(f'invalid reasoning value: \'{effort}\' (must be "high", "medium", "low", or "none")')
        own["think"] = False if effort == "none" else effort
    return own


def _head(body: Mapping[str, Any], kind: str, prefix: str) -> dict[str, Any]:
    return {
        "id": f"{prefix}-{random.randrange(999)}",  # noqa: S311 - a name, no secret
        "object": kind,
        "created": int(time.time()),
        "model": body["model"],
        "system_fingerprint": "fp_ollama",
    }


def _usage(said: Said) -> dict[str, int]:
    total = said.prompt_tokens + said.own_tokens
    return {"prompt_tokens": said.prompt_tokens, "completion_tokens": said.own_tokens, "total_tokens": total}


def _piece(own: Mapping[str, Any]) -> dict[str, Any]:
    """A message, or a part of one; the arguments of a call are a text here."""
    message = {"role": "assistant", "content": own["content"]}
    if own.get("thinking"):
        message["reasoning"] = own["thinking"]
    if own.get("tool_calls"):
        message["tool_calls"] = [
            {
                "id": call["id"],
                "index": call["function"]["index"],
                "type": "function",
                "function": {
                    "name": call["function"]["name"],
                    "arguments": json.dumps(call["function"]["arguments"], ensure_ascii=False, separators=(",", ":")),
                },
            }
            for call in own["tool_calls"]
        ]
    return message


def _chat_whole(said: Said, body: Mapping[str, Any]) -> dict[str, Any]:
    reason = "tool_calls" if said.calls else said.reason
    choice = {"index": 0, "message": _piece(said.message), "finish_reason": reason}
    return {**_head(body, "chat.completion", "chatcmpl"), "choices": [choice], "usage": _usage(said)}


def _text_whole(said: Said, body: Mapping[str, Any]) -> dict[str, Any]:
    choice = {"text": said.content, "index": 0, "finish_reason": said.reason}
    return {**_head(body, "text_completion", "cmpl"), "choices": [choice], "usage": _usage(said)}


def _chat_stream(said: Said, body: Mapping[str, Any]) -> Answer:
    def choice(piece: Mapping[str, Any], reason: str | None) -> dict[str, Any]:
        end = "tool_calls" if reason and said.calls else reason
        return {"index": 0, "delta": _piece(piece), "finish_reason": end}

    return _stream(said, body, _head(body, "chat.completion.chunk", "chatcmpl"), choice)


def _text_stream(said: Said, body: Mapping[str, Any]) -> Answer:
    def choice(piece: Mapping[str, Any], reason: str | None) -> dict[str, Any]:
        return {"text": piece["content"], "index": 0, "finish_reason": reason}

    return _stream(said, body, _head(body, "text_completion", "cmpl"), choice)


def _stream(
    said: Said,
    body: Mapping[str, Any],
    head: Mapping[str, Any],
    choice: Callable[[Mapping[str, Any], str | None], Mapping[str, Any]],
) -> Answer:
    """A chunk for each piece, one that ends, one with the counts where they are wanted, and the end of the stream."""

    def chunks() -> Iterator[bytes]:
        for piece in said.pieces():
            yield _event({**head, "choices": [choice(piece, None)]})
        yield _event({**head, "choices": [choice({"content": ""}, said.reason)]})
        if (body.get("stream_options") or {}).get("include_usage"):
            yield _event({**head, "choices": [], "usage": _usage(said)})
        yield b"data: [DONE]\n\n"

    return Answer(content_type="text/event-stream", pieces=chunks())


def _event(data: Mapping[str, Any]) -> bytes:
    return b"data: " + Answer.json(data).body + b"\n\n"


def _embeddings(server: Server, body: Mapping[str, Any]) -> dict[str, Any]:
    check(body, "EmbedRequest", {"model": "string", "dimensions": "int", "encoding_format": "string"})
    form = str(body.get("encoding_format") or "float").lower()
    if form not in {"float", "base64"}:
        message = f"Invalid value for 'encoding_format' = {form}. Supported values: ['float', 'base64']."
        raise refuse(message)
    given = body.get("input")
    if given is None or given == []:
        raise refuse("invalid input")
    own = server.embedded({**body, "input": [given] if isinstance(given, str) else given, "options": {}})
    data = [
        {"object": "embedding", "embedding": _packed(vector) if form == "base64" else vector, "index": index}
        for index, vector in enumerate(own["embeddings"])
    ]
    count = own["prompt_eval_count"]
    return {
        "object": "list",
        "data": data,
        "model": body["model"],
        "usage": {"prompt_tokens": count, "total_tokens": count},
    }


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
