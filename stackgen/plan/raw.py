"""Raw keys of a spec, in the words of Compose or of the gateway: read and checked.

`${NAME}` of a secret that the stack knows becomes that secret; every other `$` is data.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, Protocol

from stackgen import facts
from stackgen.errors import Place, Problem
from stackgen.parts import Joined, Secret, Value
from stackgen.records import dataclass
from stackgen.sources import Path, describe, nearest, printable
from stackgen.spec import GATEWAY_ENVIRONMENT_REFERENCE, control_complaint

if TYPE_CHECKING:
    from jsonschema import ValidationError

_REFERENCE = re.compile(r"\$\{([^}]*)\}")
_TYPES = {
    "array": "a list", "boolean": "true or false", "integer": "a whole number", "null": "nothing", "number": "a number",
    "object": "a map", "string": "text",
}  # fmt: skip
_MAPS_OR_LISTS = frozenset({"environment", "labels", "sysctls", "annotations", "args"})
"""What Compose takes as a map or as a list of NAME=value; here always a map, so that single entries can be laid over."""
_UNDECLARED = frozenset({"configs", "secrets"})
_COMPOSE, _GATEWAY = "compose", "gateway"


class Placer(Protocol):
    """Finds the position of a value, or of its key."""

    def __call__(self, path: Path, *, of_key: bool = False) -> Place:
        """The position of what stands at `path`."""


@dataclass(frozen=True)
class Reader:
    """Reads raw trees; what is wrong with them is collected."""

    place: Placer
    secrets: Mapping[str, Secret]
    problems: list[Problem] = field(default_factory=list)

    def compose(self, data: Mapping[str, Any], path: Path) -> dict[str, Any]:
        """Keys of a Compose service as data whose leaves are values or None; what Compose would refuse is left out."""
        refused = _service_problems(data, path, self.place)
        self.problems.extend(refused.values())
        return self._entries({key: value for key, value in data.items() if key not in refused}, path, _COMPOSE)

    def gateway(self, data: Mapping[str, Any], path: Path) -> dict[str, Any]:
        """Keys of the gateway's file; there a secret is always a whole value, as `${NAME}` or as `os.environ/NAME`."""
        found = self._entries(data, path, _GATEWAY)
        self._refuse_joined(found, path)
        return found

    def _entries(self, data: Mapping[str, Any], path: Path, dialect: str) -> dict[str, Any]:
        for key in data:
            self._refuse_control_characters(key, (*path, key), of_key=True)
        return {key: self._tree(value, (*path, key), dialect) for key, value in data.items()}

    def _tree(self, data: Any, path: Path, dialect: str) -> Any:
        if isinstance(data, dict):
            return self._entries(data, path, dialect)
        if isinstance(data, list):
            name = path[-1] if dialect == _COMPOSE else ""
            if name in _MAPS_OR_LISTS and all(isinstance(item, str) for item in data):
                return dict(self._pair(item, (*path, position)) for position, item in enumerate(data))
            if name == "depends_on":
                return {str(item): {"condition": "service_started"} for item in data}
            return [self._tree(value, (*path, position), dialect) for position, value in enumerate(data)]
        return self._text(data, path, dialect) if isinstance(data, str) else data

    def _pair(self, item: str, path: Path) -> tuple[str, Any]:
        """NAME=value; a name alone takes its value from whoever calls Compose."""
        name, sign, text = item.partition("=")
        self._refuse_control_characters(name, path)
        if not name:
            message = f"{describe(item)} has no name before its `=`"
            self.problems.append(Problem(self.place(path), message, "write NAME=value"))
        return name, self._text(text, path, _COMPOSE) if sign else None

    def _text(self, text: str, path: Path, dialect: str) -> Value:
        self._refuse_control_characters(text, path, allowed="\n\t")
        if dialect == _GATEWAY and text.startswith(GATEWAY_ENVIRONMENT_REFERENCE):
            return self._secret(text.removeprefix(GATEWAY_ENVIRONMENT_REFERENCE), path) or text
        parts: list[str | Secret] = []
        end = 0
        for match in _REFERENCE.finditer(text):
            secret = self._secret(match[1], path)
            parts += [text[end : match.start()], secret or match[0]]
            end = match.end()
        parts = [part for part in (*parts, text[end:]) if part != ""]
        if not any(isinstance(part, Secret) for part in parts):
            return text
        only = parts[0]
        return only if len(parts) == 1 and isinstance(only, Secret) else Joined(tuple(parts))

    def _secret(self, name: str, path: Path) -> Secret | None:
        found = self.secrets.get(name)
        if found is None:
            message = f"the stack has no secret {describe(name)}"
            self.problems.append(Problem(self.place(path), message, unknown_secret_hint(name, self.secrets)))
        return found

    def _refuse_control_characters(self, text: str, path: Path, *, allowed: str = "", of_key: bool = False) -> None:
        complaint = control_complaint(text, allowed)
        if complaint:
            message = f"{describe(text)}: {complaint}"
            self.problems.append(Problem(self.place(path, of_key=of_key), message, "drop the character"))

    def _refuse_joined(self, tree: Any, path: Path) -> None:
        if isinstance(tree, Joined):
            message = "the gateway reads a secret only where it is the whole value"
            self.problems.append(Problem(self.place(path), message, "write the secret alone: ${NAME}"))
        elif isinstance(tree, dict | list):
            entries = tree.items() if isinstance(tree, dict) else enumerate(tree)
            for key, value in entries:
                self._refuse_joined(value, (*path, key))


def unknown_secret_hint(name: str, known: Iterable[str]) -> str:
    """What to do where a spec names a secret that there is not."""
    close = nearest(name, known)
    if not close:
        return "declare it under `secrets:`"
    return f"{close}{' Or' if close.endswith('?') else '; or'} declare it under `secrets:`"


def laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two raw trees as one: maps by key, everything else replaces."""
    both = {key: below[key] for key in below if isinstance(below[key], dict) and isinstance(above.get(key), dict)}
    return {**below, **above, **{key: laid_over(value, above[key]) for key, value in both.items()}}


def spelled(value: Any) -> str:
    """A raw value as the spec writes it."""
    if isinstance(value, Secret):
        return f"${{{value.name}}}"
    if isinstance(value, Joined):
        return "".join(spelled(part) for part in value.parts)
    return str(value)


def secrets_in(tree: Any) -> Iterator[Secret]:
    """Every secret in a raw tree that was read."""
    if isinstance(tree, Secret):
        yield tree
    elif isinstance(tree, Joined):
        yield from (part for part in tree.parts if isinstance(part, Secret))
    elif isinstance(tree, dict):
        for value in tree.values():
            yield from secrets_in(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from secrets_in(value)


def _service_problems(data: Mapping[str, Any], path: Path, place: Placer) -> dict[str, Problem]:
    """By key: what Compose does not know, and values that it does not take."""
    found: dict[str, Problem] = {}
    if not data:
        return found
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - most specs have no raw keys
    from jsonschema.exceptions import best_match  # noqa: PLC0415 - likewise

    known = facts.compose_service_keys()
    for key, value in data.items():
        where = place((*path, key), of_key=True)
        if key in _UNDECLARED:
            message = f"{describe(key)} names what only the top of a Compose file can declare"
            found[key] = Problem(where, message, "use `secret_environment`, or mount a file")
            continue
        if key not in known and not key.startswith("x-"):
            message = f"Compose knows no key {describe(key)} of a service"
            found[key] = Problem(where, message, nearest(key, known))
            continue
        if isinstance(value, dict) and "" in value:
            nameless = place((*path, key, ""), of_key=True)
            found[key] = Problem(nameless, f"an entry of `{key}` has no name", "write NAME: value")
            continue
        error = best_match(Draft202012Validator(known.get(key, {})).iter_errors(value))
        if error is not None:
            inner: Path = (key, *error.absolute_path)
            found[key] = Problem(place((*path, *inner)), *_in_our_words(error, inner))
    return found


def _in_our_words(error: ValidationError, inner: Path) -> tuple[str, str]:
    """Message and hint for what the schema of Compose finds."""
    name = next(part for part in reversed(inner) if isinstance(part, str))
    schema = error.schema if isinstance(error.schema, dict) else {}
    if error.validator == "type":
        wanted = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        types = " or ".join(_TYPES.get(kind, kind) for kind in wanted)
        return f"`{printable(name)}` must be {types}, not {describe(error.instance)}", ""
    known = schema.get("properties", {})
    strange = [key for key in error.instance if key not in known] if isinstance(error.instance, dict) else []
    if error.validator == "additionalProperties" and known and strange:
        return f"Compose knows no key {describe(strange[0])} of `{printable(name)}`", nearest(strange[0], known)
    return f"Compose does not take {describe(error.instance)} for `{printable(name)}`", ""
