"""Vision: a question about a picture (`/v1/chat/completions` with an image in a message)."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from collections.abc import Mapping
from typing import Any

from stackgen.modalities.answers import text_of
from stackgen.modalities.probe import Modality, Probe, Reply, of_choice, same, shortened

_SIDE_PIXELS = 64
"""Models that cut pictures into patches refuse less than 56."""
_RED = b"\xff\x00\x00"


def _png(side_pixels: int, colour: bytes) -> bytes:
    """A square of one colour: eight bits a channel, no filter."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = (b"\x00" + colour * side_pixels) * side_pixels
    header = struct.pack(">IIBBBBB", side_pixels, side_pixels, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


_PICTURE = f"data:image/png;base64,{base64.b64encode(_png(_SIDE_PIXELS, _RED)).decode()}"
_BODY: Mapping[str, Any] = {
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What colour is this picture? Answer with one English word."},
                {"type": "image_url", "image_url": {"url": _PICTURE}},
            ],
        }
    ],
    "max_tokens": 64,
    "temperature": 0,
}


@of_choice
def complaint(choice: Mapping[str, Any]) -> str | None:
    """A good reply names the colour, so the picture reached the model; thoughts that were cut before it pass."""
    message = choice["message"]
    if not text_of(message):
        return "the answer is empty"
    answer = str(message.get("content") or "")
    if answer and not re.search(r"\bred(dish)?\b", answer, re.IGNORECASE):
        return f"the answer does not name the colour of the picture, red; has the picture reached the model? {shortened(answer)}"
    return None


def _reply(message: str) -> Reply:
    """An answer as vLLM 0.32.0 spells it."""
    choice = f'{{"index":0,"message":{{"role":"assistant",{message}}},"finish_reason":"stop"}}'
    body = (
        f'{{"id":"chatcmpl-80b4","object":"chat.completion","created":1795228630,"model":"see","choices":[{choice}]}}'
    )
    return Reply(status=200, content_type="application/json", body=body)


MODALITY = Modality(
    name="vision",
    kinds=frozenset({"vlm"}),
    path="/v1/chat/completions",
    call="chat.completions.create",
    answer=".choices[0].message.content",
    probes=(
        Probe(
            name="vision",
            body=same(_BODY),
            complaint=complaint,
            good=(
                _reply('"content":"Red"'),
                _reply('"content":"The picture is a plain **red** square."'),
                _reply('"content":null,"reasoning_content":"The user shows a picture and"'),
            ),
            bad=(
                _reply('"content":""'),
                _reply('"content":"I cannot see any picture. Please share it."'),
                _reply('"content":"It was rendered in blue."'),
                Reply(
                    status=400,
                    content_type="application/json",
                    body='{"error":{"message":"At most 0 image(s) may be provided in one prompt.","code":400}}',
                ),
                Reply(status=200, content_type="application/json", body='{"choices":[]}'),
                Reply(error="no answer within 120 s"),
            ),
        ),
    ),
)
