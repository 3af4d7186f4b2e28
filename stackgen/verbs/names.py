"""Names that somebody may want to type next, for completion: fast, and from a spec that is half written too.

The files are scanned and not parsed: a wrong guess costs nothing, a slow answer or an error in the middle of a line does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from stackgen.resources import shipped

_ENTRY = re.compile(r"""^(?P<indent> *)(?:- )?["']?(?P<key>[A-Za-z_][\w.-]*)["']?:(?= |$)""")
_SECRET_LINE = re.compile(r"^(?:export )?([A-Za-z_][A-Za-z0-9_]*)=", re.MULTILINE)
_LARGEST_FILE_BYTES = 4 * 1024 * 1024
_FACTS = Path(__file__).resolve().parent.parent / "facts"


def models(spec: Path) -> Iterator[str]:
    """Ids and public names of the models of a spec."""
    text = _text(spec)
    yield from _keys(text, "models")
    yield from _items(text, "public_names")


def modalities(spec: Path) -> Iterator[str]:
    """What the models of a spec serve."""
    yield from _items(_text(spec), "modalities")


def groups(spec: Path) -> Iterator[str]:
    """The groups of a spec."""
    yield from _keys(_text(spec), "groups")


def paths(spec: Path) -> Iterator[str]:
    """Where values stand in a spec, as models.chat.context."""
    above: list[tuple[int, str]] = []
    for line in _text(spec).splitlines():
        found = _ENTRY.match(line)
        if found:
            above = [(indent, key) for indent, key in above if indent < len(found["indent"])]
            above.append((len(found["indent"]), found["key"]))
            yield ".".join(key for _, key in above)


def services(spec: Path, *, simulate: bool = False) -> Iterator[str]:
    """The services that were rendered last."""
    home = spec.parent / ".stackgen" / "simulation" if simulate else spec.parent
    yield from _keys(_text(home / "rendered" / "docker-compose.yml"), "services")


def profiles(spec: Path) -> Iterator[str]:
    """Shipped profiles and those beside a spec."""
    for folder in (shipped("profiles"), spec.parent / "profiles"):
        yield from sorted(file.stem for file in folder.glob("*.yaml"))


def secrets(spec: Path) -> Iterator[str]:
    """Secrets that are kept, and those that the rendered files ask for."""
    for file in (spec.parent / ".stackgen" / "secrets.env", spec.parent / "rendered" / ".env.example"):
        yield from _SECRET_LINE.findall(_text(file))


def cards(_: Path) -> Iterator[str]:
    """Cards that came with stackgen."""
    yield from _first_column("cards.csv")


def sources(_: Path) -> Iterator[str]:
    """Models that came with stackgen."""
    yield from _first_column("models.csv")


def files(spec: Path) -> Iterator[str]:
    """The spec and what was rendered of it, as `explain` calls them."""
    folder = spec.parent / "rendered"
    yield from [spec.name] if spec.is_file() else []
    yield from sorted(str(file.relative_to(folder)) for file in folder.rglob("[!.]*") if file.is_file())


def facts(_: Path) -> Iterator[str]:
    """Cards and models that came with stackgen."""
    yield from _first_column("cards.csv")
    yield from _first_column("models.csv")


def _first_column(file: str) -> Iterator[str]:
    for line in _text(_FACTS / file).splitlines()[1:]:
        yield line.partition(",")[0].strip('"')


def _text(file: Path) -> str:
    """A file's text; empty where there is none that could be read in time."""
    try:
        return file.read_text(encoding="utf-8") if file.stat().st_size < _LARGEST_FILE_BYTES else ""
    except (OSError, UnicodeDecodeError):
        return ""


def _keys(text: str, section: str) -> Iterator[str]:
    """The keys one level below a key at the top, in lines of their own or in braces."""
    found = re.search(rf"^{section}:(.*?)(?=^[^\s#]|\Z)", text, re.MULTILINE | re.DOTALL)
    body = found[1] if found else ""
    if body.lstrip().startswith("{"):
        yield from re.findall(r"([A-Za-z_][\w.-]*)[\"']?:", _flat(body.strip()[1:]))
        return
    entries = [entry for line in body.splitlines() if (entry := _ENTRY.match(line))]
    indent = min((len(entry["indent"]) for entry in entries), default=0)
    yield from (entry["key"] for entry in entries if len(entry["indent"]) == indent)


def _flat(text: str) -> str:
    """What stands in no inner braces or brackets."""
    while (shorter := re.sub(r"\{[^{}]*\}|\[[^\[\]]*\]", "", text)) != text:
        text = shorter
    return text


def _items(text: str, key: str) -> Iterator[str]:
    """What the lists of that name hold, wherever they are."""
    for inline in re.findall(rf"\b{key}:\s*\[([^\]]*)\]", text):
        yield from (name for item in inline.split(",") if (name := item.strip(" \n\"'")))
    for block in re.findall(rf"\b{key}:\s*\n((?:\s+- .*\n?)+)", text):
        yield from (name for item in block.splitlines() if (name := item.strip().removeprefix("- ").strip(" \"'")))
