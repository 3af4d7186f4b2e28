"""What `check` says of containers: state, restarts, networks, ports, and proofs from inside. The engine is played."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from engine_stand_in import container
from support import SMALL, plan_of

from stackgen.errors import DockerError
from stackgen.render import files
from stackgen.render.compose import CONTENT_LABEL
from stackgen.runtime import ContainerState, HostPort
from stackgen.runtime.container import CONFIG_HASH_LABEL
from stackgen.verbs import containers
from stackgen.verbs.drift import Measure

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LONG_AGO, JUST_NOW = "2026-11-20T12:00:00.123456789Z", "2026-11-21T11:30:00.123456789Z"
VALUES = {"POSTGRES_PASSWORD": "the-password", "REDIS_PASSWORD": "the-other"}


@pytest.fixture
def plan(tmp_path):
    text = SMALL.replace("source: Qwen/Qwen3-0.6B", "source: Qwen/Qwen3-0.6B\n    publish: {port: 8001}")
    return plan_of(tmp_path, text + "gateway: {cache: redis}\n")


@pytest.fixture
def states(plan):
    """Containers as they are to be."""
    digests = {file.path: file.digest for file in files(plan)}
    published = {
        "litellm": (HostPort(container=4000, address="127.0.0.1", published=4000),),
        "vllm-chat": (HostPort(container=8000, address="127.0.0.1", published=8001),),
    }
    return {
        service.name: ContainerState(
            service=service.name,
            id=f"id-{service.name}",
            image=service.image_reference,
            status="running",
            health="healthy",
            exit_code=0,
            out_of_memory=False,
            restarts=0,
            started_at=LONG_AGO,
            labels={f"{CONTENT_LABEL}.{file.path}": digests[file.path] for file in service.config_files},
            ports=published.get(service.name, ()),
            networks=tuple(f"small_{network}" for network in service.networks),
        )
        for service in plan.services
    }


def measured(plan, **hashes):
    return Measure(digests={file.path: file.digest for file in files(plan)}, hashes=hashes)


def failed(plan, states, **hashes):
    found = containers.findings(plan, measured(plan, **hashes), list(states.values()), NOW)
    return {finding.service: (finding.complaints, finding.hint) for finding in found if finding.complaints}


def changed(states, service, **more):
    return states | {service: replace(states[service], **more)}


def test_containers_as_they_are_to_be_have_no_complaint(plan, states):
    assert failed(plan, states) == {}
    assert list(containers.warnings(list(states.values()), NOW)) == []


def test_a_detached_network_is_named(plan, states):
    assert failed(plan, changed(states, "vllm-chat", networks=())) == {
        "vllm-chat": (("it is not in the network small_engines",), "stackgen up")
    }


def test_a_network_too_many_is_named(plan, states):
    networks = (*states["redis"].networks, "bridge")
    assert failed(plan, changed(states, "redis", networks=networks)) == {
        "redis": (("it is in the network bridge, where the spec does not put it",), "stackgen up")
    }


@pytest.mark.parametrize(
    ("service", "ports", "complaints"),
    [
        (
            "postgres",
            (HostPort(container=5432, address="0.0.0.0", published=5432),),
            ("it publishes port 5432 on 0.0.0.0:5432, which the spec does not say",),
        ),
        ("litellm", (), ("it does not publish 127.0.0.1:4000, as the spec says",)),
        (
            "vllm-chat",
            (HostPort(container=8000, address="0.0.0.0", published=8001),),
            (
                "it publishes port 8000 on 0.0.0.0:8001, which the spec does not say",
                "it does not publish 127.0.0.1:8001, as the spec says",
            ),
        ),
    ],
)
def test_published_ports_are_those_of_the_spec_and_no_others(plan, states, service, ports, complaints):
    assert failed(plan, changed(states, service, ports=ports)) == {service: (complaints, "stackgen up")}


def test_any_port_is_right_where_the_plan_leaves_it_open(plan, states):
    services = tuple(
        replace(service, ports=tuple(replace(port, published=0) for port in service.ports)) for service in plan.services
    )
    ports = (HostPort(container=4000, address="127.0.0.1", published=49_153),)
    assert failed(replace(plan, services=services), changed(states, "litellm", ports=ports)) == {}
    elsewhere = (HostPort(container=4001, address="127.0.0.1", published=49_153),)
    assert list(failed(replace(plan, services=services), changed(states, "litellm", ports=elsewhere))) == ["litellm"]


def test_ports_of_raw_keys_are_read_where_they_can_be(tmp_path):
    text = SMALL + "gateway: {database: false, cache: none}\nservices: {web: {compose: {image: x, ports: [%s]}}}\n"

    def complaints(ports, *published):
        plan = plan_of(tmp_path, text % ports)
        (service,) = [service for service in plan.services if service.name == "web"]
        there = tuple(HostPort(container=80, address=address, published=number) for address, number in published)
        state = ContainerState(
            service="web", id="w", image="x", status="running", health="", exit_code=0, out_of_memory=False, restarts=0,
            started_at=LONG_AGO, ports=there, networks=tuple(f"small_{network}" for network in service.networks),
        )  # fmt: skip
        found = containers.findings(plan, measured(plan), [state], NOW)
        return next(finding.complaints for finding in found if finding.service == "web")

    assert complaints('"8080:80"', ("0.0.0.0", 8080), ("::", 8080)) == ()
    assert complaints('"127.0.0.1:8080:80"', ("127.0.0.1", 8080)) == ()
    assert complaints('"127.0.0.1:8080:80"', ("0.0.0.0", 8080)) != ()
    assert complaints('"80"', ("0.0.0.0", 49_999)) == ()  # a random port may be any


def test_a_restart_is_a_complaint_while_it_is_recent_and_a_warning_after(plan, states):
    looping = changed(states, "vllm-chat", restarts=3, started_at=JUST_NOW)
    words = "it restarted 3 times, the last time at 2026-11-21T11:30:00"
    assert failed(plan, looping) == {"vllm-chat": ((words,), "stackgen logs vllm-chat")}
    settled = changed(states, "vllm-chat", restarts=1)
    assert failed(plan, settled) == {}
    assert list(containers.warnings(list(settled.values()), NOW)) == [
        "vllm-chat restarted once, the last time at 2026-11-20T12:00:00"
    ]


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"status": "exited", "health": "unhealthy", "exit_code": 137}, "exited, unhealthy (exit code 137)"),
        (
            {"status": "exited", "health": "", "exit_code": 137, "out_of_memory": True},
            "exited (exit code 137); it was killed for lack of memory",
        ),
        ({"health": "unhealthy"}, "running, unhealthy"),
        ({"image": "vllm:old"}, "runs vllm:old, the spec says vllm/vllm-openai-cpu:v0.32.0-x86_64"),
    ],
)
def test_a_container_that_is_not_right_says_how(plan, states, more, complaint):
    ((complaints, _),) = failed(plan, changed(states, "vllm-chat", **more)).values()
    assert complaints == (complaint,)


def test_a_container_that_is_not_ready_yet_tells_its_ports_too(plan, states):
    port = HostPort(container=6379, address="0.0.0.0", published=6379)
    ((complaints, hint),) = failed(plan, changed(states, "redis", health="starting", ports=(port,))).values()
    published = "it publishes port 6379 on 0.0.0.0:6379, which the spec does not say"
    assert (complaints, hint) == (("running, starting", published), "stackgen up")


def test_missing_and_foreign_containers_are_named(plan, states):
    redis = replace(states.pop("redis"), service="old")
    assert failed(plan, states | {"old": redis}) == {
        "redis": (("it has no container",), "stackgen up"),
        "old": (("the spec does not have it",), "stackgen up"),
    }


def test_a_second_container_of_a_service_is_too_many(plan, states):
    second = states | {"second": replace(states["redis"], id="second")}
    assert failed(plan, second) == {"redis": (("one container more than the spec says",), "stackgen up")}


def test_settings_of_an_older_render_are_named_where_nothing_tells_more(plan, states):
    labelled = changed(states, "vllm-chat", labels={CONFIG_HASH_LABEL: "old"})
    assert failed(plan, labelled, **{"vllm-chat": "old"}) == {}
    assert failed(plan, labelled, **{"vllm-chat": "new"}) == {
        "vllm-chat": (("has other settings than the spec says",), "stackgen up")
    }
    older = changed(labelled, "vllm-chat", image="vllm:old", labels={CONFIG_HASH_LABEL: "old"})
    ((complaints, _),) = failed(plan, older, **{"vllm-chat": "new"}).values()
    assert complaints == ("runs vllm:old, the spec says vllm/vllm-openai-cpu:v0.32.0-x86_64",)


def test_a_gateway_that_read_an_older_file_is_named(plan, states):
    assert failed(plan, changed(states, "litellm", labels={})) == {
        "litellm": (("reads an older litellm/config.yaml than the spec says",), "stackgen up")
    }


def test_a_paused_container_is_told_how_to_go_on(plan, states):
    assert failed(plan, changed(states, "redis", status="paused")) == {
        "redis": (("paused, healthy",), "docker compose -p small unpause redis")
    }


DORMANT = SMALL + (
    "gateway: {database: false}\nservices: {helper: {compose: {image: 'x', profiles: [tools], mem_limit: 64m}}}\n"
)


@pytest.mark.parametrize(("exit_code", "complaints"), [(0, ()), (3, ("exited (exit code 3)",))])
def test_who_was_asked_for_by_name_may_end_and_must_end_well(tmp_path, exit_code, complaints):
    plan = plan_of(tmp_path, DORMANT)
    ended = container("helper", image="x", status="exited", health="", exit_code=exit_code)
    (finding,) = [one for one in containers.findings(plan, measured(plan), [ended], NOW) if one.service == "helper"]
    assert finding.complaints == complaints


class Docker:
    """Plays commands in containers: exit code, output, error output by the first word."""

    def __init__(self, **ends):
        self.ends = {"psql": (0, b"1\n", b""), "redis-cli": (0, b"PONG\n", b"")} | ends
        self.seen = []

    def execute(self, container, command, stdin, environment, *, timeout_seconds):
        assert timeout_seconds < 60
        self.seen.append((container, command, dict(environment)))
        end = self.ends[command[0]]
        if isinstance(end, Exception):
            raise end
        return end


def proofs(plan, states, docker):
    return {finding.service: finding for finding in containers.proofs(plan, docker, list(states.values()), VALUES)}


def test_stores_are_logged_in_to_by_name_with_the_password_in_the_environment_alone(plan, states):
    docker = Docker()
    assert {name: finding.state for name, finding in proofs(plan, states, docker).items()} == {
        "postgres": "ok",
        "redis": "ok",
    }
    words = {container: (command, environment) for container, command, environment in docker.seen}
    command, environment = words["id-postgres"]
    assert command[command.index("-h") + 1] == "postgres"  # 127.0.0.1 lets everybody in
    assert environment == {"PGPASSWORD": "the-password"}
    assert words["id-redis"][1] == {"REDISCLI_AUTH": "the-other"}
    assert not [value for command, _ in words.values() for value in VALUES.values() if value in command]


@pytest.mark.parametrize(
    ("end", "complaint"),
    [
        (
            (2, b"", b'psql: error: connection failed: FATAL:  password authentication failed for user "litellm"'),
            "the password of the database is not the one in .stackgen/secrets.env",
        ),
        (
            (2, b"", b"psql: error: could not translate host name"),
            "login fails with exit code 2: psql: error: could not translate host name",
        ),
        (
            (2, b"", b"x" * 250 + b" the-password is not for " + b"y" * 250),
            f"login fails with exit code 2: {'x' * 250} *** is not for {'y' * 4}…",
        ),
        (DockerError("container is paused"), "login cannot be tried: container is paused"),
    ],
)
def test_a_password_that_was_changed_is_named_and_other_failures_as_they_are(plan, states, end, complaint):
    found = proofs(plan, states, Docker(psql=end))["postgres"]
    assert (found.name, found.complaints) == ("postgres: login", (complaint,))


def test_the_next_step_of_a_simulation_is_about_the_simulation(plan, states):
    refused = Docker(**{"redis-cli": (1, b"", b"WRONGPASS"), "psql": (2, b"", b"password authentication failed")})
    found = proofs(replace(plan, simulated=True), states, refused)
    assert found["redis"].hint == "stackgen up --simulate"
    assert found["postgres"].hint == "`stackgen secrets rotate POSTGRES_PASSWORD --simulate` gives both a new one"


def test_a_store_that_does_not_run_is_not_asked(plan, states):
    docker = Docker()
    assert set(proofs(plan, changed(states, "redis", status="exited"), docker)) == {"postgres"}
