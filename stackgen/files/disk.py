"""One file at a time: read as it is, written aside and then put in the place of the old one."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stackgen.errors import StackError

ASIDE = ".stackgen-new"
PUBLIC, PRIVATE = 0o644, 0o600


def make_room(path: Path) -> None:
    """Make the folder of a file that is to be written, so that whoever works long for its text is not refused at the end.

    Raises:
        StackError: no file can be written there.
    """
    with translated(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(path if path.exists() and not path.is_file() else path.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def put(path: Path, text: str) -> None:
    """Write one file that is nobody's manifest: aside first, then replaced; what is no plain file is written to as it is.

    Raises:
        StackError: it cannot be written.
    """
    make_room(path)
    with translated(path):
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
            return
        write_aside(path, text, PUBLIC).replace(path)


def write_aside(target: Path, text: str, mode: int) -> Path:
    """Write the whole file beside its place, to be moved there; nothing is left where that fails."""
    aside = target.with_name(f"{target.name}{ASIDE}")
    aside.unlink(missing_ok=True)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    try:
        os.fchmod(descriptor, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    return aside


@contextmanager
def translated(folder: Path) -> Iterator[None]:
    """Refusals of the file system while writing become ours."""
    try:
        yield
    except OSError as error:
        message = f"the files cannot be written: {error.strerror or error}"
        raise StackError(message, where=str(error.filename or folder)) from None


def is_open(path: Path) -> bool:
    """Whether others than the owner may look into the file."""
    return bool(path.stat().st_mode & 0o077)


def text_of(path: Path) -> str | None:
    """What a file holds, bytes that are no UTF-8 included; None where there is no such file."""
    content = bytes_of(path)
    return None if content is None else content.decode("utf-8", errors="surrogateescape")


def json_of(path: Path) -> Any:
    """What a file of JSON holds; None where there is none, or none that can be read so."""
    try:
        return json.loads(bytes_of(path) or b"")
    except ValueError:
        return None


def bytes_of(path: Path) -> bytes | None:
    """What a file holds; None where there is no such file.

    Raises:
        StackError: it is there and may not be read.
    """
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError as error:
        raise StackError(f"the files cannot be read: {error.strerror or error}", where=str(path)) from None
