"""The output folder: written whole or not at all, compared, and never taken from a person who edited it."""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from stackgen import interrupts, trace
from stackgen.aside import ASIDE, OLD
from stackgen.errors import DriftError, StackError
from stackgen.files import journal
from stackgen.files.disk import (
    digest,
    digest_of,
    is_open,
    json_of,
    make_room,
    put,
    text_of,
    translated,
)
from stackgen.files.journal import JOURNAL, MANIFEST
from stackgen.files.together import put_together
from stackgen.files.turn import steadily, turn
from stackgen.records import dataclass
from stackgen.render import ENV_FILE, File

__all__ = [
    "ASIDE", "DROP_A_SIMULATION", "JOURNAL", "MANIFEST", "OLD", "Difference", "Written", "differences", "digest", "hand_edits",
    "is_interrupted", "make_room", "put", "put_together", "read_manifest", "recover", "refuse", "remedy", "require_untouched",
    "steadily", "text_of", "turn", "write",
]  # fmt: skip

DROP_A_SIMULATION = "`stackgen down --simulate --volumes` drops it with the simulation"
"""The way out where somebody edited the files of a simulation: `render` is about the real stack."""


@dataclass(frozen=True)
class Written:
    """What a write did to each file."""

    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]
    env_changed: bool = False
    """Whether `.env`, which is no rendered file, has other values now."""


@dataclass(frozen=True)
class Difference:
    """A file that a render would change."""

    path: str
    text: str
    """A unified diff."""
    by_hand: bool
    """Whether somebody edited it since stackgen wrote it."""


@trace.timed("writing what changed")
def write(
    folder: Path, files: Iterable[File], *, stack: str, env: str, env_digests: Collection[str] = (), force: bool = False
) -> Written:
    """Make the folder hold exactly these files. The caller sees to it that nobody else writes there meanwhile.

    Args:
        folder: the output folder.
        stack: the name of the stack that the files are of.
        files: what was rendered.
        env: the text of `.env`.
        env_digests: SHA-256 of each `.env` that stackgen wrote last, or began to write.
        force: overwrite what was edited by hand.

    Raises:
        DriftError: a file was edited by hand, or is there and not ours; the folder is another stack's.
        StackError: the folder cannot be written; what was there is whole.
    """
    wanted = {file.path: file.text for file in files}
    with translated(folder):
        journal.recover(folder, force=force)
        refuse(folder, wanted, stack=stack, env=env, env_digests=env_digests, force=force)
        manifest = read_manifest(folder)
        stale = tuple(sorted(set(manifest) - set(wanted)))
        changed = tuple(path for path, text in wanted.items() if text_of(folder / path) != text)
        texts = {path: wanted[path] for path in changed}
        if text_of(folder / ENV_FILE) != env or is_open(folder / ENV_FILE):
            texts[ENV_FILE] = env
        record = {"stack": stack, "files": {path: digest(text) for path, text in sorted(wanted.items())}}
        if texts or record["files"] != manifest or _stack_of(folder) != stack:
            journal.commit(folder, texts, stale, record)
    return Written(changed, tuple(sorted(set(wanted) - set(changed))), stale, ENV_FILE in texts)


def refuse(
    folder: Path,
    wanted: Mapping[str, str],
    *,
    stack: str,
    env: str,
    env_digests: Collection[str],
    force: bool = False,
) -> None:
    """Refuse to write where a write would take something from somebody; nothing is changed.

    Args:
        folder: the output folder.
        wanted: text by path.
        stack: the name of the stack.
        env: the text of `.env`.
        env_digests: SHA-256 of each `.env` that stackgen wrote last, or began to write.
        force: what was edited by hand is given up; what stands in the way of a file is refused all the same.

    Raises:
        DriftError: a file was edited by hand, or is there and not ours; the folder is another stack's.
        StackError: something else than a file or a folder stands where one is needed.
    """
    with translated(folder):
        _refuse_what_is_in_the_way(folder, (*wanted, *read_manifest(folder), ENV_FILE, MANIFEST, JOURNAL))
    if not force:
        _refuse_foreign(folder, stack)
        _refuse_hand_edits(folder, wanted, env, env_digests)


def differences(folder: Path, files: Iterable[File]) -> Iterator[Difference]:
    """From what is on disk to what would be rendered; nothing where they are equal. `.env` is no part of it."""
    wanted = {file.path: file.text for file in files}
    edited = set(hand_edits(folder))
    for path in sorted(set(wanted) | set(read_manifest(folder))):
        old, new = text_of(folder / path), wanted.get(path)
        if old == new:
            continue
        shown = (old or "").encode(errors="surrogateescape").decode(errors="replace")
        lines = difflib.unified_diff(
            shown.splitlines(keepends=True),
            (new or "").splitlines(keepends=True),
            fromfile=f"{folder.name}/{path}" if old is not None else "/dev/null",
            tofile=f"rendered now/{path}" if new is not None else "/dev/null",
            fromfiledate="edited by hand" if path in edited else "",
        )
        yield Difference(path, "".join(_ended(lines)), path in edited)


def hand_edits(folder: Path) -> list[str]:
    """Files that differ from what stackgen wrote, as its manifest and a write that was interrupted know it."""
    interrupted = journal.read_journal(folder)
    edited = []
    for path, known in read_manifest(folder).items():
        found = digest_of(folder / path)
        if found != known and not (interrupted and interrupted.has_written(path, found)):
            edited.append(path)
    return sorted(edited)


def is_interrupted(folder: Path) -> bool:
    """Whether a write began to move files and did not end; the next verb finishes it. One that is at work is waited for."""

    def look() -> bool:
        return journal.read_journal(folder) is not None

    return look() and steadily(folder, look)


def recover(folder: Path, *, force: bool = False) -> bool:
    """Finish a write that was interrupted after its journal, undo one that was interrupted before it.

    Args:
        folder: the output folder; nobody else writes there meanwhile.
        force: also over what was edited meanwhile.

    Returns:
        Whether there was one to finish.

    Raises:
        DriftError: somebody edited a file meanwhile, or another version wrote the journal.
        StackError: a file cannot be moved.
    """
    with translated(folder), interrupts.whole():
        return journal.recover(folder, force=force)


def remedy(*, simulated: bool) -> str:
    """What to do about files that were edited by hand."""
    if simulated:
        return DROP_A_SIMULATION
    return "`stackgen render --adopt` shows what makes it permanent; `stackgen render --force` drops it"


def require_untouched(folder: Path, *, simulated: bool = False) -> None:
    """Refuse a folder whose files are not those that stackgen wrote.

    Args:
        folder: the output folder.
        simulated: whether it is that of a simulation, which nobody renders.

    Raises:
        DriftError: names the files.
    """
    edited = steadily(folder, lambda: hand_edits(folder))
    if edited:
        message = f"edited by hand since stackgen wrote them: {', '.join(edited)}"
        raise DriftError(message, where=str(folder), hint=remedy(simulated=simulated))


def read_manifest(folder: Path) -> dict[str, str]:
    """SHA-256 by path of what stackgen wrote into the folder; empty where it never did."""
    data = json_of(folder / MANIFEST)
    files = data.get("files") if isinstance(data, dict) else None
    known = files if isinstance(files, dict) else {}
    return {path: str(sha) for path, sha in known.items() if journal.is_inside(path)}


def _ended(lines: Iterable[str]) -> Iterator[str]:
    """Lines of a diff; one without its end is marked as other tools mark it."""
    yield from (line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _stack_of(folder: Path) -> str:
    data = json_of(folder / MANIFEST)
    return str(data.get("stack", "")) if isinstance(data, dict) else ""


def _refuse_foreign(folder: Path, stack: str) -> None:
    other = _stack_of(folder)
    if other and other != stack:
        raise DriftError(
            f"holds the files of the stack `{other}`, not of `{stack}`",
            where=str(folder),
            hint=f"write elsewhere with --out; or, if `{other}` was renamed: `docker compose -p {other} down`, then --force",
        )


def _refuse_what_is_in_the_way(folder: Path, paths: Iterable[str]) -> None:
    """A folder where a file should be, a file or a link where a folder should be: told before anything is written."""
    if folder.is_symlink() and not folder.exists():
        message = f"the files cannot be written: it is a link to {os.path.realpath(folder)}, which is not there"
        hint = "mount what it leads to; or put a folder in the place of the link"
        raise StackError(message, where=str(folder), hint=hint)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    for path in paths:
        for parent in reversed(PurePosixPath(path).parents[:-1]):
            above = folder / parent
            if above.is_symlink():
                hint = f"put a folder in the place of the link {above}"
                raise StackError("a symbolic link leads files out of the output folder", where=str(above), hint=hint)
            if above.exists() and not above.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(above))
        for target in (folder / path, folder / f"{path}{ASIDE}", folder / f"{path}{OLD}"):
            if target.is_dir() and not target.is_symlink():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))


def _refuse_hand_edits(folder: Path, wanted: Mapping[str, str], env: str, env_digests: Collection[str]) -> None:
    manifest = read_manifest(folder)
    known = {path: {sha} for path, sha in manifest.items()} | {ENV_FILE: set(env_digests)}
    edited = []
    for path, text in {**dict.fromkeys(manifest), **wanted, ENV_FILE: env}.items():
        found = text_of(folder / path)
        link = (folder / path).is_symlink()
        ours = found is None or found == text or digest(found) in known.get(path, ())
        if not ours or (link and found != text):
            edited.append(f"{path} (a symbolic link)" if link else path)
    if edited:
        values = "; values of .env belong into .stackgen/secrets.env" if ENV_FILE in edited else ""
        raise DriftError(
            f"would overwrite what stackgen did not write: {', '.join(sorted(edited))}",
            where=str(folder),
            hint=f"`stackgen render --diff` shows the difference, --adopt what makes it permanent, --force overwrites{values}",
        )
