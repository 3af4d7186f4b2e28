"""The real engine, the images that a scenario needs, and a stack that leaves nothing behind."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from stacks import Stack, docker
from support import lacking

START_ENGINE = "start Docker Engine 25 or newer with the Compose plugin, then run the tests again"
IMAGES = (
    "vllm/vllm-openai-cpu:v0.32.0-x86_64",
    "michaelf34/infinity:0.0.77-cpu",
    "ghcr.io/berriai/litellm:v1.106.2",
    "postgres:17.11",
    "redis:8.0.2",
    "python:3.13-slim",
)
SMALL_IMAGES = IMAGES[2:5]
LOCAL_MODELS = {IMAGES[0]: ("/models/tiny-llama",), IMAGES[1]: ("/models/minilm", "/models/tiny-reranker")}


@pytest.fixture(scope="session")
def engine():
    """A running engine; a skip that names the fix where there is none."""
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0
    ):
        lacking("docker", "no Docker engine answers", START_ENGINE)
    return docker


@pytest.fixture(scope="session")
def images(engine):
    """The images of the real scenario, with their tiny models inside."""
    _require(engine, IMAGES)
    for image, folders in LOCAL_MODELS.items():
        listed = subprocess.run(
            ["docker", "run", "--rm", "--network", "none", "--entrypoint", "ls", image, *folders],
            capture_output=True,
            check=False,
        )
        if listed.returncode != 0:
            fix = f"put tiny models into an image of that name, at {' and '.join(folders)}"
            lacking("docker", f"{image} has no tiny models inside", fix)
    return IMAGES


def _require(engine, wanted):
    missing = [image for image in wanted if not engine("image", "inspect", "-f", "{{.Id}}", image, check=False)]
    if missing:
        lacking(
            "docker",
            f"images are missing: {', '.join(missing)}",
            "; ".join(f"docker pull {image}" for image in missing),
        )


@pytest.fixture(scope="module")
def make_stack(images, tmp_path_factory, request):
    """Stacks that are removed at the end of the module, with evidence where a test failed."""
    yield from _stacks(tmp_path_factory, request)


@pytest.fixture(scope="session")
def small_images(engine):
    """The images of stacks without engines: a gateway with its stores."""
    _require(engine, SMALL_IMAGES)
    return SMALL_IMAGES


@pytest.fixture(scope="module")
def make_small_stack(small_images, tmp_path_factory, request):
    """The same for stacks without engines."""
    yield from _stacks(tmp_path_factory, request)


def _stacks(tmp_path_factory, request):
    made = []

    def make(label):
        made.append(Stack(tmp_path_factory.mktemp(label), label))
        return made[-1]

    failed_before = request.session.testsfailed
    yield make
    for stack in made:
        if request.session.testsfailed > failed_before and (stack.folder / "rendered").is_dir():
            stack.keep_evidence()
        stack.remove()
