"""Secrets on disk: `.stackgen/secrets.env` beside the spec is the only truth, 0600, never overwritten by a guess.

Values leave this module only inside `SecretValue`, whose repr hides them.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets as random
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stackgen.errors import StackError
from stackgen.parts import Secret, SecretKind
from stackgen.vault.values import SecretValue, hidden, masker

__all__ = [
    "FILE",
    "FOLDER",
    "Found",
    "SecretValue",
    "hidden",
    "keep_rendered_env_digest",
    "locked",
    "masker",
    "prepare",
    "read",
    "rendered_env_digest",
    "settle",
    "write_private",
]

FOLDER = ".stackgen"
FILE = "secrets.env"
STATE_FILE = "state.json"
LOCK_FILE = "lock"
_RANDOM_BYTES = 32
_URL_SAFE = re.compile(r"^[A-Za-z0-9_-]+$")
_LINE = re.compile(r"^([A-Za-z_][A-Za-z0-9_]*)=(.*)$")
_WEAK = re.compile(
    r"^(sk-1234|sk-|password|postgres|changeme|change_me|your[-_].*|.*placeholder.*|xxx+)$", re.IGNORECASE
)
_PRIVATE_FILE, _PRIVATE_FOLDER = 0o600, 0o700


@dataclass(frozen=True)
class Found:
    """The values there are, and what is missing or new."""

    values: Mapping[str, SecretValue]
    generated: tuple[str, ...]
    missing: tuple[Secret, ...]
    differing: tuple[str, ...] = ()
    """Secrets whose kept value is not that of the caller's environment, which the spec names as their source."""


def settle(
    folder: Path,
    wanted: Sequence[Secret],
    *,
    environment: Mapping[str, str],
    volume_exists: Callable[[str], bool],
    removal: str = "stackgen down --volumes",
) -> Found:
    """Read the values, generate those that stackgen may generate, and keep them.

    Args:
        folder: the spec's folder.
        wanted: the secrets of the plan.
        environment: the caller's variables, for secrets with `source: environment`.
        volume_exists: whether a volume of the stack holds data already; asked only before a guarding secret is generated.
        removal: the command that gives such data up.

    Returns:
        All values, names of new ones, and required secrets that nobody has written yet.

    Raises:
        StackError: the file cannot be read or written, a value does not fit, or one that guards data is gone.
    """
    path = folder / FOLDER / FILE
    kept = {name: value for name, value in read(path).items() if value}
    _make_private(path)
    absent = [secret for secret in wanted if secret.name not in kept]
    _refuse_to_orphan(absent, path, volume_exists, removal)
    outside = {secret.name: environment.get(secret.name, "") for secret in wanted if secret.from_environment}
    added = {secret.name: value for secret in absent if (value := outside.get(secret.name) or _generated(secret))}
    values = kept | added
    _refuse_unfit(wanted, values, path)
    if added:
        _append(path, added)
    return Found(
        hidden(values),
        generated=tuple(name for name in added if not outside.get(name)),
        missing=tuple(secret for secret in absent if secret.kind is SecretKind.REQUIRED and secret.name not in added),
        differing=tuple(name for name, value in outside.items() if value and kept.get(name, value) != value),
    )


def _generated(secret: Secret) -> str:
    """A new value; empty for a secret that stackgen may not make up."""
    return f"{secret.prefix}{random.token_urlsafe(_RANDOM_BYTES)}" if secret.kind is SecretKind.GENERATED else ""


def read(path: Path) -> dict[str, str]:
    """Names and values of a file of `NAME=value` lines; quotes around a value are dropped.

    Raises:
        StackError: a line is something else; its content is not shown.
    """
    try:
        lines = path.read_bytes().decode("utf-8").split("\n")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise StackError(f"the secrets cannot be read: {error}", where=str(path)) from None
    values: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
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


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, aside first, then in place of the old one."""
    aside = path.with_name(f"{path.name}.stackgen-new")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def prepare(folder: Path) -> Path:
    """The folder .stackgen beside a spec: private, and ignored by git.

    Raises:
        StackError: it cannot be made.
    """
    path = folder / FOLDER
    try:
        path.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        ignore = path / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise StackError(f"the folder for secrets cannot be made: {error}", where=str(path)) from None
    return path


def rendered_env_digest(folder: Path, out: Path) -> str | None:
    """SHA-256 of the `.env` that stackgen wrote last into an output folder; None where it never did."""
    return _state(folder).get(os.path.relpath(out, folder))


def keep_rendered_env_digest(folder: Path, out: Path, digest: str) -> None:
    """Remember the `.env` that was written, so that a later edit by hand is noticed."""
    state = _state(folder) | {os.path.relpath(out, folder): digest}
    if state == _state(folder):
        return
    path = prepare(folder) / STATE_FILE
    try:
        write_private(path, json.dumps({"rendered_env_sha256": state}, indent=2) + "\n")
    except OSError as error:
        raise StackError(f"what was written cannot be remembered: {error.strerror}", where=str(path)) from None


def _state(folder: Path) -> dict[str, str]:
    try:
        data = json.loads((folder / FOLDER / STATE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    found = data.get("rendered_env_sha256") if isinstance(data, dict) else None
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else writes secrets or files of this spec meanwhile; a second one waits its turn."""
    path = prepare(folder) / LOCK_FILE
    try:
        file = path.open("w")
    except OSError as error:
        raise StackError(f"the lock cannot be taken: {error.strerror}", where=str(path)) from None
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _append(path: Path, added: Mapping[str, str]) -> None:
    """Keep every line that is there, comments included, and add the new values below."""
    prepare(path.parent.parent)
    header = "# Secrets of this stack. Back this file up; never commit it.\n"
    try:
        old = path.read_text(encoding="utf-8") if path.exists() else header
        if old and not old.endswith("\n"):
            old += "\n"
        write_private(path, old + "".join(f"{name}={_requoted(value)}\n" for name, value in added.items()))
    except OSError as error:
        raise StackError(f"the secrets cannot be kept: {error}", where=str(path)) from None


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] == "'":  # noqa: PLR2004 - a pair of quotes
        return text[1:-1].replace("\\'", "'")
    if len(text) >= 2 and text[0] == text[-1] == '"':  # noqa: PLR2004
        return text[1:-1]
    return text


def _instead_of_weak(secret: Secret) -> str:
    if secret.kind is SecretKind.GENERATED and not secret.guards_volume:
        return "delete the line and render again: stackgen generates a strong one"
    return "write the real one"


def _make_private(path: Path) -> None:
    """Nobody but the owner reads the secrets, however the file was made."""
    try:
        if path.exists() and path.stat().st_mode & 0o077:
            path.chmod(_PRIVATE_FILE)
    except OSError as error:
        raise StackError(f"others may read the secrets: {error.strerror}", where=str(path), hint="chmod 600") from None


def _has_more(value: str) -> bool:
    """Whether something stands behind the value itself, such as a comment."""
    if value[:1] in {"'", '"'}:
        return value[-1] != value[0]
    return re.search(r"\s#", value) is not None


def _requoted(text: str) -> str:
    return text if _URL_SAFE.match(text) else "'" + text.replace("'", "\\'") + "'"


def _refuse_to_orphan(absent: Sequence[Secret], path: Path, volume_exists: Callable[[str], bool], removal: str) -> None:
    """A volume that was made with a secret must not meet another one."""
    volumes = {volume for volume in sorted({secret.guards_volume for secret in absent} - {""}) if volume_exists(volume)}
    names = [secret.name for secret in absent if secret.guards_volume in volumes]
    if names:
        raise StackError(
            f"{' and '.join(names)} not in {path}, but the volume {' and '.join(sorted(volumes))} holds data that only they open",
            hint=f"restore {path} from your backup (rendered/.env is a copy of it); or, to lose that data: {removal}",
        )


def _refuse_unfit(wanted: Sequence[Secret], values: Mapping[str, str], path: Path) -> None:
    for secret in wanted:
        if secret.name in values:
            _refuse(secret, values[secret.name], path)


def _refuse(secret: Secret, value: str, path: Path) -> None:
    """A value that is weak, or that could not stand where the stack puts it."""
    if secret.url_safe and not _URL_SAFE.match(value):
        message = f"the value of {secret.name} has other characters than letters, digits, `-` and `_`"
        raise StackError(message, where=str(path), hint="choose one without them")
    if secret.prefix and not value.startswith(secret.prefix):
        message = f"the value of {secret.name} does not begin with {secret.prefix}"
        raise StackError(message, where=str(path), hint=f"put {secret.prefix} before it")
    if any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in value):
        message = f"the value of {secret.name} has a control character or a line break"
        raise StackError(message, where=str(path), hint="a secret is one line of text")
    if _WEAK.match(value):
        message = f"the value of {secret.name} is a placeholder or a well-known example"
        raise StackError(message, where=str(path), hint=_instead_of_weak(secret))
