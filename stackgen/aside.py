"""A file is written beside its place and then moved there, so that nobody ever reads half of one."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

ASIDE, OLD = ".stackgen-new", ".stackgen-old"
"""Behind the names of files: what is to come there, and what was there until all of a set is in its place."""
_PRIVATE = 0o600
_NOT_FOR_FOLDERS = frozenset({errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.ENOSYS})
"""What shares of other systems and file systems in user space answer to a sync of a folder."""


def place_aside(target: Path) -> Path:
    """Where a file stands before it takes the place of the old one."""
    return target.with_name(f"{target.name}{ASIDE}")


def write_aside(target: Path, text: str, mode: int) -> Path:
    """Write the whole file beside its place, private until it is whole; nothing is left where that fails.

    Raises:
        OSError: it cannot be written.
    """
    aside = place_aside(target)
    aside.unlink(missing_ok=True)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            os.fchmod(descriptor, mode)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    return aside


def make_durable(folders: Iterable[Path]) -> None:
    """What was moved in folders is there after a power cut too, where the file system can promise that of folders."""
    for folder in folders:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in _NOT_FOR_FOLDERS:
                raise
        finally:
            os.close(descriptor)
