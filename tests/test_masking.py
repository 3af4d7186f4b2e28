"""Secrets that somebody wrote into a spec are shown nowhere; names of secrets and plain settings are."""

from __future__ import annotations

import json

import pytest
from support import SMALL, write_spec
from typer.testing import CliRunner

from stackgen import verbs
from stackgen.cli import app
from stackgen.errors import StackError
from stackgen.masking import Mask

HIDDEN = {
    "under-environment": "hunter2hunter2",
    "in-a-list": "listed-secret-77",
    "under-headers": "bearer-words-1234",
    "after-a-flag": "flag-secret-99",
    "behind-an-equals-sign": "equals-secret-42",
    "in-an-address": "userpass-31337",
    "by-its-form": "sk-abcdefghijklmnop",
    "in-a-shell-line": "shell-secret-55",
    "of-a-service": "service-secret-66",
    "of-a-build": "build-secret-88",
    "in-nested-json": "json-secret-11",
    "in-a-raw-section": "slack-hook-secret",
    "in-a-profile": "profile-secret-22",
    "number": "4815162342",
}

HOSTILE = """\
version: 1
name: hostile
profiles: [cpu, house]
models:
  chat:
    source: Qwen/Qwen3-0.6B
    engine: vllm
    modalities: [chat]
    environment: {{DB_PASSWORD: {under-environment}, PLAIN: visible-word, NOTE: "token: {in-nested-json}"}}
    extra_args: ["--ssl-ca-certs", /ca, "--hf-token", {after-a-flag},
      '--model-loader-extra-config={{"secret_key": "{behind-an-equals-sign}"}}']
    gateway:
      litellm_params:
        extra_headers: {{Authorization: Bearer {under-headers}}}
        max_tokens: 77
        metadata: {{url: "https://me:{in-an-address}@host/x"}}
      model_info: {{input_cost_per_token: 0.25, note: "{by-its-form}"}}
    overrides:
      compose:
        labels: {{pin: visible-label, api_token: "{number}"}}
gateway:
  environment: {{LANGFUSE_SECRET_KEY: {in-a-list}}}
  raw: {{general_settings: {{alert_to_webhook_url: {{budget_alerts: {in-a-raw-section}}}}}}}
services:
  side:
    compose:
      image: side:1
      command: ["sh", "-c", "run --requirepass {in-a-shell-line} PASSWORD={of-a-service}"]
      environment: ["SIDE_TOKEN={of-a-build}", "SIDE_MODE=visible-mode"]
"""
HOUSE = """\
about: "A profile with a secret"
accelerator: cpu
engines:
  vllm:
    environment: {{UPSTREAM_API_KEY: {in-a-profile}}}
"""


@pytest.fixture
def spec(tmp_path):
    return write_spec(tmp_path, HOSTILE.format(**HIDDEN), house=HOUSE.format(**HIDDEN))


def run(*words):
    result = CliRunner().invoke(app, [*map(str, words)])
    return result, result.stdout + result.stderr + str(result.exception or "")


def questions(folder):
    """Every line of the spec, of the profile and of the rendered files, and every path."""
    yield from (f"stack.yaml:{line}" for line in range(1, 32))
    yield from (f"profiles/house.yaml:{line}" for line in range(1, 6))
    yield from ("models.chat", "services.vllm-chat", "services.side", "models.chat.environment", "gateway.environment")
    yield from ("models.chat.extra_args", "models.chat.extra_args.3", "services.side.compose.command", "gateway.raw")
    yield from (f"docker-compose.yml:{line}" for line in range(1, 160, 1))
    yield from (f"litellm/config.yaml:{line}" for line in range(1, 50))


def test_no_secret_of_a_hostile_spec_is_shown_by_config_or_profiles(spec):
    for words in (["config"], ["config", "--json"]):
        _, text = run(*words, spec)
        assert not [name for name, secret in HIDDEN.items() if secret in text], words
        assert all(word in text for word in ("visible-word", "visible-label", "visible-mode", "77", "0.25"))
    for words in (["profiles", "show", "house"], ["profiles", "show", "house", "--json"]):
        _, text = run(*words, "--file", spec)
        assert HIDDEN["in-a-profile"] not in text
        assert "UPSTREAM_API_KEY" in text


def test_no_secret_of_a_hostile_spec_is_shown_by_explain(spec):
    opened = verbs.open_asked(spec)
    assert str(opened.failure and opened.failure.problems) == "None"
    shown = []
    for question in questions(spec.parent):
        try:
            found = verbs.answer(opened, question)
        except StackError as error:
            shown.append(str(error))
            continue
        shown += [*found.lines("rendered/"), json.dumps(found.as_json("rendered/"))]
    text = "\n".join(shown)
    assert not [name for name, secret in HIDDEN.items() if secret in text]
    assert all(word in text for word in ("visible-word", "visible-label", "visible-mode", "***"))


def test_problems_of_a_hostile_spec_are_told_without_its_secrets(spec):
    spec.write_text(spec.read_text().replace("max_tokens: 77", "max_tokens: 77\n        model: x").replace(
        "name: hostile", f"name: \"{HIDDEN['under-environment']}!\""
    ))  # fmt: skip
    result, text = run("config", spec)
    assert result.exit_code == 1
    assert "is not a valid `name`" in text
    assert not [name for name, secret in HIDDEN.items() if secret in text]


def test_a_kept_secret_that_somebody_copied_into_a_file_is_not_shown(tmp_path):
    spec = write_spec(tmp_path, SMALL.replace("modalities: [chat]", "modalities: [chat]\n    environment: {A: abcdef}"))
    CliRunner().invoke(app, ["render", str(spec)])
    kept = dict(
        line.split("=", 1) for line in (tmp_path / ".stackgen" / "secrets.env").read_text().splitlines() if "=" in line
    )
    secret = kept["VLLM_API_KEY"].strip("'\"")
    compose = tmp_path / "rendered" / "docker-compose.yml"
    compose.write_text(compose.read_text().replace('"abcdef"', f'"{secret}"'))
    line = next(number for number, text in enumerate(compose.read_text().splitlines(), 1) if secret in text)
    result, text = run("explain", f"docker-compose.yml:{line}", "--file", spec)
    assert result.exit_code == 0
    assert secret not in text
    assert "edited by hand" in text


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_tokens", 4096),
        ("max_num_batched_tokens", 8192),
        ("input_cost_per_token", 0.1),
        ("tokenizer", "auto"),
        ("API_KEY", "${OPENAI_API_KEY}"),
        ("api_key", "os.environ/OPENAI_API_KEY"),
        ("api_key", "none"),
        ("HF_TOKEN", "${HF_TOKEN:-}"),
        ("Authorization", "Bearer ${KEY}"),
        ("password", ""),
        ("keep_alive", "5m"),
    ],
)
def test_what_is_no_secret_stays_readable(key, value):
    assert Mask().of_spec({key: value}, ("models", "chat", "environment")) == {key: value}


def test_words_of_the_spec_itself_name_no_secret():
    data = {"endpoints": {"cloud": {"key": "OPENAI_API_KEY"}}, "gateway": {"keys": {"app": {"budget": 3.5}}}}
    assert Mask().of_spec(data) == data
    data = {"models": {"chat": {"secret_environment": {"TOKEN": "HF_TOKEN"}}}}
    assert Mask().of_spec(data) == data


def test_a_known_secret_is_hidden_in_the_spelling_of_json_too():
    assert Mask(known=['quote"and-more']).text('{"word": "quote\\"and-more"}') == '{"word": "***"}'


@pytest.mark.parametrize("order", [("secret-word", "secret-word-and-more"), ("secret-word-and-more", "secret-word")])
def test_of_a_secret_that_begins_with_another_one_nothing_is_left(order):
    assert Mask(known=order).text("a secret-word-and-more, a secret-word") == "a ***, a ***"


def test_letters_that_come_together_everywhere_are_hidden_where_they_stand_alone():
    mask = Mask(known=["abcdef"])
    assert mask.text("abcdef") == "***"
    assert mask.of_spec({"environment": {"PIN": "a", "TOKEN": "abcde"}}) == {
        "environment": {"PIN": "a", "TOKEN": "***"}
    }
    assert mask.text("abcdefg, abcde") == "***g, abcde"


@pytest.mark.parametrize(
    "path",
    [
        ("models", "chat", "options"),
        ("models", "chat", "overrides", "compose", "labels"),
        ("models", "chat", "gateway", "model_info"),
        ("models", "chat", "build", "args"),
        ("gateway", "raw", "general_settings"),
    ],
)
def test_what_a_key_calls_a_secret_is_hidden_wherever_anything_may_stand(path):
    data = {"api_token": "hidden-words", "inner": [{"password": 12345}], "flags": ["--api-key", "listed", "shown"]}
    hidden = {"api_token": "***", "inner": [{"password": "***"}], "flags": ["--api-key", "***", "shown"]}
    assert Mask().of_spec(data, path) == hidden
    assert Mask().of_spec("hidden-words", (*path, "api_token")) == "***"
    for key in reversed(path):
        data, hidden = {key: data}, {key: hidden}
    assert Mask().of_spec(data) == hidden


def test_a_value_that_was_hidden_once_is_hidden_in_every_text():
    mask = Mask([{"environment": {"TOKEN": "first-words"}}])
    mask.rendered({"command": ["run", "--password=second words", "PASSWORD=third-words"]}, ("services", "token"))
    assert mask.text("first-words, third-words") == "***, ***"
    assert mask.rendered({"command": "x"}, ("services", "token")) == {"command": "x"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:word@host/x", "https://me:***@host/x"),
        ("https://word@host/x", "https://***@host/x"),
        ("https://host/x@y", "https://host/x@y"),
        ("run --api-key 'two words' --port 80", "run --api-key *** --port 80"),
        ("run --api-key=word --port=80", "run --api-key=*** --port=80"),
        ("API_TOKEN=word PORT=80", "API_TOKEN=*** PORT=80"),
        ('{"api_key": "two words", "port": 80}', '{"api_key": ***, "port": 80}'),
        ("api_key: ${API_KEY}", "api_key: ${API_KEY}"),
        ("API_KEY=${API_KEY:-}, PORT=80", "API_KEY=${API_KEY:-}, PORT=80"),
        ("API_KEY=sk${API_KEY}", "API_KEY=***"),
        ("postgresql://me:${PASSWORD:?who needs it}@host/x", "postgresql://me:${PASSWORD:?who needs it}@host/x"),
        ("postgresql://${ME:-you}:word@host/x", "postgresql://${ME:-you}:***@host/x"),
        ("https://${TOKEN:-}@host", "https://${TOKEN:-}@host"),
        ("https://${HOST}:4000/v1", "https://${HOST}:4000/v1"),
        ("password", "password"),
    ],
)
def test_a_secret_inside_of_a_text_is_hidden_and_the_rest_stays(text, shown):
    assert Mask().of_spec(text, ("models", "chat", "environment", "NOTE")) == shown
