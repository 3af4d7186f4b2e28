"""Every probe accepts what real servers answered and refuses what must not pass."""

from __future__ import annotations

import base64
import io
import json
import struct
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import square

from stackgen import facts
from stackgen.modalities import MODALITIES, Reply, audio
from stackgen.parts import Quirks

PROBES = [probe for modality in MODALITIES.values() for probe in modality.probes]
each_probe = pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)


@each_probe
def test_good_replies_have_no_complaint(probe):
    assert probe.good
    assert [probe.complaint(reply) for reply in probe.good] == [None] * len(probe.good)


@each_probe
def test_bad_replies_have_one_in_words(probe):
    assert len(probe.bad) > 2
    for reply in probe.bad:
        complaint = probe.complaint(reply)
        assert complaint
        assert "\n" not in complaint


@each_probe
@pytest.mark.parametrize(
    "body", ["", "null", "[]", "{}", "42", '"text"', "<html></html>", '{"choices":[]}', '{"data":[]}', '{"results":[]}']
)
def test_no_empty_or_strange_body_passes(probe, body):
    assert probe.complaint(Reply(status=200, content_type="application/json", body=body))


@each_probe
def test_an_error_status_is_told_with_its_sentence(probe):
    reply = Reply(status=404, body='{"error":{"message":"The model `x` does not exist."}}')
    assert probe.complaint(reply) == "HTTP 404: The model `x` does not exist."


def test_the_words_for_modalities():
    assert list(MODALITIES) == ["chat", "completion", "vision", "embedding", "rerank", "transcription", "speech"]


def test_vision_alone_shares_its_path_with_another():
    assert MODALITIES["vision"].path == MODALITIES["chat"].path
    assert len({modality.path for modality in MODALITIES.values()}) == len(MODALITIES) - 1


@each_probe
def test_names_of_probes_are_unique_and_begin_with_their_modality(probe):
    assert [known.name for known in PROBES].count(probe.name) == 1
    assert probe.name.split()[0] in MODALITIES


@each_probe
def test_bodies_are_json_and_those_of_forms_flat(probe):
    body = probe.body(Quirks())
    assert json.loads(json.dumps(body)) == body
    assert "model" not in body
    if probe.upload:
        assert not any(isinstance(value, dict | list) for value in body.values())


def test_the_first_probe_of_a_modality_fits_every_model():
    for modality in MODALITIES.values():
        assert modality.probes_for(Quirks())[0] is modality.probes[0]


def test_tools_are_asked_of_models_that_have_them():
    def names(quirks):
        return [probe.name for probe in MODALITIES["chat"].probes_for(quirks)]

    assert names(Quirks()) == ["chat", "chat stream"]
    assert names(Quirks(tools=True)) == ["chat", "chat stream", "chat tools"]


@pytest.mark.parametrize(
    ("message", "finish_reason", "complaint"),
    [
        ({"content": '<tool_call>{"name": "get_weather"}'}, "stop", "the call came as text, so the engine's parser"),
        ({"content": None, "reasoning": "so get_weather"}, "length", "the model called no tool before max_tokens cut"),
        ({"content": "It is sunny."}, "stop", "the model called no tool: It is sunny."),
        ({"content": ""}, "stop", "the answer is empty"),
        ({"tool_calls": [{"function": {"name": "now", "arguments": "{}"}}]}, "tool_calls", "the model calls now, and"),
    ],
)
def test_why_a_tool_was_not_called_is_told(message, finish_reason, complaint):
    (probe,) = [probe for probe in PROBES if probe.name == "chat tools"]
    body = json.dumps({"choices": [{"message": message, "finish_reason": finish_reason}]})
    assert probe.judge(Reply(status=200, body=body)).startswith(complaint)


def test_the_picture_is_a_red_square_that_no_model_finds_too_small():
    (body,) = [probe.body(Quirks()) for probe in MODALITIES["vision"].probes]
    url = body["messages"][0]["content"][1]["image_url"]["url"]
    assert square(base64.b64decode(url.removeprefix("data:image/png;base64,"))) == (64, 64, {b"\xff\x00\x00"})


def test_the_recording_is_a_short_voice_for_every_reader_of_wav():
    upload = MODALITIES["transcription"].probes[0].upload
    content = upload.content()
    assert len(content) <= 64_000
    assert audio.complaint(content) is None
    with wave.open(io.BytesIO(content)) as recording:
        assert (recording.getnchannels(), recording.getsampwidth(), recording.getframerate()) == (1, 2, 16000)
        assert 1 < recording.getnframes() / recording.getframerate() < 5
    assert int.from_bytes(content[4:8], "little") == len(content) - 8


def test_each_request_has_a_recording_of_its_own_so_that_no_cache_answers():
    upload = MODALITIES["transcription"].probes[0].upload
    assert upload.content() != upload.content()


def test_a_voice_is_given_its_own_language():
    (probe,) = MODALITIES["speech"].probes
    assert probe.body(Quirks(voice="thorsten", language="de-DE")) == {
        "input": facts.speech_texts()["de"],
        "voice": "thorsten",
        "response_format": "wav",
    }
    assert probe.body(Quirks())["voice"]
    assert probe.body(Quirks())["input"] == facts.speech_texts()["en"]


def wav(samples, *, kind=1, bits=16, rate=16000):
    """A WAV file as the standard library would not write it."""
    form = struct.pack("<HHIIHH", kind, 1, rate, rate * bits // 8, bits // 8, bits)
    chunks = b"WAVEfmt " + struct.pack("<I", 16) + form + b"odd!" + struct.pack("<I", 3) + b"123\0"
    chunks += b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


LOUD = {
    "16 bits": wav(struct.pack("<8000h", *(10_000 * (-1) ** at for at in range(8000)))),
    "32 bits": wav(struct.pack("<8000i", *([10**9, -(10**9)] * 4000)), bits=32),
    "floats": wav(struct.pack("<8000f", *([0.2, -0.2] * 4000)), kind=3, bits=32),
    "24 bits": wav(b"\x00\x01\x02\x03\x04\x05" * 4000, bits=24),
    "telephone": wav(bytes(range(256)) * 64, kind=7, bits=8, rate=8000),
}
SILENT = {
    "16 bits": wav(struct.pack("<8000h", *([3, -3] * 4000))),
    "32 bits": wav(bytes(32000), bits=32),
    "floats": wav(struct.pack("<8000f", *([0.0001, 0.0] * 4000)), kind=3, bits=32),
    "24 bits": wav(bytes(24000), bits=24),
    "telephone": wav(b"\xff" * 8000, kind=7, bits=8, rate=8000),
}


@pytest.mark.parametrize("form", LOUD)
def test_silence_is_heard_in_every_form_of_wav(form):
    assert audio.complaint(LOUD[form]) is None
    assert audio.complaint(SILENT[form]) == "the recording is silent"


@given(st.binary(max_size=200), st.sampled_from([b"", b"RIFF\0\0\0\0WAVE", LOUD["16 bits"][:44], b"ID3"]))
def test_damaged_recordings_are_complaints_and_no_crashes(content, head):
    assert audio.complaint(head + content)


def test_a_sentence_for_each_language_that_is_spoken_much():
    texts = facts.speech_texts()
    assert {"en", "fr", "de", "es", "it", "pt", "nl", "pl", "ja", "zh"} <= set(texts)
    assert len(set(texts.values())) == len(texts)
    assert all(len(text) > 10 for text in texts.values())
    assert facts.speech_text("pt_BR") == facts.speech_text("PT") == texts["pt"]
    assert facts.speech_text("xx") == "1 2 3 4 5"
