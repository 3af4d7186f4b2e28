"""Several files that belong together, outside of any output folder: all of them are written, or none."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from stackgen import interrupts
from stackgen.files.disk import PUBLIC, translated, write_aside
from stackgen.files.turn import turn


def put_together(texts: Mapping[Path, str]) -> None:
    """Write files of which each needs the others; they are moved into place in their order.

    Args:
        texts: what each file is to hold; folders are made.

    Raises:
        StackError: one cannot be written; what was not there before is not there.
    """
    with turn(*(target.parent for target in texts)):
        _put(texts)


@interrupts.whole("everything was written")
def _put(texts: Mapping[Path, str]) -> None:
    asides: dict[Path, Path] = {}
    new: list[Path] = []
    is_done = False
    try:
        for target, text in texts.items():
            with translated(target):
                if target.is_dir():
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
                new += _make_folders(target.parent)
                asides[target] = write_aside(target, text, PUBLIC)
        for target, aside in asides.items():
            with translated(target):
                new += [] if target.exists() else [target]
                aside.replace(target)
        is_done = True
    finally:
        if not is_done:
            _take_back([*new, *asides.values()])


def _make_folders(folder: Path) -> list[Path]:
    """Make a folder and those around it; which were made, the outermost first."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()][::-1]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _take_back(paths: list[Path]) -> None:
    """Remove what was made, the last one first; a folder that somebody else uses meanwhile stays."""
    for path in reversed(paths):
        with suppress(OSError):
            path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
