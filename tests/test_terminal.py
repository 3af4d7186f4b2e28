"""Where output goes: terminals of any width, pipes, readers that go away, outputs that are closed or no UTF-8."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest
from support import SMALL, write_spec

from stackgen.console.paint import folded

STACKGEN = [sys.executable, "-m", "stackgen"]
WRONG = SMALL.replace("engine: vllm", "engine: vlm")
COLOUR = "\x1b["


@pytest.fixture
def on_a_terminal(tmp_path):
    """Run a verb on a terminal of so many columns, its data too or its talk alone; what it shows there."""

    def call(*words: str, columns: int = 80, spec: str = SMALL, data: int | None = None, **environment: str) -> str:
        write_spec(tmp_path, spec)
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        plain = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR"}}
        process = subprocess.Popen(
            [*STACKGEN, *words],
            cwd=tmp_path,
            stdin=theirs,
            stdout=theirs if data is None else data,
            stderr=theirs,
            env={**plain, "TERM": "xterm-256color", **environment},
        )
        os.close(theirs)
        shown = bytearray()
        while piece := _piece(ours):
            shown += piece
        process.wait(timeout=60)
        os.close(ours)
        return shown.decode().replace("\r\n", "\n")

    return call


def _piece(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # how Linux says that nobody holds the other side any more
        return b""


def through_a_pipe(folder, *words, **environment):
    return subprocess.run(
        [*STACKGEN, *words], cwd=folder, env={**os.environ, **environment}, capture_output=True, check=False
    )


def test_a_terminal_gets_colour(on_a_terminal):
    assert on_a_terminal("plan", spec=WRONG).startswith("\x1b[1;31merror:\x1b[0m stack.yaml:7:13: there is no engine")


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_nobody_who_forbids_colour_gets_it(on_a_terminal, environment):
    shown = on_a_terminal("plan", spec=WRONG, **environment)
    assert shown.startswith("error: stack.yaml:7:13: there is no engine")
    assert COLOUR not in shown


def test_a_pipe_gets_no_colour(tmp_path):
    write_spec(tmp_path, WRONG)
    result = through_a_pipe(tmp_path, "plan", TERM="xterm-256color")
    assert result.returncode == 1
    assert COLOUR.encode() not in result.stderr


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_tables_keep_to_the_width_of_a_terminal(on_a_terminal, columns):
    on_a_terminal("render")
    for words in (("check", "--static"), ("facts", "show", "l4"), ("plan",)):
        shown = re.sub(r"\x1b\[[\d;]*m", "", on_a_terminal(*words, columns=columns))
        wide = [line for line in shown.splitlines() if len(line) > columns and len(line.split()) > 1]
        assert not wide


def test_a_narrow_terminal_loses_no_word(on_a_terminal):
    narrow, wide = (on_a_terminal("plan", columns=columns) for columns in (40, 1000))
    assert narrow.split() == wide.split()
    assert narrow.count("\n") > wide.count("\n")


@pytest.mark.parametrize("columns", [40, 200])
def test_talk_keeps_to_its_own_terminal_where_data_goes_elsewhere(on_a_terminal, columns):
    words = ("init", "new", "--non-interactive", "--gpus", "none")
    shown = re.sub(r"\x1b\[[\d;]*m", "", on_a_terminal(*words, columns=columns, data=subprocess.DEVNULL))
    longest = max(len(line) for line in shown.splitlines() if len(line.split()) > 1)
    assert 80 < longest <= 200 if columns == 200 else longest <= columns


def test_a_terminal_that_does_not_know_its_width_is_taken_for_a_usual_one(on_a_terminal):
    shown = re.sub(r"\x1b\[[\d;]*m", "", on_a_terminal("facts", "show", columns=0))
    assert 60 < max(map(len, shown.splitlines())) <= 80


def test_a_pipe_gets_whole_lines(tmp_path):
    write_spec(tmp_path, SMALL)
    for columns in ("40", "200"):
        lines = through_a_pipe(tmp_path, "plan", COLUMNS=columns).stdout.decode().splitlines()
        assert any(line.startswith("  vllm-chat") and "vLLM serves Qwen/Qwen3-0.6B" in line for line in lines)


@pytest.mark.parametrize(
    ("line", "width", "expected"),
    [
        ("a  b  c d", None, ["a  b  c d"]),
        ("a  b  c d", 40, ["a  b  c d"]),
        (
            "name    state   one two three four five six seven",
            42,
            ["name    state   one two three four five", "                six seven"],
        ),
        ("  a sentence that goes on for too long", 20, ["  a sentence that", "    goes on for too", "    long"]),
        ("x" * 50, 20, ["x" * 50]),
        ("", 10, [""]),
    ],
)
def test_a_line_goes_on_below_its_last_column(line, width, expected):
    assert folded(line, width) == expected


@pytest.mark.parametrize("command", ["schema", "plan", "plan --json", "facts show", "render --check", "render 2>&1"])
def test_a_reader_that_goes_away_ends_it_as_it_ends_other_programs(tmp_path, command):
    write_spec(tmp_path, SMALL)
    line = f"{' '.join(STACKGEN)} {command} | {{ exec <&-; sleep 2; }}; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == (f"{128 + signal.SIGPIPE}\n", "")


@pytest.mark.parametrize(("closed", "code"), [(">&-", 0), ("2>&-", 0), (">&- 2>&-", 0), ("<&-", 0)])
@pytest.mark.parametrize("verb", ["render", "plan", "--version", "--help"])
def test_closed_outputs_are_no_bug(tmp_path, closed, code, verb):
    write_spec(tmp_path, SMALL)
    line = f"{' '.join(STACKGEN)} {verb} {closed}"
    result = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == code, result
    assert "error" not in result.stderr


def test_a_full_disk_below_stdout_is_an_error_with_words(tmp_path):
    write_spec(tmp_path, SMALL)
    line = (
        f"unset PYTHONUNBUFFERED; {' '.join(STACKGEN)} plan > /dev/full"  # what is buffered is written again at the end
    )
    result = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (result.returncode, "Exception" in result.stderr) == (1, False), result.stderr
    assert result.stderr.startswith("error: the output cannot be written: No space left on device\n\nhint: ")


def test_an_output_that_is_no_utf_8_loses_no_line(tmp_path):
    write_spec(tmp_path, SMALL.replace("chat:", "chat:\n    public_names: [naïve]"))
    result = through_a_pipe(tmp_path, "plan", PYTHONIOENCODING="ascii")
    assert result.returncode == 0
    assert b"na\\xefve" in result.stdout


def test_ctrl_c_ends_a_verb_that_waits_with_130(tmp_path):
    write_spec(tmp_path, SMALL)
    (tmp_path / ".stackgen").mkdir(mode=0o700)
    with (tmp_path / ".stackgen" / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        command = [*STACKGEN, "render", "--verbose"]
        with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
            assert any("planning: " in line for line in process.stderr)
            time.sleep(0.5)  # from there it goes straight to the lock
            process.send_signal(signal.SIGINT)
            rest = process.stderr.read()
        assert process.returncode == 130
    assert rest.endswith("\ninterrupted: nothing was written\n")
    assert "Traceback" not in rest
    assert not (tmp_path / "rendered").exists()
