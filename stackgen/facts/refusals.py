"""What the file system refuses, in words that help."""

from __future__ import annotations

import errno
from pathlib import Path

from stackgen.errors import StackError
from stackgen.facts.files import document
from stackgen.records import dataclass


@dataclass(frozen=True, kw_only=True)
class FileRefusal:
    """What an error of the file system means, and what to do; {path} is the file, {folder} the one around it."""

    message: str
    hint: str
    source: str


def file_refusal(number: int) -> FileRefusal | None:
    """What is known of an error number; None where nothing is."""
    entry = document("file_refusals.json").get(errno.errorcode.get(number, ""))
    return FileRefusal(**entry) if entry else None


def refused(what: str, error: OSError, path: Path) -> StackError:
    """A refusal of the file system as an error of ours.

    Args:
        what: what cannot be done.
        error: why.
        path: the file that it is about.
    """
    known = file_refusal(error.errno or 0)
    said = known.message if known else error.strerror or str(error)
    hint = known.hint.format(path=path, folder=path.parent) if known else ""
    return StackError(f"{what}: {said}", where=str(path), hint=hint)
