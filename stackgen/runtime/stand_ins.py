"""Builds the images of a simulation that are not there yet; needs nothing but the base image."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from stackgen import facts
from stackgen.errors import DockerError
from stackgen.plan import Plan
from stackgen.render import stand_in
from stackgen.render.stand_in import StandIn
from stackgen.runtime.compose import program
from stackgen.runtime.engine import Docker


def build(plan: Plan, docker: Docker, report: Callable[[str], None]) -> None:
    """Make every image of a simulation.

    Args:
        plan: the simulation.
        docker: the engine.
        report: told the name of each image before it is built.

    Raises:
        DockerError: an image cannot be built; most likely its base cannot be fetched.
    """
    for reference, wanted in _wanted(plan).items():
        if not docker.has_image(reference):
            report(reference)
            _build(wanted)


def _wanted(plan: Plan) -> dict[str, StandIn]:
    """Each stand-in once, by the name of its image."""
    images = {service.image.reference: service.image for service in plan.services}
    return {
        reference: StandIn(image.family, image.version)
        for reference, image in images.items()
        if reference.startswith(f"{stand_in.REPOSITORY}:")
    }


def _build(wanted: StandIn) -> None:
    arguments = [f"--build-arg={name}={value}" for name, value in wanted.arguments().items()]
    result = subprocess.run(  # noqa: S603 - a fixed list of words
        [
            program(),
            "build",
            "--quiet",
            "--label",
            f"{stand_in.LABEL}=true",
            "--tag",
            wanted.reference,
            *arguments,
            "-",
        ],
        input=stand_in.context(),
        capture_output=True,
        check=False,
    )
    if result.returncode != 0:
        said = [line.strip() for line in result.stderr.decode(errors="replace").splitlines() if line.strip()]
        message = f"the stand-in for {wanted.engine} cannot be built: {' '.join(said[-2:])}"
        raise DockerError(message, hint=f"docker pull {facts.stand_ins().base}")
