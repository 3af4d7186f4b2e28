"""Real requests for every model, through the gateway and straight to its engine, so that a failure names its hop."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import Enum
from importlib import resources
from typing import Any

from stackgen.backing import litellm
from stackgen.errors import StackError
from stackgen.modalities import MODALITIES, Probe, Reply
from stackgen.parts import Route
from stackgen.plan import Plan, service_url
from stackgen.smoke.caller import call_all

TIMEOUT_SECONDS = 120.0
NOT_ASKED = "not asked"
_AT_THE_DOOR = ("no connection", "no answer", "the connection broke", "HTTP 400", "HTTP 401", "HTTP 403")
"""How complaints begin when the gateway itself is down or does not know the key; a wrong route gives 404 or 500."""
_UNAUTHORIZED = 401


class Hop(Enum):
    """Which way a request takes."""

    GATEWAY = "gateway"
    ENGINE = "engine"
    KEY = "no key"


@dataclass(frozen=True, kw_only=True)
class Request:
    """One POST with JSON."""

    url: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]


Transport = Callable[[Sequence[Request]], list[Reply]]
"""Sends requests from somewhere: from this host, or from inside the stack's network."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """The judgement of one request."""

    name: str
    """Public name of the model, or what was tested."""
    probe: str
    hop: Hop
    service: str
    complaint: str | None
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether the reply was good."""
        return self.complaint is None


def from_this_host(requests: Sequence[Request]) -> list[Reply]:
    """Transport: HTTP from the machine that stackgen runs on."""
    return [Reply(**reply) for reply in call_all([asdict(request) for request in requests], TIMEOUT_SECONDS)]


def by_script(run: Callable[[str, bytes], tuple[int, bytes, bytes]]) -> Transport:
    """Transport: a script that runs inside a container of the stack.

    Args:
        run: runs a Python program (text, standard input) there; gives exit code, output, error output. Keys travel by
            standard input, so that no process list shows them.
    """
    program = resources.files("stackgen.smoke").joinpath("caller.py").read_text(encoding="utf-8")

    def send(requests: Sequence[Request]) -> list[Reply]:
        job = {"timeout_seconds": TIMEOUT_SECONDS, "requests": [asdict(request) for request in requests]}
        try:
            exit_code, output, errors = run(program, json.dumps(job).encode())
        except StackError as error:
            return [Reply(error=f"the script inside the network cannot run: {error.message}")] * len(requests)
        if exit_code != 0:
            last = errors.decode(errors="replace").strip().splitlines()[-1:]
            return [
                Reply(error=f"the script inside the network failed (exit code {exit_code}): {''.join(last)}")
            ] * len(requests)
        return [Reply(**reply) for reply in json.loads(output)]

    return send


def masked(transport: Transport, mask: Callable[[str], str]) -> Transport:
    """The same transport, with secrets taken out of what comes back before anybody shortens or shows it."""

    def send(requests: Sequence[Request]) -> list[Reply]:
        return [replace(reply, body=mask(reply.body), error=mask(reply.error)) for reply in transport(requests)]

    return send


def unreachable(reason: str) -> Transport:
    """Transport for a container that is not there."""
    return lambda requests: [Reply(error=f"{NOT_ASKED}: {reason}")] * len(requests)


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
    through = list(_probes(plan))
    straight = [(route, name, probe) for route, name, probe in through if name == route.public_names[0]]
    gateway_replies = host([_through(plan, route, name, probe, keys) for route, name, probe in through])
    engine_replies = inside([_straight(route, probe, keys) for route, _, probe in straight])
    results = [
        _judged(route, name, probe, Hop.GATEWAY, reply)
        for (route, name, probe), reply in zip(through, gateway_replies, strict=True)
    ]
    results += [
        _judged(route, name, probe, Hop.ENGINE, reply)
        for (route, name, probe), reply in zip(straight, engine_replies, strict=True)
    ]
    results.append(_without_key(plan, host))
    return results


def diagnosis(results: Sequence[Result]) -> Iterator[str]:
    """One sentence per broken model: which hop is to blame."""
    engine = {(result.service, result.name, result.probe): result for result in results if result.hop is Hop.ENGINE}
    through = [result for result in results if result.hop is Hop.GATEWAY]
    at_the_door = all((result.complaint or "").startswith(_AT_THE_DOOR) for result in through)
    if through and at_the_door and not any(_is_to_blame(result) for result in engine.values()):
        yield "no model answers through the gateway, and no engine is to blame: look at litellm and its key first"
        return
    said: set[str] = set()
    for result in through:
        if result.ok:
            continue
        straight = engine.get((result.service, result.name, result.probe))
        if straight is not None and straight.ok:
            sentence = f"{result.name}: {result.service} itself answers; the gateway's route to it is wrong"
        elif straight is not None:
            sentence = f"{result.name}: {result.service} does not answer, with or without the gateway"
        else:
            continue
        if sentence not in said:
            said.add(sentence)
            yield sentence


def _is_to_blame(result: Result) -> bool:
    """Whether an engine was asked and gave no good reply."""
    return result.complaint is not None and not result.complaint.startswith(NOT_ASKED)


def _probes(plan: Plan) -> Iterator[tuple[Route, str, Probe]]:
    for route in plan.routes:
        for name in route.public_names:
            for probe in MODALITIES[route.modality].probes:
                yield route, name, probe


def _through(plan: Plan, route: Route, name: str, probe: Probe, keys: Mapping[str, str]) -> Request:
    """What a client sends; a cached answer would prove nothing."""
    body = {"model": name, **probe.body}
    if plan.gateway.cache != "none":
        body["cache"] = {"no-cache": True}
    url = f"{plan.gateway_url}{MODALITIES[route.modality].path}"
    return Request(url=url, headers=_bearer(keys[litellm.MASTER_KEY.name]), body=body)


def _straight(route: Route, probe: Probe, keys: Mapping[str, str]) -> Request:
    headers = _bearer(keys.get(route.key.name, "")) if route.key else {}
    url = service_url(route.service, route.port, route.endpoint)
    return Request(url=url, headers=headers, body={"model": route.served_name, **probe.body})


def _without_key(plan: Plan, host: Transport) -> Result:
    route = plan.routes[0]
    modality = MODALITIES[route.modality]
    body = {"model": route.public_names[0], **modality.probes[0].body}
    reply = host([Request(url=f"{plan.gateway_url}{modality.path}", headers={}, body=body)])[0]
    complaint = None if reply.status == _UNAUTHORIZED else reply.refusal() or "answered without a key"
    if complaint and reply.status not in (0, 200):
        complaint = f"expected HTTP {_UNAUTHORIZED}, got {complaint}"
    return Result(
        name="gateway",
        probe="refuses without key",
        hop=Hop.KEY,
        service=litellm.NAME,
        complaint=complaint,
        seconds=reply.seconds,
    )


def _judged(route: Route, name: str, probe: Probe, hop: Hop, reply: Reply) -> Result:
    return Result(
        name=name,
        probe=probe.name,
        hop=hop,
        service=route.service,
        complaint=probe.judge(reply),
        seconds=reply.seconds,
    )


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
