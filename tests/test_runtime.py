"""What the runtime makes of Docker's words, versions and ports; the engine itself is met in tests/docker."""

from __future__ import annotations

import hashlib
import json
import socket

import pytest
from docker.errors import APIError
from requests import Response
from requests.exceptions import ReadTimeout
from support import SMALL, plan_of

from stackgen import facts
from stackgen.errors import DockerError
from stackgen.runtime import budgets_seconds, compose, preflight
from stackgen.runtime.border import engine_address, explained, translated
from stackgen.runtime.engine import Docker


class FakeDocker:
    """An engine with given published ports."""

    def __init__(self, owners=None):
        self.owners = owners or {}

    def port_owners(self):
        return self.owners


@pytest.mark.parametrize("failure", facts.docker_failures(), ids=lambda failure: failure.cause)
def test_known_failures_are_explained_with_dockers_words_behind(failure):
    error = explained(f"Error response from daemon: xyz: {failure.text}\n for 127.0.0.1")
    assert error.message.startswith(failure.message)
    assert failure.text in error.message
    assert error.hint == failure.hint


@pytest.mark.parametrize("error", [ReadTimeout("Read timed out"), TimeoutError("timed out")])
def test_an_engine_that_is_silent_is_no_engine_that_refuses(error):
    with pytest.raises(DockerError, match="the Docker engine gives no answer within 60 s") as raised, translated():
        raise error
    assert "docker info" in raised.value.hint


@pytest.fixture
def far(tmp_path, monkeypatch):
    """A Docker context of that name beside the default one; nothing says yet that it counts."""
    meta = tmp_path / "contexts" / "meta" / hashlib.sha256(b"far").hexdigest()
    meta.mkdir(parents=True)
    endpoint = {"Host": "tcp://203.0.113.1:2375", "SkipTLSVerify": False}
    (meta / "meta.json").write_text(json.dumps({"Name": "far", "Metadata": {}, "Endpoints": {"docker": endpoint}}))
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.delenv("DOCKER_CONTEXT", raising=False)
    return tmp_path


def test_the_engine_is_the_one_that_compose_talks_to(far, monkeypatch):
    assert engine_address() == "unix:///var/run/docker.sock"
    monkeypatch.setenv("DOCKER_CONTEXT", "far")
    assert engine_address() == "tcp://203.0.113.1:2375"
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/user/1000/docker.sock")
    assert engine_address() == "unix:///run/user/1000/docker.sock"
    monkeypatch.delenv("DOCKER_HOST")
    monkeypatch.delenv("DOCKER_CONTEXT")
    (far / "config.json").write_text('{"currentContext": "far"}')
    assert engine_address() == "tcp://203.0.113.1:2375"


def test_ports_of_this_host_say_nothing_about_an_engine_elsewhere(far, tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        plan = plan_of(tmp_path, SMALL + f"gateway: {{port: {taken.getsockname()[1]}, database: false}}\n")
        assert list(preflight.port_findings(plan, FakeDocker()))
        monkeypatch.setenv("DOCKER_CONTEXT", "far")
        assert list(preflight.port_findings(plan, FakeDocker())) == []


def test_an_unknown_failure_is_told_as_docker_says_it():
    assert explained("something\nnew").message == "Docker refuses: something new"


class Removing:
    """An engine that refuses the log of a container with a status, as Docker does while it removes one."""

    def __init__(self, status):
        self.status = status
        self.api = self

    def logs(self, _container, **_more):
        response = Response()
        response.status_code = self.status
        raise APIError("refused", response, "can not get logs from container which is dead or marked for removal")


def chunks(docker):
    return list(docker.log_chunks("x", tail=None, since_seconds=0.0, follow=True))


@pytest.mark.parametrize("status", [404, 409])
def test_a_container_that_goes_while_its_log_is_read_has_none(status):
    docker = Docker(Removing(status))
    assert docker.log_tail("x") == []
    assert chunks(docker) == []


def test_other_refusals_of_a_log_are_told():
    docker = Docker(Removing(500))
    for read in (lambda: docker.log_tail("x"), lambda: chunks(docker)):
        with pytest.raises(DockerError, match="Docker refuses: can not get logs"):
            read()


def test_the_end_of_composes_output_is_its_last_sentence():
    lines = [
        '{"id":"a","text":"Pulling"}',
        '{"id":"a","text":"Error","status":"dial tcp: no such host"}',
        '{"error":true,"message":"Error response from daemon: no such host"}',
    ]
    assert compose.tail(lines) == "Error response from daemon: no such host"
    assert compose.tail(["plain text"]) == "plain text"
    assert compose.tail([]) == "it gave no reason"


@pytest.mark.parametrize(
    ("version", "old"), [("2.23.3", True), ("2.24.0", False), ("2.40.3-3", False), ("v5.5.0", False)]
)
def test_old_versions_of_compose_are_known(version, old):
    assert compose.is_too_old(version) is old


def test_versions_that_are_too_old_are_named_with_both_numbers():
    messages = [finding.message for finding in preflight.version_findings("24.0.7", "2.20.0")]
    assert messages == [
        "the Docker engine is 24.0.7, and the stack needs 25 or newer",
        "Compose is 2.20.0, and the stack needs 2.24 or newer",
    ]
    assert list(preflight.version_findings("28.5.2", "2.40.3")) == []


def test_the_callers_variables_do_not_win_over_rendered_files(monkeypatch):
    for name in ("HF_TOKEN", "COMPOSE_FILE", "COMPOSE_PROJECT_NAME"):
        monkeypatch.setenv(name, "foreign")
    assert not {"HF_TOKEN", "COMPOSE_FILE", "COMPOSE_PROJECT_NAME"} & set(compose.environment(["HF_TOKEN"]))
    assert "PATH" in compose.environment([])


def with_port(folder, port, address="127.0.0.1"):
    return plan_of(folder, SMALL + f"gateway: {{port: {port}, address: '{address}'}}\n")


def test_a_free_port_is_no_finding(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert list(preflight.port_findings(with_port(tmp_path, port), FakeDocker())) == []


def test_a_port_of_our_own_container_is_no_finding(tmp_path):
    plan = with_port(tmp_path, 4000)
    assert list(preflight.port_findings(plan, FakeDocker({("127.0.0.1", 4000): ("small", "small-litellm-1")}))) == []
    (finding,) = preflight.port_findings(plan, FakeDocker({("0.0.0.0", 4000): ("other", "other-web-1")}))
    assert "`other-web-1`" in finding.message


def test_a_container_on_another_address_is_no_finding(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    elsewhere = FakeDocker({("127.0.0.2", port): ("other", "other-web-1"), ("::", port): ("other", "other-web-1")})
    assert list(preflight.port_findings(with_port(tmp_path, port), elsewhere)) == []


def test_an_address_that_this_host_lacks_is_a_finding(tmp_path):
    (finding,) = preflight.port_findings(with_port(tmp_path, 4000, "192.0.2.1"), FakeDocker())
    assert "Cannot assign requested address" in finding.message


def test_the_time_that_a_stack_may_take_follows_who_waits_for_whom(tmp_path):
    text = SMALL.replace("engine: vllm\n", "engine: vllm\n    start_seconds: 100\n").replace(
        "engine: infinity\n", "engine: infinity\n    start_seconds: 50\n"
    )
    assert max(budgets_seconds(plan_of(tmp_path, text)).values()) == 300 + 120  # the gateway after its database
    assert max(budgets_seconds(plan_of(tmp_path, text.replace("100", "1000"))).values()) == 1000
