"""The real LiteLLM reads every rendered gateway file and reaches each model on exactly its engine's path."""

from __future__ import annotations

import pytest
from real_proxy import Stack, running
from support import EXAMPLES, GOLDEN, SMALL, plan_of

from stackgen import plan as planning
from stackgen import render, smoke, sources
from stackgen.backing import litellm
from stackgen.engines import ENGINES
from stackgen.modalities import MODALITIES, Probe
from stackgen.parts import Route
from stackgen.plan import Plan, service_url
from stackgen.render.litellm import complaints

pytestmark = pytest.mark.gateway

NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/stack.yaml"))
MISTAKES = ("Ignoring this key", "LLM Provider NOT provided", "ValidationError", "not a valid argument")
"""What the proxy logs, and nothing more, where it drops a part of its file."""


def planned(name: str) -> Plan:
    return planning.make(sources.load(EXAMPLES / name / "stack.yaml"))


def gateway_text(plan: Plan) -> str:
    return next(file.text for file in render.files(plan) if file.path == litellm.CONFIG.path)


def public_names(plan: Plan) -> list[str]:
    return sorted(name for route in plan.routes for name in route.public_names)


def sent(plan: Plan) -> list[tuple[Route, Probe]]:
    """What the smoke test sends through the gateway, in its order."""
    return [
        (route, probe)
        for route in plan.routes
        for _ in route.public_names
        for probe in MODALITIES[route.modality].probes
    ]


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
    wanted = [
        [(route.service, route.endpoint, route.served_name, f"Bearer {stack.keys[route.key.name]}")]
        for route, _ in sent(stack.plan)
    ]
    wanted.append([])  # the request without a key
    assert [
        [(call.service, call.path, call.model, call.authorization) for call in calls]
        for calls in stack.calls_by_request
    ] == wanted
    assert [call for call in stack.calls if call.status != 200] == []


def test_the_bodies_of_requests_survive_the_way(stack: Stack, results):
    arrived = [calls[0].body for calls in stack.calls_by_request if calls]
    for (_, probe), body in zip(sent(stack.plan), arrived, strict=True):
        assert {name: body.get(name) for name in probe.body} == dict(probe.body)


def test_clients_see_exactly_the_public_names(stack: Stack):
    status, models = stack.get("/v1/models", key=stack.master_key)
    assert (status, sorted(model["id"] for model in models["data"])) == (200, public_names(stack.plan))


def test_no_entry_is_dropped_when_the_file_is_read(stack: Stack):
    status, loaded = stack.get("/v1/model/info", key=stack.master_key)
    assert (status, sorted(model["model_name"] for model in loaded["data"])) == (200, public_names(stack.plan))
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
    assert health["healthy_count"] == len(public_names(stack.plan))
    ways = {(route.service, route.endpoint, route.served_name) for route in stack.plan.routes}
    asked = [call for call in stack.calls[before:] if call.method == "POST"]
    assert {(call.service, call.path, call.model) for call in asked} == ways


def test_the_proxy_is_the_pinned_one(stack: Stack):
    pin = next(service for service in stack.plan.services if service.name == litellm.NAME).image.pin
    status, details = stack.get("/health/readiness/details", key=stack.master_key)
    assert (status, details["litellm_version"]) == (200, pin.version)


# The tests above can fail: paths that are wrong in the two ways people get them wrong.

WRONG_BASES = {"vllm": ("/v1", ""), "infinity": ("", "/v1")}
"""Right and wrong base path by engine."""
WRONG_PATHS = {"vllm": "/chat/completions", "infinity": "/v1/embeddings"}
"""Where each mistake leads."""


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Plan:
    return plan_of(tmp_path_factory.mktemp("small"), SMALL)


def misled(plan: Plan, text: str, engine: str) -> str:
    """The gateway file with the wrong base path of one engine."""
    service = next(instance.name for instance in plan.instances if instance.engine == engine)
    right, wrong = (f'"{service_url(service, ENGINES[engine].port, path)}"' for path in WRONG_BASES[engine])
    assert text.count(right) == 1
    return text.replace(right, wrong)


@pytest.fixture(scope="module")
def broken(small, litellm_program, tmp_path_factory):
    text = gateway_text(small)
    for engine in WRONG_BASES:
        text = misled(small, text, engine)
    with running(small, text, litellm_program, tmp_path_factory.mktemp("broken")) as stack:
        yield stack, stack.run_smoke()


@pytest.mark.parametrize("engine", WRONG_BASES)
def test_a_wrong_path_fails_and_the_engine_saw_it(broken, engine):
    stack, results = broken
    route = next(route for route in stack.plan.routes if route.engine == engine)
    through = [result for result in results if (result.service, result.hop) == (route.service, smoke.Hop.GATEWAY)]
    assert [result.probe for result in through] == [probe.name for probe in MODALITIES[route.modality].probes]
    assert not any(result.ok for result in through)
    seen = {
        (call.path, call.status) for calls in stack.calls_by_request for call in calls if call.service == route.service
    }
    assert seen == {(WRONG_PATHS[engine], 404)}


def test_the_smoke_test_blames_the_gateways_route(broken):
    stack, results = broken
    assert all(result.ok for result in results if result.hop is not smoke.Hop.GATEWAY)
    assert list(smoke.diagnosis(results)) == [
        f"{name}: {route.service} itself answers; the gateway's route to it is wrong"
        for route in stack.plan.routes
        for name in route.public_names
    ]


@pytest.mark.parametrize("engine", WRONG_BASES)
def test_a_wrong_path_is_named_without_running_anything(small, tmp_path, engine):
    file = tmp_path / "config.yaml"
    file.write_text(gateway_text(small), encoding="utf-8")
    assert list(complaints(small, file)) == []
    file.write_text(misled(small, gateway_text(small), engine), encoding="utf-8")
    route = next(route for route in small.routes if route.engine == engine)
    address = service_url(route.service, route.port)
    reached = f"api_base {address}{WRONG_BASES[engine][1]} reaches {address}{WRONG_PATHS[engine]}"
    wanted = f"`{route.public_names[0]}`: {reached}, but the model is at {address}{route.endpoint}"
    assert list(complaints(small, file)) == [wanted]
