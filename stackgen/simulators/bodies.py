"""Bodies of requests are checked as the engines' own servers do it, and complained about in their words (pydantic's)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .door import Request

Place = tuple[str | int, ...]
"""Where in the body: `("body", "input", 0)`."""
_TRUE, _FALSE = frozenset({"1", "true", "t", "yes", "y", "on"}), frozenset({"0", "false", "f", "no", "n", "off"})


@dataclass(frozen=True, kw_only=True)
class Complaint:
    """One thing that is wrong."""

    kind: str
    place: Place
    message: str
    given: Any = None
    context: Mapping[str, Any] = field(default_factory=dict)


class BodyError(Exception):
    """What is wrong with a body."""

    def __init__(self, complaints: Iterable[Complaint]) -> None:
        self.complaints = list(complaints)
        super().__init__(self.complaints)


Check = Callable[[Any, Place], Any]
"""Gives the value as the engine understands it; raises BodyError."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of an object."""

    check: Check
    default: Any = None
    required: bool = False
    null: bool = True
    """Whether null stands for the default."""


def parsed(request: Request) -> Any:
    """The JSON of a request; None where it has no body.

    Raises:
        BodyError: the body is no JSON.
    """
    if not request.content:
        return None
    try:
        return json.loads(request.content)
    except json.JSONDecodeError as error:
        context = {"error": error.msg}
        place: Place = ("body", error.pos)
        raise BodyError(
            [Complaint(kind="json_invalid", place=place, message="JSON decode error", given={}, context=context)]
        ) from error
    except UnicodeDecodeError as error:
        raise BodyError([Complaint(kind="json_invalid", place=("body", 0), message="not UTF-8", given={})]) from error


def missing(place: Place, given: Any = None) -> BodyError:
    """A field that is not there."""
    return BodyError([Complaint(kind="missing", place=place, message="Field required", given=given)])


def fields(body: Any, known: Mapping[str, Field], place: Place = ("body",)) -> dict[str, Any]:
    """The known fields of an object, checked; others pass unseen.

    Raises:
        BodyError: with all that is wrong.
    """
    if not isinstance(body, Mapping):
        message = "Input should be a valid dictionary or object to extract fields from"
        raise BodyError([Complaint(kind="model_attributes_type", place=place, message=message, given=body)])
    values: dict[str, Any] = {}
    complaints: list[Complaint] = []
    for name, known_field in known.items():
        try:
            values[name] = _one(body, name, known_field, place)
        except BodyError as error:
            complaints += error.complaints
    if complaints:
        raise BodyError(complaints)
    return values


def _one(body: Mapping[str, Any], name: str, known: Field, place: Place) -> Any:
    if name not in body:
        if known.required:
            raise missing((*place, name), body)
        return known.default
    if body[name] is None and known.null and not known.required:
        return known.default
    return known.check(body[name], (*place, name))


def _wrong(kind: str, place: Place, message: str, given: Any, **context: Any) -> BodyError:
    return BodyError([Complaint(kind=kind, place=place, message=message, given=given, context=context)])


def text(value: Any, place: Place) -> str:
    """A text."""
    if not isinstance(value, str):
        raise _wrong("string_type", place, "Input should be a valid string", value)
    return value


def whole(value: Any, place: Place) -> int:
    """A whole number; also spelled as a text, as the engines allow it."""
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError as error:
            message = "Input should be a valid integer, unable to parse string as an integer"
            raise _wrong("int_parsing", place, message, value) from error
    if isinstance(value, float) and not math.isfinite(value):
        raise _wrong("finite_number", place, "Input should be a finite number", value)
    if isinstance(value, float) and value != int(value):
        message = "Input should be a valid integer, got a number with a fractional part"
        raise _wrong("int_from_float", place, message, value)
    if not isinstance(value, int | float):
        raise _wrong("int_type", place, "Input should be a valid integer", value)
    return int(value)


def more_than_zero(value: Any, place: Place) -> int:
    """A whole number of at least one."""
    number = whole(value, place)
    if number <= 0:
        raise _wrong("greater_than", place, "Input should be greater than 0", value, gt=0)
    return number


def number(value: Any, place: Place) -> float:
    """A number."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError as error:
            message = "Input should be a valid number, unable to parse string as a number"
            raise _wrong("float_parsing", place, message, value) from error
    if not isinstance(value, int | float):
        raise _wrong("float_type", place, "Input should be a valid number", value)
    return float(value)


def truth(value: Any, place: Place) -> bool:
    """True or false, in the spellings that the engines allow."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, str | int | float):
        raise _wrong("bool_type", place, "Input should be a valid boolean", value)
    spelled = str(value).lower()
    if spelled not in _TRUE | _FALSE:
        raise _wrong("bool_parsing", place, "Input should be a valid boolean, unable to interpret input", value)
    return spelled in _TRUE


def anything(value: Any, _: Place) -> Any:
    """Whatever it is."""
    return value


def mapping(value: Any, place: Place) -> Mapping[str, Any]:
    """An object."""
    if not isinstance(value, Mapping):
        raise _wrong("dict_type", place, "Input should be a valid dictionary", value)
    return value


def one_of(*words: str) -> Check:
    """One of some words."""
    spelled = " or ".join(filter(None, (", ".join(f"'{word}'" for word in words[:-1]), f"'{words[-1]}'")))

    def check(value: Any, place: Place) -> Any:
        if value not in words:
            raise _wrong("enum", place, f"Input should be {spelled}", value, expected=spelled)
        return value

    return check


def several(item: Check, least: int = 0, most: int | None = None) -> Check:
    """A list."""

    def check(value: Any, place: Place) -> list[Any]:
        if not isinstance(value, list):
            raise _wrong("list_type", place, "Input should be a valid list", value)
        if len(value) < least:
            message = f"List should have at least {least} item after validation, not {len(value)}"
            context = {"field_type": "List", "min_length": least, "actual_length": len(value)}
            raise _wrong("too_short", place, message, value, **context)
        if most is not None and len(value) > most:
            message = f"List should have at most {most} items after validation, not {len(value)}"
            context = {"field_type": "List", "max_length": most, "actual_length": len(value)}
            raise _wrong("too_long", place, message, value, **context)
        values, complaints = [], []
        for at, one in enumerate(value):
            try:
                values.append(item(one, (*place, at)))
            except BodyError as error:
                complaints += error.complaints
        if complaints:
            raise BodyError(complaints)
        return values

    return check


def either(*ways: tuple[str, Check]) -> Check:
    """What fits one of several checks; complaints name the way that did not fit, where it has a name."""

    def check(value: Any, place: Place) -> Any:
        complaints: list[Complaint] = []
        for name, way in ways:
            try:
                return way(value, (*place, name) if name else place)
            except BodyError as error:
                complaints += error.complaints
        raise BodyError(complaints)

    return check
