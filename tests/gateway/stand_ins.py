"""Who stands around the real gateway: a stand-in for everything that its plan lets it call."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from engines_strict import Call, StrictEngine

from stackgen.backing import redis
from stackgen.parts import Arg, Instance, Joined, Secret, Service, Value
from stackgen.plan import Plan, service_url
from stackgen.simulators import openai
from stackgen.simulators.door import Door, Request

LOOPBACK = "127.0.0.1"
_CLOUD_PATH = "/v1"
_CLOUD_VARIABLES = {"openai": "OPENAI_BASE_URL"}
"""What leads the gateway's library to another address than the one of the cloud."""
_REDIS_ADDRESS = f'host: "{redis.NAME}"\n    port: {redis.PORT}\n'
_MOVED_KEYS = ("api_base:", "target:", "host:", "port:")


@dataclass(frozen=True, kw_only=True)
class StandIn:
    """A server and where the plan believes it to be."""

    engine: StrictEngine
    planned: str = ""
    """`http://host:port`; empty for a cloud whose address only the gateway's library knows."""
    variable: str = ""
    """Leads to such a cloud."""

    @property
    def address(self) -> str:
        """Where it really is."""
        return service_url(LOOPBACK, self.engine.port)


def stand_ins(plan: Plan, keys: Mapping[str, str], record: Callable[[Call], None], folder: Path) -> Iterator[StandIn]:
    """All of them. Each knows what is told to it, or written in the spec, never what the gateway believes about it.

    Args:
        plan: the stack.
        keys: the values of its secrets.
        record: is told of every call.
        folder: where models are kept.
    """
    for instance in plan.instances:
        service = service_of(plan, instance.name)
        door = _started(instance, service, keys, folder / service.name)
        engine = StrictEngine(service=service.name, door=door, record=record)
        yield StandIn(engine=engine, planned=service_url(service.name, service.ports[0].container))
    for route in {route.service: route for route in plan.routes if not route.port}.values():
        door = _outside(route.served_name, route.base_path, keys[route.key.name] if route.key else "")
        engine = StrictEngine(service=route.service, door=door, record=record)
        if route.base_path:
            yield StandIn(engine=engine, planned=_origin(route.base_path))
        else:
            yield StandIn(engine=engine, variable=_CLOUD_VARIABLES[route.provider])
    for identifier, leads in plan.gateway.pass_through.items():
        door = _outside(identifier, "", keys[leads.key] if leads.key else "")
        engine = StrictEngine(service=identifier, door=door, record=record)
        yield StandIn(engine=engine, planned=_origin(leads.url))


def _started(instance: Instance, service: Service, keys: Mapping[str, str], folder: Path) -> Door:
    """An engine as its container would start it, with its models fetched."""
    there = {"HOME": str(folder), "OLLAMA_MODELS": str(folder), "HF_HUB_CACHE": str(folder)}
    environment = {**told(service.environment, keys), **there, "STAND_IN_PULL_SECONDS": "0"}
    words = [_word(arg.value, keys) for arg in service.command]
    module = importlib.import_module(f"stackgen.simulators.{instance.engine}")
    door: Door = module.door(words, environment, service.image.version)
    if instance.engine in _PULLS:
        headers = {"authorization": f"Bearer {environment.get('API_KEY', '')}"}
        for served in instance.models:
            path, body = _PULLS[instance.engine](served.model.source)
            content = json.dumps(body).encode()
            answer = door.answer(Request(method="POST", path=path, headers=headers, content=content))
            assert answer.status == 200, answer.body
    return door


_PULLS: Mapping[str, Callable[[str], tuple[str, Mapping[str, object]]]] = {
    "ollama": lambda source: ("/api/pull", {"model": source, "stream": False}),
    "speaches": lambda source: (f"/v1/models/{source}", {}),
}
"""Path and body that make an engine fetch a model."""


def told(environment: Mapping[str, Arg], keys: Mapping[str, str]) -> dict[str, str]:
    """What a container's variables are."""
    return {name: _word(arg.value, keys) for name, arg in environment.items()}


def _word(value: Value, keys: Mapping[str, str]) -> str:
    match value:
        case Secret():
            return keys[value.name]
        case Joined(parts=parts):
            return "".join(_word(part, keys) for part in parts)
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)


def _outside(served_name: str, base_url: str, key: str) -> Door:
    """A server that stackgen does not run; without an address it is a cloud."""
    path = urlsplit(base_url).path if base_url else _CLOUD_PATH
    return openai.door(["--served-model-name", served_name, "--root-path", path], {"STAND_IN_KEY": key}, "")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def service_of(plan: Plan, name: str) -> Service:
    """The service of that name."""
    return next(service for service in plan.services if service.name == name)


def moved(gateway_text: str, addresses: Mapping[str, str], redis_port: int) -> str:
    """The file with other hosts and ports, and nothing else: the paths are what is under test."""
    there = {**addresses, _REDIS_ADDRESS: f'host: "{LOOPBACK}"\n    port: {redis_port}\n'}
    text = _replaced(gateway_text, there)
    assert _replaced(text, {real: planned for planned, real in there.items()}) == gateway_text
    lines = list(zip(gateway_text.splitlines(), text.splitlines(), strict=True))
    assert all(before.lstrip(" -").startswith(_MOVED_KEYS) for before, after in lines if before != after)
    return text


def _replaced(text: str, others: Mapping[str, str]) -> str:
    """Each address by its other, where it ends: http://vllm:80 is no part of http://vllm:8000."""
    for one, other in others.items():
        text = re.sub(rf'{re.escape(one)}(?=["/ ]|$)', other, text)
    return text
