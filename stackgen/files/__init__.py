"""The output folder: written whole or not at all, compared, and never taken from a person who edited it.

A write puts every new file aside, then writes a journal, then moves them into place, then writes the manifest. Before the
journal nothing has changed; after it, the next verb finishes the move.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stackgen import __version__
from stackgen.errors import DriftError
from stackgen.files.disk import (
    ASIDE,
    PRIVATE,
    PUBLIC,
    is_open,
    json_of,
    make_room,
    put,
    text_of,
    translated,
    write_aside,
)
from stackgen.render import ENV_FILE, File

__all__ = [
    "DROP_A_SIMULATION",
    "Written",
    "differences",
    "digest",
    "hand_edits",
    "is_interrupted",
    "make_room",
    "put",
    "read_manifest",
    "recover",
    "remedy",
    "require_untouched",
    "write",
]

MANIFEST = ".stackgen-manifest.json"
JOURNAL = ".stackgen-journal.json"
DROP_A_SIMULATION = "`stackgen down --simulate --volumes` drops it with the simulation"
"""The way out where somebody edited the files of a simulation: `render` is about the real stack."""


@dataclass(frozen=True)
class Written:
    """What a write did to each file."""

    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]


def write(
    folder: Path, files: Iterable[File], *, stack: str, env: str, env_digest: str | None, force: bool = False
) -> Written:
    """Make the folder hold exactly these files. The caller sees to it that nobody else writes there meanwhile.

    Args:
        folder: the output folder.
        stack: the name of the stack that the files are of.
        files: what was rendered.
        env: the text of `.env`.
        env_digest: SHA-256 of the `.env` that stackgen wrote last; None where it never did.
        force: overwrite what was edited by hand.

    Raises:
        DriftError: a file was edited by hand, or is there and not ours; the folder is another stack's.
        StackError: the folder cannot be written; what was there is whole.
    """
    wanted = {file.path: file.text for file in files}
    with translated(folder):
        recover(folder, wanted)
        manifest = read_manifest(folder)
        if not force:
            _refuse_foreign(folder, stack)
            _refuse_hand_edits(folder, wanted, manifest, env, env_digest)
        stale = tuple(sorted(set(manifest) - set(wanted)))
        changed = tuple(path for path, text in wanted.items() if text_of(folder / path) != text)
        texts = {path: wanted[path] for path in changed}
        if text_of(folder / ENV_FILE) != env or is_open(folder / ENV_FILE):
            texts[ENV_FILE] = env
        record = {"stack": stack, "files": {path: digest(text) for path, text in sorted(wanted.items())}}
        if texts or record["files"] != manifest or _stack_of(folder) != stack:
            _commit(folder, texts, record)
        for path in stale:
            (folder / path).unlink(missing_ok=True)
    return Written(changed, tuple(sorted(set(wanted) - set(changed))), stale)


def differences(folder: Path, files: Iterable[File]) -> Iterator[str]:
    """Unified diffs from what is on disk to what would be rendered; nothing where they are equal. `.env` is no part of it."""
    wanted = {file.path: file.text for file in files}
    for path in sorted(set(wanted) | set(read_manifest(folder))):
        old, new = text_of(folder / path), wanted.get(path)
        if old == new:
            continue
        shown = (old or "").encode(errors="surrogateescape").decode(errors="replace")
        yield "".join(
            difflib.unified_diff(
                shown.splitlines(keepends=True),
                (new or "").splitlines(keepends=True),
                fromfile=f"{folder.name}/{path}" if old is not None else "/dev/null",
                tofile=f"rendered now/{path}" if new is not None else "/dev/null",
            )
        )


def hand_edits(folder: Path) -> list[str]:
    """Files that differ from what stackgen wrote, as the manifest knows it."""
    return sorted(
        path
        for path, known in read_manifest(folder).items()
        if (text := text_of(folder / path)) is None or digest(text) != known
    )


def is_interrupted(folder: Path) -> bool:
    """Whether a write began to move files and did not end; the next write finishes it."""
    return _journal(folder) is not None


def remedy(*, simulated: bool) -> str:
    """What to do about files that were edited by hand."""
    if simulated:
        return DROP_A_SIMULATION
    return "`stackgen render --check` shows the difference; put it into the spec, or `stackgen render --force` drops it"


def require_untouched(folder: Path, *, simulated: bool = False) -> None:
    """Refuse a folder whose files are not those that stackgen wrote.

    Args:
        folder: the output folder.
        simulated: whether it is that of a simulation, which nobody renders.

    Raises:
        DriftError: names the files.
    """
    edited = [] if is_interrupted(folder) else hand_edits(folder)
    if edited:
        message = f"edited by hand since stackgen wrote them: {', '.join(edited)}"
        raise DriftError(message, where=str(folder), hint=remedy(simulated=simulated))


def read_manifest(folder: Path) -> dict[str, str]:
    """SHA-256 by path of what stackgen wrote into the folder; empty where it never did."""
    data = json_of(folder / MANIFEST)
    files = data.get("files") if isinstance(data, dict) else None
    return {str(path): str(known) for path, known in files.items()} if isinstance(files, dict) else {}


def recover(folder: Path, paths: Iterable[str]) -> bool:
    """Finish a write that was interrupted after its journal, undo one that was interrupted before it.

    Args:
        folder: the output folder; nobody else writes there meanwhile.
        paths: files that stackgen writes there, besides those of its manifest.

    Returns:
        Whether there was one to finish.
    """
    journal = _journal(folder)
    if journal is None:
        for path in {*paths, *read_manifest(folder), ENV_FILE, MANIFEST, JOURNAL}:
            aside = folder / f"{path}{ASIDE}"
            if aside.is_file():
                aside.unlink()
        if (folder / JOURNAL).is_file():
            (folder / JOURNAL).unlink()
        return False
    for path in journal["moves"]:
        aside = folder / f"{path}{ASIDE}"
        if aside.exists():
            aside.replace(folder / path)
    record = json.dumps({"stackgen": __version__, **journal["record"]}, indent=2) + "\n"
    write_aside(folder / MANIFEST, record, PUBLIC).replace(folder / MANIFEST)
    (folder / JOURNAL).unlink()
    return True


def digest(text: str) -> str:
    """SHA-256 of a text's bytes."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _commit(folder: Path, texts: Mapping[str, str], record: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    asides: list[Path] = []
    try:
        for path, text in texts.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_dir():
                raise IsADirectoryError(0, "a folder is in the way of a file", str(target))
            asides.append(write_aside(target, text, PRIVATE if path == ENV_FILE else PUBLIC))
        journal = json.dumps({"moves": list(texts), "record": record})
        asides.append(write_aside(folder / JOURNAL, journal, PUBLIC))
    except OSError:
        for aside in asides:
            aside.unlink(missing_ok=True)
        raise
    asides[-1].replace(folder / JOURNAL)
    recover(folder, ())


def _journal(folder: Path) -> dict[str, Any] | None:
    """The journal of a write that did not end; None where there is none, or none that could be read."""
    data = json_of(folder / JOURNAL)
    sound = isinstance(data, dict) and isinstance(data.get("moves"), list) and isinstance(data.get("record"), dict)
    return data if sound else None


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


def _refuse_hand_edits(
    folder: Path, wanted: Mapping[str, str], manifest: Mapping[str, str], env: str, env_digest: str | None
) -> None:
    edited = []
    for path, text in wanted.items():
        found = text_of(folder / path)
        if found is not None and found != text and digest(found) != manifest.get(path):
            edited.append(path)
    found = text_of(folder / ENV_FILE)
    if found is not None and found != env and digest(found) != env_digest:
        edited.append(ENV_FILE)
    if edited:
        raise DriftError(
            f"would overwrite what stackgen did not write: {', '.join(sorted(edited))}",
            where=str(folder),
            hint="`stackgen render --check` shows the difference; `stackgen render --force` overwrites; "
            "values of .env belong into .stackgen/secrets.env",
        )
