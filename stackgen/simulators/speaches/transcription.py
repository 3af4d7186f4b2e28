"""Transcription of the stand-in for Speaches: what a recording carries, or how many bursts of sound it has."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from .. import bodies
from ..bodies import BodyError, Complaint, Field, Place
from ..door import Answer, Handler, Request, Upload
from ..language import tokens
from ..sound import Heard, hear
from .bodies import check_model, checking, literal, refusal
from .models import Store

_FORMATS = ("text", "json", "verbose_json", "srt", "vtt")
_NO_FILE = "Failed to decode audio. The provided file type is not supported."
_EMPTY = "Failed to decode audio. The provided file is likely empty."
_RAW = ("audio/pcm", "audio/raw")
_RAW_RATE = 16_000


def _file(value: Any, place: Place) -> Upload:
    if not isinstance(value, Upload):
        message = f"Value error, Expected UploadFile, received: {type(value)}"
        raise BodyError(
            [Complaint(kind="value_error", place=place, message=message, given=value, context={"error": {}})]
        )
    return value


_FIELDS = {
    "file": Field(check=_file, required=True),
    "model": Field(check=bodies.text, required=True),
    "response_format": Field(check=literal(*_FORMATS), default="json", null=False),
    "temperature": Field(check=bodies.number, default=0.0),
    "stream": Field(check=bodies.truth, default=False),
    "language": Field(check=bodies.text),
    "timestamp_granularities[]": Field(check=bodies.text),
}


def working(store: Store) -> dict[str, Handler]:
    """Both routes; nothing is translated."""
    return {
        "POST /v1/audio/transcriptions": checking(partial(_transcribe, "transcribe"), store),
        "POST /v1/audio/translations": checking(partial(_transcribe, "translate"), store),
    }


def _transcribe(task: str, store: Store, request: Request) -> Answer:
    form = request.form()
    try:
        fields = bodies.fields(form, _FIELDS)
    except BodyError as error:  # a form is read field by field: the refusal shows no whole
        raise BodyError(
            replace(one, given=None) if one.kind == "missing" or isinstance(one.given, Upload) else one
            for one in error.complaints
        ) from error
    heard = _heard(fields["file"])
    check_model(store, fields["model"], "stt")
    shape = fields["response_format"]
    segments = [_segment(heard, fields)] if heard.text else []
    if fields["stream"]:
        events = (_spelled([segment], heard, fields, shape, task) for segment in segments)
        return Answer(content_type="text/event-stream", pieces=(f"data: {event}\n\n".encode() for event in events))
    kind = {"text": "text/plain", "srt": "text/plain", "vtt": "text/vtt"}.get(shape)
    spelled = _spelled(segments, heard, fields, shape, task)
    return Answer.text(spelled, content_type=f"{kind}; charset=utf-8" if kind else "application/json")


def _heard(file: Upload) -> Heard:
    if not file.content:
        raise refusal(_EMPTY, 400)
    if file.content_type in _RAW:
        return Heard(text="Speech that a stand-in cannot hear.", seconds=len(file.content) / (2 * _RAW_RATE))
    try:
        return hear(file.content)
    except ValueError:
        raise refusal(_NO_FILE, 415) from None


def _segment(heard: Heard, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The whole recording as one piece; words have times of their own where they are wanted."""
    words = tokens(heard.text)
    step = heard.seconds / max(1, len(words))
    timed = [
        {
            "start": round(at * step, 2),
            "end": round((at + 1) * step, 2),
            "word": word,
            "probability": 0.98,
            "speaker": None,
        }
        for at, word in enumerate(words)
    ]
    return {
        "avg_logprob": -0.2,
        "compression_ratio": 1.0,
        "end": round(heard.seconds, 2),
        "id": 1,
        "no_speech_prob": 0.01,
        "seek": 0,
        "start": 0.0,
        "temperature": 0.0,
        "text": heard.text,
        "tokens": [zlib.crc32(word.encode()) % 50_000 for word in words],
        "words": timed if fields["timestamp_granularities[]"] == "word" else None,
        "speaker": None,
    }


def _spelled(segments: list[dict[str, Any]], heard: Heard, fields: Mapping[str, Any], shape: str, task: str) -> str:
    said = "".join(segment["text"] for segment in segments)
    if shape == "text":
        return said
    if shape == "srt":
        return "".join(f"1\n{_time(0, ',')} --> {_time(heard.seconds, ',')}\n{said}\n\n" for _ in segments)
    if shape == "vtt":
        return "".join(f"WEBVTT\n\n{_time(0, '.')} --> {_time(heard.seconds, '.')}\n{said}\n\n" for _ in segments)
    if shape == "json":
        return Answer.json({"text": said}).body.decode()
    whole = {
        "task": task,
        "language": fields["language"] or "en",
        "duration": round(heard.seconds, 3),
        "text": said,
        "words": segments[0]["words"] if segments else None,
        "segments": segments,
    }
    return Answer.json(whole).body.decode()


def _time(seconds: float, point: str) -> str:
    whole = int(seconds)
    return f"{whole // 3600:02d}:{whole % 3600 // 60:02d}:{whole % 60:02d}{point}{int(seconds % 1 * 1000):03d}"
