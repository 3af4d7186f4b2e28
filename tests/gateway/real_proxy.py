"""A plan's gateway file in the real LiteLLM, with stand-ins in place of the engines."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from engines_strict import Call, StrictEngine
from redis_strict import StrictRedis
from stand_ins import LOOPBACK, moved, service_of, stand_ins, told
from support import free_port

from stackgen import render, smoke
from stackgen.backing import litellm, redis
from stackgen.modalities import Reply
from stackgen.plan import Plan

START_SECONDS = 600
_LOG_LINES = 40


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request of a client, its reply, and what was asked of any model meanwhile."""

    request: smoke.Request
    reply: Reply
    calls: list[Call]


@dataclass(kw_only=True)
class Stack:
    """A running gateway, the servers behind it, and what they saw."""

    plan: Plan
    """The plan, with the port that the proxy really has, and without the database that it lacks."""
    keys: Mapping[str, str]
    engines: Mapping[str, StrictEngine]
    """By the name of the service, or the id of what stackgen does not run."""
    addresses: Mapping[str, str]
    """Real address by the one that the plan gives, both as `http://host:port`."""
    log: Path
    calls: list[Call]
    exchanges: list[Exchange] = field(default_factory=list)
    one_way: threading.Lock = field(default_factory=threading.Lock)
    """Held by whoever asks: the smoke test sends on both ways at once."""

    def through_gateway(self, requests: Sequence[smoke.Request]) -> list[Reply]:
        """Transport of clients: one request at a time, so that each call at an engine has one cause."""
        with self.one_way:
            return [self._as_planned(self._exchange(request).reply) for request in requests]

    def inside(self, requests: Sequence[smoke.Request]) -> list[Reply]:
        """Transport of the stack's own network, where services have names."""
        with self.one_way:
            return smoke.from_this_host([replace(request, url=self._real(request.url)) for request in requests])

    def run_smoke(self) -> list[smoke.Result]:
        """The project's own smoke test on this stack."""
        return smoke.run(self.plan, self.through_gateway, self.inside, self.keys)

    def ask(self, body: Mapping[str, Any], path: str = "/v1/chat/completions", *, key: str | None = None) -> Exchange:
        """One request of a client, with the master key where no other is named."""
        headers = {"Authorization": f"Bearer {self.master_key if key is None else key}"}
        return self._exchange(smoke.Request(url=f"{self.plan.gateway_url}{path}", headers=headers, body=body))

    def get(self, path: str, *, key: str | None = None) -> tuple[int, Any]:
        """Status and data of a GET at the gateway."""
        connection = http.client.HTTPConnection(LOOPBACK, self.plan.gateway.port, timeout=60)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {key}"} if key else {})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    @contextmanager
    def broken(self, service: str) -> Iterator[list[Call]]:
        """One server that answers nothing for a while, and what it is asked meanwhile."""
        before = len(self.calls)
        seen: list[Call] = []
        self.engines[service].broken = True
        try:
            yield seen
        finally:
            self.engines[service].broken = False
            seen += [call for call in self.calls[before:] if call.service == service and call.asks_model]

    @property
    def master_key(self) -> str:
        """What clients show."""
        return self.keys[litellm.MASTER_KEY.name]

    def _exchange(self, request: smoke.Request) -> Exchange:
        before = len(self.calls)
        reply = smoke.from_this_host([request])[0]
        # LiteLLM itself asks for information: vLLM for its list of models, Ollama for what a model can
        calls = [call for call in self.calls[before:] if call.asks_model]
        self.exchanges.append(Exchange(request=request, reply=reply, calls=calls))
        return self.exchanges[-1]

    def _as_planned(self, reply: Reply) -> Reply:
        """What the gateway tells about itself, with the addresses that the plan gave its entries."""
        body = reply.body
        for planned, real in self.addresses.items():
            body = body.replace(real, planned)
        return replace(reply, body=body)

    def _real(self, url: str) -> str:
        parts = urlsplit(url)
        return f"{self.addresses[f'{parts.scheme}://{parts.netloc}']}{parts.path}"


def gateway_text(plan: Plan) -> str:
    """The gateway's file as `render` writes it."""
    return next(file.text for file in render.files(plan) if file.path == litellm.CONFIG.path)


@contextmanager
def running(plan: Plan, gateway_text: str, program: Path, folder: Path) -> Iterator[Stack]:
    """Start the stand-ins and the proxy, and stop them all.

    Args:
        plan: the stack.
        gateway_text: its gateway file, perhaps spoiled on purpose.
        program: the command `litellm`.
        folder: empty; becomes the proxy's home.
    """
    keys = {secret.name: f"{secret.prefix}{secrets.token_hex(16)}" for secret in plan.secrets}
    calls: list[Call] = []
    with ExitStack() as stack:
        found = list(stand_ins(plan, keys, calls.append, folder / "models"))
        for stand_in in found:
            stack.enter_context(stand_in.engine.listening())
        addresses = {stand_in.planned: stand_in.address for stand_in in found if stand_in.planned}
        clouds = {stand_in.variable: f"{stand_in.address}/v1" for stand_in in found if stand_in.variable}
        cache = stack.enter_context(StrictRedis(password=keys.get(redis.PASSWORD.name, "")).listening())
        config = folder / "config.yaml"
        config.write_text(moved(gateway_text, addresses, cache.port), encoding="utf-8")
        for file in _beside(plan):
            (folder / Path(file.path).name).write_text(file.text, encoding="utf-8")
        log = folder / "proxy.log"
        port = free_port()
        stack.enter_context(_proxy(program, config, port, {**_environment(plan, keys, folder), **clouds}, log))
        really = {"address": LOOPBACK, "port": port, "database": False}
        yield Stack(
            plan=replace(plan, gateway=plan.gateway.model_copy(update=really)),
            keys=keys,
            engines={stand_in.engine.service: stand_in.engine for stand_in in found},
            addresses=addresses,
            log=log,
            calls=calls,
        )


def _beside(plan: Plan) -> list[render.File]:
    """What else the gateway reads, in the folder of its configuration."""
    paths = {file.path for file in service_of(plan, litellm.NAME).config_files} - {litellm.CONFIG.path}
    return [file for file in render.files(plan) if file.path in paths]


def _environment(plan: Plan, keys: Mapping[str, str], home: Path) -> dict[str, str]:
    """What the plan gives its gateway, and nothing of the caller: a stray OPENAI_API_KEY could make a wrong route work.

    The database is left out: a proxy from a package index would have to download the program that talks to it.
    """
    values = told(service_of(plan, litellm.NAME).environment, keys)
    values.pop("DATABASE_URL", None)
    return {**values, "HOME": str(home), "PATH": os.defpath}


@contextmanager
def _proxy(program: Path, config: Path, port: int, environment: Mapping[str, str], log: Path) -> Iterator[None]:
    words = [str(program), "--config", str(config), "--host", LOOPBACK, "--port", str(port)]
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
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
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
