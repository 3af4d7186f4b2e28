"""What nobody wrote and the planner decided: its value, why, and the sum behind it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stackgen.parts import Image, Instance, ServedModel
from stackgen.plan import Plan, picture
from stackgen.plan.secrets import readers_of
from stackgen.records import dataclass
from stackgen.sources import Loaded, Path

_OF_MEMORY = frozenset(
    {
        "context",
        "concurrency",
        "gpus",
        "gpu_count",
        "tensor_parallel",
        "gpu_memory_utilization",
        "kv_cache_memory_bytes",
    }
)
"""Settings behind which a sum of memory stands."""
_PLANNER, _OURS = "the planner", "stackgen"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A value that nobody wrote."""

    value: Any
    said_by: str
    why: str = ""


def decision(plan: Plan, loaded: Loaded, path: Path) -> Decision | None:
    """What the planner decided at a path that neither spec nor profiles say; None where it decided nothing."""
    match path:
        case ("models", str(identifier), *setting) if setting:
            return _of_model(plan, loaded, identifier, ".".join(map(str, setting)))
        case ("images", str(family)):
            return _of_image(plan, loaded, family)
        case ("storage", str(name)):
            holds = next((storage.holds for storage in plan.storages if storage.name == name), "")
            return Decision(value=plan.kept_in(name), said_by="a volume of the stack", why=holds) if holds else None
        case ("secrets", str(name)):
            return _of_secret(plan, name)
        case ("network",) if "network" not in loaded.merged.data:
            return Decision(value=list(plan.networks), said_by=_OURS, why="networks of the stack's own")
    return None


def sums(plan: Plan, path: Path) -> Iterator[str]:
    """The sums behind a setting of a model on cards, whoever said it."""
    if len(path) < 3 or path[0] != "models" or path[-1] not in _OF_MEMORY:  # noqa: PLR2004 - models, its id, a setting
        return
    for instance in plan.instances_by_model.get(str(path[1]), ()):
        for card in plan.cards:
            for use in card.uses:
                if use.instance == instance.name:
                    yield f"card {card.gpu.id}, {card.gpu.card.visible_gib:g} GiB: {picture.use_row(use)}"
        memory = plan.memory.get(instance.name)
        if memory and memory.need:
            yield memory.need.why
            if memory.held:
                asked = f"{memory.requests_wanted} asked for: {memory.verdict}"
                yield f"{memory.held.shown_requests} requests of full length at the same time, {asked}"


def _of_model(plan: Plan, loaded: Loaded, identifier: str, setting: str) -> Decision | None:
    for instance in plan.instances_by_model.get(identifier, ()):
        served = next(one for one in instance.models if one.id == identifier)
        if setting in served.derived:
            return Decision(value=served.value(setting), said_by=_PLANNER, why=served.derived[setting])
        return _of_instance(plan, loaded, instance, served, setting)
    return None


def _of_instance(plan: Plan, loaded: Loaded, instance: Instance, served: ServedModel, setting: str) -> Decision | None:
    service = plan.services_by_name.get(instance.name)
    where = "the cards it fits on" if instance.on_gpu else "it runs on the processor"
    fewest = "as few cards as hold it, or those it was given"
    known: dict[str, Decision | None] = {
        "gpus": Decision(value=[gpu.id for gpu in instance.gpus], said_by=_PLANNER, why=where),
        "gpu_count": Decision(value=len(instance.gpus), said_by=_PLANNER, why=fewest) if instance.on_gpu else None,
        "tensor_parallel": Decision(value=instance.tensor_parallel, said_by=_PLANNER, why=fewest),
        "start_seconds": None
        if service is None
        else Decision(value=service.start_budget_seconds, said_by=_PLANNER, why=service.start_budget_why),
        "public_names": Decision(value=list(served.public_names), said_by=_OURS, why="the model's id"),
        "instance": Decision(value=instance.name, said_by=_OURS, why="the name of its service"),
        "image": Decision(
            value=instance.image.reference,
            said_by=_where(loaded, instance.image),
            why=f"pinned as images.{instance.image.family}",
        ),
    }
    return known.get(setting)


def _of_image(plan: Plan, loaded: Loaded, family: str) -> Decision | None:
    for service in plan.services:
        if service.image.family == family:
            return Decision(value=service.image.reference, said_by=_where(loaded, service.image))
    return None


def _of_secret(plan: Plan, name: str) -> Decision | None:
    for secret in plan.secrets:
        if secret.name == name:
            readers = ", ".join(readers_of(plan.services, secret.name))
            read = f"; read by {readers}" if readers else ""
            return Decision(value=f"({secret.kind.value})", said_by=".stackgen/secrets.env", why=secret.purpose + read)
    return None


def _where(loaded: Loaded, image: Image) -> str:
    return loaded.shown(image.origin) if image.origin else _OURS
