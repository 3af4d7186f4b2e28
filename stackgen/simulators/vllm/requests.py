"""What the stand-in for vLLM reads of requests: fields, limits and forms, refused in the words of vLLM 0.32."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .. import bodies
from ..bodies import BodyError, Field
from ..door import Answer, RefusalError, Request
from ..language import tokens
from ..pictures import colour

_TEXTS = frozenset({"text", "input_text", "refusal", "thinking"})
"""Parts of messages that are read as text."""
_TEXT_OR_TEXTS = bodies.either(("", bodies.text), ("", bodies.several(bodies.text)))
_SAMPLING: Mapping[str, Field] = {
    "model": Field(check=bodies.text),
    "max_tokens": Field(check=bodies.whole),
    "temperature": Field(check=bodies.number),
    "top_p": Field(check=bodies.number),
    "n": Field(check=bodies.whole, default=1),
    "stop": Field(check=_TEXT_OR_TEXTS, default=()),
    "stream": Field(check=bodies.truth, default=False),
    "stream_options": Field(check=bodies.mapping, default={}),
    "seed": Field(check=bodies.whole),
    "user": Field(check=bodies.text),
    "response_format": Field(check=bodies.mapping),
    "structured_outputs": Field(check=bodies.mapping),
}


def _message(value: Any, place: bodies.Place) -> Mapping[str, Any]:
    message = bodies.mapping(value, place)
    content = Field(check=bodies.either(("", bodies.text), ("", bodies.several(bodies.mapping))))
    bodies.fields(message, {"role": Field(check=bodies.text, required=True), "content": content}, place)
    return message


def _tool(value: Any, place: bodies.Place) -> Mapping[str, Any]:
    function = bodies.fields(value, {"function": Field(check=bodies.mapping, required=True)}, place)["function"]
    return bodies.fields(
        function,
        {"name": Field(check=bodies.text, required=True), "parameters": Field(check=bodies.mapping)},
        (*place, "function"),
    )


CHAT: Mapping[str, Field] = {
    "messages": Field(check=bodies.several(_message), required=True),
    **_SAMPLING,
    "max_completion_tokens": Field(check=bodies.whole),
    "tools": Field(check=bodies.several(_tool)),
    "tool_choice": Field(check=bodies.anything),
    "chat_template_kwargs": Field(check=bodies.mapping, default={}),
}
_NUMBERS = bodies.several(bodies.whole)
COMPLETION: Mapping[str, Field] = {
    **_SAMPLING,
    "prompt": Field(
        check=bodies.either(
            ("", _NUMBERS), ("", bodies.several(_NUMBERS)), ("", bodies.text), ("", bodies.several(bodies.text))
        )
    ),
    "echo": Field(check=bodies.truth, default=False),
    "suffix": Field(check=bodies.text),
}


def refusal(message: str, param: str | None = None, status: int = 400, kind: str = "BadRequestError") -> RefusalError:
    """A refusal as vLLM words it."""
    error = {"message": message, "type": kind, "param": param, "code": status}
    return RefusalError(Answer.json({"error": error}, status))


def of_param(message: str, param: str, value: Any = ...) -> RefusalError:
    """A refusal of one field."""
    told = "" if value is ... else f", value={value}"
    return refusal(f"{message} (parameter={param}{told})", param)


def read(request: Request, known: Mapping[str, Field]) -> dict[str, Any]:
    """The fields of a body.

    Raises:
        RefusalError: it is no JSON, or a field is of another type.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        message = "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed"
        raise refusal(message, kind="Bad Request")
    try:
        body = bodies.parsed(request)
        if body is None:
            raise bodies.missing(("body",))
        return bodies.fields(body, known)
    except BodyError as error:
        raise _body_refusal(error) from error


def _body_refusal(error: BodyError) -> RefusalError:
    lines = []
    for complaint in error.complaints:
        told = {
            "type": complaint.kind,
            "loc": ".".join(map(str, complaint.place)),
            "msg": complaint.message,
            "input": _shown(complaint.given),
        }
        lines.append(f"  {told | ({'ctx': dict(complaint.context)} if complaint.context else {})}")
    count = f"{len(lines)} validation error{'s' if len(lines) > 1 else ''}"
    place = ".".join(map(str, error.complaints[0].place))
    return refusal("\n".join([f"{count}:", *lines]), place, kind="Bad Request")


def _shown(value: Any) -> str:
    return f"<{type(value).__name__} of {len(value)} items>" if isinstance(value, dict | list) else str(value)


def check_options(values: Mapping[str, Any]) -> None:
    """What vLLM refuses before it looks for the model."""
    if values["stream_options"] and not values["stream"]:
        raise of_param("Stream options can only be defined when `stream=True`.", "stream_options")
    shape = values["response_format"]
    if shape is None:
        return
    kind = shape.get("type")
    if kind not in {"text", "json_object", "json_schema", "structural_tag"}:
        given = bodies.Complaint(
            kind="literal_error",
            place=("body", "response_format", "type"),
            message="Input should be 'text', 'json_object' or 'json_schema'",
            given=kind,
        )
        raise _body_refusal(BodyError([given]))
    if kind == "json_schema" and not shape.get("json_schema"):
        message = "When response_format type is 'json_schema', the 'json_schema' field must be provided."
        raise of_param(message, "response_format")


def check_tools(values: Mapping[str, Any]) -> None:
    """Tools and the choice among them must go together."""
    tools, choice = values["tools"], values["tool_choice"]
    if tools is not None and not tools:
        message = "`tools` must not be an empty array. Either provide at least one tool or omit the field entirely."
        raise of_param(message, "tools")
    if choice is None or (choice == "none" and not tools):
        return
    if not tools:
        raise of_param("When using `tool_choice`, `tools` must be set.", "tool_choice")
    if isinstance(choice, Mapping):
        name = (choice.get("function") or {}).get("name")
        if name not in {tool["name"] for tool in tools}:
            message = "The tool specified in `tool_choice` does not match any of the specified `tools`"
            raise of_param(message, "tool_choice")
    elif choice not in {"none", "auto", "required"}:
        message = (
            f'Invalid value for `tool_choice`: {choice}! Only named tools, "none", "auto" or "required" are supported.'
        )
        raise of_param(message, "tool_choice")


def check_sampling(values: Mapping[str, Any]) -> None:
    """What vLLM refuses once it builds the parameters of sampling."""
    temperature, top_p, count = values["temperature"], values["top_p"], values["n"]
    if count < 1:
        raise refusal(f"n must be at least 1, got {count}.")
    if temperature is not None and temperature < 0:
        raise of_param(f"temperature must be non-negative, got {temperature}.", "temperature", temperature)
    if top_p is not None and not 0 < top_p <= 1:
        raise of_param(f"top_p must be in (0, 1], got {top_p}.", "top_p", top_p)
    if temperature == 0 and count > 1:
        raise refusal(f"n must be 1 when using greedy sampling, got {count}.")


def room(prompt_tokens: int, wanted: int | None, longest: int, *, may_be_zero: bool = False) -> int:
    """How many tokens an answer may have.

    Raises:
        RefusalError: the prompt is too long, or more is wanted than the model can hold.
    """
    if wanted is not None and wanted > longest:
        message = (
            f"max_tokens={wanted} cannot be greater than max_model_len={longest}. Please request fewer output tokens."
        )
        raise of_param(message, "max_tokens", wanted)
    if prompt_tokens > longest:
        message = (
            f"This model's maximum context length is {longest} tokens. However, your prompt contains at least {longest + 1} "
            "input tokens, which exceeds this limit even without any output tokens. Please reduce the length of the input "
            "prompt."
        )
        raise of_param(message, "input_tokens", longest + 1)
    if wanted is not None and wanted < (0 if may_be_zero else 1):
        raise of_param(f"max_tokens must be at least 1, got {wanted}.", "max_tokens", wanted)
    left = longest - prompt_tokens
    return left if wanted is None else min(wanted, left)


def form_of(values: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What the answer must look like; None: any text."""
    wanted = values["structured_outputs"] or {}
    if wanted.get("choice") or wanted.get("regex"):
        return wanted
    if wanted.get("json"):
        return {"schema": wanted["json"]}
    shape = values["response_format"] or {}
    if shape.get("type") == "json_schema":
        return {"schema": shape["json_schema"].get("schema") or {}}
    return {"schema": {}} if shape.get("type") == "json_object" or wanted.get("json_object") else None


def text_of(message: Mapping[str, Any]) -> str:
    """The text of a message."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) for part in content or () if part.get("type") in _TEXTS)


def parts_beside_text(messages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Pictures and other parts of messages that are no text."""
    contents = (message.get("content") for message in messages)
    parts = (part for content in contents if isinstance(content, list) for part in content)
    return [part for part in parts if part.get("type") not in _TEXTS]


def colours(parts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What is seen on pictures.

    Raises:
        RefusalError: a part is no picture, or a damaged one.
    """
    for part in parts:
        picture = part.get("image_url")
        if part.get("type") != "image_url" or not picture:
            raise refusal(f"Unknown part type: {part.get('type')}")
        url = str(picture.get("url", "") if isinstance(picture, Mapping) else picture)
        head, _, packed = url.partition(",")
        if not head.startswith("data:image/"):
            raise refusal("The URL must be either a HTTP, data or file URL; a stand-in fetches nothing.")
        try:
            content = base64.b64decode(packed, validate=True)
            yield colour(content) if head.startswith("data:image/png") else "of another format than PNG"
        except (ValueError, binascii.Error) as error:
            raise refusal(f"Failed to load image: {error}") from error


def count_prompt(messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] | None) -> int:
    """Tokens of a conversation: its words, a few for each message, and the tools' descriptions."""
    words = sum(len(tokens(text_of(message))) + 4 for message in messages)
    return words + (len(tokens(str(tools))) if tools else 0) + 3
