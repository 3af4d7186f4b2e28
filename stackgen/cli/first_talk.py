"""What `init` says: what it found, what it proposes, how it goes on."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from stackgen import console

if TYPE_CHECKING:
    from stackgen.machine import Machine
    from stackgen.plan import Disk
    from stackgen.verbs import FoundDocker, Ground, Proposed


def tell_ground(where: Ground) -> None:
    """Say what was found."""
    from stackgen.facts.proposals import warning_of_cards_on_wsl

    if where.machine is None:
        console.say_folded("for another machine" if where.inventory.cards else "for a machine without a card")
    else:
        _tell_machine(where.machine, where)
    nvidia = [one for one in where.inventory.cards if one.card.vendor == "nvidia"]
    if where.machine and where.machine.is_wsl and len(nvidia) > 1:
        console.warn(warning_of_cards_on_wsl())
    for card, count in Counter(one.card for one in where.inventory.cards).items():
        console.say_folded(f"{count} x {card.name}, {card.visible_gib:.4g} GiB for programs")
    for note in where.inventory.notes:
        console.warn(note)


def _tell_machine(found: Machine, where: Ground) -> None:
    docker = where.docker
    answers = f"Docker {docker.version}" if docker else "no Docker engine that answers"
    console.say_folded(
        f"this machine: {found.processors} processors, {found.memory_gib:.0f} GiB of memory, {_disks(found, where)}, {answers}"
    )
    for trouble in found.troubles:
        console.warn(trouble)
    if not found.cards:
        console.say_folded(f"no card: {', '.join(found.notes)}")
    if docker is None:
        console.warn(where.docker_trouble)
    else:
        _tell_docker(docker, found)


def _disks(found: Machine, where: Ground) -> str:
    """What is free: on the disk of the folder, and on that of Docker where it is another one."""
    free = f"{found.disk_free_gib:.0f} GiB of disk free"
    docker = where.docker
    if docker is None or docker.disk.free_gib is None or where.shares_one_disk:
        return free
    return f"{free} here and {docker.disk.free_gib:.0f} GiB in {docker.disk.folder}"


def _tell_docker(docker: FoundDocker, found: Machine) -> None:
    """Say what is not as it looks from here."""
    if not docker.is_local:
        console.warn(
            f"Docker answers at {docker.address}, and the stack would run there: cards, memory and disk were looked up on "
            "this machine; --gpus says which cards that one has"
        )
    elif docker.disk.free_gib is None:
        console.say_folded(
            f"Docker keeps images and weights in its {docker.disk.folder}, whose disk cannot be seen from here"
        )
    if found.cards and found.cards[0].vendor == "nvidia" and not docker.hands_out_nvidia_cards:
        console.warn("Docker hands out no NVIDIA cards yet: install the NVIDIA Container Toolkit before `stackgen up`")


def tell_proposed(proposed: Proposed, where: Ground) -> None:
    """Say which models were chosen, who holds how much of which card, and what is not known for sure."""
    from stackgen import verbs

    console.say_folded("")
    for line in verbs.proposal_lines(proposed):
        console.say_folded(line)
    if proposed.left_out:
        wanted = ",".join((*proposed.modalities, *proposed.left_out))
        console.say_folded(
            f"left out, because no card takes it beside the others: {', '.join(proposed.left_out)}; "
            f"--serve {wanted} puts it onto the processor"
        )
    console.say_folded(f"on disk: about {_needed(proposed.plan.disk)}, most of it downloaded at the first start")
    for warning in (*verbs.room_warnings(where, proposed.plan), *proposed.plan.warnings):
        console.warn(warning)
    console.say_folded("")


def _needed(disk: Disk) -> str:
    unknown = [source for space in disk.storages for source in space.unknown]
    known = f"{disk.gib:.0f} GiB of images and weights"
    return f"{known}, without {', '.join(unknown)}, whose size nobody knows" if unknown else known


def tell_written(paths: Iterable[str], folder: Path) -> None:
    """Say what was written, the spec first, and how it goes on."""
    first, *others = paths
    for path in (first, *others):
        console.say_folded(f"wrote {path}")
    spec = "" if folder == Path() else f" {shlex.quote(first)}"
    console.say_folded(
        f"next: stackgen plan{spec} shows what fits and why; stackgen up{spec} renders and starts it", "ok"
    )
