"""Workflows that prove a committed stack in CI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stackgen.facts.files import document
from stackgen.records import dataclass

_FILE = "ci.json"


@dataclass(frozen=True)
class Workflow:
    """The file of a CI service, with {install} and {spec} in its texts."""

    path: str
    """Seen from the top of the repository."""
    data: Mapping[str, Any]


def workflow(service: str) -> Workflow:
    """The workflow for `github` or `gitlab`."""
    entry = document(_FILE)[service]
    return Workflow(entry["path"], entry["workflow"])
