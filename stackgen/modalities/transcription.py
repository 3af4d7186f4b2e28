"""Transcription: a recording becomes text (`/v1/audio/transcriptions`, a form with a file)."""

from __future__ import annotations

import secrets
import struct
from importlib import resources

from stackgen.modalities.probe import Modality, Probe, Reply, Upload, same

_RIFF_HEAD_BYTES = 8
_UNIQUE_BYTES = 16


def spoken() -> bytes:
    """A voice that counts from one to five: WAV, mono, 16 kHz, spoken by espeak-ng.

    A chunk that every reader skips makes each copy another file, so that no cache knows it.
    """
    chunks = resources.files("stackgen.modalities").joinpath("spoken.wav").read_bytes()[_RIFF_HEAD_BYTES:]
    chunks += b"JUNK" + struct.pack("<I", _UNIQUE_BYTES) + secrets.token_bytes(_UNIQUE_BYTES)
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


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
