"""Pydantic's findings in the words of this project: the value, the limit, the fix."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from stackgen.sources.document import Path, describe

_NOT_YET: Mapping[Path, str] = {
    ("hosts",): "a stack has one host in this version",
}

_MOST_SHOWN = 40
_PASSWORD = re.compile(r"//[^/@]*@")
"""User and password in a URL."""
_SENTENCES: Mapping[str, str] = {
    "bool_type": "must be true or false, not {value}",
    "dict_type": "must be a map, not {value}",
    "float_type": "must be a number, not {value}",
    "greater_than": "must be more than {gt}, is {value}",
    "greater_than_equal": "must be at least {ge}, is {value}",
    "int_from_float": "must be a whole number, not {value}",
    "int_type": "must be a whole number, not {value}",
    "less_than": "must be less than {lt}, is {value}",
    "less_than_equal": "must be at most {le}, is {value}",
    "literal_error": "must be {expected}, not {value}",
    "model_type": "must be a map, not {value}",
    "string_too_long": "must have at most {max_length} characters, has {length}",
    "string_too_short": "must not be empty",
    "string_type": "must be text, not {value}",
    "too_short": "needs at least {min_length} item",
    "tuple_type": "must be a list, not {value}",
}

_YES_AND_NO: Mapping[str, str] = {"yes": "true", "on": "true", "no": "false", "off": "false"}
"""Booleans of YAML 1.1; here they are text."""

_HINTS: Mapping[str, str] = {
    "string_type": 'write it in quotes: "{plain}"',
    "tuple_type": "write it as a list: [{plain}]",
}


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known word, or all of them where they are few."""
    names = sorted(set(known))
    by_small = {name.lower(): name for name in reversed(names)}
    close = difflib.get_close_matches(word.lower(), by_small, n=1, cutoff=0.6)
    if close:
        return f"did you mean `{by_small[close[0]]}`?"
    if len(names) > _MOST_SHOWN:
        return f"none of the {len(names)} known ones is like it"
    return f"known here: {', '.join(names)}" if names else ""


def sentence(error: ErrorDetails, root: type[BaseModel]) -> tuple[str, str]:
    """Message and hint for one finding of pydantic.

    Args:
        error: an item of `ValidationError.errors()`.
        root: the class that was validated, to know which keys are valid.
    """
    path: Path = tuple(part for part in error["loc"] if part != "[key]")
    kind, context, value = error["type"], error.get("ctx", {}), error["input"]
    name = describe(next((part for part in reversed(path) if isinstance(part, str)), "the file"))
    message, hint = "", ""
    match kind:
        case "extra_forbidden":
            message = f"unknown key {name}"
            hint = _NOT_YET.get(path) or nearest(str(path[-1]), fields_at(root, path[:-1]))
        case "missing":
            message, hint = f"{name} is missing", _described(root, path)
        case "string_pattern_mismatch":
            message = f"{describe(value)} is not a valid {_subject(error['loc'])}"
            hint = _pattern_hint(str(context["pattern"]))
        case "value_error":
            complaint = str(context["error"]).removeprefix("Value error, ")
            shown = _PASSWORD.sub("//…@", value) if isinstance(value, str) else value
            message = (
                f"{name}: {complaint}" if name == describe(value) else f"{name}: {complaint}, is {describe(shown)}"
            )
        case _ if kind in _SENTENCES:
            message = f"{name} {_SENTENCES[kind].format(value=describe(value), length=len(str(value)), **context)}"
            hint = _spelling(kind, value) or _described(root, path)
        case _:
            message = f"{name}: {error['msg'][:1].lower()}{error['msg'][1:]}, is {describe(value)}"
    return message, hint


def _spelling(kind: str, value: object) -> str:
    """How to write a value that is right but for its form."""
    if kind == "bool_type" and isinstance(value, str):
        return f"write `{_YES_AND_NO[value]}`" if value in _YES_AND_NO else ""
    if isinstance(value, dict | list) or value is None:
        return ""
    return _HINTS.get(kind, "").format(plain=str(value).lower() if isinstance(value, bool) else value)


def fields_at(root: type[BaseModel], path: Path) -> tuple[str, ...]:
    """The keys that are valid at a path below `root`."""
    found = type_at(root, path)
    return tuple(found.model_fields) if isinstance(found, type) and issubclass(found, BaseModel) else ()


def type_at(root: Any, path: Path) -> Any:
    """The type that a class says a value has, without `| None` around it; None where it says nothing."""
    current: Any = root
    for part in path:
        current = _bare(current)
        origin, arguments = get_origin(current), get_args(current)
        if isinstance(current, type) and issubclass(current, BaseModel):
            known = current.model_fields.get(str(part))
            current = known.annotation if known else None
        elif origin is dict:
            current = arguments[1]
        elif origin is tuple:
            current = arguments[0]
        else:
            return None
    return _bare(current)


def _bare(annotation: Any) -> Any:
    """A type without `Annotated[…]` and `| None` around it."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin in (Union, UnionType):
            annotation = next(part for part in get_args(annotation) if part is not type(None))
        else:
            return annotation


def _described(root: type[BaseModel], path: Path) -> str:
    parent = type_at(root, path[:-1]) if path else None
    if isinstance(parent, type) and issubclass(parent, BaseModel) and path[-1] in parent.model_fields:
        return parent.model_fields[str(path[-1])].description or ""
    return ""


def _subject(location: tuple[int | str, ...]) -> str:
    if location[-1] == "[key]":
        return "key"
    return f"`{location[-1]}`" if isinstance(location[-1], str) else f"item of `{location[-2]}`"


def _pattern_hint(pattern: str) -> str:
    known = {
        "^([a-z0-9]": "an image name without its tag, such as vllm/vllm-openai",
        "^[a-z][a-z0-9.-]": "lower-case letters, digits, `.` and `-`, beginning with a letter, at most 61",
        "^[a-z]": "lower-case letters, digits and `-`, beginning with a letter, at most 41",
        "^[A-Za-z0-9][A": "the name of something that Docker has: letters, digits, `_`, `.` and `-`, at least two",
        "^sha256": "a digest such as sha256:0123…, 64 digits of 0 to 9 and a to f",
        "^(-1": "a time such as 30s, 5m or 24h; -1 for ever",
        "^[A-Za-z_]": "letters, digits and `_`, not beginning with a digit",
        "^[0-9]{4}-": "a day such as 2026-11-21",
        "^[0-9]": 'a version such as "0.32.0"',
        "^[A-Za-z0-9_]": "letters, digits, `_`, `.` and `-`",
    }
    return next((hint for start, hint in known.items() if pattern.startswith(start)), f"it must match {pattern}")
