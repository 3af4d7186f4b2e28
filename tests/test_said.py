"""A failed test tells what its programs said."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
import said

LOUD = "import sys; print('before'); print('what is wrong', file=sys.stderr); sys.exit(3)"


@pytest.fixture
def item():
    return SimpleNamespace(funcargs={"stack": SimpleNamespace(evidence=lambda: "vllm: Exited (137)"), "other": 1})


@pytest.mark.parametrize("check", [False, True])
def test_the_words_of_a_program_that_failed_are_told(item, check):
    said.forget()
    try:
        subprocess.run([sys.executable, "-c", LOUD], capture_output=True, check=check)
    except subprocess.CalledProcessError:
        assert check
    (heading, text), containers = said.sections(item)
    assert heading.startswith(f"ended with 3: {sys.executable} -c import sys;")
    assert text == "stdout:\n  before\nstderr:\n  what is wrong\n"
    assert containers == ("containers of `stack`", "vllm: Exited (137)")


def test_a_program_that_did_not_end_is_told_with_what_it_said_until_then(item):
    said.forget()
    talks = "import time; print('waiting', flush=True); time.sleep(60)"
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([sys.executable, "-c", talks], capture_output=True, timeout=5, check=False)
    (heading, text), _ = said.sections(item)
    assert heading.startswith("ended with no end in time: ")
    assert "  waiting\n" in text


def test_only_the_last_programs_and_lines_are_told(item):
    said.forget()
    for number in range(5):
        subprocess.run([sys.executable, "-c", f"print('{number}\\n' * 100)"], stdout=subprocess.PIPE, check=True)
    programs = list(said.sections(item))[:-1]
    assert [text.split()[1] for _, text in programs] == ["2", "3", "4"]
    assert all(text.count("\n") == said.LINES + 3 for _, text in programs)
    assert all(text.endswith("stderr:\n  (not read)\n") for _, text in programs)
