"""What a person can do wrong at the command line and on disk, word for word: input, message, exit code.

The transcripts lie in mistakes/, an empty line between cases: `+ ` what somebody did before (a shell runs it), `$ ` what they
typed, `| ` what was written to stdout, `> ` to stderr (empty lines left out), `= ` the exit code; `HERE` is their folder.
`--update-golden` writes them anew.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent / "mistakes"
FILES = sorted(FOLDER.glob("*.txt"))


def cases(file: Path) -> Iterator[list[str]]:
    for case in file.read_text(encoding="utf-8").strip("\n").split("\n\n"):
        yield case.split("\n")


def marked(mark: str, text: str) -> Iterator[str]:
    return (f"{mark} {line}".rstrip() for line in text.splitlines() if line.strip())


@pytest.fixture
def transcript(run, tmp_path, monkeypatch):
    """Do what a case says; the case with what came of it."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")

    def call(case: list[str]) -> list[str]:
        run("render", "-q")
        for line in case:
            if line.startswith("+ "):
                subprocess.run(["bash", "-euc", line[2:]], cwd=tmp_path, check=True, env={**os.environ, "LC_ALL": "C"})
        (typed,) = [line for line in case if line.startswith("$ ")]
        code, out, err = run(*shlex.split(typed)[2:], spec=None)
        before = [line for line in case if line.startswith(("+ ", "$ "))]
        shown = [*before, *marked("|", out), *marked(">", err), f"= {code}"]
        return [line.replace(str(tmp_path), "HERE") for line in shown]

    return call


@pytest.mark.parametrize(
    ("file", "position"),
    [
        pytest.param(file, number, id=f"{file.stem}-{case[-1 if case[0][0] == '$' else 0]}-{number}")
        for file in FILES
        for number, case in enumerate(cases(file))
    ],
)
def test_a_mistake_is_told_in_these_words(transcript, file, position, request):
    case = list(cases(file))[position]
    found = transcript(case)
    if request.config.getoption("--update-golden"):
        everything = list(cases(file))
        everything[position] = found
        file.write_text("\n\n".join("\n".join(lines) for lines in everything) + "\n", encoding="utf-8")
    assert list(cases(file))[position] == found


def test_whatever_fails_says_so():
    """Something is on the screen, an error of a verb begins with `error:`, and nobody meets a traceback."""
    for file in FILES:
        for *said, code in cases(file):
            assert code in {"= 0", "= 1", "= 2"}, said
            shown = [line for line in said if line[0] in "|>"]
            assert shown, said
            assert not any("Traceback" in line or "a bug of stackgen" in line for line in shown), said
            if code == "= 2" and not said[-1].startswith(">   "):  # a group of verbs alone shows its help
                assert any(line.startswith("> error: ") for line in shown), said
                assert any(line.startswith("> hint: ") for line in shown), said
