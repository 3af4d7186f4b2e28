"""Secrets on disk: `.stackgen/secrets.env` beside the spec is the only truth, 0600, never overwritten by a guess.

Values leave this module only inside `SecretValue`, whose repr hides them.
"""

from __future__ import annotations

import json
import os
import secrets as random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from stackgen import trace
from stackgen.errors import StackError
from stackgen.facts.refusals import refused
from stackgen.parts import Secret, SecretKind
from stackgen.records import dataclass
from stackgen.turns import turn_at_file, turn_in_folder
from stackgen.vault.fitness import Complaint, misfit, weak, weakness
from stackgen.vault.kept import (
    FILE,
    FOLDER,
    change,
    drop_asides,
    linked_folder,
    make_private,
    prepare,
    read,
    write_private,
)
from stackgen.vault.rotation import Rotation, intend, intended
from stackgen.vault.values import SecretValue, hidden, masker

__all__ = [
    "FILE", "FOLDER", "Complaint", "Found", "Rotation", "SecretValue", "change", "generated", "hidden", "intend",
    "intended", "keep", "keep_rendered_env_digests", "locked", "look", "masker", "misfit", "prepare", "read",
    "rendered_env_digests", "settle", "weak", "weakness", "write_private",
]  # fmt: skip

STATE_FILE = "state.json"
LOCK_FILE = "lock"
_RANDOM_BYTES = 32


@dataclass(frozen=True)
class Found:
    """The values there are, and what is missing or new."""

    values: Mapping[str, SecretValue]
    generated: tuple[str, ...]
    missing: tuple[Secret, ...]
    differing: tuple[str, ...] = ()
    """Secrets whose kept value is not that of the caller's environment, which the spec names as their source."""
    weak: tuple[Complaint, ...] = ()
    """Of values that would be refused if they did not open data that is there already."""
    added: tuple[str, ...] = ()
    """Names whose values are not in the file yet."""


def settle(
    folder: Path,
    wanted: Sequence[Secret],
    *,
    environment: Mapping[str, str],
    volume_exists: Callable[[str], bool | None],
    removal: str = "stackgen down --volumes",
) -> Found:
    """Read the values, generate those that stackgen may generate, and keep them; see `look` for the arguments.

    Raises:
        StackError: the file cannot be read or written, a value does not fit, or one that guards data is gone.
    """
    found = look(folder, wanted, environment=environment, volume_exists=volume_exists, removal=removal)
    keep(folder, found)
    return found


def look(
    folder: Path,
    wanted: Sequence[Secret],
    *,
    environment: Mapping[str, str],
    volume_exists: Callable[[str], bool | None],
    removal: str = "stackgen down --volumes",
    intended: Mapping[str, SecretValue] | None = None,
    copy: Path | None = None,
) -> Found:
    """Read the values and make up those that stackgen may generate; nothing is written.

    Args:
        folder: the spec's folder.
        wanted: the secrets of the plan.
        environment: the caller's variables, for secrets with `source: environment`.
        volume_exists: whether a volume of the stack holds data already, None where nobody can say; asked only where a
            guarding secret is gone or weak.
        removal: the command that gives such data up.
        intended: values that a rotation is about to put in the place of those that are kept.
        copy: the rendered `.env`. Where nobody can say whether data needs a value that stands there alone, no other is made.

    Returns:
        All values, names of new ones, and required secrets that nobody has written yet.

    Raises:
        StackError: the file cannot be read, a value does not fit, or one that guards data is gone.
    """
    path = folder / FOLDER / FILE
    kept = {name: value for name, value in read(path).items() if value}
    kept |= {name: value.reveal() for name, value in (intended or {}).items() if name in kept}
    trace.tell(f"read {path}: {', '.join(kept) or 'nothing'}")
    absent = [secret for secret in wanted if secret.name not in kept]
    _refuse_to_orphan(absent, path, volume_exists, removal, copy)
    outside = {secret.name: environment.get(secret.name, "") for secret in wanted if secret.from_environment}
    added = {secret.name: value for secret in absent if (value := outside.get(secret.name) or generated(secret))}
    values = kept | added
    bearable = _refuse_unfit(wanted, values, path, volume_exists)
    return Found(
        hidden(values),
        generated=tuple(name for name in added if not outside.get(name)),
        missing=tuple(secret for secret in absent if secret.kind is SecretKind.REQUIRED and secret.name not in added),
        differing=tuple(name for name, value in outside.items() if value and kept.get(name, value) != value),
        added=tuple(added),
        weak=bearable,
    )


def keep(folder: Path, found: Found) -> None:
    """Keep what is new, in a file that only its owner may read.

    Raises:
        StackError: it cannot be written.
    """
    path = folder / FOLDER / FILE
    make_private(path)
    if found.added:
        change(path, {name: found.values[name].reveal() for name in found.added})


def generated(secret: Secret) -> str:
    """A new value; empty for a secret that stackgen may not make up."""
    if secret.kind is not SecretKind.GENERATED:
        return ""
    return f"{secret.prefix}{random.token_urlsafe(_RANDOM_BYTES)}"


def rendered_env_digests(folder: Path, out: Path) -> tuple[str, ...]:
    """SHA-256 of the `.env` that stackgen wrote last into an output folder, and of one that it began to write."""
    return _state(folder).get(os.path.relpath(out, folder), ())


def keep_rendered_env_digests(folder: Path, out: Path, digests: Sequence[str]) -> None:
    """Remember the `.env` that is written, so that a later edit by hand is noticed.

    Before a write the new one is remembered beside the old one: after a kill either may be there.

    Raises:
        StackError: it cannot be written.
    """
    now = _state(folder)
    state = now | {os.path.relpath(out, folder): tuple(dict.fromkeys(digests))}
    if state == now:
        return
    path = prepare(folder) / STATE_FILE
    try:
        write_private(path, json.dumps({"rendered_env_sha256": state}, indent=2) + "\n")
    except OSError as error:
        raise refused("what was written cannot be remembered", error, path) from None


def _state(folder: Path) -> dict[str, tuple[str, ...]]:
    """Digests by output folder."""
    try:
        data = json.loads((folder / FOLDER / STATE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    found = data.get("rendered_env_sha256") if isinstance(data, dict) else None
    entries = found.items() if isinstance(found, dict) else ()
    return {str(key): tuple(map(str, value)) for key, value in entries if isinstance(value, list)}


@contextmanager
def locked(*folders: Path) -> Iterator[None]:
    """Nobody else writes secrets or files of these specs meanwhile; a second one waits its turn.

    Secrets that a link leads to may be those of other specs too, so where they are nobody else writes either.

    Raises:
        StackError: a lock cannot be taken.
    """
    places = {os.path.realpath(folder / FOLDER / LOCK_FILE): folder for folder in folders}
    with ExitStack() as held:
        for _, folder in sorted(places.items()):
            path = prepare(folder) / LOCK_FILE
            _take(held, turn_at_file(path, partial(prepare, folder)), path)
        for path in sorted({linked for folder in folders if (linked := linked_folder(folder / FOLDER / FILE))}):
            _take(held, turn_in_folder(path), path)
        for folder in folders:
            drop_asides(folder / FOLDER)
        yield


def _take(held: ExitStack, turn: AbstractContextManager[None], path: Path) -> None:
    try:
        held.enter_context(turn)
    except OSError as error:
        raise refused("the lock cannot be taken", error, path) from None


def _refuse_to_orphan(
    absent: Sequence[Secret],
    path: Path,
    volume_exists: Callable[[str], bool | None],
    removal: str,
    copy: Path | None,
) -> None:
    """A volume that was made with a secret must not meet another one."""
    there = {volume: volume_exists(volume) for volume in sorted({secret.guards_volume for secret in absent} - {""})}
    volumes = [volume for volume, holds_data in there.items() if holds_data]
    names = [secret.name for secret in absent if secret.guards_volume in volumes]
    if names:
        raise StackError(
            f"{' and '.join(names)} not in {path}, but the volume {' and '.join(volumes)} holds data that only they open",
            hint=f"restore {path} from your backup (rendered/.env is a copy of it); or, to lose that data: {removal}",
        )
    unsure = [secret.name for secret in absent if secret.guards_volume and there[secret.guards_volume] is None]
    left = read(copy) if unsure and copy and copy.is_file() else {}
    if names := [name for name in unsure if left.get(name)]:
        message = f"{' and '.join(names)} stand in {copy} alone, and no Docker engine can say whether data needs them"
        hint = f"copy their lines from {copy} into {path}; where that data is given up, remove {copy}"
        raise StackError(message, where=str(path), hint=hint)


def _refuse_unfit(
    wanted: Sequence[Secret], values: Mapping[str, str], path: Path, volume_exists: Callable[[str], bool | None]
) -> tuple[Complaint, ...]:
    """Refuse values that cannot stay; weak ones that open data which is there already are told instead."""
    bearable = []
    for secret in wanted:
        value = values.get(secret.name)
        if value is None:
            continue
        unfit = misfit(secret, value)
        poor = None if unfit else weak(secret, value)
        if poor and secret.guards_volume and volume_exists(secret.guards_volume):
            bearable.append(replace(poor, hint=f"it has to stay: {secret.fixed}") if secret.fixed else poor)
        elif complaint := unfit or poor:
            raise StackError(complaint.message, where=str(path), hint=complaint.hint)
    return tuple(bearable)
