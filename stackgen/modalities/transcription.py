"""Transcription: a recording becomes text (`/v1/audio/transcriptions`, a form with a file)."""

from __future__ import annotations

import secrets
import struct
from importlib import resources

from stackgen.modalities import words
from stackgen.modalities.probe import Asked, Modality, Probe, Reply, Upload, same, shortened

_RIFF_HEAD_BYTES = 8
_UNIQUE_BYTES = 16
SPOKEN = "one two three four five"
_LARGEST_ERROR = 0.3
"""Share of the words that an engine may mishear: small models do, with a voice made by a machine."""


def spoken() -> bytes:
    """A voice that counts from one to five: WAV, mono, 16 kHz, spoken by espeak-ng."""
    return unique(resources.files("stackgen.modalities").joinpath("spoken.wav").read_bytes())


def unique(recording: bytes) -> bytes:
    """The same WAV as another file, so that no cache knows it: its last chunk is one that every reader skips.

    Who streams a WAV writes no sizes; they stay so.
    """
    chunks = recording[_RIFF_HEAD_BYTES:]
    chunks += b"JUNK" + struct.pack("<I", _UNIQUE_BYTES) + secrets.token_bytes(_UNIQUE_BYTES)
    size = int.from_bytes(recording[4:_RIFF_HEAD_BYTES], "little")
    known = size == len(recording) - _RIFF_HEAD_BYTES
    return b"RIFF" + struct.pack("<I", len(chunks) if known else size) + chunks


def complaint(reply: Reply) -> str | None:
    """A good reply is JSON with a text that holds a letter or a digit."""
    refusal = reply.refusal()
    if refusal:
        return refusal
    data = reply.json()
    if not isinstance(data, dict) or not isinstance(data.get("text"), str):
        return "the reply has no `text`"
    if not any(character.isalnum() for character in data["text"]):
        return "the text is empty: nothing was heard"
    return None


def misfit(reply: Reply, asked: Asked) -> str | None:
    """What was said is heard; stand-ins must hear each word."""
    said, heard = asked.said or SPOKEN, reply.json()["text"]
    error = words.error(said, heard, asked.language)
    if error <= (0.0 if asked.exact else _LARGEST_ERROR):
        return None
    return f"{error:.0%} of the words are wrong: “{said}” was heard as “{shortened(heard)}”"


def _reply(body: str, status: int = 200) -> Reply:
    return Reply(status=status, content_type="application/json", body=body)


MODALITY = Modality(
    name="transcription",
    kinds=frozenset({"stt"}),
    path="/v1/audio/transcriptions",
    call="audio.transcriptions.create",
    answer=".text",
    probes=(
        Probe(
            name="transcription",
            body=same({"response_format": "json"}),
            complaint=complaint,
            misfit=misfit,
            hears="speech",
            good=(  # Speaches 0.8; vLLM 0.32; LiteLLM where it asks for the long form
                _reply('{"text":"One, two, three, four, five."}'),
                _reply('{"text":" 1 2 3 4 5","usage":{"type":"duration","seconds":2}}'),
                _reply(
                    '{"task":"transcribe","language":"english","duration":1.45,"text":"1, 2, 3, 4, 5.","words":null,'
                    '"segments":[{"id":1,"seek":0,"start":0.0,"end":1.45,"text":" 1, 2, 3, 4, 5.","tokens":[],'
                    '"temperature":0.0,"avg_logprob":-0.3,"compression_ratio":0.7,"no_speech_prob":0.01}]}'
                ),
            ),
            bad=(
                _reply('{"text":""}'),
                _reply('{"text":" ... "}'),
                _reply('{"text":null}'),
                _reply('{"segments":[]}'),
                _reply('{"detail":"Model \'small\' is not installed locally."}', status=404),
                _reply('{"detail":"Failed to decode audio."}', status=415),
                _reply('{"detail":[{"type":"missing","loc":["body","file"],"msg":"Field required"}]}', status=422),
                Reply(error="no answer within 120 s"),
            ),
            upload=Upload(field="file", name="spoken.wav", content_type="audio/wav", content=spoken),
        ),
    ),
)
