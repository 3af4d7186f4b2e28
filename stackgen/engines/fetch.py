"""The job that fetches models through an engine's own HTTP API; nothing that must live waits for it."""

from __future__ import annotations

from stackgen import facts
from stackgen.parts import (
    ENGINE_NETWORK,
    Arg,
    ConfigFile,
    Dependency,
    Instance,
    Limits,
    Secret,
    ServedModel,
    Service,
    service_url,
)

DIALECT = "fetch"
SCRIPT = ConfigFile(dialect=DIALECT, path="fetch/fetch.py", target="/etc/stackgen/fetch.py")
LONGEST_SECONDS = 4 * 3600


def service(instance: Instance, port: int, key: Secret | None) -> Service:
    """The job of one instance: looks which models are there, fetches the others, ends."""
    assert instance.python is not None  # noqa: S101 - the planner gives it to engines that fetch
    locks = facts.locks(instance.python.family)
    sources = [Arg(value=served.model.source, path=(*served.path, "source")) for served in _once(instance)]
    variables = {"PYTHONDONTWRITEBYTECODE": Arg(value="1", why="nothing is written into the container")}
    if key:
        variables[key.name] = Arg(value=key, why="shown at the engine")
    return Service(
        name=f"{instance.name}-fetch",
        image=instance.python,
        why=f"fetches the models of {instance.name} that are not there yet, then ends",
        command=(
            Arg(value="python"),
            Arg(value=SCRIPT.target),
            Arg(value=instance.engine),
            Arg(value=service_url(instance.name, port)),
            *sources,
        ),
        environment=variables,
        config_files=(SCRIPT,),
        read_only=locks.read_only(),
        scratch=locks.writable(),
        capabilities=locks.capabilities,
        limits=Limits(memory_gib=locks.memory_gib, pids=locks.pids, cpus=locks.cpus),
        health=None,
        job=True,
        start_budget_seconds=LONGEST_SECONDS,
        needs=(Dependency(service=instance.name, why="it fetches by its API", required=False),),
        networks=(ENGINE_NETWORK,),
        stop_seconds=5,
    )


def _once(instance: Instance) -> list[ServedModel]:
    """One model for each source: two may differ at the gateway alone."""
    return list({served.model.source: served for served in instance.models}.values())
