"""One file at a time: read as it is, written aside and then put in the place of the old one."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from stackgen import aside as asides
from stackgen import interrupts
from stackgen.aside import ASIDE
from stackgen.facts.refusals import refused
from stackgen.turns import turn_in_folder

PUBLIC, PRIVATE = 0o644, 0o600
_OCTAL = re.compile(rb"\\([0-7]{3})")
"""How the kernel spells blanks in the paths of mounts."""


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
        with turn_in_folder(path.parent), interrupts.whole():
            aside = write_aside(path, text, PUBLIC)
            try:
                aside.replace(path)
            except OSError:
                aside.unlink()
                raise


def write_aside(target: Path, text: str, mode: int) -> Path:
    """Write the whole file beside its place, to be moved there.

    Raises:
        OSError: it cannot be written; the error names the file.
    """
    try:
        return asides.write_aside(target, text, mode)
    except OSError as error:
        raise _named(error, target) from None


def require_unlocked(path: Path) -> None:
    """Meet a file that the system lets nobody replace or remove before others are moved; that of a link is never touched.

    Raises:
        OSError: it is locked, something is mounted on it, or it is somebody else's in a folder like /tmp.
    """
    if not os.path.lexists(path):
        return
    if os.path.join(os.path.realpath(path.parent), path.name) in _mount_points():  # noqa: PTH118 - as the kernel names it
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(path))
    around, own = path.parent.stat(), os.geteuid()
    if around.st_mode & stat.S_ISVTX and own not in {0, around.st_uid, path.lstat().st_uid}:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path))
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK))
    except OSError as error:
        if error.errno in {errno.EPERM, errno.EROFS}:
            raise


def _mount_points() -> frozenset[str]:
    """Where file systems and single files are mounted; empty where the system does not say."""
    try:
        lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    except OSError:
        return frozenset()
    return frozenset(os.fsdecode(_OCTAL.sub(lambda code: bytes([int(code[1], 8)]), line.split()[4])) for line in lines)


def missing_folders(folder: Path, paths: Iterable[str]) -> list[str]:
    """Folders that files need and that are not there, the deepest first, as seen from the folder that holds all."""
    wanted = {parent for path in paths for parent in PurePosixPath(path).parents if parent != PurePosixPath()}
    absent = [str(path) for path in wanted if not (folder / path).is_dir()]
    return sorted(absent, key=lambda path: (-path.count("/"), path))


def drop_empty(folders: Iterable[Path]) -> None:
    """Remove folders as long as nothing is in them, the deepest given first."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.ENOTDIR, errno.EBUSY}:
                raise


@contextmanager
def translated(folder: Path) -> Iterator[None]:
    """Refusals of the file system while writing become ours, with what to do about them."""
    try:
        yield
    except OSError as error:
        path = Path(os.fsdecode(error.filename).removesuffix(ASIDE) if error.filename else folder)
        raise refused("the files cannot be written", error, path) from None


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
    except (ValueError, RecursionError):
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
        raise refused("the files cannot be read", error, path) from None


def digest(text: str) -> str:
    """SHA-256 of a text's bytes."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def digest_of(path: Path) -> str | None:
    """SHA-256 of what a file holds; None where there is no such file."""
    content = bytes_of(path)
    return None if content is None else hashlib.sha256(content).hexdigest()


def _named(error: OSError, path: Path) -> OSError:
    """The error with the file that it is about: writes to an open file do not name it."""
    return error if error.filename else OSError(error.errno, error.strerror, str(path))
