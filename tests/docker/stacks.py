"""A spec in a folder of its own on the real engine, and what scenarios ask of it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

from support import TESTS, free_port, write_spec

STUCK_SECONDS = 1800
"""A verb that takes longer hangs. A real engine starts in minutes where many processes share few processors."""


def docker(*words, check=True):
    result = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    if check:
        assert result.returncode == 0, result.stderr
    return result.stdout.strip()


class Stack:
    """A spec in a folder of its own, and the verbs on it."""

    def __init__(self, folder: Path, label: str) -> None:
        self.folder = folder
        self.name = f"t-{label}-{secrets.token_hex(4)}"  # what a killed run left behind has another name
        self.port = free_port(2)
        self.engine_port = self.port + 1

    def write(self, text):
        write_spec(self.folder, text.format(name=self.name, port=self.port))

    def command(self, *words):
        return [sys.executable, "-m", "stackgen", *words]

    def run(self, *words):
        return subprocess.run(
            self.command(*words), cwd=self.folder, capture_output=True, text=True, check=False, timeout=STUCK_SECONDS
        )

    def good(self, *words):
        result = self.run(*words)
        assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
        return result

    def check(self):
        """Exit code and the JSON report of `check`."""
        result = self.run("check", "--format", "json")
        assert result.stdout, result.stderr
        return result.returncode, json.loads(result.stdout)

    def containers(self):
        """Container id by service."""
        project = f"label=com.docker.compose.project={self.name}"
        listed = docker(
            "ps", "-a", "--no-trunc", "--filter", project, "--format", '{{.Label "com.docker.compose.service"}} {{.ID}}'
        )
        return dict(line.split() for line in listed.splitlines())

    def traces(self):
        """Everything of the stack that the engine still has."""
        project = f"label=com.docker.compose.project={self.name}"
        kinds = (("ps", "-aq"), ("network", "ls", "-q"), ("volume", "ls", "-q"))
        return [line for words in kinds for line in docker(*words, "--filter", project).splitlines()]

    def evidence(self):
        """How its containers stand, with their last lines, for the report of a test that failed."""
        project = f"label=com.docker.compose.project={self.name}"
        lines = [docker("ps", "-a", "--filter", project, check=False)]
        if not lines[0]:
            return "no engine answers"
        for service, identifier in self.containers().items():
            logs = subprocess.run(
                ["docker", "logs", "--tail", "15", identifier], capture_output=True, text=True, check=False
            )
            lines += [f"{service}:", logs.stdout, logs.stderr]
        return "\n".join(lines)

    def keep_evidence(self):
        """What a failed scenario leaves for a person: rendered files and logs."""
        target = TESTS.parent / "artifacts" / self.name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.folder / "rendered", target, ignore=shutil.ignore_patterns(".env"), dirs_exist_ok=True)
        (target / "ps.txt").write_text(docker("ps", "-a", check=False))
        for service, identifier in self.containers().items():
            logs = subprocess.run(["docker", "logs", identifier], capture_output=True, text=True, check=False)
            (target / f"{service}.log").write_text(logs.stdout + logs.stderr)

    def remove(self):
        if os.environ.get("STACKGEN_KEEP_FAILED"):
            return
        docker("compose", "-p", self.name, "down", "--volumes", "--remove-orphans", "--timeout", "5", check=False)
