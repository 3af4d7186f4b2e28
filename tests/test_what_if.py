"""`plan --what-if` and `plan --solve`: what is tried, what it says, and what it refuses. No file is ever touched."""

from __future__ import annotations

import json
import re

import pytest

from stackgen import cli
from stackgen.errors import ExitCode

SPEC = """\
version: 1
name: trial
profiles: [nvidia, nvidia-shared]
gpus:
  a0: {card: l40s, index: 0}
  a1: {card: l40s, index: 1}
models:
  chat: {source: Qwen/Qwen3-14B, engine: vllm, modalities: [chat], public_names: [gpt-4.1], context: 32768}
  embed: {source: BAAI/bge-m3, engine: infinity, modalities: [embedding]}
gateway: {database: false}
"""


@pytest.fixture
def ask(run, tmp_path):
    """Plan with words; the spec stays as it is, and nothing appears beside it."""

    def call(*words, spec=SPEC):
        found = run("plan", *words, spec=spec)
        assert [path.name for path in tmp_path.iterdir()] == ["stack.yaml"]
        assert (tmp_path / "stack.yaml").read_text() == spec
        return found

    return call


def as_json(out):
    data = json.loads(out)
    assert data["version"] == 1
    return data


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("models.chat.context", "`models.chat.context` is no change of a spec"),
        ("=5", "`=5` is no change of a spec"),
        ("models..context=5", "`models..context=5` is no change of a spec"),
        ("models.chat.''=5", "is no path of a spec"),
        ("models.chat.context='5", "`'5` is no value: this is not YAML"),
        (".".join("a" * 50_000) + "=3", "has 50000 keys, and a path has at most 20"),
        ("gpus=0xl4", "`0xl4` is 0 cards, and a machine has 1 to 64"),
        ("gpus=60xl4,5xl40s", "is 65 cards, and a machine has 1 to 64"),
        ("gpus=1xl4,0xl40s", "is 1 card, and a machine has 1 to 64"),
        ("gpus=9999xl4", "is 9999 cards"),
        ("gpus=1xl4,", "`1xl4,` is no list of cards"),
        ("gpus=[1, 2]", "`[1, 2]` is no list of cards"),
        ("gpus=3", "`3` is no list of cards"),
        ("gpus=null", "`null` is no list of cards"),
    ],
)
def test_what_is_no_change_is_wrong_usage(ask, text, complaint):
    code, out, err = ask("--what-if", text)
    assert (code, out) == (ExitCode.USAGE, "")
    assert f"Invalid value for --what-if: {complaint}" in err or complaint in err
    assert "write " in err


@pytest.mark.parametrize(
    ("text", "complaint", "hint"),
    [
        ("models.chatt.context=5", "the spec has no `models.chatt` to change", "did you mean `chat`?"),
        ("models.chat.nope=", "the spec has no `models.chat.nope` to change", "known here: context,"),
        ("models.chat.public_names.0=x", "`models.chat.public_names` is a list and has no keys", "write it whole"),
        ("models.chat.context.x=1", "`models.chat.context` is `32768` and has no keys", "models.chat.context=VALUE"),
        ("models=3", "`models` must be a map, not `3`", "The models, by id."),
        ("models.chat.context=-5", "`context` must be at least 16, is `-5`", "Longest request"),
        ("gpus=2xL40S", "there is no card `L40S`", "did you mean `l40s`?; one that is new is declared in"),
    ],
)
def test_a_change_that_cannot_be_made_is_refused_with_the_next_step(ask, text, complaint, hint):
    code, out, err = ask("--what-if", text)
    assert (code, out) == (ExitCode.PROBLEM, "")
    assert err.startswith(f"as if the spec said: `{text}`\n")
    assert complaint in err
    assert hint in err


def test_models_that_are_no_map_are_refused_in_a_file_too(ask):
    spec = SPEC[: SPEC.index("models:")] + "models: 3\n" + SPEC[SPEC.index("gateway:") :]
    code, _, err = ask(spec=spec)
    assert code == ExitCode.PROBLEM
    assert "`models` must be a map, not `3`" in err


def test_changes_are_planned_and_named(ask):
    words = ("--what-if", "gpus=1xh100-80gb", "--what-if", "gateway.aliases.'gpt-4.0'=gpt-4.1")
    code, out, err = ask("--json", *words, "--what-if", "models.embed=")
    assert code == ExitCode.DONE
    data = as_json(out)
    assert [(card["id"], card["card"]) for card in data["cards"]] == [("a0", "h100-80gb")]
    assert data["what_if"] == ["gpus=1xh100-80gb", "gateway.aliases.'gpt-4.0'=gpt-4.1", "models.embed="]
    assert data["solved"] is None
    assert not [service for service in data["services"] if service["name"] == "infinity"]
    assert err.startswith("as if the spec said: `gpus=1xh100-80gb`, ")


def test_as_many_cards_as_have_a_number(ask):
    code, out, _ = ask("--json", "--what-if", "gpus=64xl40s")
    assert code == ExitCode.DONE
    assert len(as_json(out)["cards"]) == 64


def test_the_largest_number_is_data_and_the_next_one_does_not_fit(ask):
    code, out, _ = ask("--solve", "models.chat.context", "--json", "--what-if", "gpus=1xl40s")
    assert code == ExitCode.DONE
    solved = as_json(out)["solved"]
    assert (solved["path"], solved["step"]) == ("models.chat.context", 1024)
    value = solved["value"]
    assert ask("--what-if", "gpus=1xl40s", "--what-if", f"models.chat.context={value}")[0] == ExitCode.DONE
    code, _, err = ask("--what-if", "gpus=1xl40s", "--what-if", f"models.chat.context={value + 1024}")
    assert code == ExitCode.PROBLEM
    assert solved["limit"] in err
    _, out, _ = ask("--solve", "models.chat.context", "--what-if", "gpus=1xl40s")
    assert out.startswith(
        f"models.chat.context: {value} is the most; with {value + 1024}: {solved['limit']}\n\ntrial: "
    )


def test_requests_at_the_same_time_are_limited_by_what_the_cache_holds(ask):
    _, out, _ = ask("--solve", "models.chat.concurrency", "--json")
    data = as_json(out)
    row = next(row for row in data["memory"] if row["instance"] == "vllm-chat")
    assert row["requests_wanted"] == data["solved"]["value"]
    assert row["requests_wanted"] <= row["requests_of_full_length"] < row["requests_wanted"] + 1
    assert data["solved"]["limit"].startswith("the cache of vllm-chat holds ")


@pytest.mark.parametrize(
    ("path", "code", "complaint"),
    [
        ("", ExitCode.USAGE, "--solve: a value is empty"),
        (".", ExitCode.USAGE, "`.` is no path of a spec"),
        ("models.chat.context=3", ExitCode.USAGE, "`models.chat.context=3` is no path of a spec"),
        ("models", ExitCode.PROBLEM, "no whole number stands at `models`"),
        ("gpus", ExitCode.PROBLEM, "no whole number stands at `gpus`"),
        ("models.chat.source", ExitCode.PROBLEM, "no whole number stands at `models.chat.source`"),
        ("models.chat.contxt", ExitCode.PROBLEM, "did you mean `context`?"),
        ("models.chat.options.gpu_memory_utilization", ExitCode.PROBLEM, "max_num_batched_tokens; --what-if tries"),
        ("models.nope.context", ExitCode.PROBLEM, "the spec has no `models.nope` to change"),
        ("models.embed.context", ExitCode.PROBLEM, "infinity has no `context`"),
    ],
)
def test_what_has_no_largest_number_is_refused(ask, path, code, complaint):
    found, out, err = ask("--solve", path)
    assert (found, out) == (code, "")
    assert complaint in " ".join(err.split())


def test_what_takes_long_says_what_it_tries(ask, monkeypatch):
    ticks = iter(range(0, 10_000, 3))
    monkeypatch.setattr(cli.silence.time, "monotonic", lambda: next(ticks))
    code, _, err = ask("--solve", "models.chat.replicas")
    assert code == ExitCode.DONE
    assert re.search(
        r"^ +[1-9][0-9]*\.0 s  trying models\.chat\.replicas=1$", err, re.MULTILINE
    )  # others look at the clock too


@pytest.mark.parametrize(
    ("size", "complaint"),
    [
        (100 * 2**30, "cache     100.00 GiB  written"),
        (2**30, "the cache of `chat` is to be 1.00 GiB, and one request takes 5.00 GiB"),
    ],
)
def test_a_cache_of_a_size_that_does_not_start_is_refused(ask, size, complaint):
    changes = (f"models.chat.options.kv_cache_memory_bytes={size}", "models.chat.gpus=[a0]")
    code, _, err = ask(*(word for change in changes for word in ("--what-if", change)))
    assert code == ExitCode.PROBLEM
    assert complaint in err
    changes = (f"models.chat.options.kv_cache_memory_bytes={8 * 2**30}", "models.chat.gpus=[a0]")
    assert ask(*(word for change in changes for word in ("--what-if", change)))[0] == ExitCode.DONE
