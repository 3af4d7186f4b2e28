"""What this machine has: cards by their drivers, memory, disk. It looks, and decides nothing."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

from stackgen.machine import nvidia, rocm
from stackgen.machine.found import Cards, FoundCard, Machine

__all__ = ["Cards", "FoundCard", "Machine", "look", "nvidia", "rocm"]

_GIB = 2**30
_WSL = "microsoft"
"""Part of the release of every kernel of Windows Subsystem for Linux: 6.6.87.2-microsoft-standard-WSL2."""


def look(folder: Path) -> Machine:
    """Look at this machine.

    Args:
        folder: where a spec is to be written; it need not be there yet.
    """
    found = nvidia.look()
    all_found = (found,) if found.cards else (found, rocm.look())
    cards = next((one.cards for one in all_found if one.cards), ())
    nearest = _nearest(folder)
    return Machine(
        cards=cards,
        notes=tuple(one.note for one in all_found if not one.is_trouble),
        troubles=tuple(one.note for one in all_found if one.is_trouble),
        memory_gib=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / _GIB,
        processors=os.cpu_count() or 1,
        disk=nearest.stat().st_dev,
        disk_free_gib=shutil.disk_usage(nearest).free / _GIB,
        is_wsl=_WSL in platform.release().lower(),
    )


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one around it that is there."""
    folder = folder.absolute()
    return next(place for place in (folder, *folder.parents) if place.is_dir())
