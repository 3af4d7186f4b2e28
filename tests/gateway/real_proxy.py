"""A plan's gateway file in the real LiteLLM, with strict servers in place of the engines."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from engines_strict import KINDS, Call, StrictEngine

from stackgen import smoke
from stackgen.backing import litellm
from stackgen.modalities import Reply
from stackgen.parts import Secret, Service
from stackgen.plan import Plan, service_url

START_SECONDS = 120
_LOOPBACK = "127.0.0.1"
_LOG_LINES = 40


@dataclass(kw_only=True)
class Stack:
    """A running gateway, the engines behind it, and what they saw."""

    plan: Plan
    """The plan, with the port that the proxy really has."""
    keys: Mapping[str, str]
    addresses: Mapping[str, str]
    """Real address by the one that the plan gives, both as `http://host:port`."""
    log: Path
    calls: list[Call]
    calls_by_request: list[list[Call]] = field(default_factory=list)
    """For each request that went to the gateway, what was asked of any model meanwhile."""

    def through_gateway(self, requests: Sequence[smoke.Request]) -> list[Reply]:
        """Transport of clients: one request at a time, so that each call at an engine has one cause."""
        replies = []
        for request in requests:
            before = len(self.calls)
            replies += smoke.from_this_host([request])
            # POST alone: LiteLLM itself asks vLLM for its list of models, at its start and every five minutes
            self.calls_by_request.append([call for call in self.calls[before:] if call.method == "POST"])
        return replies

    def inside(self, requests: Sequence[smoke.Request]) -> list[Reply]:
        """Transport of the stack's own network, where services have names."""
        return smoke.from_this_host([replace(request, url=self._real(request.url)) for request in requests])

    def run_smoke(self) -> list[smoke.Result]:
        """The project's own smoke test on this stack."""
        return smoke.run(self.plan, self.through_gateway, self.inside, self.keys)

    def get(self, path: str, *, key: str | None = None) -> tuple[int, Any]:
        """Status and data of a GET at the gateway."""
        connection = http.client.HTTPConnection(_LOOPBACK, self.plan.gateway.port, timeout=60)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {key}"} if key else {})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    @property
    def master_key(self) -> str:
        """What clients show."""
        return self.keys[litellm.MASTER_KEY.name]

    def _real(self, url: str) -> str:
        parts = urlsplit(url)
        return f"{self.addresses[f'{parts.scheme}://{parts.netloc}']}{parts.path}"


@contextmanager
def running(plan: Plan, gateway_text: str, program: Path, folder: Path) -> Iterator[Stack]:
    """Start the engines and the proxy, and stop them all.

    Args:
        plan: the stack.
        gateway_text: its gateway file, perhaps spoiled on purpose.
        program: the command `litellm`.
        folder: empty; becomes the proxy's home.
    """
    keys = {secret.name: f"{secret.prefix}{secrets.token_hex(16)}" for secret in plan.secrets}
    calls: list[Call] = []
    addresses: dict[str, str] = {}
    with ExitStack() as stack:
        for planned, engine in _engines(plan, keys, calls):
            stack.enter_context(engine.listening())
            addresses[planned] = service_url(_LOOPBACK, engine.port)
        config = folder / "config.yaml"
        config.write_text(_moved(gateway_text, addresses), encoding="utf-8")
        log = folder / "proxy.log"
        port = _free_port()
        stack.enter_context(_proxy(program, config, port, _environment(plan, keys, folder), log))
        gateway = plan.gateway.model_copy(update={"address": _LOOPBACK, "port": port})
        yield Stack(plan=replace(plan, gateway=gateway), keys=keys, addresses=addresses, log=log, calls=calls)


def _engines(plan: Plan, keys: Mapping[str, str], calls: list[Call]) -> Iterator[tuple[str, StrictEngine]]:
    """Each engine with its planned address.

    It knows what the service that starts it is told, never what the gateway believes about it.
    """
    for instance in plan.instances:
        service = _service(plan, instance.name)
        kind = KINDS[instance.engine]
        words = [arg.value for arg in service.command]
        engine = StrictEngine(
            service=service.name,
            kind=kind,
            served_names=[str(words[at + 1]) for at, word in enumerate(words) if word == "--served-model-name"],
            key=keys[service.environment[kind.key_variable].value.name],
            record=calls.append,
        )
        yield service_url(service.name, service.ports[0].container), engine


def _service(plan: Plan, name: str) -> Service:
    return next(service for service in plan.services if service.name == name)


def _moved(gateway_text: str, addresses: Mapping[str, str]) -> str:
    """The file with other hosts and ports, and nothing else: the paths are what is under test."""
    moved = gateway_text
    for planned, real in addresses.items():
        assert planned in moved
        moved = moved.replace(planned, real)
    back = moved
    for planned, real in addresses.items():
        back = back.replace(real, planned)
    assert back == gateway_text
    lines = zip(gateway_text.splitlines(), moved.splitlines(), strict=True)
    assert all(before.lstrip().startswith("api_base:") for before, after in lines if before != after)
    return moved


def _environment(plan: Plan, keys: Mapping[str, str], home: Path) -> dict[str, str]:
    """What the plan gives its gateway, and nothing of the caller: a stray OPENAI_API_KEY could make a wrong route work.

    The database is left out: a proxy from a package index would have to download the program that talks to it.
    """
    values = {
        name: keys[arg.value.name] if isinstance(arg.value, Secret) else str(arg.value)
        for name, arg in _service(plan, litellm.NAME).environment.items()
        if name != "DATABASE_URL"
    }
    return {**values, "HOME": str(home), "PATH": os.defpath}


@contextmanager
def _proxy(program: Path, config: Path, port: int, environment: Mapping[str, str], log: Path) -> Iterator[None]:
    words = [str(program), "--config", str(config), "--host", _LOOPBACK, "--port", str(port)]
    with (
        log.open("wb") as output,
        subprocess.Popen(
            words,
            cwd=config.parent,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            _wait_until_alive(process, port, log)
            yield
        finally:
            _stop(process)


def _wait_until_alive(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"the proxy ended with exit code {process.returncode}:\n{_tail(log)}")
        connection = http.client.HTTPConnection(_LOOPBACK, port, timeout=5)
        try:
            connection.request("GET", "/health/liveliness")
            if connection.getresponse().status == 200:
                return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.3)
    pytest.fail(f"the proxy is not alive after {START_SECONDS} s:\n{_tail(log)}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """The proxy leads a group of its own, so whatever it started ends with it."""
    for number, seconds in ((signal.SIGTERM, 15), (signal.SIGKILL, 15)):
        if process.poll() is not None:
            return
        os.killpg(process.pid, number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:])


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((_LOOPBACK, 0))
        return int(found.getsockname()[1])
