"""Looks at a model where it is kept — at the hub, in a folder, in a GGUF file — for the numbers that the plan needs."""

from __future__ import annotations

from pathlib import Path

from stackgen import trace
from stackgen.errors import StackError
from stackgen.lookup.folder import GGUF, found_on_disk
from stackgen.lookup.found import Found
from stackgen.lookup.hub import ID, Hub

__all__ = ["Found", "Hub", "look"]

_PATHS = ("/", "./", "../", "~")


@trace.timed("looking at the model")
def look(source: str, *, model: str = "", kind: str = "", token: str | None = None) -> Found:
    """What is known of a model by itself.

    Args:
        source: owner/model of the hub, owner/model:file.gguf, a folder, or a .gguf file. Folders begin with `/`, `.` or `~`.
        model: what a spec calls it, where that is something else.
        kind: what it is, where its files do not say it.
        token: for gated models.

    Raises:
        StackError: it cannot be found or does not say enough; the hint is the next step.
    """
    repository, colon, name = source.partition(":")
    if source.startswith(_PATHS) or source in {".", ".."} or (source.endswith(GGUF) and not colon):
        return found_on_disk(Path(source), model, kind)
    if not ID.fullmatch(repository) or (colon and not name.endswith(GGUF)):
        hint = "write owner/model, owner/model:file.gguf, or a path such as ./folder"
        hint += f"; what Ollama calls so: owner/model:file.gguf --as {source}" if colon else ""
        raise StackError(f"{source} is neither a model of the hub nor a path", hint=hint)
    hub = Hub(token)
    return hub.found_gguf(repository, name, model, kind) if colon else hub.found(repository, model, kind)
