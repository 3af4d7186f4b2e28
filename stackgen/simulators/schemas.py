"""Values that a JSON schema asks for, made of the words of a prompt."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from .patterns import text_for

_MOST_DEPTH = 16
_FORMATS: Mapping[str, str] = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "P1D",
    "email": "ada@example.org",
    "hostname": "example.org",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.org/",
    "uuid": "12345678-1234-4234-8234-123456789abc",
}


def instance_of(schema: Any, prompt: str) -> Any:
    """A value that fits a schema; texts are words of the prompt where the schema leaves it open.

    Args:
        schema: JSON schema, with references inside itself; True or {} allow anything.
        prompt: what was asked.

    Raises:
        ValueError: nothing fits, or the schema nests without end.
    """
    return _Maker(schema, prompt).value(schema, "value", 0)


class _Maker:
    def __init__(self, root: Any, prompt: str) -> None:
        self.root = root
        self.names = _names_in(prompt)

    def value(self, schema: Any, name: str, depth: int) -> Any:
        if depth > _MOST_DEPTH:
            raise ValueError("the schema nests without end")
        if not isinstance(schema, Mapping):
            if schema is False:
                raise ValueError(f"the schema allows nothing for {name}")
            return {}
        schema = self._whole(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return next((choice for choice in schema["enum"] if str(choice) in self.names), schema["enum"][0])
        for several in ("anyOf", "oneOf"):
            if schema.get(several):
                rest = {key: value for key, value in schema.items() if key != several}
                return self.value({**rest, **self._whole(schema[several][0])}, name, depth + 1)
        return self._of_type(schema, _type_of(schema), name, depth)

    def _whole(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """A schema with what it refers to and what `allOf` adds."""
        whole = dict(schema)
        for _ in range(_MOST_DEPTH):
            reference = whole.pop("$ref", None)
            added = [self._at(reference)] if reference else whole.pop("allOf", [])
            if not added:
                return whole
            for more in added:
                properties = {**whole.get("properties", {}), **more.get("properties", {})}
                required = [*whole.get("required", ()), *more.get("required", ())]
                whole |= more
                if properties:
                    whole |= {"properties": properties, "required": required}
        raise ValueError("the schema refers to itself")

    def _at(self, reference: str) -> Mapping[str, Any]:
        found = self.root
        for part in reference.removeprefix("#").strip("/").split("/"):
            found = (
                found.get(part.replace("~1", "/").replace("~0", "~")) if part and isinstance(found, Mapping) else found
            )
        if not reference.startswith("#") or not isinstance(found, Mapping):
            raise ValueError(f"the schema has nothing at {reference}")
        return found

    def _of_type(self, schema: Mapping[str, Any], kind: str, name: str, depth: int) -> Any:
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            count = max(int(schema.get("minItems", 0)), min(1, int(schema.get("maxItems", 1))))
            first: list[Any] = [self.value(item, name, depth + 1) for item in schema.get("prefixItems", ())]
            return first + [self.value(schema.get("items", {}), name, depth + 1) for _ in range(count - len(first))]
        if kind == "string":
            return self._text(schema, name)
        if kind in {"integer", "number"}:
            return _number(schema, whole=kind == "integer")
        return {"boolean": True, "null": None}[kind]

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        """All that is required; the other properties too while the nesting is shallow, as models fill them in."""
        properties, required = schema.get("properties", {}), schema.get("required", ())
        wanted = [name for name in properties if name in required or depth < 2]  # noqa: PLR2004 - levels
        wanted += [name for name in required if name not in properties]
        return {name: self.value(properties.get(name, {"type": "string"}), name, depth + 1) for name in wanted}

    def _text(self, schema: Mapping[str, Any], name: str) -> str:
        least, most = int(schema.get("minLength", 0)), int(schema.get("maxLength", 1_000_000))
        pattern, known = schema.get("pattern"), _FORMATS.get(schema.get("format", ""))
        if known:
            return known
        if pattern:
            fitting = (word for word in self.names if re.search(pattern, word) and least <= len(word) <= most)
            return next(fitting, None) or text_for(pattern)
        return next(iter(self.names), name).ljust(least, "x")[:most]


def _type_of(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        return next((str(known) for known in kind if known != "null"), "null")
    if isinstance(kind, str):
        return kind
    if "items" in schema or "prefixItems" in schema:
        return "array"
    return "string" if {"pattern", "format", "minLength", "maxLength"} & set(schema) else "object"


def _number(schema: Mapping[str, Any], *, whole: bool) -> float | int:
    """The first of some numbers that fits: one, and those around the bounds."""
    step = schema.get("multipleOf", 1 if whole else None)
    least = max((schema[name] for name in ("minimum", "exclusiveMinimum") if name in schema), default=None)
    most = min((schema[name] for name in ("maximum", "exclusiveMaximum") if name in schema), default=None)
    bounds = [bound for bound in (least, most) if bound is not None]
    candidates = [1, *bounds, *(bound + away for bound in bounds for away in (1, -1)), sum(bounds) / 2]
    if step:
        candidates += [step * (candidate // step + away) for candidate in candidates for away in (0, 1)]
    for candidate in candidates:
        if _within(schema, candidate) and (not step or math.isclose(candidate / step, round(candidate / step))):
            return int(candidate) if candidate == int(candidate) else candidate
    raise ValueError("no number is known between the bounds of the schema")


def _within(schema: Mapping[str, Any], number: float) -> bool:
    least, most = schema.get("minimum", number), schema.get("maximum", number)
    above, below = schema.get("exclusiveMinimum", number - 1), schema.get("exclusiveMaximum", number + 1)
    return bool(least <= number <= most and above < number < below)


def _names_in(prompt: str) -> list[str]:
    """Words to fill texts with, best first: names inside of sentences, then other words, longest first."""
    words = list(re.finditer(r"\w+(?:[-'\u2019]\w+)*", prompt))
    names = [
        found.group() for found in words if found.group()[0].isupper() and not _begins_sentence(prompt, found.start())
    ]
    others = sorted((found.group() for found in words), key=lambda word: (-len(word), word))
    return list(dict.fromkeys([*names, *_without_code(others)]))


def _without_code(words: list[str]) -> Iterator[str]:
    """Names of functions are no values."""
    return (word for word in words if "_" not in word)


def _begins_sentence(prompt: str, at: int) -> bool:
    before = prompt[:at].rstrip()
    return not before or before[-1] in ".?!:\n\"'"
