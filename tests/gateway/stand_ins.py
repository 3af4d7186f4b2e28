"""Who stands around the real gateway: a strict server for everything that its plan lets it call."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from engine_kinds import KINDS, TOOL_FLAGS
from engines_strict import Call, StrictEngine

from stackgen.backing import redis
from stackgen.parts import Instance, Route, Service
from stackgen.plan import Plan, service_url

LOOPBACK = "127.0.0.1"
_ENDPOINT_KINDS = {"hosted_vllm": "vllm", "openai": "vllm"}
"""How a server outside behaves, by the word that the gateway has for it."""
_CLOUD_VARIABLES = {"openai": "OPENAI_BASE_URL"}
"""What leads the gateway's library to another address than the one of the cloud."""
_REDIS_ADDRESS = f'host: "{redis.NAME}"\n    port: {redis.PORT}\n'
_MOVED_KEYS = ("api_base:", "target:", "host:", "port:")


@dataclass(frozen=True, kw_only=True)
class StandIn:
    """A strict server and where the plan believes it to be."""

    engine: StrictEngine
    planned: str = ""
    """`http://host:port`; empty for a cloud whose address only the gateway's library knows."""
    variable: str = ""
    """Leads to such a cloud."""

    @property
    def address(self) -> str:
        """Where it really is."""
        return service_url(LOOPBACK, self.engine.port)


def stand_ins(plan: Plan, keys: Mapping[str, str], record: Callable[[Call], None]) -> Iterator[StandIn]:
    """All of them. Each knows what is told to it, or written in the spec, never what the gateway believes about it."""
    for instance in plan.instances:
        service = service_of(plan, instance.name)
        kind = KINDS[instance.engine]
        engine = StrictEngine(
            service=service.name,
            kind=kind,
            served_names=_SERVED_NAMES[instance.engine](instance, service),
            key=keys[service.environment[kind.key_variable].value.name] if kind.key_variable else "",
            record=record,
            words=tuple(str(arg.value) for arg in service.command),
        )
        yield StandIn(engine=engine, planned=service_url(service.name, service.ports[0].container))
    for route in {route.service: route for route in plan.routes if not route.port}.values():
        yield _outside(route, keys, record)
    for identifier, leads in plan.gateway.pass_through.items():
        key = keys[leads.key] if leads.key else ""
        engine = StrictEngine(service=identifier, kind=KINDS["vllm"], served_names=[identifier], key=key, record=record)
        yield StandIn(engine=engine, planned=_origin(leads.url))


def _outside(route: Route, keys: Mapping[str, str], record: Callable[[Call], None]) -> StandIn:
    engine = StrictEngine(
        service=route.service,
        kind=KINDS[_ENDPOINT_KINDS[route.provider]],
        served_names=[route.served_name],
        key=keys[route.key.name] if route.key else "",
        record=record,
        words=TOOL_FLAGS if route.quirks.tools else (),
    )
    if route.base_path:
        return StandIn(engine=engine, planned=_origin(route.base_path))
    return StandIn(engine=engine, variable=_CLOUD_VARIABLES[route.provider])


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _from_flags(_: Instance, service: Service) -> list[str]:
    words = [str(arg.value) for arg in service.command]
    return [words[at + 1] for at, word in enumerate(words) if word == "--served-model-name"]


def _from_sources(instance: Instance, _: Service) -> list[str]:
    return [served.model.source for served in instance.models]


_SERVED_NAMES: Mapping[str, Callable[[Instance, Service], list[str]]] = {
    "vllm": _from_flags,
    "infinity": _from_flags,
    "ollama": _from_sources,
    "speaches": _from_sources,
}
"""What each engine calls its models: the name that its command gives, else that of the weights."""


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
