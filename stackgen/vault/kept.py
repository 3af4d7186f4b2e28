"""The files of the vault: read as people wrote them, changed line by line, private from their first byte."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from stackgen import interrupts
from stackgen.aside import ASIDE, make_durable, place_aside, write_aside
from stackgen.errors import StackError
from stackgen.facts.refusals import refused

FOLDER = ".stackgen"
FILE = "secrets.env"
URL_SAFE = re.compile(r"^[A-Za-z0-9_-]+$")
_LINE = re.compile(r"^([A-Za-z_][A-Za-z0-9_]*)=(.*)$")
_HEADER = "# Secrets of this stack. Back this file up; never commit it.\n"
_PRIVATE_FILE, _PRIVATE_FOLDER = 0o600, 0o700


def read(path: Path) -> dict[str, str]:
    """Names and values of a file of `NAME=value` lines; quotes around a value are dropped.

    Raises:
        StackError: a line is something else; its content is not shown.
    """
    values: dict[str, str] = {}
    for number, line in enumerate(_text(path).split("\n"), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.match(text.removeprefix("export "))
        if match is None:
            raise StackError(
                "a line is not NAME=value", where=f"{path}:{number}", hint="one secret a line, e.g. HF_TOKEN=hf_…"
            )
        value = match[2].strip()
        if _has_more(value):
            message = f"something follows the value of {match[1]}"
            raise StackError(message, where=f"{path}:{number}", hint="write comments on lines of their own")
        values[match[1]] = _unquoted(value)
    return values


def change(path: Path, values: Mapping[str, str]) -> None:
    """Keep values: each in the line that its name has, else below; every other line stays as it is, comments included.

    Raises:
        StackError: they cannot be kept; the file is as it was.
    """
    prepare(path.parent.parent)
    lines = list(_changed((_text(path) or _HEADER).removesuffix("\n").split("\n"), values))
    try:
        write_private(path, "\n".join(lines) + "\n")
    except OSError as error:
        raise refused("the secrets cannot be kept", error, path) from None


@interrupts.whole()
def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, aside first, then in place of the old one; a link to it stays a link."""
    real = _real(path)
    new = write_aside(real, text, _PRIVATE_FILE)
    try:
        new.replace(real)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    with suppress(OSError):  # the file itself is on the disk, and moved: nothing is left to be done about it
        make_durable({real.parent})


def _real(path: Path) -> Path:
    """What a link leads to."""
    return Path(os.path.realpath(path))


def linked_folder(path: Path) -> Path | None:
    """The folder that a link to the secrets leads into; None where they are at their own place, or not to be reached."""
    folder = _real(path).parent
    return folder if path.is_symlink() and folder.is_dir() else None


def drop_asides(folder: Path) -> None:
    """Take away what a kill left of writes in the folder .stackgen; whoever calls holds the lock.

    Raises:
        StackError: it cannot be taken away.
    """
    try:
        for path in (*folder.glob(f"*{ASIDE}"), place_aside(_real(folder / FILE))):
            path.unlink(missing_ok=True)
    except OSError as error:
        path = Path(error.filename or folder)
        raise refused("what an interrupted write left cannot be taken away", error, path) from None


def prepare(folder: Path) -> Path:
    """The folder .stackgen beside a spec: private, and ignored by git.

    Raises:
        StackError: it cannot be made.
    """
    path = folder / FOLDER
    try:
        if not path.is_dir():
            path.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
            with suppress(OSError):  # as below: it is made, and whether that is forced onto the disk is the disk's
                make_durable({folder})
        _ignore_all_of(path)
    except OSError as error:
        raise refused("the folder for secrets cannot be made", error, Path(error.filename or path)) from None
    return path


def _ignore_all_of(folder: Path) -> None:
    """Git keeps off, from the first secret on.

    Written in place: this comes before the lock, so several may do it at once, and all write the same two bytes; what a
    kill leaves empty the next one fills.

    Raises:
        OSError: it cannot be written.
    """
    ignore = folder / ".gitignore"
    if ignore.exists() and ignore.stat().st_size:
        return
    descriptor = os.open(ignore, os.O_WRONLY | os.O_CREAT, _PRIVATE_FILE)
    try:
        os.write(descriptor, b"*\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_private(path: Path) -> None:
    """Nobody but the owner reads the secrets, however the file was made.

    Raises:
        StackError: it is somebody else's.
    """
    try:
        if path.exists() and path.stat().st_mode & 0o077:
            path.chmod(_PRIVATE_FILE)
    except OSError as error:
        hint = f"have their owner run: chmod 600 {path}"
        raise StackError(f"others may read the secrets: {error.strerror}", where=str(path), hint=hint) from None


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        _refuse_link_to_nothing(path)
        return ""
    except OSError as error:
        raise refused("the secrets cannot be read", error, path) from None
    except UnicodeDecodeError:
        hint = "restore it from your backup, or save it as UTF-8"
        raise StackError("the secrets cannot be read: they are no text in UTF-8", where=str(path), hint=hint) from None


def _refuse_link_to_nothing(path: Path) -> None:
    """Secrets that are elsewhere, and not to be reached now, are no reason to make new ones."""
    if path.is_symlink():
        target = os.path.realpath(path)
        message = f"the secrets cannot be read: it is a link to {target}, which is not there"
        raise StackError(
            message, where=str(path), hint="mount what it leads to; or remove the link, to begin with new ones"
        )


def _changed(lines: list[str], values: Mapping[str, str]) -> Iterator[str]:
    """The lines with the values in them; of a name that stands there twice the last line counts, so the others go."""
    last = {name: number for number, line in enumerate(lines) if (name := _name(line)) in values}
    for number, line in enumerate(lines):
        name = _name(line)
        if name not in last:
            yield line
        elif last[name] == number:
            yield f"{name}={_requoted(values[name])}"
    yield from (f"{name}={_requoted(value)}" for name, value in values.items() if name not in last)


def _name(line: str) -> str:
    """The name that a line gives a value; empty for comments and what is no such line."""
    match = _LINE.match(line.strip().removeprefix("export "))
    return match[1] if match else ""


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] == "'":  # noqa: PLR2004 - a pair of quotes
        return text[1:-1].replace("\\'", "'")
    if len(text) >= 2 and text[0] == text[-1] == '"':  # noqa: PLR2004 - likewise
        return text[1:-1]
    return text


def _has_more(value: str) -> bool:
    """Whether something stands behind the value itself, such as a comment."""
    if value[:1] in {"'", '"'}:
        return value[-1] != value[0]
    return re.search(r"\s#", value) is not None


def _requoted(text: str) -> str:
    return text if URL_SAFE.match(text) else "'" + text.replace("'", "\\'") + "'"
