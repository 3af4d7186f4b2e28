"""The stand-in for Infinity: its command line, its door, its vectors and rankings."""

from __future__ import annotations

import base64
import math
import struct

import pytest
from simulated import ask, refusal_of, send, served, stand_in

from stackgen.modalities import MODALITIES
from stackgen.parts import Quirks

TWO = ("v2", "--model-id", "BAAI/bge-m3", "--served-model-name", "embed", "--model-id", "x/tiny-reranker")
TWO += ("--served-model-name", "rank")
CAT, KITTEN, RATES = MODALITIES["embedding"].probes[0].body(Quirks())["input"]


def vectors_of(answer):
    assert answer.status == 200, answer.text
    return [entry["embedding"] for entry in answer.json()["data"]]


def likeness(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (("v2", "--no-such-flag"), 2, "No such option: --no-such-flag"),
        (("v2", "--model-i", "m"), 2, "No such option: --model-i"),
        (("v2", "--model-id"), 2, "Option '--model-id' requires an argument."),
        (("v2", "--batch-size", "x"), 2, "Invalid value for '--batch-size': 'x' is not a valid integer."),
        (("v2", "--engine", "tensor"), 2, "'neuron', 'debugengine'."),
        (("v2", "--compile=yes"), 2, "Option '--compile' does not take a value."),
        (("v2", "more"), 2, "Got unexpected extra argument (more)"),
        (("v3",), 2, "Got unexpected extra argument (v3)"),
        (("v2", "--url-prefix", "v1"), 2, "with '/'"),
        (
            ("v2", *["--model-id", "a/m", "--model-id", "b/n"], *["--served-model-name", "x"] * 2),
            3,
            "startup failed. Exiting.",
        ),
        (("v2", "--model-id", "m", "--batch-size", "0"), 3, "startup failed. Exiting."),
        (
            ("v2", *["--model-id", "m"] * 3, *["--batch-size", "1"] * 2),
            1,
            "ValueError: Expected length 3 but got 2",
        ),
    ],
)
def test_command_lines_that_are_refused(capsys, words, code, line):
    ended, said = refusal_of(capsys, "infinity", *words)
    assert (ended, said.endswith(line)) == (code, True), said


def test_a_variable_with_a_wrong_value_ends_it(capsys):
    ended, said = refusal_of(capsys, "infinity", "v2", "--model-id", "m", INFINITY_DTYPE="float99")
    assert (ended, said) == (1, "ValueError: 'float99' is not a valid Dtype")


def test_one_value_counts_for_all_models_or_each_has_its_own():
    for sizes, expected in ((["8"], [8, 8]), (["8", "4"], [8, 4]), ([], [32, 32])):
        words = [word for size in sizes for word in ("--batch-size", size)]
        models = ask(stand_in("infinity", *TWO, *words), "GET /models").json()["data"]
        assert [model["stats"]["batch_size"] for model in models] == expected
        assert [(model["id"], model["capabilities"]) for model in models] == [
            ("embed", ["embed"]),
            ("rank", ["rerank"]),
        ]


def test_variables_stand_in_for_options_and_options_win():
    variables = {"INFINITY_MODEL_ID": "a/b/one;two;", "INFINITY_PORT": "8123", "INFINITY_API_KEY": "sk-a"}
    door = stand_in("infinity", "v2", **variables)
    assert door.port == 8123
    assert [model["id"] for model in ask(door, "GET /models", key="sk-a").json()["data"]] == ["b/one", "two"]
    door = stand_in("infinity", "v2", "--port", "8124", "--api-key", "sk-b", **variables)
    assert (door.port, ask(door, "GET /models", key="sk-a").status, ask(door, "GET /models", key="sk-b").status) == (
        8124,
        401,
        200,
    )


def test_the_key_is_asked_for_after_the_body_was_read():
    door = stand_in("infinity", *TWO, INFINITY_API_KEY="sk-a")
    for route in ("GET /models", "POST /embeddings", "POST /rerank", "POST /classify"):
        answer = ask(door, route, {})
        assert (answer.status, answer.json()) == (401, {"detail": "Unauthorized"})
    assert ask(door, "POST /embeddings", raw=b"{").status == 422
    for route, status in (("GET /health", 200), ("GET /metrics", 200), ("GET /nope", 404), ("GET /embeddings", 405)):
        assert ask(door, route).status == status


def test_with_a_prefix_the_models_are_there_and_health_at_the_root():
    door = stand_in("infinity", *TWO, "--url-prefix", "/v1")
    assert ask(door, "POST /v1/embeddings", {"model": "embed", "input": "x"}).status == 200
    assert [ask(door, route).status for route in ("POST /embeddings", "GET /health", "GET /v1/health")] == [
        404,
        200,
        404,
    ]


@pytest.mark.parametrize("modality", ["embedding", "rerank"])
def test_the_probes_of_check_are_content(modality):
    kind = MODALITIES[modality]
    body = {**kind.probes[0].body(Quirks()), "model": "embed" if modality == "embedding" else "rank"}
    answer = ask(stand_in("infinity", *TWO), f"POST {kind.path.removeprefix('/v1')}", body)
    assert kind.probes[0].complaint(answer.reply()) is None


def test_what_means_the_same_is_nearer_than_what_does_not():
    answer = ask(stand_in("infinity", *TWO), "POST /embeddings", {"model": "embed", "input": [CAT, KITTEN, RATES]})
    cat, kitten, rates = vectors_of(answer)
    assert len(cat) == 1024
    assert all(math.isclose(likeness(vector, vector), 1.0) for vector in (cat, kitten, rates))
    assert likeness(cat, kitten) > max(likeness(cat, rates), likeness(kitten, rates)) + 0.3


def test_vectors_are_the_same_each_time_and_in_each_form():
    door = stand_in("infinity", *TWO)
    body = {"model": "embed", "input": CAT}
    plain = vectors_of(ask(door, "POST /embeddings", body))[0]
    assert plain == vectors_of(ask(stand_in("infinity", *TWO), "POST /embeddings", body))[0]
    packed = base64.b64decode(vectors_of(ask(door, "POST /embeddings", {**body, "encoding_format": "base64"}))[0])
    assert struct.unpack("<1024f", packed) == pytest.approx(plain, abs=1e-6)
    assert vectors_of(ask(door, "POST /embeddings", {**body, "dimensions": 8}))[0] == plain[:8]


def test_the_best_document_is_first():
    door = stand_in("infinity", *TWO)
    body = {"model": "rank", **MODALITIES["rerank"].probes[0].body(Quirks())}
    results = ask(door, "POST /rerank", {**body, "return_documents": True}).json()["results"]
    assert (results[0]["index"], results[0]["document"]) == (1, "The cat sleeps on the sofa.")
    assert all(0 < result["relevance_score"] < 1 for result in results)
    assert len(ask(door, "POST /rerank", {**body, "top_n": 2}).json()["results"]) == 2
    raw = ask(door, "POST /rerank", {**body, "raw_scores": True}).json()["results"]
    assert min(result["relevance_score"] for result in raw) < 0


def test_a_model_does_what_it_can_and_is_found_by_its_name():
    door = stand_in("infinity", *TWO)

    def message(route, body):
        answer = ask(door, route, body)
        assert answer.status == 400
        return answer.json()["error"]["message"]

    assert "model=`rank` does not support `embed`" in message("POST /embeddings", {"model": "rank", "input": "x"})
    assert "does not support `rerank`" in message("POST /rerank", {"model": "embed", "query": "x", "documents": ["x"]})
    assert "does not support `classify`" in message("POST /classify", {"model": "embed", "input": ["x"]})
    assert message("POST /embeddings", {"model": "nope", "input": "x"}) == (
        "Invalid model: Engine for model name `nope` not found. Available model names are ['embed', 'rank']"
    )
    alone = stand_in("infinity", "v2", "--model-id", "m")
    assert ask(alone, "POST /embeddings", {"model": "whatever", "input": "x"}).status == 200


@pytest.mark.parametrize(
    ("body", "kind", "place"),
    [
        ({}, "missing", ["body", "text", "input"]),
        ({"input": []}, "too_short", ["body", "text", "input", "list[constrained-str]"]),
        ({"input": "x", "model": 5}, "string_type", ["body", "text", "model"]),
        ({"input": "x", "dimensions": "many"}, "int_parsing", ["body", "text", "dimensions"]),
        ({"input": "x", "modality": "smell"}, "union_tag_invalid", ["body"]),
    ],
)
def test_wrong_fields_are_told_with_their_place(body, kind, place):
    answer = ask(stand_in("infinity", *TWO), "POST /embeddings", body)
    assert answer.status == 422
    assert (answer.json()["detail"][0]["type"], answer.json()["detail"][0]["loc"]) == (kind, place)


def test_where_it_fails_it_says_so_in_its_form():
    with served(stand_in("infinity", *TWO, "--port", "0"), "errors") as url:
        got = send("POST", f"{url}/embeddings", {"model": "embed", "input": ["a"]})
        assert (got.status, got.json()["error"]["type"], got.json()["error"]["code"]) == (500, None, 500)
        assert got.json()["error"]["message"].startswith("InternalServerError: ")
        assert send("GET", f"{url}/health").status == 200


def test_requests_are_counted_by_route_and_kind_of_status():
    door = stand_in("infinity", *TWO)
    for route in ("GET /health", "GET /health", "GET /nope", "POST /rerank"):
        ask(door, route)
    page = ask(door, "GET /metrics").text
    assert 'http_requests_total{handler="/health",method="GET",status="2xx"} 2' in page
    assert 'http_requests_total{handler="none",method="GET",status="4xx"} 1' in page
    assert 'http_requests_total{handler="/rerank",method="POST",status="4xx"} 1' in page
