"""Bodies of requests as Ollama's Go program reads them: unknown fields are skipped, wrong types refused in its words."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any

from ..door import Request
from .talk import Message, refuse

_TEXT, _SWITCH, _NUMBER, _OBJECT, _ANYTHING = "string", "bool", "int", "map[string]interface {}", ""
_NAMES = {"model": _TEXT, "name": _TEXT}
_WORK = {**_NAMES, "options": _OBJECT, "stream": _SWITCH, "keep_alive": _ANYTHING, "think": _ANYTHING}
_FIELDS: Mapping[str, Mapping[str, str]] = {
    "ShowRequest": _NAMES,
    "PullRequest": {**_NAMES, "stream": _SWITCH, "insecure": _SWITCH},
    "PushRequest": {**_NAMES, "stream": _SWITCH},
    "CreateRequest": {**_NAMES, "from": _TEXT, "files": "map[string]string"},
    "CopyRequest": {"source": _TEXT, "destination": _TEXT},
    "DeleteRequest": _NAMES,
    "ChatRequest": {**_WORK, "messages": "[]api.Message", "tools": "[]api.Tool"},
    "GenerateRequest": {**_WORK, "prompt": _TEXT, "suffix": _TEXT, "system": _TEXT, "images": "[]api.ImageData"},
    "EmbedRequest": {**_WORK, "dimensions": _NUMBER, "truncate": _SWITCH},
    "EmbeddingRequest": {**_WORK, "prompt": _TEXT},
}
_MESSAGE = {
    "role": _TEXT,
    "content": _TEXT,
    "thinking": _TEXT,
    "images": "[]api.ImageData",
    "tool_calls": "[]api.ToolCall",
}
_STANDARD = re.compile(r"[A-Za-z0-9+/]*={0,2}")


def body_of(request: Request, struct: str) -> dict[str, Any]:
    """The body of a request.

    Args:
        request: what arrived.
        struct: the structure that Ollama reads it into.

    Raises:
        RefusalError: it is none, or a field is of another type.
    """
    body = decoded(request)
    check(body, struct, _FIELDS[struct])
    return body


def decoded(request: Request) -> dict[str, Any]:
    """The body as an object, whatever its fields; raises RefusalError."""
    if not request.content.strip():
        raise refuse("missing request body")
    try:
        body = request.json()
    except UnicodeDecodeError:
        raise refuse("invalid character '\\u00ff' looking for beginning of value") from None
    except json.JSONDecodeError as error:
        rest = error.doc[error.pos : error.pos + 1]
        text = f"invalid character '{rest}' looking for beginning of value" if rest else "unexpected EOF"
        raise refuse(text) from None
    if not isinstance(body, dict):
        raise refuse(f"json: cannot unmarshal {_kind(body)} into Go value of type api.Request")
    return body


def check(body: Mapping[str, Any], struct: str, fields: Mapping[str, str]) -> None:
    """Refuse a field of another type; null is any type's zero."""
    for name, wanted in fields.items():
        value = body.get(name)
        if value is not None and wanted and _kind(value) != _json_kind(wanted):
            message = f"json: cannot unmarshal {_kind(value)} into Go struct field {struct}.{name} of type {wanted}"
            raise refuse(message)


def messages_of(rows: list[Any]) -> tuple[Message, ...]:
    """The messages of a chat; raises RefusalError where one is of another form."""
    found = []
    for row in rows:
        if not isinstance(row, dict):
            raise refuse(
                f"json: cannot unmarshal {_kind(row)} into Go struct field ChatRequest.messages of type api.Message"
            )
        check(row, "ChatRequest.messages", _MESSAGE)
        for call in row.get("tool_calls") or ():
            check(call.get("function") or {}, "ChatRequest.messages.tool_calls.function", {"arguments": _OBJECT})
        images = images_of(row.get("images") or ())
        found.append(Message(role=row.get("role") or "", content=row.get("content") or "", images=images))
    return tuple(found)


def option(options: Mapping[str, Any], name: str) -> int:
    """A whole number of `options`; 0 where it says nothing."""
    value = options.get(name) or 0
    if _kind(value) != "number":
        raise refuse(f'option "{name}" must be of type integer')
    return int(value)


def images_of(texts: Any) -> tuple[bytes, ...]:
    """Pictures in plain base64; a data URL is none."""
    return tuple(_image(text) for text in texts)


def _image(text: Any) -> bytes:
    if not isinstance(text, str):
        raise refuse(f"json: cannot unmarshal {_kind(text)} into Go value of type []uint8")
    found = _STANDARD.match(text)
    end = found.end() if found else 0
    try:
        return base64.b64decode(text, validate=True) if end == len(text) else _illegal(end)
    except binascii.Error:
        return _illegal(end)


def _illegal(at: int) -> bytes:
    raise refuse(f"illegal base64 data at input byte {at}")


def _kind(value: Any) -> str:
    """What Go calls a JSON value."""
    kinds = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
    return kinds.get(type(value), "null")


def _json_kind(wanted: str) -> str:
    """The JSON value that a Go type is read from."""
    if wanted.startswith("[]"):
        return "array"
    return {"int": "number", "string": "string", "bool": "bool"}.get(wanted, "object")
