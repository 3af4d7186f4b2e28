"""Real requests for every model, through the gateway and straight to its engine, so that a failure names its hop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from stackgen.backing import litellm
from stackgen.errors import StackError
from stackgen.modalities import MODALITIES, Probe, Reply
from stackgen.parts import Route
from stackgen.plan import Plan, service_url
from stackgen.smoke.transport import (
    NOT_ASKED,
    File,
    Request,
    Transport,
    by_script,
    from_this_host,
    masked,
    unreachable,
)

__all__ = [
    "File",
    "Hop",
    "Request",
    "Result",
    "Transport",
    "by_script",
    "diagnosis",
    "from_this_host",
    "masked",
    "run",
    "unreachable",
]

_AT_THE_DOOR = ("no connection", "no answer", "the connection broke", "HTTP 400", "HTTP 401", "HTTP 403")
"""How complaints begin when the gateway itself is down or does not know the key; a wrong route gives 404 or 500."""
_UNAUTHORIZED = 401
_FALLBACKS, _ANSWERED_BY = "x-litellm-attempted-fallbacks", "x-litellm-model-id"


class Hop(Enum):
    """Which way a request takes."""

    GATEWAY = "gateway"
    ENGINE = "engine"
    KEY = "no key"


@dataclass(frozen=True, kw_only=True)
class Result:
    """The judgement of one request."""

    name: str
    """Public name of the model, or what was tested."""
    model: str
    """Id of the model in the spec; empty where none was meant."""
    probe: str
    hop: Hop
    service: str
    complaint: str | None
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether the reply was good."""
        return self.complaint is None


def run(plan: Plan, host: Transport, inside: Transport, keys: Mapping[str, str]) -> list[Result]:
    """Every probe of every route on both hops, and the door without a key.

    Args:
        plan: the stack.
        host: sends what clients send.
        inside: sends from the gateway's place in the network.
        keys: values of the stack's secrets by name.

    Raises:
        StackError: the gateway's key is not there.
    """
    if litellm.MASTER_KEY.name not in keys:
        raise StackError(
            f"{litellm.MASTER_KEY.name} is not in .stackgen/secrets.env", hint="run `stackgen render` first"
        )
    asks = list(_asks(plan))
    straight = [ask for ask in asks if ask.also_straight]
    gateway_replies = host([_through(plan, ask, keys) for ask in asks])
    engine_replies = inside([_straight(ask, keys) for ask in straight])
    results = [_judged(ask, Hop.GATEWAY, reply) for ask, reply in zip(asks, gateway_replies, strict=True)]
    results += [_judged(ask, Hop.ENGINE, reply) for ask, reply in zip(straight, engine_replies, strict=True)]
    results.append(_without_key(plan, host))
    return results


def diagnosis(results: Sequence[Result]) -> Iterator[str]:
    """One sentence per broken model: which hop is to blame."""
    engine = {(result.service, result.model, result.probe): result for result in results if result.hop is Hop.ENGINE}
    through = [result for result in results if result.hop is Hop.GATEWAY]
    at_the_door = all((result.complaint or "").startswith(_AT_THE_DOOR) for result in through)
    if through and at_the_door and not any(_is_to_blame(result) for result in engine.values()):
        yield "no model answers through the gateway, and no engine is to blame: look at litellm and its key first"
        return
    broken = [result for result in through if not result.ok]
    yield from dict.fromkeys(
        _blame(result, engine.get((result.service, result.model, result.probe))) for result in broken
    )


def _blame(result: Result, straight: Result | None) -> str:
    if straight is None and result.service == litellm.NAME:
        return f"{result.name}: no good answer to a request by the name that several share"
    if straight is None:
        return f"{result.name}: {result.service} does not answer through the gateway, and cannot be asked without it"
    if straight.ok:
        return f"{result.name}: {result.service} itself answers; the gateway's route to it is wrong"
    return f"{result.name}: {result.service} does not answer, with or without the gateway"


def _is_to_blame(result: Result) -> bool:
    """Whether an engine was asked and gave no good reply."""
    return result.complaint is not None and not result.complaint.startswith(NOT_ASKED)


@dataclass(frozen=True, kw_only=True)
class _Ask:
    """One probe of one deployment."""

    route: Route
    name: str
    """What results call it."""
    model: str
    """What the gateway is asked for: a public name, or the id of a deployment among those that share one."""
    probe: Probe
    service: str
    also_straight: bool = False
    equals: frozenset[str] = frozenset()
    """Ids of those who share the name that is asked, of whom any may answer; empty where one server is meant."""


def _asks(plan: Plan) -> Iterator[_Ask]:
    """Every probe of every deployment; those that share a name are asked one by one, and once by the name."""
    ids = {(entry.route.model, entry.route.service, entry.public_name): entry.id for entry in plan.deployments}
    equals = {
        name: frozenset(entry.id for entry in plan.deployments if entry.public_name == name)
        for name in plan.shared_names
    }
    shared: set[tuple[str, str]] = set()
    for route in plan.routes:
        for name in route.public_names:
            probes = MODALITIES[route.modality].probes_for(route.quirks)
            several = name in plan.shared_names
            identifier = ids.get((route.model, route.service, name), name)
            for probe in probes:
                yield _Ask(
                    route=route,
                    name=f"{name} ({identifier})" if several else name,
                    model=identifier if several else name,
                    probe=probe,
                    service=route.service,
                    also_straight=bool(route.url) and name == route.public_names[0],
                )
            if several and (name, route.modality) not in shared:
                shared.add((name, route.modality))
                yield _Ask(
                    route=route, name=name, model=name, probe=probes[0], service=litellm.NAME, equals=equals[name]
                )


def _through(plan: Plan, ask: _Ask, keys: Mapping[str, str]) -> Request:
    """What a client sends; a cached answer, or one of a fallback, would prove nothing. Forms cannot say either.

    Among equals the next rank counts as a fallback too, so there the answer tells who gave it.
    """
    url = _gateway_url(plan, ask.route)
    request = _request(url, _bearer(keys[litellm.MASTER_KEY.name]), ask.route, ask.model, ask.probe)
    if request.upload:
        return request
    gateway = plan.gateway
    more: dict[str, Any] = {} if gateway.cache == "none" else {"cache": {"no-cache": True}}
    if not ask.equals and (gateway.default_fallbacks or gateway.fallbacks or gateway.context_window_fallbacks):
        more["disable_fallbacks"] = True
    return replace(request, body={**request.body, **more})


def _straight(ask: _Ask, keys: Mapping[str, str]) -> Request:
    route = ask.route
    headers = _bearer(keys.get(route.key.name, "")) if route.key else {}
    inside = route.port and route.probe_endpoint
    url = service_url(route.service, route.port, route.probe_endpoint) if inside else route.url
    return _request(url, headers, route, route.served_name, ask.probe)


def _request(url: str, headers: Mapping[str, str], route: Route, model: str, probe: Probe) -> Request:
    return Request(
        url=url, headers=headers, body={"model": model, **probe.body(route.quirks)}, upload=File.of(probe.upload)
    )


def _gateway_url(plan: Plan, route: Route) -> str:
    return f"{plan.gateway_url}{MODALITIES[route.modality].path}"


def _without_key(plan: Plan, host: Transport) -> Result:
    route = plan.routes[0]
    probe = MODALITIES[route.modality].probes[0]
    reply = host([_request(_gateway_url(plan, route), {}, route, route.public_names[0], probe)])[0]
    complaint = None if reply.status == _UNAUTHORIZED else reply.refusal() or "answered without a key"
    if complaint and reply.status not in (0, 200):
        complaint = f"expected HTTP {_UNAUTHORIZED}, got {complaint}"
    return Result(
        name="gateway",
        model="",
        probe="refuses without key",
        hop=Hop.KEY,
        service=litellm.NAME,
        complaint=complaint,
        seconds=reply.seconds,
    )


def _judged(ask: _Ask, hop: Hop, reply: Reply) -> Result:
    return Result(
        name=ask.name,
        model=ask.route.model,
        probe=ask.probe.name,
        hop=hop,
        service=ask.service,
        complaint=_complaint(ask, hop, reply),
        seconds=reply.seconds,
    )


def _complaint(ask: _Ask, hop: Hop, reply: Reply) -> str | None:
    """The probe's; an answer of another model that the gateway asked instead is never good."""
    complaint = ask.probe.judge(reply)
    if hop is Hop.GATEWAY and ask.equals:
        helped = reply.headers.get(_ANSWERED_BY, "") not in {"", *ask.equals}
    else:
        helped = hop is Hop.GATEWAY and reply.headers.get(_FALLBACKS, "0") != "0"
    return "; ".join(filter(None, (complaint, "answered by a fallback, not by this model"))) if helped else complaint


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
