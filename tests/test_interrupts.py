"""Ctrl-C, SIGTERM and SIGHUP while a verb works: one clear line, exit code 130, nothing half done."""

from __future__ import annotations

import fcntl
import os
import pty
import random
import re
import signal
import socket
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from support import SMALL, write_spec

from stackgen import files, interrupts
from stackgen.files import ASIDE

STACKGEN = [sys.executable, "-m", "stackgen"]
PATIENCE_SECONDS = 60
LARGE = "version: 1\nname: large\nprofiles: [cpu]\nmodels:\n" + "".join(
    f"  m{number}: {{source: Qwen/Qwen3-0.6B, engine: vllm, modalities: [chat]}}\n" for number in range(150)
)
SLOW = re.compile(r"^.* …\n", re.MULTILINE)
"""What a slow machine hears meanwhile: "planning …"."""
NAMES = [number.name for number in interrupts.SIGNALS]


def started(folder: Path, *words: str, **more) -> subprocess.Popen[str]:
    """A verb in a group of its own, once it hears signals."""
    given = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([*STACKGEN, *words], cwd=folder, start_new_session=True, **(given | more))
    until(lambda: process.poll() is not None or hears(process.pid))
    return process


def hears(pid: int) -> bool:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    caught = int(next(line for line in lines if line.startswith("SigCgt:")).split()[1], 16)
    return bool(caught & 1 << signal.SIGTERM - 1)


def until(is_so) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.005)


def ended(process: subprocess.Popen[str], number: int) -> tuple[int, str, str]:
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, out, SLOW.sub("", err)


def is_waiting(pid: int) -> bool:
    """Whether it sleeps in the system: nothing that it could do is left."""
    state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    return state == "S"


def waits(process: subprocess.Popen[str]) -> None:
    """Until it sleeps and goes on sleeping: at a FIFO that nobody writes to."""
    asleep = 0
    while asleep < 20:
        asleep = asleep + 1 if is_waiting(process.pid) else 0
        time.sleep(0.01)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("explain", "models.chat.context"), "interrupted"),
        (("plan", "--solve", "models.chat.context"), "interrupted"),
        (("check",), "interrupted"),
        (("config", "--json"), "interrupted"),
        (("render", "--check"), "interrupted"),
        (("render",), "interrupted: nothing was written"),
        (("up",), "interrupted: nothing was started"),
        (("secrets", "rotate", "LITELLM_MASTER_KEY"), "interrupted: nothing was rotated"),
    ],
)
def test_a_verb_that_waits_for_its_spec_ends_with_one_line(tmp_path, words, said, name):
    os.mkfifo(tmp_path / "stack.yaml")
    process = started(tmp_path, *words)
    waits(process)
    assert ended(process, signal.Signals[name]) == (130, "", f"\n{said}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["stack.yaml"]


@pytest.mark.parametrize("name", NAMES)
def test_a_look_at_a_hub_that_gives_no_answer_is_ended(tmp_path, name):
    write_spec(tmp_path, SMALL)
    with socket.create_server(("127.0.0.1", 0)) as hub:
        environment = {**os.environ, "HF_ENDPOINT": f"http://127.0.0.1:{hub.getsockname()[1]}"}
        process = started(tmp_path, "facts", "add", "house/model", env=environment)
        hub.settimeout(PATIENCE_SECONDS)
        with hub.accept()[0]:
            assert ended(process, signal.Signals[name]) == (130, "", "\ninterrupted\n")
    assert [path.name for path in tmp_path.iterdir()] == ["stack.yaml"]


@pytest.mark.parametrize("name", NAMES)
def test_a_render_at_any_moment_writes_all_or_nothing(tmp_path, name):
    """The moments are random; their seed is the test's own, and the machine adds to it."""
    chance = random.Random(name)
    seen = set()
    for number in range(5):
        folder = tmp_path / str(number)
        write_spec(folder, LARGE)
        process = started(folder, "render")
        time.sleep(chance.uniform(0, 1.5))
        if process.poll() is not None:
            assert process.communicate()[1]
            continue
        code, _, err = ended(process, signal.Signals[name])
        seen.add(code)
        assert code in {0, 130}, err
        assert err.count("interrupted") == (code == 130)
        assert "Traceback" not in err
        assert not [path for path in folder.rglob("*") if path.name.endswith(ASIDE)]
        rendered = folder / "rendered"
        assert rendered.exists() == (code == 0 or "everything was written" in err)
        if rendered.exists():
            assert (files.hand_edits(rendered), files.is_interrupted(rendered)) == ([], False)
    assert seen


def test_a_program_that_was_told_to_outlive_its_terminal_does(tmp_path):
    os.mkfifo(tmp_path / "stack.yaml")
    process = started(tmp_path, "plan", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    waits(process)
    os.killpg(process.pid, signal.SIGHUP)
    time.sleep(0.3)
    assert process.poll() is None
    assert ended(process, signal.SIGTERM)[0] == 130


def test_a_terminal_that_is_closed_ends_it_without_a_fault(tmp_path):
    os.mkfifo(tmp_path / "stack.yaml")
    ours, theirs = pty.openpty()
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
    take = lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)  # noqa: E731 - what the child does first
    process = started(tmp_path, "render", **streams, preexec_fn=take)
    os.close(theirs)
    waits(process)
    os.close(ours)
    assert process.wait(timeout=PATIENCE_SECONDS) == 130


@pytest.fixture
def heard(monkeypatch):
    """The signals of this process as the program hears them, as if none had come before."""
    before = {number: signal.getsignal(number) for number in interrupts.SIGNALS}
    monkeypatch.setattr(interrupts, "_now", {"depth": 0, "waiting": False, "heard": float("-inf")})
    interrupts.listen()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("name", NAMES)
def test_what_has_to_be_whole_is_done_first(heard, name):
    done = []

    @interrupts.whole("everything was written")
    def work():
        with interrupts.whole():
            signal.raise_signal(signal.Signals[name])
            done.append("inner")
        done.append("outer")

    with pytest.raises(KeyboardInterrupt, match="everything was written"):
        work()
    assert done == ["inner", "outer"]


def test_what_failed_is_not_said_to_be_done(heard):
    def work():
        with interrupts.whole("everything was written"):
            signal.raise_signal(signal.SIGINT)
            raise OSError

    with pytest.raises(KeyboardInterrupt) as end:
        work()
    assert end.value.args == ()


def test_what_python_makes_of_an_interrupt_is_none_of_our_bugs(run, monkeypatch):
    def press(*_):
        class Interrupted:
            def __set_name__(self, *_):
                raise KeyboardInterrupt

        type("Made", (), {"member": Interrupted()})

    monkeypatch.setattr("stackgen.plan.as_text", press)
    assert run("plan") == (130, "", "\ninterrupted\n")


def test_a_second_signal_at_once_is_the_same_wish_and_a_late_one_is_heard(heard, monkeypatch):
    moment = [100.0]
    monkeypatch.setattr(interrupts.time, "monotonic", lambda: moment[0])
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGHUP)
    moment[0] += 0.5
    signal.raise_signal(signal.SIGHUP)
    moment[0] += 5
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
