"""`logs` and `status` over an engine that a test writes down: what is shown, what is never shown, how they end."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from engine_stand_in import Engine, container, stamped
from support import SMALL, TESTS, plan_of, write_spec

from stackgen import render, runtime, verbs
from stackgen.errors import DockerError
from stackgen.render.compose import CONTENT_LABEL
from stackgen.runtime import HostPort
from stackgen.runtime.container import CONFIG_HASH_LABEL
from stackgen.runtime.logs import Window, follow, lines_of

SECRET = "sk-0123456789abcdef-notebook"
BROKEN = SMALL.replace("engine: vllm", "engine: vlm").replace("engine: infinity", "engine: infinty")
RECORD = {"message": "Started\nand ready", "level": "INFO", "timestamp": "2026-11-21T14:44:22.374961", "component": "x"}


@pytest.fixture
def run(run, monkeypatch):
    """A verb on a terminal that is wide enough for whole tables; exit code, stdout, stderr."""
    monkeypatch.setenv("COLUMNS", "200")
    return run


def keep_secret(folder, value=SECRET):
    (folder / ".stackgen").mkdir()
    (folder / ".stackgen" / "secrets.env").write_text(f"HF_TOKEN='{value}'\n")


def test_lines_of_all_services_stand_in_the_order_of_time_behind_their_names(run, engine):
    engine.states = [container("vllm-chat"), container("litellm", status="exited", exit_code=1)]
    engine.logs = {
        "id-vllm-chat": [stamped(1, "loading"), stamped(3, "ready")],
        "id-litellm": [stamped(2, "waiting"), stamped(4, "dead")],
    }
    code, out, err = run("logs")
    assert (code, out.splitlines()) == (
        0,
        ["vllm-chat | loading", "litellm   | waiting", "vllm-chat | ready", "litellm   | dead"],
    )
    assert "no container yet: infinity, postgres" in err


def test_named_services_alone_are_shown(run, engine):
    engine.states = [container("vllm-chat"), container("litellm")]
    engine.logs = {"id-vllm-chat": [stamped(1, "loading")], "id-litellm": [stamped(2, "waiting")]}
    assert run("logs", "litellm", "--raw")[1:] == ("waiting\n", "")


def test_no_secret_reaches_the_screen_in_whatever_spelling(run, engine, tmp_path):
    odd = 'sk-with"quote\\and-ünicode\u200bspace'
    keep_secret(tmp_path, odd)
    engine.states = [container("litellm")]
    engine.logs = {
        "id-litellm": [
            stamped(1, f"plain {odd} end"),
            stamped(2, json.dumps(RECORD | {"message": f"key {odd}", "stacktrace": f"File\nValueError: {odd}"})),
            stamped(3, f"\x1b[31m{odd}\x1b[0m"),
        ]
    }
    for words in (["logs"], ["logs", "--raw"]):
        out = run(*words)[1]
        assert out.count("***") == 4
        assert "quote" not in out
        assert "nicode" not in out


def test_a_secret_in_a_line_that_docker_cut_is_hidden_too(run, engine, tmp_path):
    keep_secret(tmp_path)
    engine.states = [container("litellm")]
    whole = stamped(1, f"{'x' * 50}{SECRET}{'y' * 10}")
    stamp, cut = whole[:31], 90
    engine.logs = {"id-litellm": [whole[:cut], stamp + whole[cut:]]}
    assert run("logs", "--raw")[1] == f"{'x' * 50}***{'y' * 10}\n"


def test_secrets_that_cannot_be_read_let_nothing_through(run, engine, tmp_path):
    keep_secret(tmp_path)
    (tmp_path / ".stackgen" / "secrets.env").write_text("no line of ours\n")
    engine.states = [container("litellm")]
    engine.logs = {"id-litellm": [stamped(1, SECRET)]}
    code, out, err = run("logs")
    assert (code, out) == (1, "")
    assert "a line is not NAME=value" in err


def test_what_plays_with_the_terminal_is_taken_out(run, engine):
    engine.states = [container("litellm")]
    engine.logs = {
        "id-litellm": [
            stamped(1, "\x1b[1;31mred\x1b[0m \x1b]0;title\x07bell\x07"),
            stamped(2, " 10%\r 50%\r100%\r"),
            stamped(3, "\x9b2Jnot cleared\u202e"),
        ]
    }
    out = run("logs")[1]
    assert not [character for character in out if not character.isprintable() and character != "\n"]
    assert "red " in out
    assert out.splitlines()[1] == "litellm   | 100%"


def test_json_of_the_gateway_is_time_level_message_and_raw_on_demand(run, engine):
    record = RECORD | {"stacktrace": "Traceback\n  File x"}
    engine.states = [container("litellm")]
    engine.logs = {"id-litellm": [stamped(1, json.dumps(record)), stamped(2, '{"level": 1}'), stamped(3, "{not json")]}
    assert run("logs", "litellm")[1].splitlines() == [
        "litellm   | 2026-11-21 14:44:22 INFO    Started",
        "litellm   | and ready",
        "litellm   | Traceback",
        "litellm   |   File x",
        'litellm   | {"level": 1}',
        "litellm   | {not json",
    ]
    assert json.loads(run("logs", "litellm", "--raw")[1].splitlines()[0]) == record


def test_an_unknown_service_is_an_error_with_the_nearest_and_the_list(run, engine):
    engine.states = [container("left-over")]
    code, out, err = run("logs", "vllm-cat")
    assert (code, out) == (1, "")
    assert err == (
        "error: there is no service `vllm-cat`\n\n"
        "hint: did you mean `vllm-chat`? services here: infinity, left-over, litellm, postgres, vllm-chat\n\n"
    )


def test_a_service_without_a_container_is_said(run, engine):
    engine.states = [container("litellm")]
    code, _, err = run("logs", "vllm-chat")
    assert code == 1
    assert "error: there is no container of vllm-chat\n\nhint: stackgen up" in err
    engine.states = []
    assert "there is no container of infinity, litellm" in run("logs")[2]


def test_a_broken_spec_keeps_nobody_from_the_logs(run, engine):
    engine.states = [container("vllm-chat")]
    engine.logs = {"id-vllm-chat": [stamped(1, "loading")]}
    code, out, err = run("logs", "vllm-chat", spec=BROKEN)
    assert (code, out) == (0, "vllm-chat | loading\n")
    assert "warning: 2 problems in stack.yaml" in err
    assert "services here: vllm-chat" in run("logs", "litellm", spec=BROKEN)[2]


def test_the_spec_is_an_option(run, engine, tmp_path):
    engine.states = [container("vllm-chat")]
    write_spec(tmp_path / "deep", SMALL)
    assert run("logs", "--file", "deep", spec=None)[0] == 0
    assert run("logs", spec=None)[0] == 1


def test_a_log_that_cannot_be_read_hides_no_other(run, engine):
    engine.states = [container("litellm"), container("postgres")]
    engine.logs = {"id-litellm": [stamped(1, "up")]}
    engine.unreadable = {"id-postgres"}
    code, out, err = run("logs")
    assert (code, out) == (0, "litellm   | up\n")
    assert "warning: the log of postgres cannot be read: Docker refuses: configured logging driver" in err


def test_tail_counts_the_last_lines_of_each(run, engine):
    engine.states = [container("litellm")]
    engine.logs = {"id-litellm": [stamped(second, f"line {second}") for second in range(5)]}
    assert run("logs", "--tail", "2", "--raw")[1] == "line 3\nline 4\n"
    assert len(run("logs", "--tail", "all", "--raw")[1].splitlines()) == 5


@pytest.mark.parametrize("since", ["2026-11-21T14:00:03Z", "2026-11-21T15:00:03+01:00"])
def test_since_names_a_moment(run, engine, since):
    engine.states = [container("litellm")]
    engine.logs = {"id-litellm": [stamped(second, f"line {second}") for second in range(6)]}
    assert run("logs", "--since", since, "--raw")[1] == "line 4\nline 5\n"


def test_since_counts_back_from_now(run, engine):
    def written(age):
        return f"{datetime.now(UTC) - age:%Y-%m-%dT%H:%M:%S.%f}000Z {age}\n".encode()

    engine.states = [container("litellm")]
    engine.logs = {"id-litellm": [written(timedelta(minutes=11)), written(timedelta(minutes=9))]}
    assert run("logs", "--since", "10m", "--raw")[1] == "0:09:00\n"


@pytest.mark.parametrize(
    "words", [("--since", "yesterday"), ("--since", "9" * 20 + "d"), ("--tail", "-1"), ("--tail", "few")]
)
def test_a_wrong_window_is_wrong_usage(run, engine, words):
    code, _, err = run("logs", *words)
    assert code == 2
    assert words[1] in err


def test_pieces_of_lines_and_lines_without_an_end_are_put_together():
    whole = b"".join(stamped(second, f"text {second}") for second in range(3)) + b"2026-11-21T14:00:03.000000000Z open"
    wanted = ["text 0", "text 1", "text 2", "open"]
    for size in (1, 7, 33, 1000):
        pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
        assert [text for _, text in lines_of(pieces)] == wanted


class Talking(Engine):
    """An engine whose containers write while somebody follows; each run of a container is a list of lines."""

    def log_chunks(self, identifier, *, tail, since_seconds, follow):
        if identifier in self.unreadable:
            raise DockerError("configured logging driver does not support reading")
        yield from self.logs[identifier]
        if follow and self.ended.get(identifier):
            assert self.ended[identifier].wait(20)


def test_followers_hear_what_starts_again_and_what_is_new_and_nothing_twice():
    first = container("job")
    engine = Talking([first], {"id-job": [stamped(1, "one"), stamped(2, "two")]})
    engine.ended = {}
    heard = follow(engine, lambda: engine.containers("small"), Window(), pytest.fail)
    assert [next(heard).text for _ in range(2)] == ["one", "two"]
    engine.logs["id-job"].append(stamped(3, "three, started again"))
    engine.states = [replace(first, started_at="2026-11-21T14:00:03.000000000Z")]
    assert next(heard).text == "three, started again"
    engine.logs["id-new"] = [stamped(0, "new")]
    engine.states.append(container("new"))
    assert (line := next(heard)).text == "new"
    assert line.service == "new"


def test_followers_hear_once_that_a_log_cannot_be_read():
    engine = Talking([container("dumb"), container("job")], {"id-job": [stamped(1, "one")]})
    engine.ended, engine.unreadable = {}, {"id-dumb"}
    refused = []
    heard = follow(engine, lambda: engine.containers("small"), Window(), lambda *words: refused.append(words))
    assert next(heard).text == "one"
    engine.logs["id-new"] = [stamped(2, "marker")]
    engine.states.append(container("new"))
    assert next(heard).text == "marker"
    engine.states[0] = replace(engine.states[0], started_at="2026-11-21T14:00:03.000000000Z")
    engine.logs["id-last"] = [stamped(3, "last")]
    engine.states.append(container("last"))
    assert next(heard).text == "last"
    assert [service for service, _ in refused] == ["dumb"]


def test_a_container_that_runs_has_one_reader():
    engine = Talking([container("job")], {"id-job": [stamped(1, "one")]})
    engine.ended = {"id-job": threading.Event()}
    heard = follow(engine, lambda: engine.containers("small"), Window(tail=None), pytest.fail)
    assert next(heard).text == "one"
    engine.logs["id-new"] = [stamped(2, "marker")]
    engine.states.append(container("new"))
    assert next(heard).text == "marker"
    engine.ended["id-job"].set()


PIPED = """
import sys
sys.path.insert(0, {tests!r})
from engine_stand_in import Engine, container, stamped
from stackgen import cli, runtime
lines = [stamped(1, f"line {{number}} " + "x" * 100) for number in range(20000)]
runtime.connect = lambda: Engine([container("litellm")], {{"id-litellm": lines}})
sys.argv = ["stackgen", "logs", "--tail", "all", *{words!r}]
cli.main()
"""


@pytest.mark.parametrize("words", [[], ["--follow"]])
def test_a_reader_that_goes_away_is_no_bug(tmp_path, words):
    write_spec(tmp_path, SMALL)
    (tmp_path / "program.py").write_text(PIPED.format(tests=str(TESTS), words=words))
    command = f"{sys.executable} program.py | head -n 1"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.startswith("litellm   | line 0")
    assert "bug" not in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def lines_like(folder, spec=SMALL):
    """Containers as the spec wants them."""
    plan = plan_of(folder, spec)
    digests = {file.path: file.digest for file in render.files(plan)}
    states = []
    for service in plan.services:
        labels = {f"{CONTENT_LABEL}.{file.path}": digests[file.path] for file in service.config_files}
        labels[CONFIG_HASH_LABEL] = f"hash of {service.name}"
        state = container(service.name, image=service.image_reference, labels=labels)
        if service.job:
            state = replace(state, status="exited", health="", ended_at="2026-11-21T14:01:00.000000001Z")
        states.append(state)
    return states


@pytest.fixture
def settled(run, engine, tmp_path):
    """A stack that runs as it should; a function that changes the container of one service."""
    run("render")
    engine.states = lines_like(tmp_path)
    engine.hashes = {state.service: f"hash of {state.service}" for state in engine.states}

    def change(service, /, **changed):
        engine.states = [replace(state, **changed) if state.service == service else state for state in engine.states]

    return change


def service_of(run, name):
    data = json.loads(run("status", "--json")[1])
    return data, next(entry for entry in data["services"] if entry["name"] == name)


def test_a_stack_as_it_should_be_is_ok(run, settled):
    settled("litellm", ports=(HostPort(container=4000, address="0.0.0.0", published=32768),))
    code, out, err = run("status")
    assert code == 0
    assert out.splitlines()[0].split() == ["service", "state", "age", "restarts", "ports", "image"]
    assert out.splitlines()[-1] == "gateway: http://127.0.0.1:32768/v1"
    assert err == "small: 4 of 4 services run\nnext: stackgen check\n"


def test_the_json_has_a_version_and_the_shape_that_its_docstring_tells(run, settled):
    started = datetime.now(UTC) - timedelta(seconds=90)
    settled(
        "vllm-chat", started_at=started.isoformat(), ports=(HostPort(container=8000, address="::1", published=8001),)
    )
    data, entry = service_of(run, "vllm-chat")
    assert list(data) == [
        "version", "stack", "simulated", "ok", "gateway_url", "spec_problems", "files", "asleep", "services", "warnings",
    ]  # fmt: skip
    assert (data["version"], data["stack"], data["simulated"], data["ok"]) == (1, "small", False, True)
    assert (data["gateway_url"], data["spec_problems"]) == (None, 0)
    assert data["files"] == {"state": "ok", "complaints": []}
    age = entry.pop("age_seconds")
    assert 90 <= age < 120
    assert entry == {
        "name": "vllm-chat",
        "in_spec": True,
        "job": False,
        "state": "running",
        "health": "healthy",
        "exit_code": None,
        "restarts": 0,
        "started_at": started.isoformat(),
        "ended_at": None,
        "drift": "",
        "ports": [{"container": 8000, "address": "::1", "published": 8001}],
        "image": entry["wanted_image"],
        "wanted_image": entry["wanted_image"],
        "container": "id-vllm-chat",
    }
    documented = verbs.Status.as_json.__doc__
    assert not [key for key in (*data, *entry) if key not in documented]


ENDED = {"status": "exited", "exit_code": 137, "ended_at": "2026-11-21T14:02:00.000000001Z", "health": ""}


@pytest.mark.parametrize(
    ("service", "changed", "drift", "step"),
    [
        ("vllm-chat", {"image": "vllm/vllm-openai-cpu:v0.1"}, "runs vllm/vllm-openai-cpu:v0.1, the spec says", "up"),
        ("litellm", {"labels": {}}, "reads an older litellm/config.yaml than the spec says", "up"),
        ("postgres", {"labels": {CONFIG_HASH_LABEL: "old"}}, "has other settings than the spec says", "up"),
        ("infinity", {"service": "left-over"}, "the spec does not have it", "up"),
        ("infinity", {"started_at": "", "status": "created"}, "was never started", "up"),
        ("infinity", ENDED, "ended with exit code 137, and should run", "logs infinity"),
        ("infinity", {"status": "paused"}, "is paused", ""),
        ("infinity", {"health": "unhealthy"}, "", "logs infinity"),
        ("infinity", {"health": "starting"}, "", "status"),
    ],
)
def test_drift_says_why_up_would_change_a_service(run, settled, service, changed, drift, step):
    settled(service, **changed)
    data, entry = service_of(run, changed.get("service", service))
    assert entry["drift"].startswith(drift)
    assert bool(entry["drift"]) is bool(drift)
    assert data["ok"] is False
    code, out, err = run("status")
    assert code == 0
    assert (f"{entry['name']}: {entry['drift']}" in out) is bool(drift)
    assert (f"stackgen {step}\n" if step else "next: docker compose -p small unpause infinity\n") in err


def test_a_second_container_of_a_service_is_too_many(run, settled, engine):
    engine.states.append(container("postgres", id="second"))
    assert "postgres: one container more than the spec says" in run("status")[1]


def test_absent_and_dormant_services_differ(run, settled, engine):
    engine.states = [state for state in engine.states if state.service != "infinity"]
    _, entry = service_of(run, "infinity")
    assert (entry["state"], entry["drift"], entry["container"]) == ("absent", "it has no container", None)
    _, out, err = run("status")
    assert "3 of 4 services run, `stackgen up` would change 1" in err
    assert [line.split() for line in out.splitlines() if line.startswith("infinity ")] == [
        ["infinity", "absent", "-", "-", "-", entry["wanted_image"].rpartition("/")[2]]
    ]


FETCHING = SMALL + "  small: {source: 'qwen3:0.6b', engine: ollama, modalities: [chat]}\n"
DORMANT = SMALL + ("services:\n  helper: {compose: {image: 'python:3.13-slim', profiles: [tools], mem_limit: 64m}}\n")


def test_jobs_are_done_or_at_work_or_have_failed(run, engine, tmp_path):
    run("render", spec=FETCHING)
    engine.states = lines_like(tmp_path, FETCHING)
    (job,) = [state for state in engine.states if state.service == "ollama-fetch"]
    others = [state for state in engine.states if state is not job]
    expected = [
        (job, "done", True),
        (replace(job, status="running", ended_at=""), "running", True),
        (replace(job, exit_code=1), "exited", False),
    ]
    for state, word, ok in expected:
        engine.states = [*others, state]
        data, entry = service_of(lambda *words: run(*words, spec=None), "ollama-fetch")
        assert (entry["state"], data["ok"], not entry["drift"]) == (word, ok, ok)
        assert entry["job"]


def test_a_service_that_waits_to_be_asked_for_is_not_missed(run, engine, tmp_path):
    run("render", spec=DORMANT)
    engine.states = [state for state in lines_like(tmp_path, DORMANT) if state.service != "helper"]
    data, entry = service_of(lambda *words: run(*words, spec=None), "helper")
    assert (entry["state"], entry["drift"], data["ok"]) == ("dormant", "", True)


def test_files_that_differ_are_part_of_it(run, settled, tmp_path):
    config = tmp_path / "rendered/litellm/config.yaml"
    config.write_text(config.read_text() + "# by hand\n")
    code, out, err = run("status")
    assert code == 0
    assert "files: litellm/config.yaml: edited by hand since stackgen wrote it" in out
    assert "`stackgen render --force` drops it" in err
    assert json.loads(run("status", "--json")[1])["ok"] is False


def test_a_broken_spec_leaves_the_containers(run, settled):
    code, out, err = run("status", spec=BROKEN)
    assert code == 0
    assert "vllm-chat" in out
    assert "warning: 2 problems in stack.yaml: only containers are known" in err
    assert "next: stackgen plan" in err
    data, entry = service_of(lambda *words: run(*words, spec=BROKEN), "vllm-chat")
    assert (data["ok"], data["spec_problems"], data["files"]["state"]) == (False, 2, "skipped")
    assert (entry["drift"], entry["in_spec"], entry["wanted_image"]) == ("", False, None)


def test_a_spec_without_a_name_is_an_error(run, engine):
    for verb in ("status", "logs"):
        assert run(verb, spec=SMALL.replace("name: small", "name: 5"))[0] == 1


def test_without_compose_the_settings_are_said_not_to_be_compared(run, settled, monkeypatch):
    def refuse(*_):
        raise DockerError("there is no `docker` command on this machine")

    monkeypatch.setattr(runtime.compose, "config_hashes", refuse)
    code, _, err = run("status")
    assert code == 0
    assert "warning: settings of containers were not compared: there is no `docker` command" in err
    assert json.loads(run("status", "--json")[1])["warnings"]


def test_the_table_of_a_usual_stack_fits_and_no_line_is_cut_in_a_pipe(run, settled, engine, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    settled(
        "litellm",
        ports=(HostPort(container=4000, address="127.0.0.1", published=32768),),
        restarts=12,
        health="unhealthy",
    )
    engine.states.append(
        container("infinity-reranker", image="ghcr.io/x/y/vllm-openai-cpu:v0.32.0-x86_64@sha256:" + "0" * 64)
    )
    table = run("status")[1].partition("\n\n")[0].splitlines()
    assert max(map(len, table)) <= 100
    assert any(line.endswith("vllm-openai-cpu:v0.32.0-x86_64") for line in table)
    assert len({len(line.split()) for line in table}) == 1


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0s"), (59, "59s"), (180, "3m"), (7_300, "2h"), (5 * 86_400 + 7, "5d"), (-5, "0s")]
)
def test_ages_are_short(run, settled, engine, tmp_path, seconds, words):
    started = datetime(2026, 11, 21, 14, 0, tzinfo=UTC)
    settled("postgres", started_at=started.isoformat())
    found = verbs.status_of(verbs.sight_of(tmp_path), engine)
    rows = {row[0]: row for row in replace(found, now=started + timedelta(seconds=seconds)).rows()}
    assert rows["postgres"][2] == words


def test_an_image_is_short_in_the_table():
    from stackgen.verbs.looking import short_image  # noqa: PLC0415

    assert short_image(f"ghcr.io/a/b@sha256:{'0a' * 32}") == "b@0a0a0a0a0a0a"
    assert short_image("localhost:5000/a/b:1.2") == "b:1.2"
