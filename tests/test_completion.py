"""Completion as shells run it: verbs, options and values, fast, and without a word where the spec is broken."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import SMALL, lacking, write_spec

from stackgen.cli import shells

PATIENCE_SECONDS = 60
START = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], 'eval "$(stackgen --show-completion)"'),
    "zsh": (["zsh", "-f", "-i"], 'autoload -U compinit && compinit -u -D; eval "$(stackgen --show-completion)"'),
}
SPEC = (
    SMALL.replace("engine: vllm", 'engine: vllm\n    public_names: ["small:1b"]')
    + "groups: {day: {models: [embed], exclusive: night}, night: {models: [chat]}}\n"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a rendered spec, and `stackgen` as a command."""
    folder = tmp_path_factory.mktemp("completion")
    write_spec(folder, SPEC)
    (folder / "bin").mkdir()
    command = folder / "bin" / "stackgen"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m stackgen "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    subprocess.run([str(command), "render", "-q"], cwd=folder, check=True)
    shutil.copytree(folder / "rendered", folder / ".stackgen" / "simulation" / "rendered")
    return folder


def environment(folder: Path) -> dict[str, str]:
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "TERM": "dumb", "PS1": "> ", "HOME": str(folder), "INPUTRC": "/dev/null"}


class Shell:
    """A shell on a terminal, with completion switched on."""

    def __init__(self, name: str, folder: Path) -> None:
        command, switch_on = START[name]
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=folder,
            env=environment(folder),
            start_new_session=True,
        )
        os.close(theirs)
        self._type(f"{switch_on}; echo rea''dy\n")
        self._seen("ready\r?\n")

    def _type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def _seen(self, pattern: str) -> str:
        """What the shell wrote, once it holds the pattern."""
        text, end = "", time.monotonic() + PATIENCE_SECONDS
        while not re.search(pattern, text):
            assert time.monotonic() < end, text
            if select.select([self._ours], [], [], 0.2)[0]:
                text += os.read(self._ours, 4096).decode(errors="replace")
        return text

    def completed(self, line: str, expected: str) -> None:
        """Type a line, press TAB, and wait for the whole of it; then leave the line."""
        self._type(f"{line}\t")
        self._seen(re.escape(expected))
        self._type("\x15\n")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_a_shell_on_a_terminal_completes_verbs_options_and_values(name, folder):
    if not shutil.which(name):
        lacking(name, f"there is no {name}", f"install {name}")
    shell = Shell(name, folder)
    try:
        shell.completed("stackgen sta", "stackgen status")
        shell.completed("stackgen render --for", "stackgen render --force")
        shell.completed("stackgen logs vl", "stackgen logs vllm-chat")
        shell.completed("stackgen check --model em", "stackgen check --model embed")
        shell.completed("stackgen up --group ni", "stackgen up --group night")
        shell.completed("stackgen plan sta", "stackgen plan stack.yaml")
        shell.completed("stackgen check --model=em", "stackgen check --model=embed")
        shell.completed("stackgen check --model small:", "stackgen check --model small:1b")
        shell.completed("stackgen check --model=sma", "stackgen check --model=small:1b")
        shell.completed("stackgen up --simulate --fault vllm-chat=sl", "stackgen up --simulate --fault vllm-chat=slow")
        shell.completed("stackgen explain docker-c", "stackgen explain docker-compose.yml:")
        shell.completed("stackgen plan --what-if models.chat.so", "stackgen plan --what-if models.chat.source=")
        shell.completed("true; stackgen check --model=em", "true; stackgen check --model=embed")
    finally:
        shell.close()


def test_fish_completes_verbs_options_and_values(folder):
    if not shutil.which("fish"):
        lacking("fish", "there is no fish", "install fish")
    lines = (
        "stackgen sta",
        "stackgen render --for",
        "stackgen logs vl",
        "stackgen check --model em",
        "stackgen check --model=em",
        "stackgen check --model small:",
        "stackgen check --model=small:",
        "stackgen explain docker-c",
    )
    program = "stackgen --show-completion | source; " + "; ".join(f"complete -C '{line}'" for line in lines)
    command = ["fish", "--no-config", "-c", program]
    result = subprocess.run(
        command,
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_SECONDS,
    )
    assert result.stderr == ""
    assert [line.partition("\t")[0] for line in result.stdout.splitlines()] == [
        "status",
        "--force",
        "vllm-chat",
        "embed",
        "--model=embed",
        "small:1b",
        "--model=small:1b",
        "docker-compose.yml:",
    ]


@pytest.fixture
def offered(run, tmp_path, monkeypatch):
    """What bash is offered for a line, the last word of it begun."""

    def call(line: str, spec: str | None = SPEC, *, text: str | None = None) -> list[str]:
        words = line.split(" ")
        monkeypatch.setenv("_STACKGEN_COMPLETE", "complete_bash")
        monkeypatch.setenv(shells.LINE, line)
        monkeypatch.setenv(shells.TEXT, words[-1] if text is None else text)
        code, out, err = run(spec=spec)
        monkeypatch.delenv("_STACKGEN_COMPLETE")
        assert (code, err) == (0, "")
        return out.split()

    return call


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("stackgen re", ["render"]),
        ("stackgen facts ", ["add", "show"]),
        ("stackgen facts add --ver", ["--verbose"]),
        ("stackgen check --format ", ["table", "json", "junit"]),
        ("stackgen check --model ", ["chat", "embed", "small:1b"]),
        ("stackgen check --modality ", ["chat", "embedding"]),
        ("stackgen render --group ", ["day", "night"]),
        (
            "stackgen plan --solve models.chat.",
            ["models.chat.source", "models.chat.engine", "models.chat.public_names", "models.chat.modalities"],
        ),
        ("stackgen plan --what-if groups", ["groups="]),
        ("stackgen plan --what-if models.chat.s", ["models.chat.source="]),
        ("stackgen check --model=em", ["--model=embed"]),
        ("stackgen check --model small:", ["small:1b"]),
        ("stackgen init --model chat=Qwen/Qwen3-0", ["chat=Qwen/Qwen3-0.6B"]),
        ("stackgen explain stack", ["stack.yaml:"]),
        ("stackgen facts show l4", ["l4", "l40", "l40s"]),
        ("stackgen init --gpus n", ["none"]),
        ("stackgen init --gpus l", []),
        ("stackgen init --gpus 1xl4", ["1xl4", "1xl40", "1xl40s"]),
        ("stackgen init --gpus 2xl4", ["2xl4", "2xl40", "2xl40s"]),
        ("stackgen init --gpus 2xl4,3xrtx-409", ["2xl4,3xrtx-4090"]),
        ("stackgen init --profile nv", ["nvidia", "nvidia-shared"]),
        ("stackgen explain models.chat.so", ["models.chat.source"]),
        ("stackgen profiles show nv", ["nvidia", "nvidia-shared"]),
        ("stackgen profiles ", ["show"]),
        ("stackgen init --ci g", ["github", "gitlab"]),
    ],
)
def test_a_line_is_completed(offered, line, expected):
    assert offered(line) == expected


@pytest.mark.parametrize(
    ("line", "text", "expected"),
    [
        ("stackgen check --model=em", "em", ["embed"]),
        ("stackgen check --model=", "", ["chat", "embed", "small:1b"]),
        ("stackgen check --model=small:", "", ["1b"]),
        ("stackgen check --model small:1", "1", ["1b"]),
        ("stackgen check --model 'small:1", "small:1", ["small:1b"]),
        ("stackgen check --model=em", "--model=em", ["--model=embed"]),
    ],
)
def test_bash_is_told_what_takes_the_place_of_its_text(offered, line, text, expected):
    """Where a word ends depends on COMP_WORDBREAKS and on quotes."""
    assert offered(line, text=text) == expected


def test_services_are_those_that_were_rendered_last(run, offered):
    assert offered("stackgen logs ") == []
    run("render", spec=SPEC)
    assert offered("stackgen logs ") == ["infinity", "litellm", "postgres", "vllm-chat"]
    assert offered("stackgen logs --simulate ") == []


def test_faults_are_those_of_every_service_that_was_simulated(run, offered, tmp_path):
    assert offered("stackgen up --simulate --fault ") == []
    simulated = tmp_path / ".stackgen/simulation"
    run("render", spec=SPEC)
    simulated.mkdir(parents=True)
    (tmp_path / "rendered").rename(simulated / "rendered")
    assert offered("stackgen up --simulate --fault vllm-chat=h") == ["vllm-chat=hang"]
    assert offered("stackgen logs --simulate v") == ["vllm-chat"]


def test_secrets_are_those_that_are_kept_or_asked_for(run, offered):
    assert offered("stackgen secrets set ") == []
    run("render", spec=SPEC)
    assert offered("stackgen secrets rotate POST") == ["POSTGRES_PASSWORD"]
    assert offered("stackgen secrets set HF") == ["HF_TOKEN"]


def test_names_come_from_the_spec_that_the_line_names(offered, tmp_path):
    write_spec(tmp_path / "deep", SPEC.replace("chat:", "talk:"))
    assert offered("stackgen check deep --model ") == ["talk", "embed", "small:1b"]
    assert offered("stackgen check deep/stack.yaml --model ta") == ["talk"]
    write_spec(tmp_path / "deep", SPEC.replace("night", "evening").replace("day", "noon"))
    assert offered("stackgen render deep --group ") == ["noon", "evening"]


BROKEN = (
    None,
    "",
    "models: [",
    "\tmodels: x",
    "models:\n  chat: {public_names: [a, b]\n  : :\n",
    SPEC.replace("vllm", "vlm"),
)


@pytest.mark.parametrize("spec", BROKEN)
def test_a_broken_spec_is_met_in_silence(offered, spec):
    for line in ("stackgen check --model ", "stackgen render --group ", "stackgen plan --solve ", "stackgen logs "):
        offered(line, spec)


def test_a_spec_that_is_half_written_offers_what_is_there(offered):
    spec = (
        "models:\n  chat:\n    public_names: [gpt, 'mini']\n  embed:\n    public_names:\n      - nomic\n    engine: {\n"
    )
    assert offered("stackgen check --model ", spec) == ["chat", "embed", "gpt", "mini", "nomic"]


def test_files_that_are_no_text_are_met_in_silence(offered, tmp_path):
    (tmp_path / "stack.yaml").write_bytes(b"\xff\xfe models:")
    assert offered("stackgen check --model ", spec=None) == []
    (tmp_path / "stack.yaml").unlink()
    (tmp_path / "stack.yaml").mkdir()
    assert offered("stackgen check --model ", spec=None) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_loads_nothing_heavy(tmp_path, shell):
    write_spec(tmp_path, SPEC)
    program = (
        "import sys; import stackgen.cli as cli\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'rich.console', 'docker', 'pydantic', 'ruamel.yaml', 'jinja2', 'requests',"
        " 'stackgen.sources', 'stackgen.plan'}\n"
        "print(sorted(set(sys.modules) & heavy), file=sys.stderr)"
    )
    asked = {
        "_STACKGEN_COMPLETE": f"complete_{shell}",
        shells.LINE: "stackgen check --model ",
        shells.TEXT: "",
        "_TYPER_COMPLETE_ARGS": "stackgen check --",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    command = [sys.executable, "-c", program]
    result = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, **asked}, capture_output=True, text=True, check=True
    )
    assert result.stderr.strip() == "[]"
    assert "embed" in result.stdout or "--model" in result.stdout
