"""What explain, config and profiles do: read what can be read, plan what can be planned, answer."""

from __future__ import annotations

import os
import re
from pathlib import Path

from stackgen import explain, files, sources, vault
from stackgen import plan as planning
from stackgen.errors import SpecError, StackError
from stackgen.explain import Answer, Asked, LineAnswer, OnDisk
from stackgen.masking import Mask
from stackgen.plan import Plan
from stackgen.records import dataclass
from stackgen.render import ENV_FILE
from stackgen.render import files as rendered_files
from stackgen.sources import describe, nearest
from stackgen.verbs import choice
from stackgen.verbs.stack import OUTPUT_FOLDER

_FILE_AND_LINE = re.compile(r"(?P<file>[^:]*[./][^:]*):(?P<line>[0-9]{1,9})")

_SUFFIXES = frozenset({".yaml", ".yml", ".md"})
"""What ends with one is a file, and no path of a spec."""


@dataclass(frozen=True)
class Opened:
    """A stack that can be asked about, also one whose spec has problems."""

    asked: Asked
    folder: Path
    """The spec's."""
    out: Path
    failure: SpecError | None

    @property
    def shown_out(self) -> str:
        """The output folder as seen from the spec's, with a slash."""
        return f"{os.path.relpath(self.out, self.folder)}/"


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


def answer(opened: Opened, question: str) -> Answer | LineAnswer:
    """The answer about PATH or FILE:LINE.

    Raises:
        StackError: there is no such path, no such file, no such line.
    """
    matched = _FILE_AND_LINE.fullmatch(question)
    if matched:
        return _about_line(opened, matched["file"], int(matched["line"]))
    name, _, _ = question.partition(":")
    if Path(name).suffix in _SUFFIXES:
        hint = f"write FILE:LINE, as {name}:12"
        raise StackError(f"{describe(question)} names no line of a file", hint=hint)
    return opened.asked.about(sources.path_of(question))


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
        active = choice.wanted(loaded.spec, (), loaded.folder, loaded.folder)
        return planning.make(loaded, active=active, suggest=False), None
    except SpecError as failure:
        return None, failure


def _kept(folder: Path) -> list[str]:
    """Values of kept secrets, so that none is shown where somebody copied it; unreadable ones cannot be hidden."""
    try:
        return list(vault.read(folder / vault.FOLDER / vault.FILE).values())
    except StackError:
        return []


def _about_line(opened: Opened, name: str, line: int) -> LineAnswer:
    asked = opened.asked
    if _is(opened, name, opened.folder / asked.loaded.file, asked.loaded.file):
        return explain.of_spec(asked, line)
    for _, document in asked.loaded.profiles:
        if _is(opened, name, opened.folder / document.file, document.file):
            return explain.of_profile(asked, document, line, applied=True)
    for listed in explain.profiles(opened.folder) if Path(name).parent.name == explain.FOLDER else ():
        other = listed.document
        if other and _is(opened, name, opened.folder / other.file, other.file):
            return explain.of_profile(asked, other, line, applied=False)
    rendered = _rendered_name(opened, name)
    text = _text(opened.out / rendered)
    by_hand = rendered in files.hand_edits(opened.out) if opened.out.is_dir() else False
    return explain.of_rendered(asked, rendered, line, OnDisk(text=text, by_hand=by_hand))


def _is(opened: Opened, name: str, file: Path, shown: str) -> bool:
    """Whether a name that somebody wrote means a file: as it is shown, or as a path."""
    return name == shown or Path(name).absolute() == file.absolute() or (opened.folder / name) == file


def _rendered_name(opened: Opened, name: str) -> str:
    """The path of a rendered file below the output folder.

    Raises:
        StackError: it is none.
    """
    known = (
        {file.path for file in opened.asked.files}
        | set(files.read_manifest(opened.out))
        | {ENV_FILE, *explain.YAML_FILES}
    )
    for candidate in (Path(name).absolute(), opened.folder / name, opened.out / name):
        if candidate.is_relative_to(opened.out) and str(candidate.relative_to(opened.out)) in known:
            return str(candidate.relative_to(opened.out))
    ending = [path for path in known if path.endswith(f"/{name}")]
    if len(ending) == 1:
        return ending[0]
    profiles = {document.file for _, document in opened.asked.loaded.profiles}
    hint = nearest(name, known | profiles | {opened.asked.loaded.file})
    raise StackError(f"this stack has no file {describe(name)}", hint=hint)


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StackError(f"the file cannot be read: {error.strerror}", where=str(file)) from None


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
