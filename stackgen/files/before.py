"""What was there before a write stands beside its place until the write is done: where one file cannot be moved, all go back."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from stackgen.aside import ASIDE, OLD
from stackgen.files.disk import PRIVATE, digest_of

_NO_LINKS = frozenset({errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.ENOSYS, errno.EXDEV, errno.EMLINK, errno.EINVAL})
"""What file systems without second names for a file answer, and systems that let only its owner give it one."""


def hold(folder: Path, paths: Iterable[str]) -> None:
    """Give files a second name, which outlives what takes their place; a copy where they can have none.

    Raises:
        OSError: it cannot be.
    """
    for path in paths:
        target, old = folder / path, folder / f"{path}{OLD}"
        old.unlink(missing_ok=True)
        if os.path.lexists(target):
            try:
                os.link(target, old, follow_symlinks=False)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                _copy(target, old)


def can_return(folder: Path, befores: Mapping[str, str | None]) -> bool:
    """Whether all that was there is there still.

    Args:
        folder: the folder.
        befores: SHA-256 of what each file was; None where there was none.
    """
    return all(
        before is None or os.path.lexists(folder / f"{path}{OLD}") or digest_of(folder / path) == before
        for path, before in befores.items()
    )


def take_back(folder: Path, afters: Mapping[str, str | None]) -> None:
    """Put everything in its place again. What was moved stands aside as before, so that a kill here costs nothing either.

    Args:
        folder: the folder.
        afters: SHA-256 of what each file becomes; None where it goes.

    Raises:
        OSError: something cannot be moved.
    """
    for path, after in afters.items():
        target, old, aside = folder / path, folder / f"{path}{OLD}", folder / f"{path}{ASIDE}"
        if os.path.lexists(target if after is None else aside):
            continue  # it was not reached
        target.parent.mkdir(parents=True, exist_ok=True)
        if after is not None and digest_of(target) == after:
            target.rename(aside)
        if os.path.lexists(old):
            old.replace(target)


def drop(folder: Path, paths: Iterable[str]) -> None:
    """Let go of what was there.

    Raises:
        OSError: it cannot be removed.
    """
    for path in paths:
        old = folder / f"{path}{OLD}"
        if os.path.lexists(old) and not old.is_dir():
            old.unlink()


def _copy(target: Path, copy: Path) -> None:
    if target.is_symlink():
        copy.symlink_to(target.readlink())
        return
    descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(target.read_bytes())
        os.fchmod(descriptor, target.stat().st_mode & 0o777)
        file.flush()
        os.fsync(descriptor)
