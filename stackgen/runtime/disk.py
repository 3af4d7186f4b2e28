"""Disks with less room than what a start still brings onto them: a warning, for the plan knows sizes by estimates."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from stackgen.plan import Plan, StorageSpace
from stackgen.records import dataclass
from stackgen.runtime.engine import Docker
from stackgen.runtime.preflight import is_local

_GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class DataDisk:
    """Where an engine keeps images and volumes."""

    folder: str
    number: int | None
    """Of the disk; None where it cannot be seen from here: on another machine, or in a virtual one."""
    free_gib: float | None
    """None where it cannot be seen from here."""


@dataclass(frozen=True)
class _Lack:
    """What is not there yet, and the folder that it goes into."""

    folder: str
    what: str
    gib: float


def data_disk(docker: Docker) -> DataDisk:
    """Where an engine keeps images and volumes, and what is free there."""
    folder = docker.data_folder()
    number = _disk_of(folder) if _sees_disks_of(docker) else None
    free_gib = None if number is None else shutil.disk_usage(folder).free / _GIB
    return DataDisk(folder=folder, number=number, free_gib=free_gib)


def warnings(plan: Plan, docker: Docker) -> Iterator[str]:
    """Every disk of this machine that has less free than what the stack still lacks on it; nothing of one elsewhere."""
    if not _sees_disks_of(docker):
        return
    by_disk: dict[int, list[_Lack]] = {}
    for lack in _lacks(plan, docker):
        disk = _disk_of(lack.folder)
        if lack.gib > 0 and disk is not None:
            by_disk.setdefault(disk, []).append(lack)
    for lacks in by_disk.values():
        free_gib = shutil.disk_usage(lacks[0].folder).free / _GIB
        missing_gib = sum(lack.gib for lack in lacks)
        if missing_gib > free_gib:
            folders = " and ".join(dict.fromkeys(lack.folder for lack in lacks))
            parts = ", ".join(f"{lack.what} {lack.gib:.1f}" for lack in lacks)
            yield (
                f"the disk of {folders} has {free_gib:.1f} GiB free, and {missing_gib:.1f} GiB are still to come: "
                f"{parts}; `stackgen plan` says of what"
            )


def _lacks(plan: Plan, docker: Docker) -> Iterator[_Lack]:
    """Images that are not on this machine, together, and what storages lack."""
    if not plan.disk.images:
        return
    root = docker.data_folder()
    absent = (image.gib for image in plan.disk.images if image.gib and not docker.has_image(image.reference))
    yield _Lack(root, "images", sum(absent))
    for space in plan.disk.storages:
        name = space.storage.name
        place = plan.places.get(name)
        folder = place.path if place and place.path else docker.volume_folder(plan.kept_in(name))
        yield _Lack(folder or root, name, _missing_gib(space, folder))


def _missing_gib(space: StorageSpace, folder: str | None) -> float:
    """What a storage lacks in GiB, all of it where it is not there itself.

    Nothing where nobody can look into it: a warning at each start about what is long there would teach to read over it.
    """
    if folder is None:
        return space.gib
    if not os.access(folder, os.R_OK | os.X_OK):
        return 0.0
    pattern = space.storage.weights_at
    if not pattern:
        return 0.0 if any(Path(folder).iterdir()) else space.gib
    places = {source: Path(folder, pattern.format(source.replace("/", "--"))) for source in space.weights_gib}
    return sum(gib or 0.0 for source, gib in space.weights_gib.items() if not os.path.exists(places[source]))  # noqa: PTH110 - Path.exists raises where it may not look


def _sees_disks_of(docker: Docker) -> bool:
    """Whether the paths of an engine are paths of this machine."""
    return is_local() and not docker.has_own_machine()


def _disk_of(folder: str) -> int | None:
    """Number of the disk that a folder is on; None where it is not there, or not for us to see."""
    try:
        return Path(folder).stat().st_dev
    except OSError:
        return None
