"""What stand-ins do with words, schemas, patterns and pictures."""

from __future__ import annotations

import re
import struct
import zlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stackgen.simulators import language, patterns, pictures

texts = st.text(max_size=200)


@given(texts)
def test_tokens_joined_are_the_text(text):
    assert "".join(language.tokens(text)) == text


@given(texts, st.integers(0, 40))
def test_a_reply_is_no_longer_than_allowed_and_quotes_what_was_said(text, most):
    said, ends = language.reply_to(text, most)
    assert len(language.tokens(said)) <= most
    assert ends in {"stop", "length"}
    if ends == "stop":
        assert text.strip() in said


@given(texts, st.integers(1, 64))
def test_every_text_has_a_direction(text, size):
    vector = language.vector(text, size)
    assert len(vector) == size
    assert any(vector)
    assert vector == language.vector(text, size)


@given(texts, texts)
def test_overlap_is_a_share(query, document):
    assert 0 <= language.overlap(query, document) <= 1 + 1e-9


@pytest.mark.parametrize(
    ("question", "right", "wrong"),
    [
        ("Where does the cat sleep?", "A kitten naps on the couch.", "Paris is in France."),
        ("Wie heißt die Hauptstadt von Österreich?", "Wien ist Österreichs Hauptstadt.", "Der Zug fährt um neun."),
        ("Quelle est la capitale de la France ?", "Paris, capitale française.", "Le chat dort sur le canapé."),
        ("reset my password", "How to reset passwords", "How to bake bread"),
    ],
)
def test_shared_words_and_meanings_are_found_in_any_language(question, right, wrong):
    assert language.overlap(question, right) > language.overlap(question, wrong)


@pytest.mark.parametrize(
    ("schema", "fits"),
    [
        (True, lambda value: value == {}),
        ({"type": "integer", "minimum": 5, "maximum": 7}, lambda value: isinstance(value, int) and 5 <= value <= 7),
        ({"type": "integer", "multipleOf": 4, "exclusiveMinimum": 8}, lambda value: value == 12),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, lambda value: 0 < value < 1),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 3}, lambda value: value == [True] * 3),
        ({"type": ["null", "string"], "minLength": 9}, lambda value: len(value) >= 9),
        ({"enum": ["Rome", "Paris"]}, lambda value: value == "Paris"),
        ({"const": 3}, lambda value: value == 3),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, lambda value: value is None),
        ({"type": "string", "format": "date"}, lambda value: re.fullmatch(r"\d{4}-\d\d-\d\d", value)),
        ({"type": "string", "pattern": "^[A-Z]{3}-[0-9]+$"}, lambda value: re.search("^[A-Z]{3}-[0-9]+$", value)),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "boolean"}}}, lambda value: value is True),
        (
            {"allOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]}, {"properties": {"b": {"const": 2}}}]},
            lambda value: value == {"a": 1, "b": 2},
        ),
    ],
)
def test_instances_fit_their_schema(schema, fits):
    assert fits(language.instance_of(schema, "How is it in Paris today?"))


def test_a_schema_without_end_or_without_values_is_refused():
    endless = {"$defs": {"a": {"properties": {"a": {"$ref": "#/$defs/a"}}, "required": ["a"]}}, "$ref": "#/$defs/a"}
    for schema in (endless, False, {"$ref": "#/$defs/nope"}, {"type": "string", "pattern": "(?=a)b"}):
        with pytest.raises(ValueError, match=r"schema|pattern"):
            language.instance_of(schema, "Hello")


@pytest.mark.parametrize(
    "pattern",
    [r"[0-9]{3}", r"(yes|no)!", r"(a|b)\1+", r"[^abc]x?", r"\w+@\w+\.com", r"\d{2}:\d{2}", r"[q-s]+", r".{4}\S"],
)
def test_texts_fit_their_pattern(pattern):
    assert re.fullmatch(pattern, patterns.text_for(pattern))


def png(pixels, kind=2, filters=0, palette=b""):
    """A picture from rows of pixels, each row with the same filter; filters are worked out from the left alone."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    size = len(pixels[0][0])
    rows = b""
    for row in pixels:
        line = b"".join(row)
        if filters:
            line = bytes((value - (line[at - size] if at >= size else 0)) % 256 for at, value in enumerate(line))
        rows += bytes([filters]) + line
    head = struct.pack(">IIBBBBB", len(pixels[0]), len(pixels), 8, kind, 0, 0, 0)
    extra = chunk(b"PLTE", palette) if palette else b""
    return (
        pictures._SIGNATURE + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("pixel", "kind", "filters", "palette", "name"),
    [
        (b"\xff\x00\x00", 2, 0, b"", "red"),
        (b"\x00\x10\xe0", 2, 1, b"", "blue"),
        (b"\xfe\xfe\xfe\xff", 6, 1, b"", "white"),
        (b"\x80", 0, 0, b"", "grey"),
        (b"\x01", 3, 0, b"\x00\x00\x00\xff\xff\x00", "yellow"),
    ],
)
def test_the_colour_of_a_picture_is_named(pixel, kind, filters, palette, name):
    assert pictures.colour(png([[pixel] * 8] * 8, kind, filters, palette)) == name


def test_the_colour_of_most_pixels_counts():
    red, green = b"\xff\x00\x00", b"\x00\xa0\x00"
    assert pictures.colour(png([[green] * 9 + [red]] * 10)) == "green"


@given(st.integers(0, 200), st.binary(min_size=1, max_size=4))
def test_a_damaged_picture_is_refused(place, junk):
    whole = png([[b"\xff\x00\x00"] * 8] * 8)
    broken = whole[: place % len(whole)] + junk
    assume(not broken.startswith(whole))
    with pytest.raises(ValueError, match=r"picture|PNG"):
        pictures.colour(broken)
