"""Commands inside a real container: their input, outputs and exit codes, and those that do not end."""

from __future__ import annotations

import time
import uuid

import pytest
from stacks import docker

from stackgen import runtime
from stackgen.errors import DockerError

IMAGE = "python:3.13-slim"


@pytest.fixture(scope="module")
def container(engine):
    name = f"stackgen-execute-{uuid.uuid4().hex[:8]}"
    yield docker("run", "-d", "--rm", "--init", "--network", "none", "--name", name, IMAGE, "sleep", "300")
    docker("rm", "-f", name, check=False)


@pytest.fixture
def opened():
    """Our border to the engine; its library leaves connections open."""
    found = runtime.connect()
    yield found
    found._client.close()


def test_input_outputs_and_exit_code_travel_whole(opened, container):
    program = "import sys, os; d = sys.stdin.buffer.read(); print(len(d), os.environ['WORD']); sys.exit('failed')"
    command = ["python", "-c", program]
    found = opened.execute(container, command, b"x" * 300_000, {"WORD": "given"}, timeout_seconds=60)
    assert found == (1, b"300000 given\n", b"failed\n")


def test_a_command_that_does_not_end_is_left(opened, container):
    began = time.monotonic()
    with pytest.raises(DockerError, match="it is not done within 1 s"):
        opened.execute(container, ["sleep", "60"], b"", timeout_seconds=1)
    assert time.monotonic() - began < 10
