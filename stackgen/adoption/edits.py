"""Rendered files as data that can be compared: what means the same is the same, and each difference has its line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Any

from stackgen.facts.adoption import is_as_good_as_absent
from stackgen.facts.secret_words import secret_words
from stackgen.records import dataclass
from stackgen.render import COMPOSE_FILE
from stackgen.render.compose import CONTENT_LABEL
from stackgen.sources import Document
from stackgen.sources.document import read
from stackgen.spec import GATEWAY_ENVIRONMENT_REFERENCE

_FLAG = re.compile(r"--?[A-Za-z]")
_NAMED_LISTS = ("environment", "labels", "sysctls", "annotations")
_ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - what Docker listens on where a port names no address
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::\?[^}]*|:-)\}")
_TIME = re.compile(r"([0-9]+[hms])+")
_TIME_PART = re.compile(r"([0-9]+)([hms])")
_SECONDS_OF = {"h": 3600, "m": 60, "s": 1}
_SHORT_PORT = re.compile(
    r"(?:(?P<address>\[[^]]*\]|[0-9.]+):)?(?P<published>[0-9-]*):(?P<container>[0-9-]+(?:/[a-z]+)?)"
)


class Nothing(Enum):
    """Stands for what is not there."""

    ABSENT = "nothing"


ABSENT = Nothing.ABSENT


@dataclass(frozen=True)
class Edit:
    """One difference: what the spec says, and what stands in the file."""

    file: str
    path: tuple[str, ...]
    old: Any
    new: Any
    line: int

    @property
    def key(self) -> tuple[str, tuple[str, ...]]:
        """What it is about."""
        return self.file, self.path

    @property
    def where(self) -> str:
        """File and line."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Text:
    """A file as data, in a form in which equal things are equal, and as it was written."""

    file: str
    data: Mapping[str, Any]
    document: Document


def text_of(path: Path, file: str, engine_services: frozenset[str]) -> Text:
    """Read a rendered file, perhaps edited.

    Args:
        path: where it is.
        file: its path in the output folder.
        engine_services: services whose command is words of an engine, whose order has no meaning.

    Raises:
        SpecError: it is no YAML.
    """
    document, _ = read(path, file)
    return Text(file, comparable(file, document.data, engine_services), document)


def comparable(file: str, data: Mapping[str, Any], engine_services: frozenset[str]) -> dict[str, Any]:
    """Data of a file with one form for what can be written in several."""
    if file != COMPOSE_FILE:
        entries = data.get("model_list")
        found = dict(data)
        if isinstance(entries, list):
            found["model_list"] = {_entry_name(entry, at): entry for at, entry in enumerate(entries)}
        return found
    services = data.get("services")
    named = services.items() if isinstance(services, dict) else ()
    return {**data, "services": {name: _service(entry, name in engine_services) for name, entry in named}}


def edits(old: Mapping[str, Any], new: Text) -> Iterator[Edit]:
    """What is different in a file from what would be rendered."""
    for path, before, after in _differences(old, new.data, ()):
        yield Edit(new.file, path, before, after, _line(new, path))


def aligned(text: Text, rendered: Mapping[str, Any]) -> Text:
    """Entries of the gateway that were written without an id, under that of the one that is rendered for them."""
    entries, known = text.data.get("model_list"), rendered.get("model_list")
    if not isinstance(entries, Mapping) or not isinstance(known, Mapping):
        return text
    free = {_asked(entry): name for name, entry in known.items() if name not in entries}
    named = {name if name in known else free.get(_asked(entry), name): entry for name, entry in entries.items()}
    return replace(text, data={**text.data, "model_list": named})


def _asked(entry: Any) -> tuple[str, str]:
    """What clients ask for, and what the gateway then asks for."""
    parameters = entry.get("litellm_params") if isinstance(entry, dict) else None
    model = parameters.get("model") if isinstance(parameters, dict) else None
    return str(entry.get("model_name") if isinstance(entry, dict) else ""), str(model)


def words_of(command: Any) -> dict[str, Any]:
    """Words of a command by their flags: True for a bare one, False for its `--no-` form, else the words behind it.

    A flag that comes again has its number behind it; words before the first flag stand under an empty name.
    """
    found: dict[str, Any] = {}
    name = ""
    for word in map(str, command):
        if not _FLAG.match(word):
            behind = found.get(name)
            found[name] = [*(behind if isinstance(behind, list) else []), word]
            continue
        flag, sign, value = word.partition("=")
        positive = flag.replace("--no-", "--", 1)
        name = _numbered(positive, found)
        found[name] = [value] if sign else positive == flag
    return found


def is_literal_secret(key: str, value: Any) -> bool:
    """Whether a secret was written in clear."""
    is_reference = isinstance(value, str) and ("${" in value or GATEWAY_ENVIRONMENT_REFERENCE in value)
    return isinstance(value, str) and not is_reference and secret_words().names(key)


def flag_of(name: str) -> tuple[str, int]:
    """A flag and which of its kind it is, from 0."""
    flag, _, number = name.partition(" ")
    return flag, int(number) - 1 if number else 0


def _numbered(flag: str, found: Mapping[str, Any]) -> str:
    count = sum(flag_of(name)[0] == flag for name in found)
    return f"{flag} {count + 1}" if count else flag


def _entry_name(entry: Any, position: int) -> str:
    information = entry.get("model_info") if isinstance(entry, dict) else None
    identifier = information.get("id") if isinstance(information, dict) else None
    return str(identifier or f"entry {position + 1}")


def _service(entry: Any, is_engine: bool) -> Any:  # noqa: FBT001 - what matters of its name
    """A service, each key in the one form in which it is rendered."""
    if not isinstance(entry, dict):
        return entry
    forms: dict[str, Callable[[Any], Any]] = {
        **dict.fromkeys(_NAMED_LISTS, _named),
        "environment": lambda variables: {name: _reference(value) for name, value in _named(variables).items()},
        "labels": lambda labels: {
            name: value for name, value in _named(labels).items() if not name.startswith(CONTENT_LABEL)
        },
        "depends_on": _needs,
        "ports": lambda ports: [_port(port) for port in ports],
        "volumes": lambda mounts: dict(map(_mount, mounts)),
        "healthcheck": lambda health: {key: _seconds(value) for key, value in health.items()},
        "stop_grace_period": _seconds,
        "command": lambda command: words_of(command) if is_engine and isinstance(command, list) else command,
    }
    found = {}
    for key, value in entry.items():
        whole = (
            value if not isinstance(value, list | dict) and key != "stop_grace_period" else forms.get(key, _same)(value)
        )
        if whole is not None and not is_as_good_as_absent(key, whole):
            found[key] = whole
    return found


def _same(value: Any) -> Any:
    return value


def _named(entries: Any) -> dict[str, Any]:
    """A list of NAME=value as a map."""
    if isinstance(entries, dict):
        return entries
    return {name: text if sign else None for name, sign, text in (str(item).partition("=") for item in entries)}


def _reference(value: Any) -> Any:
    """A variable that must be there, or may be empty, by its name alone."""
    return _VARIABLE.sub(r"${\1}", value) if isinstance(value, str) else value


def _needs(entries: Any) -> Any:
    return {str(name): {"condition": "service_started"} for name in entries} if isinstance(entries, list) else entries


def _port(port: Any) -> Any:
    """ADDRESS:PUBLISHED:CONTAINER, whichever of Compose's short forms it was."""
    match = _SHORT_PORT.fullmatch(port) if isinstance(port, str) else None
    return f"{match['address'] or _ANY_ADDRESS}:{match['published']}:{match['container']}" if match else port


def _seconds(value: Any) -> Any:
    """A time such as 1m30s in seconds, as it is rendered; anything else as it is."""
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return value
    return f"{sum(int(number) * _SECONDS_OF[unit] for number, unit in _TIME_PART.findall(value))}s"


def _mount(mount: Any) -> tuple[str, Any]:
    """A mount by its place in the container."""
    if isinstance(mount, str):
        source, _, rest = mount.partition(":")
        target, _, mode = rest.partition(":")
        if not target:
            return source, {"type": "volume"}
        kind = "bind" if source.startswith(("/", ".", "~")) else "volume"
        found = {"type": kind, "source": source}
        return target, {**found, "read_only": True} if "ro" in mode.split(",") else found
    if isinstance(mount, dict):
        return str(mount.get("target")), {key: value for key, value in mount.items() if key not in {"target", "bind"}}
    return str(mount), mount


def _differences(old: Any, new: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys((*old, *new)):
            yield from _differences(old.get(key, ABSENT), new.get(key, ABSENT), (*path, key))
    elif old != new or isinstance(old, bool) != isinstance(new, bool):
        yield path, old, new


def _line(text: Text, path: tuple[str, ...]) -> int:
    """The line of what differs; of what is gone, that of what it was in."""
    known: tuple[str | int, ...] = ()
    data: Any = text.document.data
    for part in path:
        if isinstance(data, dict) and part in data:
            known, data = (*known, part), data[part]
            continue
        if isinstance(data, list):
            at = next((at for at, item in enumerate(data) if _is_about(item, part, at)), None)
            if at is None:
                break
            known, data = (*known, at), data[at]
            continue
        break
    return text.document.place(known, of_key=True).line


def _is_about(item: Any, part: str, at: int) -> bool:
    """Whether an item of a list is what a name stands for: a flag, a variable, a mount, an entry of the gateway."""
    if isinstance(item, str):
        return item == part or item.split("=")[0] == part or f":{part}" in item or item == flag_of(part)[0]
    return isinstance(item, dict) and (item.get("target") == part or _entry_name(item, at) == part)
