"""What Docker refuses and what Compose knows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from stackgen.facts.files import document
from stackgen.records import dataclass


@dataclass(frozen=True, kw_only=True)
class DockerFailure:
    """A text of Docker, what it means and what to do."""

    text: str
    cause: str
    message: str
    hint: str


@cache
def docker_failures() -> tuple[DockerFailure, ...]:
    """Known refusals of Docker, most telling first."""
    return tuple(DockerFailure(**entry) for entry in document("docker_failures.json")["failures"])


@cache
def compose_service_keys() -> Mapping[str, Mapping[str, Any]]:
    """JSON schema of each key of a Compose service, references inside it resolvable; keys of Compose 5 alone left out."""
    definitions = document("compose_service.json")["$defs"]
    parts = (definitions[name]["properties"] for name in ("container_spec", "workload_spec", "service"))
    only_newer = {"pre_start"}
    return MappingProxyType(
        {
            key: {**schema, "$defs": definitions}
            for properties in parts
            for key, schema in properties.items()
            if key not in only_newer
        }
    )
