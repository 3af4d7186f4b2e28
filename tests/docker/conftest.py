"""The real engine, the images that a scenario needs, and a stack that leaves nothing behind."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support import TESTS, lacking, write_spec

START_ENGINE = "start Docker Engine 25 or newer with the Compose plugin, then run the tests again"
IMAGES = (
    "vllm/vllm-openai-cpu:v0.32.0-x86_64",
    "michaelf34/infinity:0.0.77-cpu",
    "ghcr.io/berriai/litellm:v1.106.2",
    "postgres:17.11",
    "redis:8.0.2",
    "python:3.13-slim",
)
LOCAL_MODELS = {IMAGES[0]: ("/models/tiny-llama",), IMAGES[1]: ("/models/minilm", "/models/tiny-reranker")}


def docker(*words, check=True):
    result = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    if check:
        assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def engine():
    """A running engine; a skip that names the fix where there is none."""
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0
    ):
        lacking("docker", "no Docker engine answers", START_ENGINE)
    return docker


@pytest.fixture(scope="session")
def images(engine):
    """The images of the real scenario, with their tiny models inside."""
    missing = [image for image in IMAGES if not engine("image", "inspect", "-f", "{{.Id}}", image, check=False)]
    if missing:
        lacking(
            "docker",
            f"images are missing: {', '.join(missing)}",
            "; ".join(f"docker pull {image}" for image in missing),
        )
    for image, folders in LOCAL_MODELS.items():
        listed = subprocess.run(
            ["docker", "run", "--rm", "--network", "none", "--entrypoint", "ls", image, *folders],
            capture_output=True,
            check=False,
        )
        if listed.returncode != 0:
            fix = f"put tiny models into an image of that name, at {' and '.join(folders)}"
            lacking("docker", f"{image} has no tiny models inside", fix)
    return IMAGES


class Stack:
    """A spec in a folder of its own, and the verbs on it."""

    def __init__(self, folder: Path, label: str) -> None:
        self.folder = folder
        self.name = f"t-{label}-{hashlib.sha256(f'{TESTS}{os.getpid()}'.encode()).hexdigest()[:8]}"
        self.port = free_port()

    def write(self, text):
        write_spec(self.folder, text.format(name=self.name, port=self.port))

    def command(self, *words):
        return [sys.executable, "-m", "stackgen", *words]

    def run(self, *words, timeout=300):
        return subprocess.run(
            self.command(*words), cwd=self.folder, capture_output=True, text=True, check=False, timeout=timeout
        )

    def good(self, *words, timeout=300):
        result = self.run(*words, timeout=timeout)
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


@pytest.fixture(scope="module")
def make_stack(images, tmp_path_factory, request):
    """Stacks that are removed at the end of the module, with evidence where a test failed."""
    made = []

    def make(label):
        made.append(Stack(tmp_path_factory.mktemp(label), label))
        return made[-1]

    failed_before = request.session.testsfailed
    yield make
    for stack in made:
        if request.session.testsfailed > failed_before and (stack.folder / "rendered").is_dir():
            stack.keep_evidence()
        stack.remove()
