"""Teams and keys at a gateway over real sockets: what is asked, what is changed, what is told, what is never shown."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import gateway_api
import pytest
from gateway_api import MASTER, digest
from support import SMALL, plan_of

from stackgen import access, runtime, smoke, vault
from stackgen.access import State
from stackgen.errors import DockerError, StackError
from stackgen.modalities import Reply
from stackgen.report import Finding, Report
from stackgen.runtime import ContainerState
from stackgen.verbs import checking

NOTEBOOK, CI = "sk-notebook-0123456789abcdef", "sk-ci-0123456789abcdef"
TEXTS = {"LITELLM_MASTER_KEY": MASTER, "LITELLM_KEY_NOTEBOOK": NOTEBOOK, "LITELLM_KEY_CI": CI}
VALUES = {name: vault.SecretValue(value) for name, value in TEXTS.items()}
DECLARED = """\
gateway:
  port: %d
  database: true
  teams:
    research: {models: [chat, embed], budget: 50, budget_days: 30, rpm: 60}
  keys:
    notebook: {team: research, models: [chat], budget: 2.5, tpm: 1000}
    ci: {}
"""
RESEARCH = {
    "team_alias": "research",
    "models": ["chat", "embed"],
    "max_budget": 50.0,
    "budget_duration": "30d",
    "rpm_limit": 60,
    "tpm_limit": None,
}
OF_NOTEBOOK = {
    "key_alias": "notebook",
    "team_id": "research",
    "models": ["chat"],
    "max_budget": 2.5,
    "budget_duration": None,
    "rpm_limit": None,
    "tpm_limit": 1000,
}
OF_CI = dict.fromkeys(OF_NOTEBOOK) | {"key_alias": "ci", "models": []}


@pytest.fixture
def gateway():
    with gateway_api.running() as (running, port):
        running.port = port
        yield running


@pytest.fixture
def settle(gateway, tmp_path):
    """Settle a spec at the gateway; a line per team and key."""

    def call(text=DECLARED, values=VALUES, seconds=20.0):
        plan = plan_of(tmp_path, SMALL + text % gateway.port)
        gateway.requests.clear()
        return access.settle(plan, partial(smoke.from_this_host, timeout_seconds=seconds), values)

    return call


def lines(entries):
    return [str(entry) for entry in entries]


def errors(entries):
    return [(failure.message, failure.hint) for failure in access.failures(entries)]


def test_what_is_declared_is_said_in_the_gateways_words(tmp_path):
    wanted = access.wanted(plan_of(tmp_path, SMALL + DECLARED % 4000))
    assert [(entry.what, entry.settings) for entry in wanted] == [
        ("team research", RESEARCH),
        ("key notebook", OF_NOTEBOOK),
        ("key ci", OF_CI),
    ]


def test_a_gateway_without_a_database_gets_none(tmp_path):
    plan = plan_of(tmp_path, SMALL + DECLARED % 4000)
    assert access.wanted(replace(plan, gateway=plan.gateway.model_copy(update={"database": False}))) == ()


def test_everything_missing_is_created_teams_before_their_keys(gateway, settle):
    assert lines(settle()) == ["created team research", "created key notebook", "created key ci"]
    (first, *keys) = gateway.posts
    assert first == ("/team/new", {"team_id": "research", **RESEARCH})
    assert sorted(keys, key=lambda post: post[1]["key_alias"], reverse=True) == [
        ("/key/generate", {"key": NOTEBOOK, **OF_NOTEBOOK}),
        ("/key/generate", {"key": CI, **OF_CI}),
    ]
    assert set(gateway.keys) == {digest(NOTEBOOK), digest(CI)}


def test_a_second_time_nothing_is_changed(gateway, settle):
    settle()
    before = json.dumps([gateway.teams, gateway.keys])
    assert lines(settle()) == ["team research: unchanged", "key notebook: unchanged", "key ci: unchanged"]
    assert gateway.posts == []
    assert len(gateway.requests) == 3
    assert json.dumps([gateway.teams, gateway.keys]) == before


def test_only_what_differs_is_sent(gateway, settle):
    settle()
    gateway.teams["research"] |= {"spend": 12.5, "metadata": {"by": "hand"}}
    gateway.keys[digest(NOTEBOOK)]["models"] = ["embed", "chat"]
    entries = settle(DECLARED.replace("budget: 50", "budget: 80"))
    assert lines(entries) == [
        "updated team research: budget 50 -> 80",
        "updated key notebook: models embed chat -> chat",
        "key ci: unchanged",
    ]
    assert gateway.posts == [
        ("/team/update", {"team_id": "research", "max_budget": 80.0}),
        ("/key/update", {"key": digest(NOTEBOOK), "models": ["chat"]}),
    ]
    assert (gateway.teams["research"]["spend"], gateway.teams["research"]["metadata"]) == (12.5, {"by": "hand"})


def test_a_limit_that_the_spec_dropped_is_taken_away(gateway, settle):
    settle()
    entries = settle(DECLARED.replace("team: research, models: [chat], budget: 2.5, tpm: 1000", ""))
    assert (
        str(entries[1])
        == "updated key notebook: team research -> none, models chat -> all, budget 2.5 -> none, tpm 1000 -> none"
    )
    assert gateway.posts == [
        ("/key/update", {"key": digest(NOTEBOOK), "team_id": None, "models": [], "max_budget": None, "tpm_limit": None})
    ]


def test_the_order_of_models_is_no_difference(gateway, settle):
    settle()
    gateway.teams["research"]["models"].reverse()
    settle()
    assert gateway.posts == []


def test_a_deleted_key_is_made_anew(gateway, settle):
    settle()
    gateway.keys[digest(NOTEBOOK)]["status"] = "deleted"
    assert lines(settle()) == ["team research: unchanged", "created key notebook", "key ci: unchanged"]
    assert gateway.posts == [("/key/generate", {"key": NOTEBOOK, **OF_NOTEBOOK})]


def test_what_the_spec_no_longer_names_is_left_alone(gateway, settle):
    settle()
    settle(
        DECLARED.replace("    ci: {}\n", "")
        .replace("    research:", "    science:")
        .replace("team: research", "team: science")
    )
    assert set(gateway.teams) == {"research", "science"}
    assert gateway.keys[digest(CI)]["status"] == "active"


def test_a_block_is_told_and_left_alone(gateway, settle):
    settle()
    gateway.teams["research"]["blocked"] = True
    gateway.keys[digest(CI)]["status"] = "expired"
    told = lines(settle())
    assert told[0] == "team research: unchanged; somebody blocked it at the gateway"
    assert told[2] == "key ci: unchanged; it has expired"
    assert gateway.posts == []


def test_one_team_that_fails_keeps_only_its_own_keys_from_being_made(gateway, settle):
    more = DECLARED.replace("    research:", "    art: {}\n    research:")
    gateway.teams["art"] = {"team_alias": "art"}  # it differs in nothing: all that is left out is no limit
    gateway.replies["/team/new"] = (403, '{"error": {"message": "License is over limit.", "code": "403"}}')
    entries = settle(more)
    assert [entry.state for entry in entries] == [State.SAME, State.FAILED, State.FAILED, State.CREATED]
    assert errors(entries) == [
        ("team research: HTTP 403: License is over limit.", "look at `gateway.teams.research` in stack.yaml"),
        ("key notebook: its team research is not there", "mend the team first"),
    ]
    assert [path for path, _ in gateway.posts] == ["/team/new", "/key/generate"]


def test_a_team_that_cannot_be_updated_still_gets_its_keys(gateway, settle):
    gateway.teams["research"] = RESEARCH | {"max_budget": 1.0}
    gateway.replies["/team/update"] = (400, json.dumps({"error": {"message": "{'error': \"it isn't so\"}"}}))
    entries = settle()
    assert errors(entries) == [
        ("team research: HTTP 400: it isn't so", "look at `gateway.teams.research` in stack.yaml")
    ]
    assert lines(entries)[1:] == ["created key notebook", "created key ci"]


def test_a_name_in_use_is_explained(gateway, settle):
    settle()
    entries = settle(values=VALUES | {"LITELLM_KEY_CI": vault.SecretValue("sk-another-0123456789")})
    ((message, hint),) = errors(entries)
    assert message == (
        "key ci: HTTP 400: Key with alias 'ci' already exists. Unique key aliases across all keys are required."
    )
    assert 'POST /key/delete {"key_aliases": ["ci"]}' in hint


def test_a_value_that_the_gateway_refuses_is_not_shown(settle):
    entries = settle(values=VALUES | {"LITELLM_KEY_CI": vault.SecretValue("sk-short")})
    ((message, hint),) = errors(entries)
    assert message.startswith("key ci: HTTP 400: Invalid key format.")
    assert "sk-short" not in message + hint
    assert "***" in message


def test_a_wrong_master_key_is_one_error_without_the_key(gateway, settle):
    entries = settle(values=VALUES | {"LITELLM_MASTER_KEY": vault.SecretValue("sk-wrong-0123456789")})
    ((message, hint),) = errors(entries)
    assert message.startswith("team research, key notebook, key ci: HTTP 401: Authentication Error")
    assert hint == "the gateway runs with another LITELLM_MASTER_KEY than .stackgen/secrets.env has"
    assert "sk-wrong" not in message
    assert gateway.posts == []


def test_a_gateway_without_its_database_is_one_error(gateway, settle):
    said = (500, json.dumps({"error": {"message": "{'error': 'Database not connected.'}", "code": "500"}}))
    gateway.replies |= {"/team/info": said, "/key/info": said}
    assert errors(settle()) == [
        (
            "team research, key notebook, key ci: HTTP 500: Database not connected.",
            "stackgen logs litellm postgres",
        )
    ]
    assert gateway.posts == []


@pytest.mark.parametrize("body", ["{", "[]", "{}", '{"team_info": 1}', "<html>"])
def test_an_answer_of_another_shape_changes_nothing(gateway, settle, body):
    gateway.replies["/team/info"] = (200, body)
    entries = settle()
    assert errors(entries)[0][0] == "team research: the gateway's answer is no JSON with `team_info`"
    assert [path for path, _ in gateway.posts] == ["/key/generate"]


@pytest.mark.parametrize(
    ("name", "value"), [("models", 5), ("models", None), ("max_budget", "50"), ("budget_duration", [])]
)
def test_values_of_other_types_are_differences(gateway, settle, name, value):
    gateway.teams["research"] = RESEARCH | {name: value}
    assert settle()[0].state is State.UPDATED
    assert gateway.posts[0] == ("/team/update", {"team_id": "research", name: RESEARCH[name]})


def test_a_404_of_another_server_is_no_unknown_team(gateway, settle):
    gateway.replies |= dict.fromkeys(("/team/info", "/key/info"), (404, '{"detail": "Not Found"}'))
    (error,) = errors(settle())
    assert error[0] == "team research, key notebook, key ci: HTTP 404: Not Found"
    assert gateway.posts == []


def test_a_gateway_that_does_not_answer_is_asked_once(gateway, settle):
    gateway.seconds = 1.0
    entries = settle(seconds=0.1)
    assert {entry.state for entry in entries} == {State.UNANSWERED}
    ((message, _),) = errors(entries)
    assert message == "team research, key notebook, key ci: the gateway does not answer: no answer within 0.1 s"
    assert len(gateway.requests) == 1


def test_what_the_gateway_took_and_did_not_do_is_a_failure(gateway, settle):
    gateway.defaults = {"max_budget": 5.0}
    entries = settle()
    assert errors(entries) == [
        (
            "key ci: the gateway took it, and yet it is different: budget 5 -> none",
            "its own defaults may do that; `stackgen up` tries again",
        )
    ]
    assert str(settle()[2]) == "updated key ci: budget 5 -> none"


def test_looking_changes_nothing(gateway, tmp_path):
    plan = plan_of(tmp_path, SMALL + DECLARED % gateway.port)
    entries = access.look(plan, smoke.from_this_host, VALUES)
    assert {entry.state for entry in entries} == {State.MISSING}
    assert gateway.posts == []


def test_a_key_travels_once_and_stands_in_no_url_and_no_output(gateway, settle):
    shown = lines(settle()) + lines(settle())
    asked = json.dumps([(path, query) for _, path, query, _ in gateway.requests])
    assert not [value for value in TEXTS.values() if value in asked or value in str(shown)]
    gateway.teams["research"]["team_alias"] = f"\x1b[2J{NOTEBOOK} {digest(CI)}"
    (told, *_) = lines(settle())
    assert told == "updated team research: name *** *** -> research"


def test_a_value_that_is_not_there_is_named(settle):
    with pytest.raises(StackError, match=r"LITELLM_KEY_CI not in \.stackgen/secrets\.env"):
        settle(values={name: VALUES[name] for name in ("LITELLM_MASTER_KEY", "LITELLM_KEY_NOTEBOOK")})


def test_a_key_may_not_ask_more_than_its_team(tmp_path):
    narrow = DECLARED % 4000
    with pytest.raises(StackError) as raised:
        plan_of(tmp_path, SMALL + narrow.replace("[chat, embed]", "[embed]"))
    (problem,) = raised.value.problems
    assert problem.message == "the team of the key may not ask `chat`"
    assert problem.hint == "drop it, or add it to `models` of the team `research`"
    plan_of(tmp_path, SMALL + narrow.replace("models: [chat, embed], ", ""))


class Engine:
    """An engine whose gateway runs."""

    status = "running"

    def containers(self, project):
        assert project == "small"
        return [
            ContainerState(
                id="g", service="litellm", image="x", status=self.status, health="healthy", exit_code=0,
                out_of_memory=False, restarts=0, started_at="2999-11-21T02:57:52Z",
            )
        ]  # fmt: skip

    def execute(self, *_, **__):
        raise DockerError("no container")


@pytest.fixture
def run(run, gateway, tmp_path, monkeypatch):
    """A verb in a folder with this spec, on an engine that is up at once; exit code, stdout, stderr."""
    monkeypatch.setattr(runtime, "connect", Engine)
    monkeypatch.setattr(runtime.preflight, "findings", lambda *_: ())
    monkeypatch.setattr(runtime.disk, "warnings", lambda *_: ())
    monkeypatch.setattr(runtime, "up", lambda *_, **__: 1.0)
    (tmp_path / ".stackgen").mkdir()
    secrets = "".join(f"{name}={value}\n" for name, value in TEXTS.items())
    (tmp_path / ".stackgen/secrets.env").write_text(secrets)

    def call(*words, text=DECLARED):
        monkeypatch.setattr(Engine, "has_volume", lambda *_: False, raising=False)
        code, out, err = run(*words, spec=SMALL + text % gateway.port)
        assert not [value for value in TEXTS.values() if value in out + err]
        return code, out, err

    return call


def test_up_makes_them_and_tells_each(run, gateway):
    code, _, err = run("up")
    assert code == 0
    told = err[err.index("teams and keys at") :].splitlines()
    assert told[:4] == [
        "teams and keys at the gateway (not rehearsed against a real database):",
        "created team research",
        "created key notebook",
        "created key ci",
    ]
    assert told[-1] == "next: stackgen check"
    assert "team research: unchanged" in run("up")[2]
    gateway.replies["/key/info"] = (500, '{"error": {"message": "boom"}}')
    code, _, err = run("up")
    assert code == 1
    assert "error: key notebook, key ci: HTTP 500: boom\n\nhint: stackgen logs" in err
    assert "team research: unchanged" in err


def test_without_a_database_or_a_declaration_nothing_is_asked(run, gateway):
    for text in ("gateway: {port: %d, database: false}\n", "gateway: {port: %d, database: true}\n"):
        code, _, err = run("up", text=text)
        assert (code, gateway.requests) == (0, [])
        assert "teams" not in err


def access_of(out):
    return {
        entry["name"]: (entry["state"], entry["complaints"], entry["skipped"]) for entry in json.loads(out)["access"]
    }


def test_check_compares_and_changes_nothing(run, gateway, monkeypatch):
    run("up")
    found = access_of(run("check", "--format", "json")[1])
    assert {state for state, _, _ in found.values()} == {"ok"}
    gateway.teams["research"]["max_budget"] = 5.0
    gateway.keys[digest(NOTEBOOK)]["status"] = "deleted"
    gateway.keys[digest(CI)]["blocked"] = True
    gateway.requests.clear()
    code, out, _ = run("check", "--format", "json")
    assert code == 1
    assert access_of(out) == {
        "team research": ("failed", ["budget 5 -> 50; not rehearsed against a real database"], None),
        "key notebook": ("failed", ["the gateway does not have it; not rehearsed against a real database"], None),
        "key ci": ("failed", ["somebody blocked it at the gateway"], None),
    }
    assert not [path for path, _ in gateway.posts if path.startswith(("/team", "/key"))]
    out = run("check")[1]
    assert ["failed", "key", "notebook"] in [line.split()[:3] for line in out.splitlines()]

    monkeypatch.setattr(Engine, "status", "exited")
    skipped = access_of(run("check", "--format", "json")[1])["key ci"]
    assert skipped == ("skipped", [], "litellm does not run; not rehearsed against a real database")


def test_check_skips_them_where_nobody_answers(run, monkeypatch):
    monkeypatch.setattr(
        checking, "to_the_gateway", lambda requests: [Reply(error="no connection: refused")] * len(requests)
    )
    state, complaints, skipped = access_of(run("check", "--format", "json")[1])["team research"]
    assert (state, complaints) == ("skipped", [])
    assert skipped == "the gateway does not answer: no connection: refused; not rehearsed against a real database"

    def fail():
        raise DockerError("no engine")

    monkeypatch.setattr(runtime, "connect", fail)
    skipped = access_of(run("check", "--format", "json")[1])["key ci"][2]
    assert skipped == "nobody could look at the running stack; not rehearsed against a real database"


def test_a_report_fails_where_a_key_is_not_there(tmp_path):
    assert not Report("small", access=[Finding("key ci", ("gone",))]).ok
    assert Report("small", access=[Finding("key ci", skipped="nobody looked")]).ok
