"""The JSON documents that verbs print, and the version of each.

A version grows when a key changes its meaning or goes away; a new key needs none (docs/json.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

VERSIONS = MappingProxyType(
    {
        "plan": 1,
        "explain": 1,
        "config": 1,
        "profiles": 1,
        "profiles show": 1,
        "facts show": 1,
        "secrets list": 1,
        "status": 1,
        "check": 1,
    }
)
"""By the verb that prints it."""


def document(verb: str, keys: Mapping[str, Any]) -> dict[str, Any]:
    """What a verb prints as JSON: its version first, then its keys."""
    return {"version": VERSIONS[verb], **keys}
