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
from stackgen.modalities import MODALITIES, Asked, Reply, audio, transcription, words
from stackgen.parts import Quirks

PROBES = [probe for modality in MODALITIES.values() for probe in modality.probes]
each_probe = pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)


@each_probe
def test_good_replies_have_no_complaint(probe):
    assert probe.good
    assert [probe.judge(reply) for reply in probe.good] == [None] * len(probe.good)


@each_probe
def test_bad_replies_have_one_in_words(probe):
    assert len(probe.bad) > 2
    for reply in probe.bad:
        complaint = probe.judge(reply)
        assert complaint
        assert "\n" not in complaint


@each_probe
@pytest.mark.parametrize(
    "body", ["", "null", "[]", "{}", "42", '"text"', "<html></html>", '{"choices":[]}', '{"data":[]}', '{"results":[]}']
)
def test_no_empty_or_strange_body_passes(probe, body):
    assert probe.judge(Reply(status=200, content_type="application/json", body=body))


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
    if probe.after:
        assert [known for known in PROBES if known.name == probe.after]
    if probe.upload:
        assert not any(isinstance(value, dict | list) for value in body.values())


def test_the_first_probe_of_a_modality_fits_every_model():
    for modality in MODALITIES.values():
        assert modality.probes_for(Quirks())[0] is modality.probes[0]


@pytest.mark.parametrize(
    ("quirks", "more"),
    [
        (Quirks(), []),
        (Quirks(tools=True), ["chat tools", "chat tool result"]),
        (Quirks(reasoning=True), ["chat reasoning"]),
        (Quirks(structured=True), ["chat structured"]),
    ],
)
def test_a_model_is_asked_for_what_it_can(quirks, more):
    names = [probe.name for probe in MODALITIES["chat"].probes_for(quirks)]
    assert names == ["chat", "chat stream", "chat unicode", *more]


def probe_named(name):
    (found,) = [probe for probe in PROBES if probe.name == name]
    return found


def test_a_tools_result_goes_back_with_the_models_own_call():
    probe = probe_named("chat tool result")
    function = {"name": "get_weather", "arguments": '{"city": "Paris"}'}
    calls = [{"id": "call_7", "type": "function", "function": function}, {"id": "call_8"}]
    called = Reply(status=200, body=json.dumps({"choices": [{"message": {"content": None, "tool_calls": calls}}]}))
    body = probe.onward(probe.body(Quirks()), called)
    question, said, result = body["messages"]
    assert (question["role"], said["role"], result["role"]) == ("user", "assistant", "tool")
    assert (said["tool_calls"], result["tool_call_id"]) == (calls[:1], "call_7")
    assert json.loads(result["content"])["weather"] == "sunny"
    assert body["tools"] == probe_named(probe.after).body(Quirks())["tools"]


def vectors(*found):
    entries = [{"object": "embedding", "embedding": vector, "index": at} for at, vector in enumerate(found)]
    return Reply(status=200, content_type="application/json", body=json.dumps({"data": entries}))


@pytest.mark.parametrize(
    ("quirks", "complaint"),
    [
        (Quirks(), None),
        (Quirks(size=2), None),
        (Quirks(size=768), "vectors have 2 numbers, and the model's have 768: is this another model?"),
        (Quirks(catalogued=True), "a cat is less like a kitten (0.00) than like interest rates (1.00)"),
    ],
)
def test_vectors_make_sense_where_the_catalogue_knows_the_model(quirks, complaint):
    upside_down = vectors([1.0, 0.0], [0.0, 1.0], [2.0, 0.1])
    assert probe_named("embedding").judge(upside_down, Asked(quirks=quirks)) == complaint


@pytest.mark.parametrize(
    ("other", "complaint"),
    [
        (vectors([2.0, 0.0], [0.0, 1.0]), None),
        (vectors([1.0, 0.0001], [0.0, 1.0]), None),
        (vectors([1.0, 0.2], [0.0, 1.0]), "the gateway's vectors are not the engine's: likeness 0.981"),
        (vectors([1.0], [0.0]), "vectors have 2 numbers through the gateway and 1 from the engine"),
    ],
)
def test_the_gateway_hands_on_the_engines_vectors(other, complaint):
    assert probe_named("embedding").difference(vectors([1.0, 0.0], [0.0, 1.0]), other) == complaint


def test_the_gateway_hands_on_the_engines_order():
    probe = probe_named("rerank")
    good = probe.good[0]
    assert probe.difference(good, good) is None
    other = Reply(status=200, body=good.body.replace('"index":1', '"index":9').replace('"index":2', '"index":1'))
    assert probe.difference(good, other) == "the order is [1, 2, 0] through the gateway and [9, 1, 0] from the engine"


def test_the_best_document_is_the_one_that_answers_where_the_catalogue_knows_the_model():
    probe = probe_named("rerank")
    results = [{"index": at, "relevance_score": 1.0 - at / 10} for at in range(3)]
    in_order = Reply(status=200, body=json.dumps({"results": results}))
    assert probe.judge(in_order) is None
    complaint = probe.judge(in_order, Asked(quirks=Quirks(catalogued=True)))
    assert complaint == "the best document for “Where does the cat sleep?” is “Interest rates rose by half a point.”"


def spoken_for(seconds):
    content = wav(struct.pack("<2h", 10_000, -10_000) * int(8_000 * seconds))
    return Reply(status=200, content_type="audio/wav", data=base64.b64encode(content).decode())


@pytest.mark.parametrize(
    ("language", "seconds", "good"),
    [("en", 2.5, True), ("en", 0.5, False), ("en", 30.0, False), ("zh", 3.5, True), ("zh", 0.5, False)],
)
def test_a_recording_is_as_long_as_its_text_takes(language, seconds, good):
    complaint = probe_named("speech").judge(spoken_for(seconds), Asked(quirks=Quirks(language=language)))
    assert (complaint is None) is good, complaint


@pytest.mark.parametrize(
    ("said", "heard", "language", "error"),
    [
        ("one two three four five", " 1, 2, 3, 4, 5.", "en", 0.0),
        ("one two three four five", "One, two, tree, four.", "en", 0.4),
        ("one two three four five", "", "en", 1.0),
        ("Guten Tag, dies ist eine kurze Probe.", "guten tag dies ist eine kurze Probe", "de-DE", 0.0),
        ("Bonjour, ceci est un court essai", "Bonjour, ceci est 1 court essai !", "fr", 0.0),
        ("l'été", "L’ete", "fr", 0.5),  # noqa: RUF001 - what people type
        ("你好，这是一次测试。", "你好 这是一次测验", "zh", 0.125),  # noqa: RUF001 - what people type
        ("a b", "a x b y", "en", 1.0),
    ],
)
def test_misheard_words_are_counted(said, heard, language, error):
    assert words.error(said, heard, language) == error


def test_stand_ins_must_hear_each_word_and_engines_most():
    probe = probe_named("transcription")
    reply = Reply(status=200, body='{"text": "One, two, three, four, hive."}')
    assert probe.judge(reply) is None
    complaint = probe.judge(reply, Asked(exact=True))
    assert (
        complaint == "20% of the words are wrong: “one two three four five” was heard as “One, two, three, four, hive.”"
    )
    other = probe.judge(reply, Asked(said="Guten Tag", language="de"))
    assert other == "250% of the words are wrong: “Guten Tag” was heard as “One, two, three, four, hive.”"


@pytest.mark.parametrize("streamed", [False, True])
def test_a_recording_is_made_another_file_and_stays_the_same_recording(streamed):
    content = LOUD["16 bits"]
    if streamed:
        content = content[:4] + b"\xff" * 4 + content[8:]
    first, second = transcription.unique(content), transcription.unique(content)
    assert first != second
    assert audio.complaint(first) is None
    with wave.open(io.BytesIO(first)) as recording:
        assert recording.getnframes() == 8000


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
    probe = probe_named("chat tools")
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
