"""Edits by hand of rendered files, turned back into what a spec says. Pure: it proposes, and who calls it tries."""

from __future__ import annotations

from collections.abc import Iterator

from stackgen.adoption import compose, gateway
from stackgen.adoption.command import why_not as _why_no_flag
from stackgen.adoption.edits import ABSENT, Edit, Text, aligned, comparable, edits, flag_of, is_literal_secret, text_of
from stackgen.adoption.ground import Ground, Proposal
from stackgen.backing import litellm
from stackgen.facts.adoption import why_unsayable
from stackgen.render import COMPOSE_FILE
from stackgen.sources import describe

__all__ = [
    "ABSENT", "FILES", "Edit", "Ground", "Proposal", "Text", "aligned", "comparable", "edits", "flag_of", "is_secret",
    "proposals", "shown", "text_of", "why_not",
]  # fmt: skip

FILES = (COMPOSE_FILE, litellm.CONFIG.path)
"""Files whose edits can be said in a spec."""


def proposals(ground: Ground, edit: Edit) -> Iterator[Proposal]:
    """What may be said in the place of an edit, best first."""
    yield from (compose if edit.file == COMPOSE_FILE else gateway).proposals(ground, edit)


def is_secret(edit: Edit) -> bool:
    """Whether an edit wrote a secret in clear, so that its value is never shown."""
    return any(is_literal_secret(edit.path[-1], value) for value in (edit.new, edit.old))


def shown(value: object) -> str:
    """A value of an edit, short enough for a line."""
    if value is ABSENT:
        return "nothing"
    if isinstance(value, list) and not any(isinstance(item, list | dict) for item in value):
        return describe(" ".join(map(str, value)))
    return describe(value)


def why_not(ground: Ground, edit: Edit) -> str:
    """Why nothing in a spec would make an edit permanent; empty where nothing more can be said than that it is so."""
    if is_secret(edit):
        return (
            f"it is a secret in clear: `stackgen secrets set {edit.path[-1].upper()}` keeps it, and `secret_environment` "
            "or `key` in the spec names it"
        )
    if edit.file == COMPOSE_FILE and edit.path[:1] == ("services",):
        is_flag = len(edit.path) > 3 and edit.path[2] == "command"  # noqa: PLR2004 - services, name, command, flag
        return _why_no_flag(ground, edit.path[1], edit.path[3]) if is_flag else ""
    if edit.path[0] in gateway.RAW_SECTIONS or (edit.path[0] == "model_list" and len(edit.path) > 2):  # noqa: PLR2004 - a key of an entry
        return ""
    return why_unsayable(edit.file, edit.path[0])
