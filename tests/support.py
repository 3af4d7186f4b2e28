"""What tests share: folders, small specs, and the rule for what a machine may lack."""

from __future__ import annotations

import os
import random
import socket
import sys
import textwrap
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from stackgen import plan as planning
from stackgen import sources
from stackgen.plan import Plan

TESTS = Path(__file__).resolve().parent
EXAMPLES = TESTS.parent / "examples"
GOLDEN = TESTS / "golden"
REFUSED = frozenset({"too-big"})
"""Examples that show how something is refused."""
REQUIRED = frozenset(filter(None, os.environ.get("STACKGEN_REQUIRE", "").split(",")))
"""What must not be skipped here: `docker`, `gateway`. CI sets both."""

MEASURED = "measured"
"""Property of a test under which it records a figure for people."""

SMALL = """\
version: 1
name: small
profiles: [cpu]
models:
  chat:
    source: Qwen/Qwen3-0.6B
    engine: vllm
    modalities: [chat]
  embed:
    source: sentence-transformers/all-MiniLM-L6-v2
    engine: infinity
    modalities: [embedding]
"""
"""A spec that is right: one chat model, one embedding model, on the processor."""


def write_spec(folder: Path, text: str, **profiles: str) -> Path:
    """stack.yaml in a folder, with profiles beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, profile in profiles.items():
        (folder / "profiles").mkdir(exist_ok=True)
        (folder / "profiles" / f"{name}.yaml").write_text(textwrap.dedent(profile), encoding="utf-8")
    file = folder / "stack.yaml"
    file.write_text(textwrap.dedent(text), encoding="utf-8")
    return file


def plan_of(folder: Path, text: str, **profiles: str) -> Plan:
    """The plan of a spec; SpecError where it has problems."""
    return planning.make(sources.load(write_spec(folder, text, **profiles)))


def free_port(count: int = 1) -> int:
    """The first of some ports in a row of the loopback address that nobody holds now.

    They lie below those that the kernel lends to any connection, which could take them before a test does. Each worker of
    pytest-xdist has a range of its own and lends no port twice: a stack takes its ports long after it was given them.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _RANGES
    begin = 15_000 + worker * _RANGE_PORTS
    while True:
        first = random.SystemRandom().randrange(begin, begin + _RANGE_PORTS - count + 1)
        ports = range(first, first + count)
        if _LENT.isdisjoint(ports) and not any(map(_taken, ports)):
            _LENT.update(ports)
            return first


_RANGES, _RANGE_PORTS = 8, 2_000
_LENT: set[int] = set()


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that have ended hold no port
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


class Listener(ThreadingHTTPServer):
    """A server of a test. A client that goes away is no error: its trace would end in another test's output."""

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def lacking(what: str, reason: str, fix: str) -> None:
    """A visible skip that names the fix; a failure where the machine promised to have it."""
    message = f"{reason}; to run it: {fix}"
    if what in REQUIRED:
        pytest.fail(message)
    pytest.skip(message)
