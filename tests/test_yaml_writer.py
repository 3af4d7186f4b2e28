"""The writer of YAML: whatever goes in, readers of YAML 1.1 and 1.2 get exactly that out, and comments change nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hostile import HOSTILE
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, SequenceNode

from stackgen.render.yaml import Note, comment, dump, key, plain, word, written

INJECTION = "x\nprivileged: true"
TRICKY = (
    "'\"\\$#:-?!&*%@`{}[],|>~=<. \t\n\r\x00\x07\x1b\x7f\x85\xa0\u2028\u2029\u200d\ufeff\ufffe\uffffyno0x1eÄ\u0301🧪"
)

calm = settings(deadline=None, max_examples=100)

texts = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(TRICKY, max_size=6),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
keys = texts | texts.map(lambda text: text * 100)
comments = texts | st.text(TRICKY, max_size=6).map(lambda text: f"{text}\nprivileged: true")
scalars = texts | st.integers() | st.booleans() | st.floats(min_value=0.001, max_value=1000)


def or_noted(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return values | st.builds(Note, values, comments)


values = st.recursive(
    scalars,
    lambda inner: st.lists(or_noted(inner), max_size=4) | st.dictionaries(keys, or_noted(inner), max_size=4),
    max_leaves=12,
)
documents = st.dictionaries(keys, or_noted(values), min_size=1, max_size=4)


def readings(text: str) -> dict[str, Any]:
    """What each reader makes of a text."""
    found = {"PyYAML": yaml.safe_load(text), "ruamel.yaml": YAML(typ="safe", pure=True).load(text)}
    if yaml.__with_libyaml__:
        found["libyaml"] = yaml.load(text, yaml.CSafeLoader)
    return found


def begins(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], int]]:
    """The line on which each key and each item begins, as ruamel's nodes have it."""
    if isinstance(node, MappingNode):
        for key_node, value_node in node.value:
            yield (*path, key_node.value), key_node.start_mark.line + 1
            yield from begins(value_node, (*path, key_node.value))
    elif isinstance(node, SequenceNode):
        for position, item in enumerate(node.value):
            yield (*path, position), item.start_mark.line + 1
            yield from begins(item, (*path, position))


def assert_reads_back(data: dict[str, Any], **more: Any) -> None:
    """Equal in every reader: values, types (1 is not true), and the order of keys."""
    text = dump(data, **more)
    for reader, found in readings(text).items():
        assert json.dumps(found) == json.dumps(plain(data)), f"{reader} reads\n{text}"


@calm
@given(data=documents, header=st.lists(comments, max_size=2), spaced=st.integers(0, 3))
def test_any_data_read_back_equal_whatever_the_comments_say(data, header, spaced):
    assert_reads_back(data, header=header, spaced=spaced)


@calm
@given(data=documents, header=st.lists(comments, max_size=2), spaced=st.integers(0, 3))
def test_every_line_that_the_writer_tells_is_the_one_on_which_a_reader_finds_it(data, header, spaced):
    made = written(data, header, spaced)
    root = YAML(typ="safe", pure=True).compose(made.text)
    assert made.lines == dict(begins(root)), made.text


@pytest.mark.parametrize("inner", [[Note(["x"], "why")], {"a": Note({"b": 1}, "why")}, [Note([Note(["x"], "a")], "b")]])
def test_the_line_of_an_item_that_begins_with_a_comment_is_the_one_behind_it(inner):
    made = written({"list": [inner, "last"]})
    assert made.lines == dict(begins(YAML(typ="safe", pure=True).compose(made.text))), made.text


@pytest.mark.parametrize(
    "text", [*HOSTILE, "0x1F", "!!t", "<<", "=", "---", "...", "Yes", "NULL", ".inf", "2026-01-01"]
)
def test_a_hostile_string_reads_back_wherever_it_stands(text):
    data = {"map": {"key": text}, "list": [text, text], "noted": [Note(text, text)], "deep": [[{"a": text}], [text]]}
    assert_reads_back(data)
    assert_reads_back({text: {text: [{text: text}]}})


@pytest.mark.parametrize(
    "hostile", [INJECTION, f"\r{INJECTION}", "x\x85y: 1", "x\u2028y: 1", "- x", "", "\x00", "\ufeff"]
)
def test_a_comment_never_adds_or_changes_a_key(hostile):
    data = {
        "scalar": Note("x", hostile),
        "map": Note({"inner": Note(1, hostile), "empty": Note({}, hostile)}, hostile),
        "list": Note(
            ["x", Note("y", hostile), Note({"a": Note([1, 2], hostile)}, hostile), Note([[1]], hostile)], hostile
        ),
        "flow": Note(["x", "y"], hostile),
        "empty": Note([], hostile),
    }
    for spaced in range(3):
        assert_reads_back(data, header=[hostile, hostile], spaced=spaced)


@calm
@given(text=comments)
def test_a_comment_is_one_line_with_the_same_words(text):
    found = comment(text)
    assert found.startswith("#")
    assert len(found.splitlines()) == 1
    assert found.isprintable()
    assert all(data == {"a": 1} for data in readings(f"{found}\na: 1").values())


def test_a_comment_keeps_its_words():
    assert comment("two  words,\n a\tthird") == "# two words, a third"


@calm
@given(text=texts.filter(lambda text: len(json.dumps(text)) < 1024))
@example(text="a\n")
def test_a_key_is_that_key(text):
    assert all(found == {text: 1} for found in readings(f"{key(text)}: 1").values())


@pytest.mark.parametrize("text", ["image", "max-size", "stackgen.stack", "HF_TOKEN", "_x", "a1", "yesterday", "nobody"])
def test_a_well_behaved_key_stays_plain(text):
    assert key(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "yes", "No", "ON", "off", "y", "N", "true", "False", "null", "~", "1", "1.0", "-x", ".x", "a b", "<<", "a:"],
)
def test_a_key_that_a_reader_could_mistake_is_quoted(text):
    assert key(text) == f'"{text}"'


@calm
@given(text=texts)
@example(text="qwen3:1.7b")
@example(text="1:2")
@example(text="True")
@example(text="a: b")
@example(text="Qwen/Qwen3-8B # x")
def test_a_word_is_that_word_alone_in_lists_and_in_maps(text):
    written = word(text)
    found = readings(f"alone: {written}\nlist: [{written}, {written}]\nmap: {{key: {written}, other: {written}}}\n")
    for data in found.values():
        assert data == {"alone": text, "list": [text, text], "map": {"key": text, "other": text}}


@pytest.mark.parametrize("text", ["Qwen/Qwen3-8B", "qwen3:1.7b", "GPU-8a1c0000-12", "bge-m3", "hf.co/a/b:Q4_K_M"])
def test_a_well_behaved_word_stays_plain(text):
    assert word(text) == text


@calm
@given(number=st.floats(allow_nan=False, allow_infinity=False))
@example(number=1e16)
@example(number=1e-07)
def test_a_float_stays_a_float(number):
    assert_reads_back({"share": number, "list": [number]})


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
def test_a_float_that_is_no_number_is_refused_or_read_back(number):
    try:
        text = dump({"share": number})
    except (TypeError, ValueError):
        return
    assert all(repr(found["share"]) == repr(number) for found in readings(text).values()), text


@pytest.mark.parametrize("value", [{1, 2}, object()])
def test_what_has_no_form_is_refused(value):
    with pytest.raises(TypeError, match="has no form in YAML"):
        dump({"a": value})


def test_an_empty_document_is_an_empty_map():
    assert_reads_back({})
    assert_reads_back({}, header=["nothing here"])


def test_what_is_empty_keeps_its_kind():
    assert_reads_back({"map": {}, "list": [], "text": "", "list of them": [{}, [], ""], "noted": Note({}, "x")})


@pytest.mark.parametrize("indent", [0, 1, 3])
@pytest.mark.parametrize("length", range(90, 130))
def test_a_list_stands_on_one_line_as_long_as_that_has_120_characters(indent, length):
    data: Any = {"k": ["--flag", "x" * (length - 17 - 2 * indent)]}
    for _ in range(indent):
        data = {"k": data}
    assert_reads_back(data)
    lines = dump(data).splitlines()
    assert len(lines) == indent + (1 if length <= 120 else 3)
    assert len(lines[indent]) == length if length <= 120 else lines[indent].endswith("k:")


@calm
@given(words=st.lists(texts, min_size=1, max_size=60), note=comments)
def test_lists_of_words_read_back_short_or_long(words, note):
    assert_reads_back({"command": words, "noted": Note(words, note), "each": [Note(word, note) for word in words]})


@pytest.mark.parametrize("value", ["v", 1, None, [], {}, ["a", "b"], [{"c": "d"}], {"e": {"f": "g"}}])
def test_a_key_that_is_longer_than_readers_take_is_still_read(value):
    """Without `?` a key has at most 1,024 characters, escapes included."""
    data = {"x": {'"' * 600: value, "k" * 5000: value}, "list": [{"k" * 1100: value}], "after": 1}
    assert yaml.safe_load(dump(data)) == data
    assert YAML(typ="safe", pure=True).load(dump(data)) == data
