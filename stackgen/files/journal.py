"""A write that may be killed at any moment, in steps that the next verb finishes or undoes.

1. The journal names what will stand aside, and the folders that are made for it.
2. Every new file is written beside its place, the manifest too; what was there gets a second name.
3. The journal says what moves where and what goes. Until here a write is undone, after a kill from here on it is
   finished: that takes no more room on the disk.
4. Files move, stale ones go, the manifest moves last; where one cannot, all go back. Then the second names and the
   journal go.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from stackgen import __version__
from stackgen.aside import ASIDE, make_durable
from stackgen.errors import DriftError, StackError
from stackgen.files import before
from stackgen.files.disk import (
    PRIVATE,
    PUBLIC,
    digest,
    digest_of,
    drop_empty,
    json_of,
    missing_folders,
    require_unlocked,
    write_aside,
)
from stackgen.records import dataclass
from stackgen.render import ENV_FILE

MANIFEST = ".stackgen-manifest.json"
JOURNAL = ".stackgen-journal.json"
_FORMAT = 1
"""Of the journal. It grows when an older version could no longer finish what a newer one began."""


@dataclass(frozen=True)
class Move:
    """A file that stands aside: the SHA-256 of what it replaces (None: nothing) and its own."""

    before: str | None
    after: str


@dataclass(frozen=True)
class Journal:
    """What an interrupted write still has to do."""

    moves: Mapping[str, Move]
    removals: Mapping[str, str | None]
    """Files that the stack no longer has, each with the SHA-256 of what it was."""
    record: Mapping[str, Any]
    """What the manifest is to say."""
    writer: str = ""
    """The version that wrote it, where this one cannot read it."""

    def has_written(self, path: str, found: str | None) -> bool:
        """Whether what is found at a path is the doing of this write."""
        if path in self.removals:
            return found is None
        return path in self.moves and found == self.moves[path].after

    @property
    def befores(self) -> dict[str, str | None]:
        """SHA-256 of what each file was that it touches; None where there was none."""
        return {**{path: move.before for path, move in self.moves.items()}, **self.removals}

    @property
    def afters(self) -> dict[str, str | None]:
        """SHA-256 of what each becomes; None where it goes."""
        return {**{path: move.after for path, move in self.moves.items()}, **dict.fromkeys(self.removals)}


def commit(folder: Path, texts: Mapping[str, str], stale: Collection[str], record: Mapping[str, Any]) -> None:
    """Replace files by new ones and remove stale ones: all of them, or none where it cannot be.

    Raises:
        OSError, StackError: nothing was changed; or, where that could not be taken back either, the journal stays.
    """
    above = [path for path in (folder, *folder.parents) if not path.exists()]
    whole = {**texts, MANIFEST: _manifest(record)}
    for path in (*whole, *stale):
        require_unlocked(folder / path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _announce(folder, whole, stale)
        moves = {path: Move(digest_of(folder / path), digest(text)) for path, text in whole.items()}
        for path, text in whole.items():
            write_aside(folder / path, text, PRIVATE if path == ENV_FILE else PUBLIC)
        before.hold(folder, (*whole, *stale))
        make_durable({(folder / path).parent for path in whole})
        journal = Journal(moves, {path: digest_of(folder / path) for path in stale}, record)
        _put_journal(folder, _as_json(journal))
    except (OSError, StackError):
        undo(folder)
        drop_empty(above)
        raise
    _finish(folder, journal)


def recover(folder: Path, *, force: bool = False) -> bool:
    """Finish a write that was interrupted after its files stood aside, undo one that was interrupted before.

    Args:
        folder: the output folder; nobody else writes there meanwhile.
        force: finish it over what was edited meanwhile, and give up one that only another version could finish.

    Returns:
        Whether there was one to finish.

    Raises:
        DriftError: somebody edited a file meanwhile, or another version wrote the journal.
        OSError: a file could not be moved.
    """
    journal = read_journal(folder)
    if journal is None or (journal.writer and force):
        undo(folder)
        return False
    if journal.writer:
        message = f"a write was interrupted that stackgen {journal.writer} began, and this version cannot finish it"
        hint = "run `stackgen render` of that version; or `stackgen render --force` writes every file anew"
        raise DriftError(message, where=str(folder), hint=hint)
    edited = [] if force else sorted(_edited_meanwhile(folder, journal))
    if edited:
        message = f"edited by hand while a write was interrupted: {', '.join(edited)}"
        hint = "keep your edit elsewhere; `stackgen render --force` then finishes the write over it"
        raise DriftError(message, where=str(folder), hint=hint)
    _finish(folder, journal)
    return True


def undo(folder: Path) -> None:
    """Take away what a write that never began to move files left beside their places."""
    data = json_of(folder / JOURNAL)
    announced = data if isinstance(data, dict) else {}
    asides = {JOURNAL, MANIFEST, *_safe(announced.get("asides")), *_safe(announced.get("moves"))}
    for path in asides:
        aside = folder / f"{path}{ASIDE}"
        if aside.is_file():
            aside.unlink()
    before.drop(folder, {*asides, *_safe(announced.get("stale"))})
    drop_empty(folder / path for path in _safe(announced.get("folders")))
    if (folder / JOURNAL).is_file():
        (folder / JOURNAL).unlink()


def read_journal(folder: Path) -> Journal | None:
    """The journal of a write that began to move files and did not end; None where there is none that could be read."""
    data = json_of(folder / JOURNAL)
    if not isinstance(data, dict) or not {"format", "moves"} <= set(data):
        return None
    if data["format"] != _FORMAT:
        return Journal({}, {}, {}, str(data.get("stackgen") or "of another version"))
    record, moves, removals = data.get("record"), data["moves"], data.get("removals", {})
    if not isinstance(record, dict) or not isinstance(record.get("files"), dict):
        return None
    if (
        not isinstance(moves, dict)
        or not isinstance(removals, dict)
        or not {*moves, *removals} <= {*_safe(moves), *_safe(removals)}
        or not all(map(_is_move, moves.values()))
    ):
        return None
    return Journal({path: Move(move["before"], move["after"]) for path, move in moves.items()}, removals, record)


def is_inside(path: object) -> bool:
    """Whether a path that a file names stays in the folder of that file."""
    return (
        isinstance(path, str)
        and bool(path)
        and "\0" not in path
        and not path.startswith("/")
        and ".." not in PurePosixPath(path).parts
    )


def _is_move(data: object) -> bool:
    """Whether it says what a file was and becomes, in a journal that anybody may have written."""
    return (
        isinstance(data, dict) and isinstance(data.get("after"), str) and isinstance(data.get("before", 0), str | None)
    )


def _announce(folder: Path, texts: Collection[str], stale: Collection[str], folders: Sequence[str] = ()) -> None:
    folders = folders or missing_folders(folder, texts)
    said = {"asides": [*texts], "stale": [*stale], "folders": [*folders]}
    _put_journal(folder, {"format": _FORMAT, "stackgen": __version__, **said})
    for path in reversed(folders):
        (folder / path).mkdir(exist_ok=True)


def _put_journal(folder: Path, data: Mapping[str, Any]) -> None:
    write_aside(folder / JOURNAL, json.dumps(data), PRIVATE).replace(folder / JOURNAL)


def _finish(folder: Path, journal: Journal) -> None:
    """Each step may be repeated: a kill in the midst leaves the rest to the next one.

    Raises:
        OSError, StackError: a file cannot be moved. All is as it was; where it cannot be, the next one finishes.
    """
    try:
        make_durable({folder})
        _move_all(folder, journal)
        make_durable({folder})
    except (OSError, StackError):
        with suppress(OSError, StackError):
            if before.can_return(folder, journal.befores):
                _return(folder, journal)
        raise
    before.drop(folder, journal.befores)
    for path in journal.removals:
        drop_empty(parent for parent in (folder / path).parents if folder in parent.parents)
    (folder / JOURNAL).unlink()


def _move_all(folder: Path, journal: Journal) -> None:
    others = [path for path in journal.moves if path != MANIFEST]
    for path in others:
        _move(folder, path, journal.moves[path])
    for path in journal.removals:
        (folder / path).unlink(missing_ok=True)
    make_durable({parent for path in (*others, *journal.removals) if (parent := (folder / path).parent).is_dir()})
    lost = {path for path in others if path in journal.record["files"] and _is_lost(folder, path, journal.moves[path])}
    told = journal.moves.get(MANIFEST)
    if told and not lost:
        _move(folder, MANIFEST, told)
    if lost or told is None or digest_of(folder / MANIFEST) != told.after:
        _rewrite_manifest(folder, journal, lost)


def _return(folder: Path, journal: Journal) -> None:
    """Bring the old set back; once it is there, the journal says no more than what is to be taken away."""
    before.take_back(folder, journal.afters)
    folders = {str(parent) for path in journal.moves for parent in PurePosixPath(path).parents}
    announced = sorted(folders - {"."}, key=lambda path: (-path.count("/"), path))
    _announce(folder, journal.moves, journal.removals, announced)
    undo(folder)


def _move(folder: Path, path: str, move: Move) -> None:
    """Put a file in its place; one that is not whole, or has no folder any more, goes."""
    aside = folder / f"{path}{ASIDE}"
    found = digest_of(aside)
    if found is None:
        return
    if move.after == found:
        aside.replace(folder / path)
    else:
        aside.unlink()


def _is_lost(folder: Path, path: str, move: Move) -> bool:
    """Whether a file is still the old one, for the new one was gone or damaged."""
    return digest_of(folder / path) in {move.before, None} and move.before != move.after


def _rewrite_manifest(folder: Path, journal: Journal, lost: set[str]) -> None:
    """What is lost stands in the manifest as it was, so that nobody takes it for an edit by hand."""
    known = {path: journal.moves[path].before if path in lost else sha for path, sha in journal.record["files"].items()}
    record = {**journal.record, "files": {path: sha for path, sha in known.items() if sha}}
    write_aside(folder / MANIFEST, _manifest(record), PUBLIC).replace(folder / MANIFEST)


def _edited_meanwhile(folder: Path, journal: Journal) -> Iterator[str]:
    for path, move in journal.moves.items():
        waits = (folder / f"{path}{ASIDE}").is_file()
        if waits and digest_of(folder / path) not in {move.before, move.after, None}:
            yield path
    for path, was in journal.removals.items():
        if digest_of(folder / path) not in {was, None}:
            yield path


def _manifest(record: Mapping[str, Any]) -> str:
    return json.dumps({"stackgen": __version__, **record}, indent=2) + "\n"


def _as_json(journal: Journal) -> dict[str, Any]:
    moves = {path: {"before": move.before, "after": move.after} for path, move in journal.moves.items()}
    removals, record = dict(journal.removals), dict(journal.record)
    return {"format": _FORMAT, "stackgen": __version__, "moves": moves, "removals": removals, "record": record}


def _safe(paths: object) -> list[str]:
    """Paths that stay in the folder, out of a file that anybody may have written."""
    return [path for path in paths if is_inside(path)] if isinstance(paths, list | dict) else []
