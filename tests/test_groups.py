"""Groups through the verbs: the choice that is kept, what is written for it, and what the verbs say of who sleeps."""

from __future__ import annotations

import ast
import asyncio
import errno
import json
import os
import re
import runpy
import stat
import sys
import types
from functools import partial

import pytest
import yaml
from engine_stand_in import container
from support import write_spec

from stackgen import files, render, runtime, smoke, sources, verbs
from stackgen import plan as planning
from stackgen.errors import StackError
from stackgen.files import journal
from stackgen.plan import StandIns
from stackgen.verbs import containers
from stackgen.verbs.drift import Measure

SPEC = """\
version: 1
name: alt
profiles: [cpu]
models:
  chat: {source: Qwen/Qwen3-0.6B, engine: vllm, modalities: [chat]}
  big: {source: Qwen/Qwen3-1.7B, engine: vllm, modalities: [chat], public_names: [big, large]}
  hear: {source: Systran/faster-whisper-base, engine: speaches, modalities: [transcription]}
  embed: {source: sentence-transformers/all-MiniLM-L6-v2, engine: infinity, modalities: [embedding]}
groups:
  day: {models: [chat]}
  night: {models: [big, hear], exclusive: day}
gateway: {database: false, cache: none, aliases: {bigger: big}}
"""
TWICE = SPEC.replace("models:\n", "models:\n"
    "  a: {source: Qwen/Qwen3-4B, engine: vllm, modalities: [chat]}\n"
    "  b: {source: Qwen/Qwen3-8B, engine: vllm, modalities: [chat]}\n", 1
).replace("gateway:", "  left: {models: [a]}\n  right: {models: [b], exclusive: left}\ngateway:")  # fmt: skip


@pytest.fixture
def run(tmp_path, monkeypatch, run):
    """Run a verb in a folder with a stack of groups; exit code, stdout, stderr."""
    monkeypatch.setenv("COLUMNS", "200")
    write_spec(tmp_path, SPEC)
    return partial(run, spec=None)


def kept(folder):
    return json.loads((folder / ".stackgen" / "groups.json").read_text())


def profiles(folder):
    found = re.search(r"^COMPOSE_PROFILES=(.*)$", (folder / "rendered" / ".env").read_text(), re.MULTILINE)
    return found and found[1]


def test_a_choice_is_kept_and_followed(run, tmp_path):
    assert run("render")[0] == 0
    assert profiles(tmp_path) == "day"
    assert not (tmp_path / ".stackgen" / "groups.json").exists()
    code, _, told = run("render", "--group", "night")
    assert code == 0
    assert "active: night" in told
    assert "asleep: chat; `stackgen up --group day` wakes the group `day`" in told
    assert kept(tmp_path) == {"active": ["night"]}
    assert stat.S_IMODE((tmp_path / ".stackgen" / "groups.json").stat().st_mode) == 0o600
    assert profiles(tmp_path) == "night"
    assert "nothing changed" in run("render")[2]
    assert run("render", "--check")[0] == 0
    assert "big@vllm-big" in (tmp_path / "rendered" / "litellm" / "config.yaml").read_text()
    assert run("render", "--group", "day")[0] == 0
    assert (kept(tmp_path), profiles(tmp_path)) == ({"active": ["day"]}, "day")


@pytest.mark.parametrize("words", [("plan",), ("render", "--check")])
def test_looking_at_another_choice_keeps_nothing(run, tmp_path, words):
    run("render")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    _, out, _ = run(*words, "--group", "night")
    assert "large" in out
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_choice_that_cannot_be_written_is_not_kept(run, tmp_path):
    run("render")
    (tmp_path / "rendered" / "litellm" / "config.yaml").write_text("model_list: []\n")
    code, _, told = run("render", "--group", "night")
    assert code == 1
    assert "litellm/config.yaml" in told
    assert not (tmp_path / ".stackgen" / "groups.json").exists()


def test_files_that_cannot_be_written_leave_the_choice_as_it_was(run, tmp_path, monkeypatch):
    choice = tmp_path / ".stackgen/groups.json"
    for before in (None, {"active": ["day"]}):
        if before:
            assert run("render", "--group", "day")[0] == 0
        with monkeypatch.context() as disk:
            disk.setattr(journal, "_put_journal", full)
            assert run("render", "--group", "night")[0] == 1
        assert (kept(tmp_path) if choice.exists() else None) == before


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.usefixtures("run")
def test_a_kill_before_the_files_are_written_does_not_lose_the_choice(tmp_path, monkeypatch):
    """It is kept first, as the new values of a rotation are."""
    verbs.render_stack(verbs.open_stack(tmp_path))

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as moment:
        moment.setattr(files, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            verbs.render_stack(verbs.open_stack(tmp_path, groups=["night"]))
    assert verbs.open_stack(tmp_path).plan.active_groups == ("night",)


@pytest.mark.usefixtures("run")
def test_files_are_not_written_for_groups_that_somebody_has_left_meanwhile(tmp_path):
    verbs.render_stack(verbs.open_stack(tmp_path))
    late = verbs.open_stack(tmp_path)
    same = verbs.open_stack(tmp_path, groups=["night"])
    verbs.render_stack(verbs.open_stack(tmp_path, groups=["night"]))
    with pytest.raises(StackError) as raised:
        verbs.render_stack(late)
    assert raised.value.message == "other groups were chosen meanwhile: night"
    assert raised.value.where == str(tmp_path / ".stackgen/groups.json")
    verbs.render_stack(same)
    assert verbs.differences(verbs.open_stack(tmp_path)) == []


def test_exclusions_are_kept_apart(run, tmp_path):
    write_spec(tmp_path, TWICE)
    run("render", "--group", "right")
    assert kept(tmp_path) == {"active": ["day", "right"]}
    run("render", "--group", "night")
    assert kept(tmp_path) == {"active": ["night", "right"]}
    assert profiles(tmp_path) == "night,right"
    run("render", "--group", "left", "--group", "day")
    assert kept(tmp_path) == {"active": ["day", "left"]}


def test_a_kept_group_that_is_gone_is_an_error_and_choosing_mends_it(run, tmp_path):
    run("render", "--group", "night")
    write_spec(tmp_path, SPEC.replace("night:", "late:"))
    code, _, told = run("plan")
    assert code == 1
    assert "stack.yaml:9:1: there is no group `night` to be active" in told
    assert "hint: known here: day, late; stackgen render --group NAME" in told
    assert run("render", "--group", "late")[0] == 0
    assert kept(tmp_path) == {"active": ["late"]}


def test_a_kept_choice_is_forgotten_where_the_spec_has_no_groups(run, tmp_path):
    run("render", "--group", "night")
    start, end = SPEC.index("groups:"), SPEC.index("gateway:")
    write_spec(tmp_path, SPEC[:start] + SPEC[end:])
    assert run("plan")[0] == 0
    assert run("render")[0] == 0
    assert profiles(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"active": "night"}', "{}", "\xff\xfe"])
def test_a_choice_that_cannot_be_read_names_the_way_out(run, tmp_path, text):
    run("render")
    (tmp_path / ".stackgen" / "groups.json").write_bytes(text.encode("latin-1"))
    code, _, told = run("plan")
    assert code == 1
    assert "the choice of groups cannot be read" in told
    assert "delete it, then choose: stackgen render --group NAME" in told


def test_a_simulation_follows_until_it_has_a_choice_of_its_own(run, tmp_path):
    run("render", "--group", "night")
    assert verbs.open_stack(tmp_path, simulate=True).plan.active_groups == ("night",)
    simulated = verbs.open_stack(tmp_path, simulate=True, groups=["day"])
    verbs.render_stack(simulated)
    assert verbs.open_stack(tmp_path, simulate=True).plan.active_groups == ("day",)
    assert verbs.open_stack(tmp_path).plan.active_groups == ("night",)
    assert "stackgen up --group night --simulate" in next(
        file.text for file in simulated.files() if file.path == "litellm/asleep.py"
    )


def test_compose_is_told_who_is_active_and_nobody_waits_across(run, tmp_path):
    run("render")
    found = yaml.safe_load((tmp_path / "rendered" / "docker-compose.yml").read_text())["services"]
    groups = {name: entry.get("profiles") for name, entry in found.items()}
    assert groups == {
        "infinity": None, "litellm": None, "vllm-chat": ["day"], "vllm-big": ["night"],
        "speaches": ["night"], "speaches-fetch": ["night"],
    }  # fmt: skip
    for name, entry in found.items():
        assert {(groups[needed] or [None])[0] for needed in entry.get("depends_on", {})} <= {
            None,
            (groups[name] or [None])[0],
        }
    assert "COMPOSE_PROFILES=day\n" in (tmp_path / "rendered" / ".env.example").read_text()


def test_a_stack_without_groups_has_no_word_of_them(run, tmp_path):
    start, end = SPEC.index("groups:"), SPEC.index("gateway:")
    write_spec(tmp_path, SPEC[:start] + SPEC[end:])
    run("render")
    for path in (tmp_path / "rendered").rglob("*"):
        if path.is_file():
            assert not re.search("COMPOSE_PROFILES|profiles:|asleep|## Groups", path.read_text()), path


def asleep(folder):
    """The table of the gateway's module."""
    text = (folder / "rendered" / "litellm" / "asleep.py").read_text()
    table = next(node for node in ast.parse(text).body if isinstance(node, ast.AnnAssign))
    return ast.literal_eval(table.value)


def test_the_gateway_knows_every_name_that_sleeps(run, tmp_path):
    run("render")
    assert asleep(tmp_path) == {
        name: f"`{name}` sleeps: the group `night` takes turns with `day`, which is active; `stackgen up --group night` wakes it"
        for name in ("big", "bigger", "hear", "large")
    }


def test_the_module_refuses_sleepers_and_passes_others(run, tmp_path, monkeypatch):
    class RefusedError(Exception):
        def __init__(self, status_code, detail):
            self.told = status_code, detail

    logger = types.SimpleNamespace(CustomLogger=object)
    for name, module in (
        ("fastapi", types.SimpleNamespace(HTTPException=RefusedError)),
        ("litellm", types.SimpleNamespace()),
        ("litellm.integrations", types.SimpleNamespace()),
        ("litellm.integrations.custom_logger", logger),
    ):
        monkeypatch.setitem(sys.modules, name, module)
    run("render")
    hook = runpy.run_path(str(tmp_path / "rendered" / "litellm" / "asleep.py"))["sleepers"].async_pre_call_hook
    others = {"user_api_key_dict": None, "cache": None, "call_type": "completion"}
    assert asyncio.run(hook(data={"model": "chat", "x": 1}, **others)) == {"model": "chat", "x": 1}
    assert asyncio.run(hook(data={}, **others)) == {}
    with pytest.raises(RefusedError) as caught:
        asyncio.run(hook(data={"model": "big"}, **others))
    status, detail = caught.value.told
    assert status == 404
    assert detail.startswith("`big` sleeps")


def test_status_calls_sleepers_asleep(run, engine, tmp_path):
    run("render")
    engine.states = [container(name) for name in ("vllm-chat", "infinity", "litellm")]
    data = json.loads(run("status", "--json")[1])
    states = {entry["name"]: (entry["state"], entry["drift"]) for entry in data["services"]}
    for name in ("vllm-big", "speaches", "speaches-fetch"):
        assert states[name] == ("asleep", "")
    assert data["asleep"] == {"night": ["big", "large", "hear", "bigger"]}
    _, out, told = run("status")
    assert re.search(r"^vllm-big +asleep", out, re.MULTILINE)
    assert "3 of 3 services run" in told
    assert "asleep: big, large, hear, bigger; `stackgen up --group night` wakes the group `night`" in told


def test_a_sleeper_that_runs_is_told_by_status_and_check(run, engine, tmp_path):
    run("render")
    engine.states = [container(name) for name in ("vllm-chat", "vllm-big", "infinity", "litellm")]
    data = json.loads(run("status", "--json")[1])
    drift = {entry["name"]: entry["drift"] for entry in data["services"]}
    assert drift["vllm-big"] == "its group `night` sleeps"
    assert not data["ok"]
    stack = verbs.open_stack(tmp_path)
    found = {finding.name: finding for finding in containers.findings(stack.plan, Measure(), engine.states[1:2])}
    assert found["vllm-big"].complaints == ("it has a container, and its group `night` sleeps",)
    assert found["vllm-big"].hint == "stackgen up"
    assert (found["speaches"].state, found["speaches"].words) == ("skipped", "its group `night` sleeps")
    assert verbs.still_awake(stack.plan, engine) == {"vllm-big": "night"}


def test_logs_wait_for_nobody_who_sleeps(run, engine):
    run("render")
    engine.states = [container("vllm-chat")]
    _, _, told = run("logs")
    assert "no container yet: infinity, litellm" in told


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"models": ("big",)}, "`big` sleeps: the group `night` is not active"),
        ({"models": ("large",)}, "`large` sleeps: the group `night` is not active"),
        ({"modalities": ("transcription",)}, "`transcription` sleeps: the group `night` is not active"),
    ],
)
def test_who_sleeps_cannot_be_asked(tmp_path, wishes, message):
    plan = planning.make(sources.load(write_spec(tmp_path, SPEC)))
    with pytest.raises(StackError) as caught:
        smoke.chosen(plan, smoke.Wishes(**wishes))
    assert (caught.value.message, caught.value.hint) == (message, "stackgen up --group night")


def test_nobody_who_sleeps_is_started_or_waited_for(tmp_path):
    plan = planning.make(sources.load(write_spec(tmp_path, SPEC)))
    assert set(runtime.start_order(plan)) == {"infinity", "litellm", "vllm-chat"}
    simulated = planning.simulated(plan, StandIns(reference=lambda engine, version: f"{engine}:{version}"))
    assert set(runtime.start_order(simulated)) == {"infinity", "litellm", "vllm-chat"}
    assert {service.name for service in simulated.services if service.is_asleep} == {
        "vllm-big",
        "speaches",
        "speaches-fetch",
    }


def test_ports_and_files_of_sleepers_keep_nobody_from_starting(tmp_path, monkeypatch):
    text = SPEC.replace("public_names: [big, large]", "publish: {port: 8001}, mounts: {/data/x: /nowhere/at/all}")
    held = types.SimpleNamespace(
        port_owners=lambda: {("127.0.0.1", 8001): ("other", "theirs")}, has_network=lambda _: True
    )
    file = write_spec(tmp_path, text)
    day, night = (planning.make(sources.load(file), active=[group]) for group in ("day", "night"))
    found = {
        plan.active_groups: [
            error.message
            for error in (*runtime.preflight.port_findings(plan, held), *runtime.preflight.place_findings(plan, held))
            if "vllm-big" in error.message
        ]
        for plan in (day, night)
    }
    assert found[("day",)] == []
    assert len(found[("night",)]) == 2


def test_the_runbook_tells_how_to_switch(run, tmp_path):
    run("render")
    text = (tmp_path / "rendered" / "RUNBOOK.md").read_text()
    assert "| `night` | `big`, `hear` | `day` | asleep |" in text
    assert "docker compose --profile '*' rm --stop --force vllm-chat\ndocker compose up -d\n" in text
    assert "`docker compose --profile '*' down`" in text
    run("render", "--group", "night")
    text = (tmp_path / "rendered" / "RUNBOOK.md").read_text()
    assert "rm --stop --force speaches speaches-fetch vllm-big\n" in text


def test_every_rendered_file_is_of_the_active_groups(tmp_path):
    file = write_spec(tmp_path, SPEC)
    day, night = (render.files(planning.make(sources.load(file), active=[group])) for group in ("day", "night"))
    assert [one.path for one in day] == [one.path for one in night]
    changed = {one.path for one, other in zip(day, night, strict=True) if one != other}
    assert changed == {".env.example", "RUNBOOK.md", "docker-compose.yml", "litellm/asleep.py", "litellm/config.yaml"}
    compose = [next(one.text for one in files if one.path == "docker-compose.yml") for files in (day, night)]
    differing = [ours for ours, theirs in zip(*(text.splitlines() for text in compose), strict=True) if ours != theirs]
    assert all("stackgen.sha256.litellm/" in line for line in differing), differing


def test_a_check_elsewhere_says_which_group_it_looked_at(run, tmp_path):
    """The choice is not committed: where only the rendered files are, the group is said."""
    assert run("render", "--group", "night")[0] == 0
    (tmp_path / ".stackgen" / "groups.json").unlink()
    code, _, told = run("render", "--check")
    assert code == 1
    assert "active here: day; a choice is kept in .stackgen/, which is not committed" in told
    assert run("render", "--check", "--group", "night")[0] == 0


@pytest.mark.parametrize("text", ["[]", "3", "{}", '{"active": {"a": 1}}', '{"active": [1]}', '{"active": null}'])
def test_a_kept_choice_of_another_form_is_told_in_words(run, tmp_path, text):
    run("render", "--group", "night")
    (tmp_path / ".stackgen" / "groups.json").write_text(text)
    code, _, told = run("plan")
    assert code == 1
    assert "groups.json: the choice of groups cannot be read: it holds no list of groups" in told
    assert "delete it, then choose: stackgen render --group NAME" in told
