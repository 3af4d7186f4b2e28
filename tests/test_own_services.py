"""Services of a user's own: those that end, those that sleep, limits in other words, and what is said about them."""

from __future__ import annotations

import pytest
import yaml
from support import SMALL, plan_of

from stackgen.render import files


def composed(folder, text):
    texts = {file.path: file.text for file in files(plan_of(folder, text))}
    return yaml.safe_load(texts["docker-compose.yml"])["services"]


@pytest.mark.parametrize(
    ("keys", "job", "dormant"),
    [
        ('restart: "no"', True, False),
        ('restart: "no", healthcheck: {test: [CMD, x]}', False, False),
        ('restart: "on-failure:3"', False, False),
        ("restart: always", False, False),
        ("profiles: [debug]", False, True),
        ("command: [x]", False, False),
    ],
)
def test_what_ends_or_sleeps_is_known_by_its_own_words(tmp_path, keys, job, dormant):
    plan = plan_of(tmp_path, SMALL + f'services: {{own: {{compose: {{image: "x:1", {keys}}}}}}}\n')
    own = next(service for service in plan.services if service.name == "own")
    assert (own.job, own.dormant) == (job, dormant)


@pytest.mark.parametrize(
    ("raw", "absent"),
    [
        ("cpus: 2", "cpu_quota"),
        ("deploy: {resources: {limits: {cpus: '2'}}}", "cpu_quota"),
        ("deploy: {resources: {limits: {memory: 9g}}}", "mem_limit"),
        ("deploy: {resources: {limits: {pids: 9}}}", "pids_limit"),
    ],
)
def test_a_limit_is_said_once(tmp_path, raw, absent):
    """Docker refuses a container whose processors are limited in two ways, and Compose two figures of memory."""
    assert absent in composed(tmp_path, SMALL)["litellm"]
    overridden = composed(tmp_path, SMALL + f"overrides: {{litellm: {{compose: {{{raw}}}}}}}\n")["litellm"]
    assert absent not in overridden
    assert {"mem_limit", "cpu_quota", "pids_limit"} - {absent} <= set(overridden)


def test_an_image_of_an_override_is_the_one_that_runs(tmp_path):
    plan = plan_of(tmp_path, SMALL + "overrides: {infinity: {compose: {image: 'michaelf34/infinity:0.0.76'}}}\n")
    service = next(service for service in plan.services if service.name == "infinity")
    assert service.image_reference == "michaelf34/infinity:0.0.76"


@pytest.mark.parametrize(
    ("more", "warning"),
    [
        ("gateway: {environment: {OTHER_KEY: sk-0123456789abcdef}}", "OTHER_KEY of gateway looks like a key"),
        (
            "services: {w: {compose: {image: 'x:1', environment: {T: hf_0123456789abcdef}}}}",
            "T of services.w looks like",
        ),
        ("services: {w: {compose: {image: 'x:1', env_file: .env}}}", "services.w reads an `env_file`"),
    ],
)
def test_secrets_in_the_open_are_told(tmp_path, more, warning):
    assert any(found.startswith(warning) for found in plan_of(tmp_path, SMALL + f"{more}\n").warnings)


def test_an_image_of_ones_own_says_its_version_or_is_told(tmp_path):
    def warnings(image):
        text = SMALL.replace("    modalities: [chat]\n", f"    modalities: [chat]\n    image: {{{image}}}\n")
        return " ".join(plan_of(tmp_path, text).warnings)

    assert "says no `version`" in warnings("repository: nvcr.io/nvidia/vllm, tag: 25.11-py3")
    assert "no exact tag" in warnings('repository: vllm/vllm-openai, tag: latest, version: "0.32.0"')
    assert "the image of" not in warnings('repository: vllm/vllm-openai, tag: v0.32.0, version: "0.32.0"')
