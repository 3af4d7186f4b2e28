"""The stand-in for Speaches, asked over a socket, and the recordings that it makes and hears."""

from __future__ import annotations

import array
import io
import json
import struct
import time
import wave

import pytest
from simulated import fetch, form, send, served

from stackgen import facts
from stackgen.modalities import MODALITIES, audio
from stackgen.modalities.transcription import spoken
from stackgen.parts import Quirks
from stackgen.simulators import sound, speaches

HEARS, PIPER, KOKORO = (
    "Systran/faster-whisper-small",
    "speaches-ai/piper-fr_FR-siwis-medium",
    "speaches-ai/Kokoro-82M-v1.0-ONNX",
)
KEY = {"Authorization": "Bearer sk-right"}
COUNTED = "one two three four five"
TEXTS = (
    "Good morning.",
    "Héllo, Grüße!",
    "你好 世界",
    "x",
    'two\nlines and "quotes"',
    *(facts.speech_text(language) for language in ("fr", "hi", "ru", "zh")),
)


def door(folder, version="0.8.3", **environment):
    known = {"HOME": str(folder), "UVICORN_PORT": "0", "API_KEY": "sk-right", "STAND_IN_PULL_SECONDS": "0"}
    return speaches.door(["uvicorn", "--factory", "speaches.main:create_app"], {**known, **environment}, version)


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """One that has a model of each kind."""
    with served(door(tmp_path_factory.mktemp("speaches"))) as url:
        for model in (HEARS, PIPER, KOKORO):
            assert send("POST", f"{url}/v1/models/{model}", **KEY).status == 200
        yield url


def speak(url, **body):
    known = {"model": KOKORO, "input": "Good morning.", "voice": "af_heart", "response_format": "wav"}
    return send("POST", f"{url}/v1/audio/speech", known | body, **KEY)


def transcribe(url, content, kind="audio/wav", path="/v1/audio/transcriptions", **fields):
    body, content_type = form(file=("a.wav", kind, content), **{"model": HEARS, **fields})
    return send("POST", url + path, body, Content_Type=content_type, **KEY)


def test_the_job_fetches_models_once_and_they_stay_over_a_restart(tmp_path):
    with served(door(tmp_path)) as url:
        first = fetch("speaches", url, HEARS, PIPER, SPEACHES_API_KEY="sk-right")
        assert (first.returncode, first.stderr, first.stdout.count(": fetched")) == (0, "", 2)
    with served(door(tmp_path)) as url:
        second = fetch("speaches", url, HEARS, PIPER, SPEACHES_API_KEY="sk-right")
        assert (second.returncode, second.stdout.count(": present")) == (0, 2)
        assert send("POST", f"{url}/v1/models/{HEARS}", **KEY).status == 201
        assert send("DELETE", f"{url}/v1/models/{HEARS}", **KEY).status == 200
        assert send("DELETE", f"{url}/v1/models/{HEARS}", **KEY).status == 404
        listed = [row["id"] for row in send("GET", f"{url}/v1/models", **KEY).json()["data"]]
        assert listed == [PIPER]
        assert send("GET", f"{url}/v1/models/{PIPER}", **KEY).json()["task"] == "text-to-speech"


def test_a_model_that_the_hub_does_not_have_fails_at_the_first_attempt(tmp_path):
    with served(door(tmp_path)) as url:
        done = fetch("speaches", url, "someone/missing-model", HEARS, SPEACHES_API_KEY="sk-right")
        assert done.returncode == 1
        assert "failed: HTTP 404: Model 'someone/missing-model' not found" in done.stdout
        assert "1 of 2 models are there" in done.stdout


def test_a_fetch_takes_its_time_and_a_folder_that_cannot_be_written_is_an_error_of_the_server(tmp_path):
    hub = tmp_path / "hub"
    with served(door(tmp_path, HF_HUB_CACHE=str(hub), STAND_IN_PULL_SECONDS="0.3")) as url:
        began = time.monotonic()
        assert send("POST", f"{url}/v1/models/{HEARS}", **KEY).text == f"Model '{HEARS}' downloaded"
        assert time.monotonic() - began >= 0.3
    (tmp_path / "file").write_text("")
    with served(door(tmp_path, HF_HUB_CACHE=str(tmp_path / "file"))) as url:
        assert send("POST", f"{url}/v1/models/{HEARS}", **KEY).text == "Internal Server Error"


@pytest.mark.parametrize(
    ("version", "path", "headers", "status"),
    [
        ("0.8.3", "/health", {}, 403),
        ("0.8.3", "/health", {"Authorization": "Bearer sk-wrong"}, 403),
        ("0.8.3", "/health", KEY, 200),
        ("0.8.3-cuda", "/v1/models", {"Authorization": "Basic abc"}, 403),
        ("0.8.3", "/nowhere", {}, 404),
        ("0.9.0-rc.3", "/health", {}, 200),
        ("0.9.0-rc.3", "/v1/models", {}, 403),
        ("latest-cuda", "/v1/models", {"Authorization": "Bearer sk-wrong"}, 403),
        ("latest-cuda", "/v1/models", KEY, 200),
    ],
)
def test_the_key_guards_everything_and_from_0_9_on_not_its_health(tmp_path, version, path, headers, status):
    with served(door(tmp_path, version)) as url:
        assert send("GET", url + path, **headers).status == status


def test_without_a_key_everybody_is_let_in_and_with_an_empty_one_nobody(tmp_path):
    open_door = speaches.door([], {"HOME": str(tmp_path), "UVICORN_PORT": "0"}, "0.8.3")
    with served(open_door) as url:
        assert send("GET", f"{url}/v1/models").json() == {"data": [], "object": "list"}
    with served(door(tmp_path, API_KEY="")) as url:
        assert send("GET", f"{url}/health", Authorization="Bearer ").status == 403


def test_models_are_fetched_at_the_start_from_0_9_on(tmp_path, capsys):
    wanted = json.dumps([HEARS])
    with served(door(tmp_path, "0.9.0", PRELOAD_MODELS=wanted)) as url:
        assert [row["id"] for row in send("GET", f"{url}/v1/models", **KEY).json()["data"]] == [HEARS]
    with served(door(tmp_path / "old", "0.8.3", PRELOAD_MODELS=wanted)) as url:
        assert send("GET", f"{url}/v1/models", **KEY).json()["data"] == []
    with pytest.raises(SystemExit) as ended:
        door(tmp_path, "0.9.0", PRELOAD_MODELS='["a/gone"]')
    assert ended.value.code == 3
    assert "startup failed" in capsys.readouterr().err


@pytest.mark.parametrize("shape", ["wav", "mp3", "flac"])
@pytest.mark.parametrize("model", [PIPER, KOKORO])
def test_what_is_spoken_is_heard_to_the_letter(full, shape, model):
    for text in TEXTS:
        got = speak(full, model=model, input=text, response_format=shape)
        assert (got.status, got.headers["transfer-encoding"]) == (200, "chunked")
        assert audio.complaint(got.content) is None
        assert transcribe(full, got.content).json() == {"text": text}


@pytest.mark.parametrize(("model", "rate"), [(PIPER, 22050), (KOKORO, 24000)])
def test_a_recording_is_as_long_as_its_text(full, model, rate):
    text = "Good morning, this is a short test of the voice."

    def seconds(**body):
        with wave.open(io.BytesIO(speak(full, model=model, input=text, **body).content)) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, rate)
            return file.getnframes() / rate

    assert 0.06 <= seconds() / len(text) <= 0.09
    assert seconds(speed=2.0) == pytest.approx(seconds() / 2, rel=0.01)
    raw = speak(full, model=model, input=text, response_format="pcm")
    assert raw.headers["content-type"] == "audio/pcm"
    assert len(raw.content) / 2 / rate == pytest.approx(seconds(), rel=0.01)
    assert max(array.array("h", raw.content)) > 3000


def crc(content, bits, polynomial):
    """Bit by bit, unlike the table that made it."""
    rest = 0
    for byte in content:
        rest ^= byte << (bits - 8)
        for _ in range(8):
            rest = (rest << 1 ^ (polynomial if rest >> (bits - 1) else 0)) & (1 << bits) - 1
    return rest


def test_frames_of_flac_hold_the_samples_and_their_sums():
    sound_of = sound.samples("a b", 24000)
    content = sound.flac("a b", sound_of, 24000)
    at = content.index(b"\xff\xf8\x70\x08")
    frame = content[at : at + 8 + 1 + 2 * 4096 + 2]
    assert crc(frame[:7], 8, 0x07) == frame[7]
    assert crc(frame[:-2], 16, 0x8005) == int.from_bytes(frame[-2:], "big")
    samples = struct.unpack(f">{4096}h", frame[9:-2])
    assert samples == struct.unpack(f"<{4096}h", sound_of[: 2 * 4096])


def test_frames_of_mp3_follow_each_other():
    for rate in (16000, 22050, 24000):
        content = sound.mp3("text", sound.samples("text", rate), rate)
        at, size = content.index(b"\xff\xf3"), 72 * 32000 // rate
        heads = {content[start : start + 4] for start in range(at, len(content), size)}
        assert len(heads) == 1
        assert (len(content) - at) % size == 0


def test_the_recording_that_probes_send_is_heard_with_its_comment_and_without(full):
    assert transcribe(full, spoken()).json() == {"text": COUNTED}
    with wave.open(io.BytesIO(spoken())) as file:
        samples, rate = file.readframes(file.getnframes()), file.getframerate()
    without = io.BytesIO()
    with wave.open(without, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples)
    assert b"LIST" not in without.getvalue()
    assert b"ICMT" in spoken()
    assert transcribe(full, without.getvalue()).json() == {"text": COUNTED}


def test_a_silent_recording_gives_no_text(full):
    silent = sound.wav("", bytes(32000), 16000).replace(sound.commented(""), b"")
    assert transcribe(full, silent).json() == {"text": ""}


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"this is a text", "audio/wav", 415),
        (b"RIFF\x00\x00\x00\x00WAVE", "audio/wav", 415),
        (b"fLaC", "audio/flac", 415),
        (b"ID3\x04", "audio/mpeg", 415),
        (b"", "audio/wav", 400),
        (b"OggS" + bytes(2000), "audio/ogg", 200),
        (bytes(3200), "audio/pcm", 200),
    ],
)
def test_what_cannot_be_decoded_is_refused(full, content, kind, status):
    got = transcribe(full, content, kind)
    assert got.status == status
    if status != 200:
        assert got.json()["detail"].startswith("Failed to decode audio.")


def test_a_transcription_comes_in_five_forms_and_as_a_stream(full):
    content = speak(full, input="Good morning.").content
    whole = transcribe(full, content, response_format="verbose_json", language="fr").json()
    assert (whole["text"], whole["language"], whole["task"], whole["words"]) == (
        "Good morning.",
        "fr",
        "transcribe",
        None,
    )
    assert whole["segments"][0]["end"] == pytest.approx(whole["duration"], abs=0.01)
    timed = transcribe(full, content, response_format="verbose_json", **{"timestamp_granularities[]": "word"}).json()
    assert [word["word"] for word in timed["words"]] == ["Good", " morning", "."]
    assert transcribe(full, content, response_format="text").text == "Good morning."
    assert (
        transcribe(full, content, response_format="srt").text == "1\n00:00:00,000 --> 00:00:00,910\nGood morning.\n\n"
    )
    assert transcribe(full, content, response_format="vtt").text.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:00.910\n")
    streamed = transcribe(full, content, stream="true")
    assert streamed.headers["content-type"] == "text/event-stream"
    assert streamed.text == 'data: {"text":"Good morning."}\n\n'
    translated = transcribe(full, content, path="/v1/audio/translations", response_format="verbose_json").json()
    assert translated["task"] == "translate"


@pytest.mark.parametrize(
    ("fields", "place", "kind"),
    [
        ({"model": HEARS}, "file", "missing"),
        ({"file": ("a.wav", "audio/wav", b"")}, "model", "missing"),
        ({"model": HEARS, "file": "text"}, "file", "value_error"),
        ({"model": HEARS, "file": ("a.wav", "audio/wav", b""), "response_format": "xml"}, "response_format", "literal_error"),
        ({"model": HEARS, "file": ("a.wav", "audio/wav", b""), "temperature": "hot"}, "temperature", "float_parsing"),
    ],
)  # fmt: skip
def test_a_form_of_another_shape_is_refused(full, fields, place, kind):
    body, content_type = form(**fields)
    got = send("POST", f"{full}/v1/audio/transcriptions", body, Content_Type=content_type, **KEY)
    assert got.status == 422
    assert [(one["loc"], one["type"]) for one in got.json()["detail"]] == [(["body", place], kind)]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"response_format": "opus"}, "Input should be 'mp3', 'flac', 'wav' or 'pcm'"),
        ({"input": None}, "Input should be a valid string"),
        ({"voice": 1}, "Input should be a valid string"),
        ({"speed": "fast"}, "unable to parse string as a number"),
        ({"speed": 3.0}, "Speed must be between 0.5 and 2.0, got 3.0"),
        ({"voice": "nobody"}, "Voice 'nobody' is not supported. Supported voices: [KokoroModelVoice(name='af_heart'"),
    ],
)
def test_a_wrong_wish_for_speech_is_refused(full, body, said):
    got = speak(full, **body)
    assert got.status == 422
    assert said in got.text


def test_all_fields_that_are_missing_are_named(full):
    got = send("POST", f"{full}/v1/audio/speech", {"model": PIPER}, **KEY)
    assert [one["loc"] for one in got.json()["detail"]] == [["body", "input"], ["body", "voice"]]


def test_voices_are_those_of_the_model(full):
    assert speak(full, voice="alloy").status == 200
    assert speak(full, voice="zf_xiaoni").status == 200
    assert speak(full, model=PIPER, voice="anything").status == 200
    names = [voice["name"] for voice in send("GET", f"{full}/v1/audio/voices", **KEY).json()["voices"]]
    assert (names[0], names[-1], len(names)) == ("af_heart", "siwis", 55)


def test_models_are_listed_by_task(full):
    listed = {
        task: [row["id"] for row in send("GET", f"{full}/v1/models?task={task}", **KEY).json()["data"]]
        for task in ("automatic-speech-recognition", "text-to-speech")
    }
    assert listed == {"automatic-speech-recognition": [HEARS], "text-to-speech": [KOKORO, PIPER]}
    known = send("GET", f"{full}/v1/registry?task=text-to-speech", **KEY).json()["data"]
    assert {row["task"] for row in known} == {"text-to-speech"}
    wrong = send("GET", f"{full}/v1/models?task=speech", **KEY)
    assert (wrong.status, wrong.json()["detail"][0]["loc"]) == (422, ["query", "task"])


def test_where_it_fails_its_server_says_so(tmp_path):
    with served(door(tmp_path), "errors") as url:
        got = send("POST", f"{url}/v1/audio/speech", {}, **KEY)
        assert (got.status, got.text) == (500, "Internal Server Error")
        assert send("GET", f"{url}/health", **KEY).status == 200


def test_models_do_their_own_work_alone(full):
    for got, model in ((speak(full, model=HEARS), HEARS), (transcribe(full, spoken(), model=PIPER), PIPER)):
        assert got.status == 404
        assert got.json()["detail"].startswith(f"Model '{model}' is not supported.")
    for got in (speak(full, model="a/b"), transcribe(full, spoken(), model="a/b")):
        message = "Model 'a/b' is not installed locally. You can download the model using `POST /v1/models/a/b`"
        assert (got.status, got.json()) == (404, {"detail": message})


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/audio/speech", 404), ("GET", "/v1/audio/speech", 405), ("POST", "//v1/models", 404)],
)
def test_its_routes_and_no_others(full, method, path, status):
    assert send(method, full + path, **KEY).status == status


def test_probes_are_content(full):
    speech, heard = MODALITIES["speech"].probes[0], MODALITIES["transcription"].probes[0]
    for model, quirks in ((PIPER, Quirks(voice="siwis", language="fr")), (KOKORO, Quirks(voice="af_heart"))):
        got = send("POST", f"{full}/v1/audio/speech", {"model": model, **speech.body(quirks)}, **KEY)
        assert speech.complaint(got.reply()) is None
    got = transcribe(full, heard.upload.content(), **heard.body(Quirks()))
    assert heard.complaint(got.reply()) is None
