"""What the stand-in for vLLM writes: thoughts, an answer or a call of a tool, cut by lengths and stop words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..language import instance_of, reply_to, tokens
from ..patterns import text_for

THOUGHT = "I say again what I was told."


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call of a tool."""

    name: str
    arguments: str
    """Text of a JSON object."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """One answer, in the pieces that a stream brings."""

    thoughts: Sequence[str] = ()
    content: Sequence[str] = ()
    call: Call | None = None
    ends: str = "stop"
    """`stop` or `length`."""
    stop_word: str | None = None

    @property
    def count(self) -> int:
        """Tokens, with the one that ends an answer."""
        called = len(tokens(self.call.arguments)) if self.call else 0
        return len(self.thoughts) + len(self.content) + called + (self.ends == "stop")


def write(
    *,
    prompt: str,
    most_tokens: int,
    thinks: bool,
    stop: Sequence[str] = (),
    seen: Sequence[str] = (),
    form: Mapping[str, Any] | None = None,
    tool: Mapping[str, Any] | None = None,
) -> Written:
    """Answer a prompt.

    Args:
        prompt: the last message.
        most_tokens: where to cut.
        thinks: whether thoughts come first.
        stop: words before which the answer ends.
        seen: colours of the pictures in the message.
        form: what the answer must be: `schema`, `choice` or `regex`.
        tool: the function to call.

    Raises:
        ValueError: no value of that form is known.
    """
    thoughts = tokens(THOUGHT)[:most_tokens] if thinks else []
    left = most_tokens - len(thoughts)
    if tool is not None:
        arguments = json.dumps(instance_of(tool.get("parameters") or {}, prompt), ensure_ascii=False)
        if len(tokens(arguments)) > left:
            return Written(thoughts=thoughts, ends="length")
        return Written(thoughts=thoughts, call=Call(name=tool["name"], arguments=arguments))
    if form is None:
        sights = tokens("".join(f"The picture is {colour}. " for colour in seen))
        said, ends = reply_to(prompt, max(0, left - len(sights)))
        pieces = [*sights, *tokens(said)]
    else:
        pieces = tokens(_formed(form, prompt))
        ends = "stop" if len(pieces) <= left else "length"
    kept, stop_word = _until(pieces[:left], stop)
    return Written(thoughts=thoughts, content=kept, ends=ends if stop_word is None else "stop", stop_word=stop_word)


def _formed(form: Mapping[str, Any], prompt: str) -> str:
    if form.get("choice"):
        return next((choice for choice in form["choice"] if choice in prompt), str(form["choice"][0]))
    if form.get("regex"):
        return text_for(str(form["regex"]))
    return json.dumps(instance_of(form["schema"], prompt), ensure_ascii=False)


def _until(pieces: Sequence[str], stop: Sequence[str]) -> tuple[list[str], str | None]:
    """The pieces before the first stop word, and that word."""
    text = "".join(pieces)
    found = [(text.index(word), word) for word in stop if word and word in text]
    if not found:
        return list(pieces), None
    at, word = min(found)
    kept: list[str] = []
    for piece in pieces:
        room = at - sum(map(len, kept))
        if room > 0:
            kept.append(piece[:room])
    return kept, word
