"""The stand-in for vLLM: its command line and its door."""

from __future__ import annotations

import pytest
from simulated import ask, refusal_of, refused, stand_in, user

CHAT = "POST /v1/chat/completions"


@pytest.mark.parametrize(
    ("version", "words", "code", "line"),
    [
        ("0.32.0", ("m", "--no-such-flag"), 2, "vllm: error: unrecognized arguments: --no-such-flag"),
        ("0.32.0", ("serve", "m"), 2, "vllm: error: unrecognized arguments: m"),
        ("0.32.0", ("m", "--port"), 2, "vllm serve: error: argument --port: expected one argument"),
        (
            "0.32.0",
            ("m", "--max-model-len", "long"),
            2,
            "vllm serve: error: argument --max-model-len: invalid human_readable_int_or_auto value: 'long'",
        ),
        (
            "0.32.0",
            ("m", "--enable-auto-tool-choice"),
            1,
            "TypeError: Error: --enable-auto-tool-choice requires --tool-call-parser",
        ),
        (
            "0.32.0",
            ("m", "--enable-auto-tool-choice", "--tool-call-parser", "hermes9"),
            1,
            "KeyError: 'invalid tool call parser: hermes9 (chose from { apertus,",
        ),
        ("0.32.0", ("m", "--reasoning-parser", "qwen4"), 1, "Reasoning parser 'qwen4' not found. Available parsers: "),
        ("0.32.0", ("m", "--gpu-memory-utilization", "1.5"), 1, "/v/less_than_equal"),
        ("0.20.2", ("m", "--max-num-seqs", "0"), 1, "/v/greater_than_equal"),
        ("0.32.0", ("m", "--max-model-len", "0"), 1, "max_model_len must be a positive integer, got int: 0."),
        ("0.17.0", ("m", "--disable-log-requests"), 2, "unrecognized arguments: --disable-log-requests"),
        ("0.18.0", ("m", "--swap-space", "4"), 2, "unrecognized arguments: --swap-space 4"),
        ("0.9.2", ("m",), 2, "api_server.py: error: unrecognized arguments: m"),
        ("0.32.0", ("--served-model-name", "chat"), 1, "`model` should be provided as the first positional argument"),
        (
            "0.32.0",
            ("Qwen/Qwen3-0.6B", "--max-model-len", "99999"),
            1,
            "(99999) is greater than the derived max_model_len",
        ),
    ],
)
def test_command_lines_that_the_release_refuses(capsys, version, words, code, line):
    ended, said = refusal_of(capsys, "vllm", *words, version=version)
    assert ended == code
    assert line in said


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("0.32.0", ("m", "--max_model_len=1k")),
        ("0.32.0", ("m", "--max-model-le", "1000")),
        ("0.32.0", ("--enforce-eager", "--model", "m", "--max-model-len", "1000")),
        ("0.32.0", ("m", "--compilation-config.level", "3", "--no-enforce-eager", "-O3", "--max-model-len", "1000")),
        ("0.16.0", ("m", "--disable-log-requests", "--max-model-len", "1000")),
        ("0.9.2", ("--model", "m", "--swap-space", "4", "--max-model-len", "1000")),
        ("0.32.7", ("m", "--max-model-len", "1000")),
        ("0.33.0", ("m", "--reasoning-parser", "newer", "--max-model-len", "1000")),
        (
            "0.10.2",
            ("--model", "m", "--enable-auto-tool-choice", "--tool-call-parser", "minimax", "--max-model-len", "1000"),
        ),
    ],
)
def test_command_lines_that_the_release_takes(version, words):
    model = ask(stand_in("vllm", *words, version=version), "GET /v1/models").json()["data"][0]
    assert (model["id"], model["root"], model["max_model_len"]) == ("m", "m", 1000)


def test_a_longer_context_than_the_model_has_must_be_allowed():
    words = ("Qwen/Qwen3-0.6B", "--max-model-len", "99999")
    for more, environment in ((("--hf-overrides", "{}"), {}), ((), {"VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1"})):
        model = ask(stand_in("vllm", *words, *more, **environment), "GET /v1/models").json()["data"][0]
        assert model["max_model_len"] == 99999


def test_without_a_length_the_model_has_its_own():
    for source, length in (("Qwen/Qwen3-0.6B", 40960), ("nobody/knows-this", 4096)):
        assert ask(stand_in("vllm", source), "GET /v1/models").json()["data"][0]["max_model_len"] == length


def test_the_key_guards_what_the_real_server_guards():
    door = stand_in("vllm", "m", VLLM_API_KEY="sk-right")
    for route in ("GET /v1/models", CHAT, "GET /v1/nope", "POST /inference/v1/generate"):
        for key in ("", "sk-wrong"):
            assert (ask(door, route, {}, key=key).status, ask(door, route, {}, key=key).text) == (
                401,
                '{"error":"Unauthorized"}',
            )
    for route in ("GET /health", "GET /metrics", "GET /version", "GET /ping", "POST /ping", "GET /load"):
        assert ask(door, route).status == 200
    assert ask(door, "GET /v1/models", key="sk-right").status == 200
    assert ask(door, "GET /v1/nope", key="sk-right").status == 404


def test_the_command_line_s_keys_win_over_the_variable():
    door = stand_in("vllm", "m", "--api-key", "sk-a", "sk-b", VLLM_API_KEY="sk-c")
    statuses = [ask(door, "GET /v1/models", key=key).status for key in ("sk-a", "sk-b", "sk-c")]
    assert statuses == [200, 200, 401]


def test_routes_that_are_not_there_and_methods_that_are_wrong():
    door = stand_in("vllm", "m")
    for route in ("POST /chat/completions", "POST /v1/embeddings", "POST /v1/rerank", "GET /"):
        assert (ask(door, route).status, ask(door, route).json()) == (404, {"detail": "Not Found"})
    answer = ask(door, "GET /v1/chat/completions")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    astray = ask(door, "POST /v1/chat/completions/", {})
    assert (astray.status, astray.headers["location"].endswith("/v1/chat/completions")) == (307, True)


def test_every_served_name_answers_and_no_other():
    door = stand_in("vllm", "/models/m", "--served-model-name", "one", "two")
    for name in ("one", "two"):
        assert ask(door, CHAT, user("Hi", model=name)).json()["model"] == name
    assert refused(ask(door, CHAT, user("Hi", model="/models/m"))) == (
        404,
        "The model `/models/m` does not exist. Valid aliases: one, two.",
    )


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"\xff", b'{"messages": 5}', b'{"messages": [], "n": {}}'])
def test_bodies_that_are_wrong_are_refused_as_vllm_does(raw):
    status, message = refused(ask(stand_in("vllm", "m"), CHAT, raw=raw))
    assert status == 400
    assert message
