"""The report of a bug of ours: what a maintainer needs, and nothing that is the user's own business.

It holds no value of the spec, no value of an option and no secret: only which keys and options were there.
"""

from __future__ import annotations

import os
import platform
import tempfile
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from stackgen import __version__

FOLDER_VARIABLE = "STACKGEN_REPORTS"
"""Names the folder of the reports."""
_LIBRARIES = ("docker", "huggingface_hub", "jinja2", "pydantic", "rich", "ruamel.yaml", "typer")
_SPEC_FILE = "stack.yaml"
_HIDDEN = "…"
_INDENT = "  "


def is_spec(path: Path) -> bool:
    """Whether a word of the command line is likely to name a spec or its folder."""
    return path.suffix in {".yaml", ".yml"} or (path / _SPEC_FILE).is_file()


def report_text(error: BaseException, words: Sequence[str], verbs: Collection[str], files: Sequence[Path]) -> str:
    """The report.

    Args:
        error: what was raised.
        words: the command line behind the program's name.
        verbs: the names of all verbs, which may be shown.
        files: specs that the verb may have been about, or their folders; keys are those of the first.
    """
    specs = [file / _SPEC_FILE if file.is_dir() else file for file in files]
    found = [_spec(spec) for spec in specs]
    parts = {
        "versions": f"stackgen {__version__}, Python {platform.python_version()}, {platform.platform()}\n{_versions()}",
        "command": " ".join(("stackgen", *(_shown(word, verbs) for word in words))),
        "keys of the spec": found[0][1],
        "trace": "".join(traceback.format_exception(error)).rstrip(),
    }
    text = "\n\n".join(f"{title}:\n{part}" for title, part in parts.items()) + "\n"
    return _masker([spec.absolute().parent for spec in specs], [data for data, _ in found])(text)


def keep_report(text: str) -> Path | None:
    """Write a report into a file of its own, which its owner alone may read; None where no folder takes it."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    for folder in _folders():
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, path = tempfile.mkstemp(prefix=f"stackgen-bug-{stamp}-", suffix=".txt", dir=folder)
            with os.fdopen(descriptor, "w", encoding="utf-8") as written:
                written.write(text)
        except (OSError, RuntimeError):  # RuntimeError: this user has no home
            continue
        return Path(path)
    return None


def _folders() -> Iterator[Path]:
    """Where reports may be kept, the best place first."""
    if os.environ.get(FOLDER_VARIABLE):
        yield Path(os.environ[FOLDER_VARIABLE])
    state = os.environ.get("XDG_STATE_HOME")
    yield (Path(state) if state else Path("~/.local/state").expanduser()) / "stackgen" / "reports"
    yield Path(tempfile.gettempdir())


def _versions() -> str:
    found = []
    for library in _LIBRARIES:
        try:
            found.append(f"{library} {metadata.version(library)}")
        except metadata.PackageNotFoundError:
            found.append(f"{library} absent")
    return ", ".join(found)


def _shown(word: str, verbs: Collection[str]) -> str:
    """A word of the command line: verbs and options as they are, values hidden."""
    if word in verbs:
        return word
    if word.startswith("--"):
        option, equals, _ = word.partition("=")
        return f"{option}={_HIDDEN}" if equals else option
    if word.startswith("-"):
        return word if len(word) <= 2 else f"{word[:2]}{_HIDDEN}"  # noqa: PLR2004 - `-n`, or `-n100`
    return _HIDDEN


def _spec(file: Path) -> tuple[dict[str, Any], str]:
    """The spec's data, to hide secrets that stand in it, and its keys."""
    try:
        from stackgen.sources.document import read  # noqa: PLC0415 - the bug may be there

        data = read(file, file.name)[0].data
    except Exception as error:  # noqa: BLE001 - a report of a bug must not end in another one
        return {}, f"{_INDENT}it could not be read: {type(error).__name__}"
    return data, "\n".join(_shape(data, _INDENT)) or f"{_INDENT}none"


def _shape(value: Any, indent: str) -> Iterator[str]:
    """The keys of a value with the type of what they hold; ids and keys are shown, values are not."""
    entries = value.items() if isinstance(value, dict) else (("-", item) for item in value)
    for key, item in entries:
        if isinstance(item, dict | list):
            yield f"{indent}{key}:"
            yield from _shape(item, indent + _INDENT)
        else:
            yield f"{indent}{key}: {type(item).__name__}"


def _masker(folders: Sequence[Path], written: Sequence[dict[str, Any]]) -> Callable[[str], str]:
    """A function that takes out every secret that can be known here: kept ones, variables and keys named like one."""
    try:
        from stackgen import vault  # noqa: PLC0415 - the bug may be there
        from stackgen.facts.secret_words import secret_words  # noqa: PLC0415 - likewise
        from stackgen.masking import Mask  # noqa: PLC0415 - likewise

        known = [value for name, value in os.environ.items() if secret_words().names(name)]
        for file in (file for folder in folders for file in (folder / vault.FOLDER).rglob(vault.FILE)):
            known += vault.read(file).values()
        mask = Mask(known=known)
        for data in written:
            mask.rendered(data)  # any key of a spec that could not be read through may hold one
    except Exception:  # noqa: BLE001 - then all that could be said with it stays unsaid
        return lambda _: f"stackgen {__version__}: the secrets could not be read, so nothing is shown\n"
    return mask.text
