"""Speech: a text becomes a recording (`/v1/audio/speech`)."""

from __future__ import annotations

import array
import base64
import math
import struct
import sys
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from stackgen import facts
from stackgen.modalities import audio
from stackgen.modalities.probe import Asked, Modality, Probe, Reply, shortened
from stackgen.parts import Quirks

_ANY_VOICE = "alloy"
"""The field is required; engines with one voice ignore it or know OpenAI's names."""
_RATE = 8000
_PERIOD = 200
"""Samples after which a tone of 440 Hz is where it began."""
_SECONDS_A_LETTER = (0.02, 0.25)
"""Shortest and longest; people speak 12 to 18 letters a second."""
_LETTERS_IN_A_SIGN = 3
"""A sign of Chinese or Japanese is a syllable or more."""


def _body(quirks: Quirks) -> Mapping[str, Any]:
    return {
        "input": facts.speech_text(quirks.language),
        "voice": quirks.voice or _ANY_VOICE,
        "response_format": "wav",
    }


def complaint(reply: Reply) -> str | None:
    """A good reply is a recording that is not silent, of whatever format: gateways may answer another one."""
    refusal = reply.refusal()
    if refusal:
        return refusal
    if not reply.data:
        return f"expected a recording, got text: {reply.message()}" if reply.body else "the reply is empty"
    if not reply.content_type.startswith("audio/"):
        return f"expected a recording, got {shortened(reply.content_type)}"
    return audio.complaint(reply.content())


def misfit(reply: Reply, asked: Asked) -> str | None:
    """A recording is as long as its text takes to say; what is compressed is not measured."""
    seconds = audio.seconds(reply.content())
    text = facts.speech_text(asked.quirks.language)
    letters = sum(_LETTERS_IN_A_SIGN if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)
    shortest, longest = (letters * limit for limit in _SECONDS_A_LETTER)
    if seconds is None or shortest <= seconds <= longest:
        return None
    return f"the recording is {seconds:.1f} s long; its text takes {shortest:.1f} to {longest:.1f} s"


def _wav(sample: Callable[[int], float], *, seconds: float = 1.5, streamed: bool = False) -> bytes:
    """A recording of 16 bits of one period again and again; who streams it knows no sizes yet."""
    period = array.array("h", (int(sample(at) * 2**15) for at in range(_PERIOD)))
    numbers = period * int(seconds * _RATE / _PERIOD)
    if sys.byteorder == "big":
        numbers.byteswap()
    content = numbers.tobytes()
    form = struct.pack("<HHIIHH", 1, 1, _RATE, 2 * _RATE, 2, 16)
    sizes = (0xFFFFFFFF, 0xFFFFFFFF) if streamed else (36 + len(content), len(content))
    head = b"RIFF" + struct.pack("<I", sizes[0]) + b"WAVEfmt " + struct.pack("<I", len(form)) + form
    return head + b"data" + struct.pack("<I", sizes[1]) + content


def _tone(at: int) -> float:
    return 0.3 * math.sin(2 * math.pi * 440 * at / _RATE)


def _reply(content: bytes, content_type: str = "audio/wav") -> Reply:
    """An answer of Speaches, of the same shape as its recordings."""
    return Reply(status=200, content_type=content_type, data=base64.b64encode(content).decode())


MODALITY = Modality(
    name="speech",
    kinds=frozenset({"tts"}),
    path="/v1/audio/speech",
    call="audio.speech.create",
    probes=(
        Probe(
            name="speech",
            body=_body,
            complaint=complaint,
            misfit=misfit,
            good=(
                _reply(_wav(_tone)),
                _reply(_wav(_tone, streamed=True), "audio/mpeg"),  # LiteLLM 1.74.0 names every format so
                _reply(b"ID3\x04" + bytes(2000), "audio/mpeg"),
                _reply(b"\xff\xf3\x84\xc4" + bytes(2000), "audio/mpeg"),
                _reply(b"fLaC" + bytes(2000), "audio/flac"),
                _reply(b"OggS" + bytes(2000), "audio/ogg; codecs=opus"),
            ),
            bad=(
                _reply(_wav(lambda _: 0.0)),
                _reply(_wav(_tone, seconds=0.1)),
                _reply(_wav(_tone)[:20]),
                _reply(b"ID3\x04", "audio/mpeg"),
                _reply(bytes(4000), "audio/pcm"),
                _reply(_wav(_tone), "application/octet-stream"),
                Reply(status=200, content_type="audio/wav"),
                Reply(
                    status=200, content_type="audio/wav", body='{"detail":"Model \'speak\' is not installed locally."}'
                ),
                Reply(status=200, content_type="text/html", body="<!doctype html><title>Speaches</title>"),
                Reply(
                    status=422, content_type="application/json", body='{"detail":"Voice \'alloy\' is not supported"}'
                ),
                Reply(error="no answer within 120 s"),
            ),
            saved_as="speech.wav",
        ),
    ),
)
