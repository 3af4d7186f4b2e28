"""One at a time: locks of the kernel, which are free again once their holders are gone, however those end.

Whoever needs several takes all of a kind in the order of their real paths, so that no two wait for each other.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

_NO_LOCKS_OF_FOLDERS = frozenset({errno.EBADF, errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EACCES})
"""What shares answer that lock a file only for somebody who may write to it, for nobody opens a folder so; and folders that
one may write into, but not list."""
_MOST_TRIES = 100
"""Each time somebody else has removed what was just made."""
_Inode = tuple[int, int]
_ours: ContextVar[frozenset[_Inode]] = ContextVar("_ours", default=frozenset())


@contextmanager
def turn_at_file(path: Path, make: Callable[[], object]) -> Iterator[None]:
    """Be the only one who has the lock of a file.

    Args:
        path: the file; it is made.
        make: makes its folder.

    Raises:
        OSError: it cannot be had.
    """
    with _held(path, os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX, make):
        yield


@contextmanager
def turn_in_folder(folder: Path, make: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Be the only one who writes in a folder. Where the file system cannot lock folders, this is nobody's turn.

    Args:
        folder: the folder.
        make: makes it, where it may be gone.

    Raises:
        OSError: it cannot be opened, or no lock is to be had.
    """
    with _held(folder, os.O_RDONLY | os.O_DIRECTORY, fcntl.LOCK_EX, make, without=_NO_LOCKS_OF_FOLDERS):
        yield


@contextmanager
def look_into_folder(folder: Path) -> Iterator[None]:
    """Have nobody write in a folder meanwhile; where no lock is to be had, whoever wants to write is refused."""
    anything = frozenset(errno.errorcode)
    with _held(folder, os.O_RDONLY | os.O_DIRECTORY, fcntl.LOCK_SH, lambda: None, without=anything):
        yield


@contextmanager
def _held(
    path: Path, flags: int, operation: int, make: Callable[[], object], without: frozenset[int] = frozenset()
) -> Iterator[None]:
    """Hold a lock; one that we hold already is not waited for."""
    descriptor = _locked(path, flags, operation, make, without)
    if descriptor is None:
        yield
        return
    token = _ours.set(_ours.get() | {_inode(os.fstat(descriptor))})
    try:
        yield
    finally:
        _ours.reset(token)
        os.close(descriptor)


def _locked(path: Path, flags: int, operation: int, make: Callable[[], object], without: frozenset[int]) -> int | None:
    """What was removed while we waited for it locks nobody out: then it is made and locked anew."""
    for _ in range(_MOST_TRIES):
        make()
        try:
            descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno in without:
                return None
            if error.errno == errno.ENOENT:
                continue
            raise
        keep = False
        try:
            if _inode(os.fstat(descriptor)) in _ours.get():
                return None
            fcntl.flock(descriptor, operation)
            keep = _is_at(descriptor, path)
        except OSError as error:
            if error.errno in without:
                return None
            raise OSError(error.errno, error.strerror, str(path)) from None
        finally:
            if not keep:
                os.close(descriptor)
        if keep:
            return descriptor
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


def _is_at(descriptor: int, path: Path) -> bool:
    with suppress(OSError):
        return _inode(os.fstat(descriptor)) == _inode(path.stat())
    return False


def _inode(status: os.stat_result) -> _Inode:
    return status.st_dev, status.st_ino
