"""What is known of every key that a person may write: its type in words, its default, its meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from stackgen.engines import ENGINES
from stackgen.records import dataclass
from stackgen.sources import Path, fields_at, type_at
from stackgen.spec import Profile, Spec, facts_file, words

_KINDS = (
    (words.Identifier, "id"),
    (facts_file.CardId, "id of a card"),
    (facts_file.Count, "whole number, 0 or more"),
    (facts_file.Gib, "GiB, more than 0"),
    (facts_file.Day, "day"),
    (words.EnvironmentName, "variable name"),
    (words.PublicName, "public name"),
    (words.PublicNames, "list of public names"),
    (words.PortNumber, "port, 1 to 65535"),
    (words.Address, "IP address"),
    (words.Subnet, "network with its prefix"),
    (words.Url, "URL"),
    (words.AbsolutePath, "absolute path"),
    (words.DockerName, "name in Docker"),
    (words.GpuUuid, "UUID"),
)
"""What the types of text and numbers are called; every other one is plain text."""
_FORMS = {tuple: "list: {}", dict: "map: {} → {}"}
_PLAIN: Mapping[Any, str] = {str: "text", bool: "true or false", int: "whole number", float: "number", Any: "anything"}
_OPTIONS = "options"


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key that may be written."""

    name: str
    kind: str
    """Its type in words, with its limits."""
    required: bool
    default: Any
    """What counts where nobody writes it; None where nothing does."""
    meaning: str


@cache
def keys_of(model: type[BaseModel], group: Callable[[type[BaseModel]], str] = lambda _: "keys") -> tuple[Key, ...]:
    """The keys of a group, in their order.

    Args:
        model: the group.
        group: what the type of a key is called that is a group itself.
    """
    hints = get_type_hints(model, include_extras=True)
    return tuple(_key(name, field, hints[name], group) for name, field in model.model_fields.items())


def key_at(data: Mapping[str, Any], path: Path, root: type[BaseModel] = Spec) -> Key | None:
    """What is known of the key at a path; None where no such key is known, or its name is free.

    Args:
        data: what a person wrote.
        path: keys below it.
        root: Spec or Profile.
    """
    root, path = below_options(root, data, path)
    parent = type_at(root, path[:-1]) if path else None
    if not (isinstance(parent, type) and issubclass(parent, BaseModel)):
        return None
    return next((key for key in keys_of(parent) if key.name == path[-1]), None)


def names_at(data: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    """The keys that may stand below a path of a spec, as far as they have names of their own."""
    root, path = below_options(Spec, data, path)
    return fields_at(root, path)


def below_options(root: type[BaseModel], data: Mapping[str, Any], path: Path) -> tuple[type[BaseModel], Path]:
    """The class that knows a path, and the path below it: options are known by their engine alone.

    Args:
        root: Spec or Profile.
        data: what a person wrote, which need not be sound.
        path: keys below it.
    """
    if path[2:3] != (_OPTIONS,) or path[0] not in ("models", "engines"):
        return root, path
    name: Any = path[1]
    if root is not Profile:
        models = data.get("models")
        model = models.get(name) if isinstance(models, dict) else None
        name = model.get("engine") if isinstance(model, dict) else None
    engine = ENGINES.get(str(name))
    return (engine.options, path[3:]) if engine else (root, path)


def groups_below(root: type[BaseModel], start: str) -> dict[type[BaseModel], str]:
    """Every group of keys below a model, with the first path that leads to it, from top to bottom."""
    found = {root: start}

    def walk(model: type[BaseModel], prefix: str) -> None:
        for name, hint in get_type_hints(model, include_extras=True).items():
            for inner, deeper in _groups_in(hint, f"{prefix}{name}"):
                if inner not in found:
                    found[inner] = deeper
                    walk(inner, f"{deeper}.")

    walk(root, f"{start}." if start else "")
    return found


def _groups_in(hint: Any, path: str) -> Iterator[tuple[type[BaseModel], str]]:
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        yield hint, path
    for part in get_args(hint):
        yield from _groups_in(part, f"{path}.*" if get_origin(hint) is dict else path)


def _key(name: str, field: FieldInfo, hint: Any, group: Callable[[type[BaseModel]], str]) -> Key:
    found = _kind(hint, group)
    return Key(
        name=name,
        kind=found if "," in found else found + _bounds(field),  # the names of types have their limits in them
        required=field.is_required(),
        default=_default(field),
        meaning=field.description or "",
    )


def _kind(hint: Any, group: Callable[[type[BaseModel]], str]) -> str:
    """A type in words. There are no unions in a spec, so what stands beside None is one type."""
    known = next((word for alias, word in _KINDS if hint == alias), None)
    if known:
        return known
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(hint))
    inner = [_kind(part, group) for part in get_args(hint) if part not in {type(None), Ellipsis}]
    if inner:
        return _FORMS.get(get_origin(hint), "{}").format(*inner)
    return group(hint) if isinstance(hint, type) and issubclass(hint, BaseModel) else _PLAIN[hint]


def _bounds(field: FieldInfo) -> str:
    """The limits of a number."""
    said = {name: getattr(rule, name) for rule in field.metadata for name in ("ge", "gt", "le") if hasattr(rule, name)}
    least = f"more than {said['gt']}" if "gt" in said else f"{said['ge']}" if "ge" in said else ""
    if "le" in said and least:
        return f", {least} to {said['le']}"
    return f", {least}{' or more' if 'ge' in said else ''}" if least else ""


def _default(field: FieldInfo) -> Any:
    if field.is_required():
        return None
    value = field.get_default(call_default_factory=True)
    empty = value in (None, PydanticUndefined, {}, (), "") or isinstance(value, BaseModel)
    return None if empty else list(value) if isinstance(value, tuple) else value
