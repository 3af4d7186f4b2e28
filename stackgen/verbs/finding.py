"""Where a first spec is to stand, and what is there: the machine, its cards, its Docker engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from stackgen import draft, machine, runtime
from stackgen.draft import Inventory
from stackgen.errors import StackError
from stackgen.facts import Card
from stackgen.machine import Machine
from stackgen.plan import Plan
from stackgen.records import dataclass
from stackgen.runtime import Docker
from stackgen.runtime.disk import DataDisk
from stackgen.sources import card_of
from stackgen.spec.facts_file import CardEntry
from stackgen.verbs.facts import facts_beside


@dataclass(frozen=True, kw_only=True)
class FoundDocker:
    """An engine that answers."""

    version: str
    address: str
    """Where it listens."""
    is_local: bool
    """Whether it runs on this machine, or in a virtual one that it brings."""
    hands_out_nvidia_cards: bool
    disk: DataDisk
    connected: Docker


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Where a spec is to stand, and the cards that it is for."""

    folder: Path
    inventory: Inventory
    machine: Machine | None = None
    """None where another machine is described."""
    docker: FoundDocker | None = None
    """None where another machine is described, or where none answers."""
    docker_trouble: str = ""
    """Why none answers, and what to do."""

    @property
    def new_cards(self) -> dict[str, Card]:
        """Kinds of cards that no facts file says yet."""
        entries = self.inventory.new.items()
        return {identifier: card_of(identifier, CardEntry.model_validate(entry)) for identifier, entry in entries}

    @property
    def shares_one_disk(self) -> bool:
        """Whether Docker keeps images and weights on the very disk of the folder."""
        return self.machine is not None and self.docker is not None and self.docker.disk.number == self.machine.disk


def known_cards(folder: Path) -> Mapping[str, Card]:
    """The kinds of cards that a spec in a folder may name.

    Raises:
        SpecError: a facts file beside the spec is wrong.
    """
    return facts_beside(folder).catalogue.cards


def ground(folder: Path) -> Ground:
    """Look at this machine.

    Args:
        folder: where the spec is to stand; it need not be there.

    Raises:
        SpecError: a facts file beside the spec is wrong.
    """
    known = known_cards(folder)
    found = machine.look(folder)
    docker, trouble = _docker()
    return Ground(
        folder=folder,
        inventory=draft.identified(found.cards, known),
        machine=found,
        docker=docker,
        docker_trouble=trouble,
    )


def _docker() -> tuple[FoundDocker | None, str]:
    """The engine, or why there is none."""
    try:
        docker = runtime.connect()
        found = FoundDocker(
            version=docker.version(),
            address=runtime.engine_address(),
            is_local=runtime.is_local(),
            hands_out_nvidia_cards=docker.hands_out_nvidia_cards(),
            disk=runtime.disk.data_disk(docker),
            connected=docker,
        )
    except StackError as error:
        return None, f"{error.message}; {error.hint}" if error.hint else error.message
    return found, ""


def room_warnings(where: Ground, plan: Plan) -> Iterator[str]:
    """What has no room on the machine: on the disk where Docker keeps it, and in memory; nothing of another machine."""
    if where.docker is not None:
        yield from runtime.disk.warnings(plan, where.docker.connected)
    elif where.machine is not None and plan.disk.gib > where.machine.disk_free_gib:
        free = f"the disk of {where.folder.absolute()} has {where.machine.disk_free_gib:.0f} GiB free"
        yield (
            f"images and weights take {plan.disk.gib:.0f} GiB, and {free}; Docker, once it is there, may keep them on another one"
        )
    if where.machine is not None and (where.docker is None or where.docker.is_local):
        yield from _memory_warnings(plan, where.machine.memory_gib)


def _memory_warnings(plan: Plan, memory_gib: float) -> Iterator[str]:
    """Models on the processor whose weights alone are larger than the memory."""
    models = [model for instance in plan.instances if not instance.on_gpu for model in instance.models if model.known]
    weights_gib = sum(model.known.weights_gib for model in models if model.known)
    if weights_gib > memory_gib:
        names = ", ".join(dict.fromkeys(model.id for model in models))
        memory = f"this machine has {memory_gib:.0f} GiB of memory"
        yield f"on the processor: {names}, whose weights take {weights_gib:.0f} GiB; {memory}"
