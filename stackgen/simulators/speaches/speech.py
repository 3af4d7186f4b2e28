"""Speech of the stand-in for Speaches: a text becomes tones that carry it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from .. import bodies, catalogue, sound
from ..bodies import Field
from ..door import Answer, Handler, Request
from .bodies import check_model, checking, literal, refusal
from .models import Store, is_kokoro, rate_of, voices_of

_FORMATS: Mapping[str, tuple[str, Callable[[str, bytes, int], bytes]]] = {
    "mp3": ("audio/mpeg", sound.mp3),
    "flac": ("audio/flac", sound.flac),
    "wav": ("audio/wav", sound.wav),
    "pcm": ("audio/pcm", lambda _, samples, __: samples),
}
_FIELDS = {
    **dict.fromkeys(("model", "input", "voice"), Field(check=bodies.text, required=True)),
    "response_format": Field(check=literal(*_FORMATS), default="mp3", null=False),
    "speed": Field(check=bodies.number, default=1.0, null=False),
}
_KOKORO_SPEED, _PIPER_SPEED = (0.5, 2.0), (0.25, 4.0)
_PIECE_BYTES = 16_384


def working(store: Store) -> dict[str, Handler]:
    """The one route."""
    return {"POST /v1/audio/speech": checking(_speech, store)}


def _speech(store: Store, request: Request) -> Answer:
    body = bodies.fields(bodies.parsed(request), _FIELDS)
    model, words, voice, speed = body["model"], body["input"], body["voice"], body["speed"]
    check_model(store, model, "tts")
    _check_voice(model, voice)
    least, most = _KOKORO_SPEED if is_kokoro(model) else _PIPER_SPEED
    if not least <= speed <= most:
        raise refusal(f"Speed must be between {least} and {most}, got {speed}", 422)
    rate = rate_of(model)
    content_type, packed = _FORMATS[body["response_format"]]
    content = packed(words, sound.samples(words, rate, speed), rate)
    return Answer(content_type=content_type, pieces=_pieces(content))


def _check_voice(model: str, voice: str) -> None:
    """A model with one voice takes any name; the other family takes its own, and those that OpenAI has."""
    if not is_kokoro(model) or voice in catalogue.facts("speaches_voices")["openai"]:
        return
    voices = voices_of(model)
    if voice not in {known.name for known in voices}:
        shown = ", ".join(
            f"KokoroModelVoice(name={known.name!r}, language={known.language!r}, gender={known.gender!r}, id={known.name!r})"
            for known in voices
        )
        raise refusal(f"Voice '{voice}' is not supported. Supported voices: [{shown}]", 422)


def _pieces(content: bytes) -> Iterator[bytes]:
    return (content[at : at + _PIECE_BYTES] for at in range(0, len(content), _PIECE_BYTES))
