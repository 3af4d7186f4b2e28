"""What a model of the stand-in for Ollama says to a question, whatever route it came by."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..door import Answer, RefusalError
from ..language import instance_of, overlap, reply_to, tokens
from ..pictures import colour
from .models import Model

_THOUGHTS = "The user wrote something, and I quote it."
_OTHER_PICTURES = (b"\xff\xd8\xff", b"RIFF")
"""How JPEG and WebP begin: a model sees them, the stand-in does not."""
_PNG = b"\x89PNG"


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message of a conversation."""

    role: str
    content: str = ""
    images: tuple[bytes, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of a model."""

    messages: tuple[Message, ...]
    context: int
    """Tokens that the model takes in; what is longer loses its beginning without a word."""
    tools: tuple[Mapping[str, Any], ...] = ()
    format: Any = None
    """`json`, or a JSON schema."""
    think: bool = False
    most_tokens: int = 0
    """Of the answer; 0 or less: as many as the context."""
    stops: tuple[str, ...] = ()
    """Texts before which the answer ends."""

    @property
    def asked(self) -> Message:
        """What the answer is about: the last message, and pictures of those of the same speaker just before it."""
        last = self.messages[-1]
        together: list[Message] = []
        for message in reversed(self.messages):
            if message.role != last.role:
                break
            together.insert(0, message)
        return Message(
            role=last.role,
            content="\n".join(message.content for message in together if message.content),
            images=tuple(image for message in together for image in message.images),
        )


@dataclass(frozen=True, kw_only=True)
class Said:
    """A whole answer."""

    content: str
    thinking: str
    calls: tuple[Mapping[str, Any], ...]
    """Calls of tools as Ollama spells them; their arguments are an object."""
    reason: str
    """`stop` or `length`."""
    prompt_tokens: int
    own_tokens: int
    began_ns: int

    @property
    def metrics(self) -> dict[str, int]:
        """Counts, and durations in nanoseconds."""
        total = time.monotonic_ns() - self.began_ns
        return {
            "total_duration": total,
            "load_duration": total // 4,
            "prompt_eval_count": self.prompt_tokens,
            "prompt_eval_duration": total // 4,
            "eval_count": self.own_tokens,
            "eval_duration": total // 2,
        }

    @property
    def message(self) -> dict[str, Any]:
        """The whole of it; what is empty is left out, as Go does."""
        thinking = {"thinking": self.thinking} if self.thinking else {}
        return {"content": self.content, **thinking, **({"tool_calls": list(self.calls)} if self.calls else {})}

    def pieces(self) -> Iterator[dict[str, Any]]:
        """The parts of its message, one token each."""
        yield from ({"content": "", "thinking": token} for token in tokens(self.thinking))
        if self.calls:
            yield {"content": "", "tool_calls": list(self.calls)}
        yield from ({"content": token} for token in tokens(self.content))


def refuse(message: str, status: int = 400) -> RefusalError:
    """A refusal in Ollama's form."""
    return RefusalError(as_json({"error": message}, status))


def as_json(data: Any, status: int = 200) -> Answer:
    """JSON as its server labels it."""
    return Answer(status=status, content_type="application/json; charset=utf-8", body=Answer.json(data).body)


def as_line(data: Mapping[str, Any]) -> bytes:
    """One line of a stream."""
    return Answer.json(data).body + b"\n"


def now() -> str:
    """The time as it writes it."""
    return timestamp(time.time())


def timestamp(seconds: float) -> str:
    """A moment in seconds since 1970 as it writes it: with nanoseconds."""
    whole = datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{int(seconds % 1 * 1e9):09d}Z"


def speak(model: Model, question: Question) -> Said:
    """Answer a question; raises RefusalError where the model cannot."""
    began_ns = time.monotonic_ns()
    heard = tokens("\n".join(message.content for message in question.messages))[-question.context :]
    prompt = "".join(tokens(question.asked.content)[-question.context :])
    left = question.most_tokens if question.most_tokens > 0 else question.context
    thoughts = tokens(_THOUGHTS)[:left] if question.think and "thinking" in model.capabilities else []
    left -= len(thoughts)
    calls = _calls(question, prompt) if left else ()
    content, reason = ("", "stop") if calls else _content(model, question, prompt, left)
    return Said(
        content=content,
        thinking="".join(thoughts),
        calls=calls,
        reason=reason,
        prompt_tokens=max(1, len(heard)),
        own_tokens=len(thoughts) + max(1, len(tokens(content))),
        began_ns=began_ns,
    )


def _content(model: Model, question: Question, prompt: str, most: int) -> tuple[str, str]:
    if not most:
        return "", "length"
    if question.format:
        return _cut(_structured(question.format, prompt), most)
    seen = [_seen(image) for image in question.asked.images] if "vision" in model.capabilities else []
    text, reason = _cut(f"The picture is {' and '.join(seen)}.", most) if seen else reply_to(prompt, most)
    stops = [stop for stop in question.stops if stop and stop in text]
    for stop in stops:
        text = text.partition(stop)[0]
    return text, "stop" if stops else reason


def _cut(text: str, most: int) -> tuple[str, str]:
    whole = tokens(text)
    return (text, "stop") if len(whole) <= most else ("".join(whole[:most]), "length")


def _structured(wanted: Any, prompt: str) -> str:
    if wanted == "json":
        return json.dumps({"answer": prompt}, ensure_ascii=False)
    if not isinstance(wanted, Mapping):
        message = f'invalid format: {json.dumps(wanted)}; expected "json" or a valid JSON Schema object'
        raise refuse(message, 500)
    try:
        return json.dumps(instance_of(wanted, prompt), ensure_ascii=False)
    except ValueError as error:
        raise refuse("invalid JSON schema in format", 500) from error


def _seen(image: bytes) -> str:
    if image.startswith(_OTHER_PICTURES):
        return "colourful"
    if not image.startswith(_PNG):
        raise refuse("failed to process inputs: image: unknown format", 500)
    try:
        return colour(image)
    except ValueError as error:
        raise refuse(f"failed to process inputs: {error}", 500) from error


def _calls(question: Question, prompt: str) -> tuple[Mapping[str, Any], ...]:
    """A call of the tool whose description is nearest to the words of the user; none once a tool has answered."""
    if not question.tools or question.messages[-1].role == "tool":
        return ()
    functions = [tool["function"] for tool in question.tools]
    chosen = max(
        functions, key=lambda function: overlap(prompt, f"{function['name']} {function.get('description', '')}")
    )
    try:
        arguments = instance_of(chosen.get("parameters") or {}, prompt)
    except ValueError as error:
        raise refuse(f"invalid tool parameters: {error}", 500) from error
    call = {"index": 0, "name": chosen["name"], "arguments": arguments}
    return ({"id": f"call_{secrets.token_hex(4)}", "function": call},)
