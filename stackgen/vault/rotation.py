"""What a rotation intends, on disk before anything changes: whoever comes after a kill finishes it.

It holds the new values, for a server may know one of them already, and the digests of keys that the gateway still has to
forget. Old values need no place of their own: they are in secrets.env until every server knows the new ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from stackgen.errors import StackError
from stackgen.facts.refusals import refused
from stackgen.records import dataclass
from stackgen.vault.kept import FOLDER, prepare, write_private
from stackgen.vault.values import SecretValue, hidden

ROTATION_FILE = "rotation.json"


@dataclass(frozen=True)
class Rotation:
    """What is still to be done; nothing where both are empty."""

    new: Mapping[str, SecretValue] = field(default_factory=dict)
    """Values by the names of their secrets."""
    forget: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of keys of clients that are no longer theirs, by the names of their secrets."""


def intended(folder: Path) -> Rotation:
    """What a rotation in the folder of a spec left to do.

    Raises:
        StackError: the file cannot be read.
    """
    path = folder / FOLDER / ROTATION_FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Rotation(hidden(_texts(data["new"])), _texts(data["forget"]))
    except FileNotFoundError:
        return Rotation()
    except OSError as error:  # it may hold what a server knows already: nobody is told to delete it
        raise refused("what a rotation left to do cannot be read", error, path) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        hint = "delete it, then rotate the same secrets again: servers take a new value, whatever they have now"
        raise StackError("what a rotation left to do cannot be read", where=str(path), hint=hint) from None


def intend(folder: Path, rotation: Rotation) -> None:
    """Write down what is to be done; no file where that is nothing.

    Raises:
        StackError: it cannot be written.
    """
    path = prepare(folder) / ROTATION_FILE
    new = {name: value.reveal() for name, value in rotation.new.items()}
    try:
        if new or rotation.forget:
            write_private(path, json.dumps({"version": 1, "new": new, "forget": dict(rotation.forget)}) + "\n")
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise refused("what is to be done cannot be written down", error, path) from None


def _texts(data: Mapping[str, object]) -> dict[str, str]:
    return {str(name): str(value) for name, value in data.items()}
