"""How Speaches behaves at its door: audio under /v1 and nothing else."""

from __future__ import annotations

import base64
from typing import Any

from engines_strict import Kind, RefusedError, StrictEngine, json_reply, recorded

from stackgen.modalities import MODALITIES, Reply, audio

_WAV_HEAD_BYTES = 44
_SPOKEN = {"json", "verbose_json", "text", "srt", "vtt"}


def _transcription(_: StrictEngine, body: dict[str, Any]) -> Reply:
    file = body.get("file")
    if not file or "data" not in file:
        raise ValueError("file: Field required")
    form = body.get("response_format", "json")
    if form not in _SPOKEN:
        raise ValueError(f"response_format: Input should be one of {sorted(_SPOKEN)}")
    if audio.complaint(base64.b64decode(file["data"])):
        raise RefusedError(415, {"detail": "Failed to decode audio. The provided file type is not supported."})
    if form == "json":
        return recorded("transcription", "transcription")
    if form == "verbose_json":
        return MODALITIES["transcription"].probes[0].good[-1]
    return Reply(status=200, content_type="text/plain", body="One, two, three, four, five.")


def _speech(_: StrictEngine, body: dict[str, Any]) -> Reply:
    for name in ("input", "voice"):
        if not isinstance(body.get(name), str) or not body[name]:
            raise ValueError(f"{name}: Field required")
    form = body.get("response_format", "mp3")
    if form not in _RECORDINGS:
        raise ValueError(f"response_format: Input should be one of {sorted(_RECORDINGS)}")
    return _RECORDINGS[form]


def _recordings() -> dict[str, Reply]:
    """A tone in each format that Speaches knows: no Opus, no AAC."""
    known = {reply.content()[:4]: reply for reply in MODALITIES["speech"].probes[0].good}
    wav = recorded("speech", "speech")
    samples = base64.b64encode(wav.content()[_WAV_HEAD_BYTES:]).decode()
    return {
        "wav": wav,
        "flac": known[b"fLaC"],
        "mp3": known[b"ID3\x04"],
        "pcm": Reply(status=200, content_type="audio/pcm", data=samples),
    }


_RECORDINGS = _recordings()
SPEACHES = Kind(  # Speaches 0.8.3, whose health too wants the key
    key_variable="API_KEY",
    open_routes=frozenset(),
    guarded_routes=frozenset(
        {"GET /health", "GET /v1/models", "POST /v1/audio/transcriptions", "POST /v1/audio/speech"}
    ),
    answers={"POST /v1/audio/transcriptions": _transcription, "POST /v1/audio/speech": _speech},
    information={"GET /health": lambda _, __: json_reply("OK")},
    no_key=(403, {"detail": "Not authenticated"}),
    unknown_model=lambda name, _: RefusedError(
        404,
        {
            "detail": f"Model '{name}' is not installed locally. "
            f"You can download the model using `POST /v1/models/{name}`"
        },
    ),
    wrong_body=lambda message: RefusedError(422, {"detail": message}),
)
