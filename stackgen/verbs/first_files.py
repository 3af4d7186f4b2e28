"""The files of a first spec: the spec, its schema, lines for git, facts of new cards, a workflow for CI."""

from __future__ import annotations

import json
import os
from pathlib import Path

from stackgen import draft, files, sources
from stackgen.errors import StackError
from stackgen.plan import schema
from stackgen.render import yaml
from stackgen.verbs.beginning import Proposed
from stackgen.verbs.finding import Ground

_FORCE = "look at it first; --force overwrites it"


def require_room(folder: Path, ci: str, *, force: bool) -> None:
    """Refuse before anybody is asked: what would be overwritten is there, or nothing can be written.

    Args:
        folder: where the spec is to stand; it need not be there.
        ci: `github`, `gitlab`, or empty.
        force: overwrite what is there.

    Raises:
        StackError: the first thing in the way.
    """
    if folder.exists() and not folder.is_dir():
        raise StackError("this is a file, and a spec needs a folder", where=str(folder), hint="name a folder")
    wanted = [folder / sources.FILE_NAME]
    wanted += [draft.ci_file(ci, folder.absolute(), sources.FILE_NAME)[0]] if ci else []
    for path in wanted:
        if os.path.lexists(path) and not force:
            raise StackError("this file is there already, and it would be lost", where=_seen(path), hint=_FORCE)
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not os.access(nearest, os.W_OK | os.X_OK):
        hint = "name a folder of yours: stackgen init DIR"
        raise StackError("nothing can be written into this folder", where=_seen(nearest), hint=hint)


def keep_spec(where: Ground, proposed: Proposed, ci: str, *, force: bool = False) -> tuple[str, ...]:
    """Write everything, or nothing; the spec comes last, so that where it is, all of it is.

    Args:
        where: the folder.
        proposed: the spec.
        ci: `github`, `gitlab`, or empty.
        force: overwrite what is there.

    Returns:
        The files, as seen from the working directory.

    Raises:
        StackError: they cannot be written, or somebody else has written some since anybody looked.
    """
    with files.turn(where.folder):
        require_room(where.folder, ci, force=force)
        texts = _texts(where, proposed, ci)
        files.put_together(texts)
    return tuple(_seen(path) for path in reversed(texts))


def _texts(where: Ground, proposed: Proposed, ci: str) -> dict[Path, str]:
    """What is written, by path, in the order of writing."""
    folder = where.folder
    texts = {folder / draft.SCHEMA_FILE: json.dumps(schema.of_spec(), indent=2, ensure_ascii=False) + "\n"}
    texts |= {folder / draft.facts_path(card): _facts(card, where) for card in where.inventory.new}
    texts |= _git_ignore(folder)
    if ci:
        path, text = draft.ci_file(ci, folder.absolute(), sources.FILE_NAME)
        texts[path] = text
    texts[folder / sources.FILE_NAME] = proposed.text
    return texts


def _facts(card: str, where: Ground) -> str:
    header = ("What the driver says of a card that stackgen does not know; put better numbers in their place.",)
    return yaml.dump({"cards": {card: where.inventory.new[card]}}, header, spaced=0)


def _git_ignore(folder: Path) -> dict[Path, str]:
    """.gitignore where lines are missing."""
    path = folder / draft.GIT_IGNORE
    now = files.text_of(path) or ""
    if any("\udc80" <= character <= "\udcff" for character in now):
        hint = "save it as UTF-8, then begin again"
        raise StackError("this is not UTF-8 text, so no line is added to it", where=_seen(path), hint=hint)
    text = draft.git_ignore(now)
    return {} if text == now else {path: text}


def _seen(path: Path) -> str:
    """The path as it is short: from the working directory, or as it is."""
    return min(os.path.relpath(path), str(path), key=len)
