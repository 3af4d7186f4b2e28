"""What the runtime makes of Docker's words, versions and ports; the engine itself is met in tests/docker."""

from __future__ import annotations

import socket

import pytest
from support import SMALL, plan_of

from stackgen import facts
from stackgen.runtime import budgets_seconds, compose, preflight
from stackgen.runtime.engine import explained


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


def test_an_unknown_failure_is_told_as_docker_says_it():
    assert explained("something\nnew").message == "Docker refuses: something new"


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
