"""The real LiteLLM reads every rendered gateway file and reaches each model on exactly its engine's path."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from engines_strict import Call
from real_proxy import Exchange, Stack, gateway_text, running
from stand_ins import service_of
from support import EXAMPLES, GOLDEN, REFUSED

from stackgen import plan as planning
from stackgen import smoke, sources
from stackgen.backing import litellm
from stackgen.modalities import MODALITIES, Probe, audio
from stackgen.parts import Route
from stackgen.plan import Plan

pytestmark = pytest.mark.gateway

NAMES = sorted(
    {
        (path / litellm.CONFIG.path).read_text(encoding="utf-8"): path.name
        for path in sorted(GOLDEN.iterdir(), reverse=True)
        if path.name not in REFUSED
    }.values()
)
"""The examples; of those with the same gateway file, the first."""
NOBODY = "stackgen-no-such-model"
MISTAKES = ("Ignoring this key", "LLM Provider NOT provided", "ValidationError", "not a valid argument")
"""What the proxy logs, and nothing more, where it drops a part of its file."""


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A request of the smoke test to the gateway, and who may get it."""

    routes: tuple[Route, ...]
    probe: Probe


def planned(name: str) -> Plan:
    return planning.make(sources.load(EXAMPLES / name / "stack.yaml"))


def public_names(plan: Plan) -> list[str]:
    return sorted({name for route in plan.routes for name in route.public_names})


def sent(plan: Plan) -> list[Sent]:
    """What the smoke test sends, in its order: each server is asked alone, and those that share a name once by it.

    The first question to each comes first, and last what goes on from an answer.
    """
    speaks = any(route.modality == "speech" for route in plan.routes)

    def wave(wanted: Sent) -> int:
        first = wanted.probe is MODALITIES[wanted.routes[0].modality].probes[0]
        waits = not first or (bool(wanted.probe.hears) and speaks)
        return 2 if wanted.probe.after else int(waits)

    return sorted(_in_plan_order(plan), key=wave)


def _in_plan_order(plan: Plan) -> list[Sent]:
    found: list[Sent] = []
    asked: set[tuple[str, str]] = set()
    for route in plan.routes:
        probes = MODALITIES[route.modality].probes_for(route.quirks)
        for name in route.public_names:
            found += [Sent(routes=(route,), probe=probe) for probe in probes]
            equals = tuple(
                other for other in plan.routes if name in other.public_names and other.modality == route.modality
            )
            if len(equals) > 1 and (name, route.modality) not in asked:
                asked.add((name, route.modality))
                found.append(Sent(routes=equals, probe=probes[0]))
    return found


def way(stack: Stack, route: Route) -> tuple[str, str, str, str | None]:
    """What a server must see; one without keys may be shown anything."""
    key = f"Bearer {stack.keys[route.key.name]}" if route.key else None
    path = urlsplit(route.endpoint).path if route.base_path or route.port else MODALITIES[route.modality].path
    return route.service, path, route.served_name, key


def seen(stack: Stack, call: Call) -> tuple[str, str, str | None, str | None]:
    keyed = {route.service for route in stack.plan.routes if route.key}
    return call.service, call.path, call.model, call.authorization if call.service in keyed else None


def is_refused(stack: Stack, exchange: Exchange) -> bool:
    """Whether it is one of those that no door lets pass."""
    master = exchange.request.headers.get("Authorization") == f"Bearer {stack.master_key}"
    strangers = {NOBODY, *stack.plan.sleeping_names}
    return exchange.request.method == "POST" and (not master or exchange.request.body["model"] in strangers)


def to_models(stack: Stack) -> list[Exchange]:
    """The requests of the smoke test that ask a model, in its order."""
    asked = [exchange for exchange in stack.exchanges if exchange.request.method == "POST"]
    return [exchange for exchange in asked if not is_refused(stack, exchange)][: len(sent(stack.plan))]


@pytest.fixture(scope="module", params=NAMES)
def stack(request, litellm_program, tmp_path_factory):
    plan = planned(request.param)
    text = gateway_text(plan)
    assert text == (GOLDEN / request.param / litellm.CONFIG.path).read_text(encoding="utf-8")
    with running(plan, text, litellm_program, tmp_path_factory.mktemp(request.param)) as stack:
        yield stack


@pytest.fixture(scope="module")
def results(stack: Stack) -> list[smoke.Result]:
    """The project's own smoke test, once."""
    return stack.run_smoke()


def test_every_model_answers_well_with_and_without_the_gateway(results):
    assert [result for result in results if not result.ok] == []


def test_each_request_reaches_the_right_engine_once_on_its_one_path(stack: Stack, results):
    for wanted, exchange in zip(sent(stack.plan), to_models(stack), strict=True):
        assert len(exchange.calls) == 1
        assert seen(stack, exchange.calls[0]) in [way(stack, route) for route in wanted.routes]
        assert exchange.calls[0].status == 200


def test_what_the_gateway_refuses_reaches_no_engine(stack: Stack, results):
    refused = [exchange for exchange in stack.exchanges if is_refused(stack, exchange)]
    asleep = [404] * len(
        {name for route in stack.plan.asleep for name in route.public_names} & {*stack.plan.sleeping_names}
    )
    statuses = [exchange.reply.status for exchange in refused]
    assert statuses == [401, 400, 400, *asleep]  # 400: no database to look the key up in
    assert [call for exchange in refused for call in exchange.calls] == []


def test_the_gateway_says_which_deployment_answered_and_that_none_helped_out(stack: Stack, results):
    for wanted, exchange in zip(sent(stack.plan), to_models(stack), strict=True):
        (call,) = exchange.calls
        told = exchange.reply.headers
        assert told["x-litellm-model-id"] in [
            entry.id for entry in stack.plan.deployments if entry.route.service == call.service
        ]
        fallbacks = None if wanted.routes[0].modality == "speech" else "0"
        assert told.get("x-litellm-attempted-fallbacks") == fallbacks


def test_the_bodies_of_requests_survive_the_way(stack: Stack, results):
    for wanted, exchange in zip(sent(stack.plan), to_models(stack), strict=True):
        if wanted.routes[0].probe_endpoint:
            continue  # the gateway translates it for this engine
        body, asked = exchange.calls[0].body, wanted.probe.body(wanted.routes[0].quirks)
        if wanted.probe.after:  # it quotes what the engine said before
            asked = {**asked, "messages": exchange.request.body["messages"]}
            *_, called, result = asked["messages"]
            assert result["tool_call_id"] == called["tool_calls"][0]["id"]
        assert {name: body.get(name) for name in asked} == asked
        if wanted.probe.upload:
            assert audio.complaint(base64.b64decode(body[wanted.probe.upload.field]["data"])) is None


def test_an_equal_request_is_answered_from_the_cache_that_the_spec_asks_for(stack: Stack, results):
    route = next(route for route in stack.plan.routes if route.modality in {"chat", "embedding"})
    question = {"chat": {"messages": [{"role": "user", "content": "Twice?"}]}, "embedding": {"input": "Twice?"}}
    body = {"model": route.public_names[0], **question[route.modality]}
    path = MODALITIES[route.modality].path
    first, second = stack.ask(body, path), stack.ask(body, path)
    assert (first.reply.status, second.reply.status) == (200, 200)
    assert (len(first.calls), len(second.calls)) == (1, 1 if stack.plan.gateway.cache == "none" else 0)


def test_clients_see_exactly_the_public_names(stack: Stack):
    status, models = stack.get("/v1/models", key=stack.master_key)
    assert (status, sorted(model["id"] for model in models["data"])) == (200, public_names(stack.plan))


def test_no_entry_is_dropped_when_the_file_is_read(stack: Stack):
    status, loaded = stack.get("/v1/model/info", key=stack.master_key)
    assert (status, sorted(model["model_info"]["id"] for model in loaded["data"])) == (
        200,
        sorted(entry.id for entry in stack.plan.deployments),
    )
    log = stack.log.read_text(encoding="utf-8")
    assert [mistake for mistake in MISTAKES if mistake in log] == []


def test_nobody_enters_without_the_key(stack: Stack):
    assert stack.get("/v1/models")[0] == 401
    assert stack.get("/v1/models", key="sk-not-the-key")[0] in {400, 401}  # 400: no database to look the key up in


def test_the_gateway_finds_every_model_healthy_in_its_own_way(stack: Stack):
    """Its health check asks each model what `mode` says, so a wrong mode asks the wrong thing."""
    before = len(stack.calls)
    status, health = stack.get("/health", key=stack.master_key)
    assert (status, health["unhealthy_endpoints"]) == (200, [])
    assert health["healthy_count"] == len(stack.plan.deployments)
    asked = [seen(stack, call) for call in stack.calls[before:] if call.asks_model]
    assert sorted(asked) == sorted(way(stack, entry.route) for entry in stack.plan.deployments)


def test_the_proxy_is_the_pinned_one(stack: Stack):
    image = service_of(stack.plan, litellm.NAME).image
    status, details = stack.get("/health/readiness/details", key=stack.master_key)
    assert (status, details["litellm_version"]) == (200, image.version)
