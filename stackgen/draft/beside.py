"""What stands beside a first spec: lines for git, and a workflow for CI."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stackgen import __version__
from stackgen.errors import StackError
from stackgen.facts.ci import workflow
from stackgen.render import yaml

GIT_IGNORE = ".gitignore"
_IGNORED = (".stackgen/", "rendered/.env")
"""Secrets; everything else that is rendered can be committed, and `render --check` proves it."""
_EXPRESSION = "${{"
"""Begins what GitHub reckons out before a shell sees it."""
_HEADER = (
    "Fails where what is committed below rendered/ is not what the spec says, or would not work. No card is needed.",
    "Where your package index has no stackgen, install it from its repository: pip install git+https://…",
)


def git_ignore(now: str) -> str:
    """The text of .gitignore with the lines that keep secrets out of git; what stands there stays."""
    there = {line.strip().lstrip("/").rstrip("/") for line in now.splitlines()}
    missing = [line for line in _IGNORED if line.rstrip("/") not in there]
    if not missing:
        return now
    before = now if not now or now.endswith("\n") else f"{now}\n"
    return before + "\n".join(["# secrets of stackgen", *missing]) + "\n"


def ci_file(service: str, folder: Path, spec: str) -> tuple[Path, str]:
    """The workflow of a CI service: where it goes (at the top of the git repository around the folder), and its text.

    Args:
        service: github or gitlab.
        folder: the spec's, absolute.
        spec: the spec's file name.

    Raises:
        StackError: the path of the spec has no form there.
    """
    top = next((place for place in (folder, *folder.parents) if (place / ".git").exists()), folder)
    path = (folder / spec).relative_to(top).as_posix()
    if _EXPRESSION in path or not path.isprintable():
        raise StackError("the path of the spec would be read as code by CI", where=path, hint="rename the folder")
    found = workflow(service)
    words = {"{install}": f"stackgen=={__version__}", "{spec}": shlex.quote(path)}
    return top / found.path, yaml.dump(_filled(found.data, words), _HEADER, spaced=0)


def _filled(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _filled(inner, words) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, words) for inner in value]
    for name, word in words.items():
        value = value.replace(name, word)
    return value
