"""A bug of ours: a report in a file, no traceback on the screen, and nothing in it that is the user's own business."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest
from support import SMALL, write_spec

from stackgen import __version__, verbs
from stackgen.verbs import bugs

SPEC = SMALL + "gateway: {raw: {litellm_settings: {slack_webhook_token: xoxb-1234567}}}\n"


@pytest.fixture
def broken(monkeypatch):
    """Let every verb that opens a spec fall over something that holds secrets."""

    def fail(*_, **__):
        raise RuntimeError("boom sk-of-the-environment xoxb-1234567 kept-in-a-file kept-in-the-lab xoxb-in-the-lab")

    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    for opener in ("open_stack", "open_stacks"):
        monkeypatch.setattr(verbs, opener, fail, raising=False)


@pytest.fixture
def reported(run, tmp_path, broken, monkeypatch):
    """Meet the bug; the report's file and what was said."""
    (tmp_path / ".stackgen").mkdir()
    (tmp_path / ".stackgen/secrets.env").write_text("A_PASSWORD=kept-in-a-file\n")
    monkeypatch.setenv(bugs.FOLDER_VARIABLE, str(tmp_path / "reports"))

    def call(*words: str) -> tuple[Path, str]:
        code, out, err = run(*words, spec=SPEC)
        assert (code, out) == (3, "")
        return Path(re.search(r"(/\S*stackgen-bug\S*\.txt)", err)[1]), err

    return call


def test_it_ends_with_3_and_names_the_report(reported, tmp_path):
    report, err = reported("plan")
    assert report.parent == tmp_path / "reports"
    assert err == (
        "error: this is a bug of stackgen: RuntimeError\n\n"
        f"hint: please send this report; it holds no values of your spec and no secrets: {report}\n\n"
    )


def test_the_report_holds_versions_command_keys_and_trace(reported):
    text = reported("plan", "--what-if", "models.chat.context=77", "--json", "--group=night")[0].read_text()
    assert f"stackgen {__version__}, Python 3." in text
    assert "typer 0." in text
    assert "command:\nstackgen plan --what-if … --json --group=…\n" in text
    assert "\n  models:\n    chat:\n      source: str\n" in text
    assert "Traceback (most recent call last)" in text
    assert "RuntimeError: boom *** *** ***" in text


def test_the_report_holds_no_value_of_the_spec_and_no_secret(reported):
    text = reported("plan", "--what-if", "models.chat.context=77")[0].read_text()
    for value in ("sk-of-the-environment", "xoxb-1234567", "kept-in-a-file", "Qwen", "context=77"):
        assert value not in text


@pytest.mark.parametrize(
    "words",
    [("plan", "lab"), ("plan", "lab/stack.yaml"), ("render", "other", "lab"), ("secrets", "list", "--file=lab")],
)
def test_secrets_of_every_spec_that_the_line_names_are_hidden(reported, tmp_path, words):
    for folder in ("lab", "other"):
        write_spec(tmp_path / folder, SPEC.replace("xoxb-1234567", f"xoxb-in-the-{folder}"))
    (tmp_path / "lab/.stackgen").mkdir()
    (tmp_path / "lab/.stackgen/secrets.env").write_text("B_PASSWORD=kept-in-the-lab\n")
    text = reported(*words)[0].read_text()
    assert "RuntimeError: boom *** *** *** *** ***\n" in text
    assert "in-the-lab" not in text


def test_of_the_command_line_only_verbs_and_names_of_options_are_shown(tmp_path):
    words = ["logs", "-n100", "-f", "--tail=7", "--since", "1h", "chat", "-"]
    text = bugs.report_text(RuntimeError("boom"), words, {"logs"}, [tmp_path])
    assert "command:\nstackgen logs -n… -f --tail=… --since … … -\n" in text


def test_where_only_the_folder_for_what_is_temporary_takes_a_file_the_report_goes_there(
    reported, tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("")
    for name in (bugs.FOLDER_VARIABLE, "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "file"))
    monkeypatch.setattr(bugs.tempfile, "gettempdir", lambda: str(tmp_path / "last"))
    report = reported("plan")[0]
    assert report.parent == tmp_path / "last"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (report.parent, report)] == [0o700, 0o600]


def test_a_report_is_its_owners_alone_and_never_overwritten(reported):
    first, second = reported("plan")[0], reported("plan")[0]
    assert first != second
    assert first.exists()
    assert stat.S_IMODE(second.stat().st_mode) == 0o600


def test_where_the_named_folder_takes_no_file_the_report_goes_to_the_state_folder(reported, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(bugs.FOLDER_VARIABLE, str(tmp_path / "file/reports"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert reported("plan")[0].parent == tmp_path / "state/stackgen/reports"


def test_where_no_folder_takes_a_file_the_report_is_shown(run, broken, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for name in (bugs.FOLDER_VARIABLE, "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "file"))
    monkeypatch.setattr(bugs.tempfile, "gettempdir", lambda: str(tmp_path / "file"))
    code, _, err = run("plan", spec=SPEC)
    assert code == 3
    assert "RuntimeError: boom ***" in err
    assert err.endswith("hint: please send the lines above; no file could be written for them\n\n")


def test_a_spec_that_cannot_be_read_does_not_keep_the_report_from_being_written(reported, tmp_path, monkeypatch):
    monkeypatch.setattr("stackgen.sources.document.read", lambda *_: 1 / 0)
    text = reported("plan")[0].read_text()
    assert "keys of the spec:\n  it could not be read: ZeroDivisionError" in text


def test_where_secrets_cannot_be_read_nothing_is_shown_that_could_hold_one(reported, tmp_path):
    (tmp_path / ".stackgen/secrets.env").write_text("A_PASSWORD kept-in-a-file\n")
    text = reported("plan")[0].read_text()
    assert "the secrets could not be read" in text
    assert "kept-in-a-file" not in text
