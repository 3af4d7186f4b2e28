"""The stand-in for servers that stackgen does not run: one model, under the path and the key of the spec."""

from __future__ import annotations

import pytest
from simulated import ask, send, served

from stackgen.modalities import MODALITIES
from stackgen.parts import Quirks
from stackgen.simulators import openai

WORDS = ("--served-model-name", "gpt-4o-mini", "--root-path", "/openai/v1")


def outside(path, body=None, key="sk-outside"):
    """Status and data of an answer."""
    door = openai.door(WORDS, {"STAND_IN_KEY": "sk-outside"}, "1")
    got = ask(door, f"{'GET' if body is None else 'POST'} {path}", body, key=key)
    return got.status, got.json()


def test_text_pictures_and_vectors_are_answered_under_the_path():
    said = outside(
        "/openai/v1/chat/completions", {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Grüße"}]}
    )
    assert said[0] == 200
    assert "Grüße" in said[1]["choices"][0]["message"]["content"]
    assert outside("/openai/v1/embeddings", {"model": "gpt-4o-mini", "input": ["a", "b"]})[0] == 200
    ranked = outside("/openai/v1/rerank", {"model": "gpt-4o-mini", "query": "cat", "documents": ["a dog", "a cat"]})
    assert ranked[1]["results"][0]["index"] == 1
    assert outside("/openai/v1/models")[1]["data"][0]["id"] == "gpt-4o-mini"


def test_where_it_fails_it_says_so_in_openais_form():
    with served(openai.door((*WORDS, "--port", "0"), {}, "1"), "errors") as url:
        got = send("POST", f"{url}/openai/v1/chat/completions", {"model": "gpt-4o-mini"})
        assert (got.status, got.json()["error"]["type"]) == (500, "server_error")
        assert send("GET", f"{url}/health").status == 200


def test_pictures_are_seen():
    (probe,) = MODALITIES["vision"].probes_for(Quirks())
    status, data = outside("/openai/v1/chat/completions", {"model": "gpt-4o-mini", **probe.body(Quirks())})
    assert status == 200
    assert "red" in data["choices"][0]["message"]["content"].lower()


@pytest.mark.parametrize(
    ("path", "key", "model", "status"),
    [
        ("/openai/v1/chat/completions", "sk-other", "gpt-4o-mini", 401),
        ("/openai/v1/chat/completions", "sk-outside", "gpt-5", 404),
        ("/v1/chat/completions", "sk-outside", "gpt-4o-mini", 404),
        ("/openai/v1/audio/speech", "sk-outside", "gpt-4o-mini", 404),
        ("/nowhere", "", "gpt-4o-mini", 401),
    ],
)
def test_everything_else_is_refused(path, key, model, status):
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
    assert outside(path, body, key)[0] == status
