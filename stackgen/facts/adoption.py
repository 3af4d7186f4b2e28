"""Which key of a rendered file is said where in a spec, and which cannot be said."""

from __future__ import annotations

from typing import Any

from stackgen.facts.files import document

_FILE = "adoption.json"


def field_of_flag(flag: str) -> str | None:
    """The field of a model that writes a flag, where no engine's table names it."""
    found: str | None = document(_FILE)["flags"].get(flag)
    return found


def field_of_gateway_key(path: str) -> str | None:
    """The field of `gateway` that writes a key of the gateway's file, such as router_settings.num_retries."""
    found: str | None = document(_FILE)["gateway_fields"].get(path)
    return found


def limit_names() -> tuple[str, ...]:
    """Keys of an entry of the gateway that are `limits` of a model."""
    return tuple(document(_FILE)["limits"])


def generation_names() -> tuple[str, ...]:
    """Settings of `generation`."""
    return tuple(document(_FILE)["generation"])


def has_absent_form(key: str) -> bool:
    """Whether a key of a Compose service has a value that means the same as leaving it out."""
    return key in document(_FILE)["absent"]


def means_absent(key: str) -> Any:
    """That value."""
    return document(_FILE)["absent"][key]


def is_as_good_as_absent(key: str, value: Any) -> bool:
    """Whether a key of a Compose service says what would be without it."""
    absent = document(_FILE)["absent"]
    return key in absent and value == absent[key] and isinstance(value, bool) == isinstance(absent[key], bool)


def why_unsayable(file: str, key: str) -> str:
    """Why the spec has no word for something in a file."""
    reasons = document(_FILE)["cannot"]
    table = reasons.get(file, {})
    return str(table.get(key) or table.get("") or reasons["*"].get(file) or reasons["*"][""])
