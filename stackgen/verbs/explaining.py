"""What explain, config and profiles do: read what can be read, plan what can be planned, answer."""

from __future__ import annotations

import os
import re
from pathlib import Path

from stackgen import explain, sources, trace, vault
from stackgen import plan as planning
from stackgen.errors import SpecError, StackError
from stackgen.explain import Answer, Asked, LineAnswer
from stackgen.masking import Mask
from stackgen.plan import Plan
from stackgen.render import files as rendered_files
from stackgen.sources import describe, nearest
from stackgen.verbs import asked_files, choice
from stackgen.verbs.asked_files import Opened
from stackgen.verbs.stack import OUTPUT_FOLDER

_FILE_AND_LINE = re.compile(r"(?P<file>[^:]*[./][^:]*):(?P<line>[0-9]{1,9})(:[0-9]{1,9})?:?")
"""Also as errors name a place, with a column behind the line."""

_SUFFIXES = frozenset({".yaml", ".yml", ".md"})
"""What ends with one is a file, and no path of a spec."""


def open_asked(file: Path, out: Path | None = None) -> Opened:
    """Read a spec, and plan it where it has no problems.

    Raises:
        SpecError: it cannot be read at all.
    """
    loaded = sources.load(file)
    folder = out.absolute() if out else loaded.folder / OUTPUT_FOLDER
    mask = Mask([loaded.document.data, *(document.data for _, document in loaded.profiles)], _kept(loaded.folder))
    plan, failure = _planned(loaded)
    spec_folder = os.path.relpath(loaded.folder, folder)
    written = rendered_files(plan, spec_folder) if plan else ()
    return Opened(Asked(loaded, plan, written, spec_folder, mask), loaded.folder, folder, failure)


@trace.timed("looking for who is behind it")
def answer(opened: Opened, question: str) -> Answer | LineAnswer:
    """The answer about PATH or FILE:LINE.

    Raises:
        StackError: there is no such path, no such file, no such line.
    """
    matched = _FILE_AND_LINE.fullmatch(question)
    if matched:
        return _about_line(opened, question, matched["file"], int(matched["line"]))
    name, _, _ = question.partition(":")
    if Path(name).suffix in _SUFFIXES or (os.sep in name and Path(name).exists()):
        hint = f"write FILE:LINE, as {name}:12"
        raise StackError(f"{describe(question)} names no line of a file", hint=hint)
    return opened.asked.about(sources.path_of(question))


def _about_line(opened: Opened, question: str, name: str, line: int) -> Answer | LineAnswer:
    """Of a file; else of a path that only looks like one, as a name with a colon and a number at its end."""
    file = asked_files.find(opened, name)
    if file is not None:
        return file.about(line)
    try:
        return opened.asked.about(sources.path_of(question))
    except StackError:
        raise asked_files.unknown(opened, name) from None


def masked_failure(opened: Opened) -> SpecError | None:
    """The problems of the spec, without secrets that they quote."""
    if opened.failure is None:
        return None
    mask = opened.asked.mask.text
    return SpecError(
        problem._replace(message=mask(problem.message), hint=mask(problem.hint)) for problem in opened.failure.problems
    )


def _planned(loaded: sources.Loaded) -> tuple[Plan | None, SpecError | None]:
    try:
        active = choice.wanted(loaded.spec, (), choice.kept_by(loaded.spec, loaded.folder, loaded.folder))
        return planning.make(loaded, active=active, suggest=False), None
    except SpecError as failure:
        return None, failure


def _kept(folder: Path) -> list[str]:
    """Values of kept secrets, so that none is shown where somebody copied it; unreadable ones cannot be hidden."""
    try:
        return list(vault.read(folder / vault.FOLDER / vault.FILE).values())
    except StackError:
        return []


def profiles(folder: Path) -> tuple[explain.Listed, ...]:
    """The profiles that a spec in a folder may name."""
    return explain.profiles(folder)


def profile(folder: Path, name: str) -> explain.Listed:
    """One of them.

    Raises:
        StackError: there is none of that name.
    """
    known = {one.name: one for one in explain.profiles(folder)}
    if name not in known:
        raise StackError(f"there is no profile {describe(name)}", hint=nearest(name, known))
    return known[name]


def folder_beside(file: Path) -> Path:
    """The folder in which profiles/ would be; the one at hand where there is no spec."""
    return (file if file.is_dir() else file.parent).absolute()


def named_profiles(file: Path) -> tuple[str, ...]:
    """The profiles that a spec names; none where there is no spec."""
    try:
        listed = sources.load(file).document.data.get("profiles")
    except SpecError:
        return ()
    return tuple(name for name in listed if isinstance(name, str)) if isinstance(listed, list) else ()
