"""The files whose lines can be asked about, and which of them a person means."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from stackgen import explain, files, vault
from stackgen.errors import SpecError, StackError
from stackgen.explain import Asked, LineAnswer, OnDisk, Text
from stackgen.facts.explaining import beside
from stackgen.records import dataclass
from stackgen.render import ENV_FILE
from stackgen.resources import shipped
from stackgen.sources import Document, describe, nearest
from stackgen.sources import Path as Where

_VARIABLES = ENV_FILE, f"{ENV_FILE}.example"
_SECRETS = f"{vault.FOLDER}/{vault.FILE}"


@dataclass(frozen=True)
class Opened:
    """A stack that can be asked about, also one whose spec has problems."""

    asked: Asked
    folder: Path
    """The spec's."""
    out: Path
    failure: SpecError | None

    @cached_property
    def files(self) -> tuple[AskedFile, ...]:
        """The files of the stack."""
        return tuple(_known(self))

    @property
    def shown_out(self) -> str:
        """The output folder as seen from the spec's, with a slash."""
        return f"{os.path.relpath(self.out, self.folder)}/"


@dataclass(frozen=True)
class AskedFile:
    """A file whose lines can be asked about."""

    shown: str
    """As answers name it."""
    path: Path
    about: Callable[[int], LineAnswer]
    """Behind a line of it."""


def find(opened: Opened, name: str) -> AskedFile | None:
    """The file that a name means: as it is shown, as a path from here or from the stack's folders, or by its end."""
    known = opened.files
    seen = {os.path.realpath(folder / name) for folder in (Path(), opened.folder, opened.out)}
    exact = (one for one in known if name == one.shown or os.path.realpath(one.path) in seen)
    ending = [one for one in known if one.shown.endswith(f"/{name}")]
    found = next(exact, None) or _named(opened, seen) or next(_beside(opened, name), None)
    return found or (ending[0] if len(ending) == 1 else None)


def unknown(opened: Opened, name: str) -> StackError:
    """The error about a file that is none of the stack's."""
    known = {one.shown for one in opened.files}
    about = beside(Path(name).name)
    if about:
        return StackError(f"{name} is not there", hint=about)
    if any((folder / name).is_file() for folder in (Path(), opened.folder)):
        message = (
            f"{describe(name)} is no file of this stack: the spec does not name it, and nothing is rendered into it"
        )
        return StackError(message, hint=f"these are: {', '.join(sorted(known))}")
    return StackError(f"this stack has no file {describe(name)}", hint=nearest(name, known))


def _known(opened: Opened) -> Iterator[AskedFile]:
    asked = opened.asked
    loaded, folder = asked.loaded, opened.folder

    def of_spec(line: int) -> LineAnswer:
        return explain.of_spec(asked, Text(loaded.file, _text(folder / loaded.file)), line)

    yield AskedFile(loaded.file, folder / loaded.file, of_spec)
    applied = [document for _, document in loaded.profiles]
    for document in applied:
        is_shipped = document.file in loaded.shipped_files
        yield _profile(asked, document, folder, is_shipped=is_shipped, applied=True)
    for listed in explain.profiles(folder):
        if listed.document and listed.document.file not in {document.file for document in applied}:
            yield _profile(asked, listed.document, folder, is_shipped=listed.where == "shipped", applied=False)
    for _, document in loaded.facts.files:
        yield _facts(asked, document, folder / document.file)
    yield from _rendered(opened)


def _profile(asked: Asked, document: Document, folder: Path, *, is_shipped: bool, applied: bool) -> AskedFile:
    path = shipped(explain.FOLDER) / Path(document.file).name if is_shipped else folder / document.file

    def about(line: int) -> LineAnswer:
        return explain.of_profile(asked, document, Text(document.file, _text(path)), line, applied=applied)

    return AskedFile(document.file, path, about)


def _facts(asked: Asked, document: Document, path: Path) -> AskedFile:
    return AskedFile(
        document.file, path, lambda line: explain.of_facts(asked, document, Text(document.file, _text(path)), line)
    )


def _rendered(opened: Opened) -> Iterator[AskedFile]:
    asked, out = opened.asked, opened.out
    names = {file.path for file in asked.files} | set(files.read_manifest(out)) | set(explain.YAML_FILES)
    for name in sorted(names - set(_VARIABLES)):
        yield AskedFile(name, out / name, _about_rendered(opened, name))
    for name in _VARIABLES:
        yield AskedFile(name, out / name, _about_variables(opened, name, out / name))
    yield AskedFile(_SECRETS, opened.folder / _SECRETS, _about_variables(opened, _SECRETS, opened.folder / _SECRETS))


def _about_rendered(opened: Opened, name: str) -> Callable[[int], LineAnswer]:
    def look() -> OnDisk:
        by_hand = name in files.hand_edits(opened.out) if opened.out.is_dir() else False
        return OnDisk(text=_text_or_none(opened.out / name), by_hand=by_hand)

    def about(line: int) -> LineAnswer:
        return explain.of_rendered(opened.asked, name, line, files.steadily(opened.out, look))

    return about


def _about_variables(opened: Opened, name: str, path: Path) -> Callable[[int], LineAnswer]:
    def about(line: int) -> LineAnswer:
        wanted = next((file.text for file in opened.asked.files if file.path == name), None)
        text = _text_or_none(path)
        if text is None and wanted is None:
            raise StackError(f"{name} is not there", hint="stackgen render writes it")
        return explain.of_variables(opened.asked, name, line, text if text is not None else wanted or "")

    return about


def _beside(opened: Opened, name: str) -> Iterator[AskedFile]:
    """A file that stands beside the spec or among the rendered ones, from which and into which nothing is rendered."""
    for candidate in (Path(name).absolute(), opened.folder / name, opened.out / name):
        for folder in (opened.folder, opened.out, *opened.folder.parents):
            path = Path(os.path.normpath(candidate))
            if not path.is_relative_to(folder):
                continue
            shown = str(path.relative_to(folder))
            if path.is_file() and beside(shown):
                yield AskedFile(shown, path, _about_another(shown, path))


def _about_another(shown: str, path: Path) -> Callable[[int], LineAnswer]:
    return lambda line: explain.of_another(shown, line, _text(path), beside(shown))


def _named(opened: Opened, seen: set[str]) -> AskedFile | None:
    """A file of the person's own that the spec names: one that is mounted, or that stands in a folder of a build."""
    for path in sorted(seen):
        if not Path(path).is_file():
            continue
        paths = [at for at, text in _texts(opened.asked.loaded.merged.data, ()) if _leads(opened.folder, text, path)]
        if paths:
            return _about_named(opened, Path(path), paths)
    return None


def _about_named(opened: Opened, path: Path, paths: list[Where]) -> AskedFile:
    shown = os.path.relpath(path, opened.folder)
    return AskedFile(shown, path, lambda line: explain.of_named(opened.asked, shown, line, _text(path), paths))


def _texts(data: Any, path: Where) -> Iterator[tuple[Where, str]]:
    if isinstance(data, str):
        yield path, data
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        yield from _texts(value, (*path, key))


def _leads(folder: Path, text: str, path: str) -> bool:
    """Whether a text of the spec is the path of a file, or of a folder that holds it."""
    there = os.path.realpath(folder / text)
    return there == path or (path.startswith(f"{there}{os.sep}") and not str(folder).startswith(there))


def _text(file: Path) -> str:
    """The text of a file that is there.

    Raises:
        StackError: it cannot be read.
    """
    text = _text_or_none(file)
    if text is None:
        raise StackError("the file is not there any more", where=str(file))
    return text


def _text_or_none(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8-sig", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StackError(f"the file cannot be read: {error.strerror}", where=str(file)) from None
