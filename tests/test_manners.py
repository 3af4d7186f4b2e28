"""How the program behaves whatever the verb: groups in the help, quiet and verbose."""

from __future__ import annotations

import re
import threading
import time

import pytest
import typer
from support import SMALL, write_spec

from stackgen import cli, console
from stackgen.cli.app import GROUPS
from stackgen.console import called
from stackgen.errors import ExitCode


def verbs_below(command, *words):
    """The words of every command that does something."""
    below = getattr(command, "commands", {})
    for name, verb in below.items():
        yield from verbs_below(verb, *words, name)
    if not below:
        yield words


PROGRAM = typer.main.get_command(cli.app)
VERBS = [" ".join(words) for words in verbs_below(PROGRAM)]


def test_every_verb_is_in_a_group():
    assert set(PROGRAM.commands) == {verb for verbs in GROUPS.values() for verb in verbs}


def test_help_shows_the_groups_and_every_verb_once(run):
    _, out, _ = run("--help")
    lines = out.splitlines()
    places = [lines.index(f"{group}:") for group in GROUPS]
    assert places == sorted(places)
    for verb in PROGRAM.commands:
        assert sum(line.startswith(f"  {verb} ") for line in lines) == 1


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_may_be_quiet_or_verbose_and_says_so(run, verb):
    code, out, _ = run(*verb.split(), "--help")
    assert code == 0
    assert "-q, --quiet " in out
    assert "-v, --verbose " in out


def test_every_verb_that_reads_a_spec_is_known_to_the_messages_that_show_commands():
    """A command in a message names the spec in the way in which its verb takes it."""
    taken, with_out = {}, set()
    for verb in VERBS:
        command = PROGRAM
        for word in verb.split():
            command = command.commands[word]
        spellings = [spelling for parameter in command.params for spelling in parameter.opts]
        if "--file" in spellings:
            taken[verb] = "--file "
        elif {"file", "specs"} & set(spellings):
            taken[verb] = ""
        if "--out" in spellings:
            with_out.add(verb)
    shown_without_a_spec = {"profiles show", "schema"}
    assert {verb: form for verb, form in taken.items() if verb not in shown_without_a_spec} == called.SPEC_FORMS
    assert with_out == called.TAKE_OUT


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("render", "my lab/stack.yaml"), "`stackgen render 'my lab/stack.yaml' --diff` shows"),
        (
            ("render", "my lab", "--out", "my lab/rendered"),
            "`stackgen render 'my lab' --out 'my lab/rendered' --diff` shows",
        ),
        (("check", "my lab", "--static"), "`stackgen render 'my lab' --adopt` shows"),
        (("explain", "RUNBOOK.md:1", "--file", "my lab"), "`stackgen render 'my lab' --adopt` shows"),
        (
            ("secrets", "rotate", "HF_TOKEN", "--file", "my lab"),
            "`stackgen secrets set --file 'my lab' HF_TOKEN` takes it",
        ),
    ],
)
def test_commands_in_messages_are_about_the_spec_that_was_named(run, tmp_path, words, shown):
    (tmp_path / "my lab").mkdir()
    write_spec(tmp_path / "my lab", SMALL)
    assert run("render", "my lab")[0] == 0
    with (tmp_path / "my lab/rendered/RUNBOOK.md").open("a") as runbook:
        runbook.write("mine")
    _, out, err = run(*words)
    assert shown in out + err


def test_a_file_that_a_message_names_itself_stays_alone(run):
    assert "(`stackgen render path/to/stack.yaml`)" in run("render", "nowhere/stack.yaml", spec=None)[2]
    assert "`stackgen render` writes" in run("render", "--check", spec=None)[2] + run("render", "--check")[2]


@pytest.mark.parametrize("words", [("render", "-q"), ("-q", "render"), ("--quiet", "render"), ("render", "--quiet")])
def test_quiet_says_nothing_where_all_is_well(run, words):
    assert run(*words) == (0, "", "")


def test_quiet_says_warnings_and_errors_all_the_same(run):
    code, _, err = run("render", "-q", spec=SMALL + "secrets: {HF_TOKEN: {required: true}}\n")
    assert code == 0
    assert err.startswith("warning: HF_TOKEN has no value yet")
    assert len(err.splitlines()) == 1
    wrong = SMALL.replace("engine: vllm", "engine: vlm")
    assert run("plan", "-q", spec=wrong) == run("plan", spec=wrong)


def test_quiet_leaves_data_alone(run):
    assert run("plan", "-q")[1] == run("plan")[1]


def test_one_run_does_not_silence_the_next(run):
    run("render", "-q")
    assert "nothing changed" in run("render")[2]


@pytest.mark.parametrize("words", [("-q", "render", "-v"), ("render", "-qv"), ("-v", "plan", "--quiet")])
def test_quiet_and_verbose_together_are_wrong_usage(run, words):
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert "--quiet and --verbose contradict each other; drop one" in err


def test_verbose_tells_what_is_read_and_run_and_how_long_it_took(run, tmp_path):
    _, out, err = run("render", "--verbose")
    lines = [line.split(" s  ", 1)[1] for line in err.splitlines() if re.match(r" *\d+\.\d\d s  ", line)]
    told = "\n".join(re.sub(r"\d+\.\d\d s$", "… s", line) for line in lines)
    assert out == ""
    assert "read stack.yaml\n" in told
    assert "profiles, a later one wins: profiles/default.yaml, profiles/cpu.yaml\n" in told
    for phase in ("reading the spec, its profiles and its facts", "planning", "rendering", "writing what changed"):
        assert f"{phase}: … s" in told
    err = run("check", "--static", "-v")[2]
    assert re.search(r"running \S*docker compose --env-file \S+ -f \S+ config -q: \d", err)


def test_verbose_tells_how_long_a_phase_took_that_failed(run):
    code, _, err = run("plan", "-v", spec=SMALL.replace("engine: vllm", "engine: vlm"))
    assert code == 1
    assert re.search(r"reading the spec, its profiles and its facts: \d{1,2}\.\d\d s\n", err)


def test_verbose_names_secrets_and_never_shows_them(run, tmp_path):
    run("render")
    values = [line.partition("=")[2] for line in (tmp_path / ".stackgen/secrets.env").read_text().splitlines()[1:]]
    said = "".join(run(*words, "-v", spec=None)[2] for words in (("render",), ("check", "--static"), ("plan",)))
    assert "secrets.env: INFINITY_API_KEY, LITELLM_MASTER_KEY" in said
    assert len(values) == 5
    assert not [value for value in values if value in said]


def test_verbose_changes_no_data(run):
    assert run("plan", "-v")[1] == run("plan")[1]


def test_details_are_told_to_nobody_else(run):
    run("render", "-v")
    assert run("render")[2].splitlines() == [run("render")[2].strip()]


@pytest.mark.parametrize(
    ("words", "spec", "code"),
    [
        (("render",), SMALL, ExitCode.DONE),
        (("plan", "--help"), SMALL, ExitCode.DONE),
        (("render",), "nonsense", ExitCode.PROBLEM),
        (("render", "--check"), SMALL, ExitCode.PROBLEM),
        (("render", "--nonsense"), SMALL, ExitCode.USAGE),
        ((), SMALL, ExitCode.USAGE),
        (("facts",), SMALL, ExitCode.USAGE),
    ],
)
def test_exit_codes(run, words, spec, code):
    assert run(*words, spec=spec)[0] == code


def test_a_bug_ends_with_3(run, monkeypatch):
    monkeypatch.setattr("stackgen.plan.as_text", lambda *_: 1 / 0)
    assert run("plan")[0] == ExitCode.BUG


def test_ctrl_c_ends_any_verb_with_130_and_says_so(run, monkeypatch):
    def press(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("stackgen.plan.as_text", press)
    code, out, err = run("plan")
    assert (code, out, err) == (ExitCode.INTERRUPTED, "", "\ninterrupted\n")


def test_every_exit_code_is_in_the_help(run):
    shown = " ".join(run("--help")[1].split())
    assert all(re.search(rf"\b{code} [a-z]", shown) for code in ExitCode)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_shows_how_it_is_used(run, verb):
    """An example is a whole command of this verb, in a line that can be copied."""
    lines = run(*verb.split(), "--help")[1].splitlines()
    examples = lines[
        next(number for number, line in enumerate(lines) if line.strip() in {"Example:", "Examples:"}) + 1 :
    ]
    assert examples
    assert all(line.startswith("    ") and f"stackgen {verb}" in line for line in examples)


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_fits_the_terminal(run, monkeypatch, width, verb):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = run(*verb.split(), "--help")[1].splitlines()
    is_example = [line.startswith("    ") and "stackgen " in line for line in lines]
    wide = [
        line
        for line, is_copied in zip(lines, is_example, strict=True)
        if not is_copied and len(line) > min(width, 100) and max(map(len, line.split())) < width / 2
    ]
    assert not wide


@pytest.fixture
def slow_planning(run, monkeypatch):
    """Planning takes ten times as long as people wait in silence."""
    from stackgen.plan import checks  # noqa: PLC0415 - what the planner asks first

    look = checks.profile_problems
    monkeypatch.setattr(checks, "profile_problems", lambda *words: time.sleep(1) or look(*words))
    monkeypatch.setattr(console, "_PATIENCE_SECONDS", 0.1)


def test_a_phase_that_takes_long_is_told_once(run, slow_planning):
    assert run("plan")[2].splitlines().count("planning …") == 1


def test_quiet_waits_in_silence(run, slow_planning):
    assert run("plan", "-q")[2] == ""


def test_what_is_quick_is_not_told(run):
    before = threading.active_count()
    assert run("plan")[2] == ""
    assert threading.active_count() == before, "a waiting thread would hold the process up at its end"
