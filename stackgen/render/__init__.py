"""A plan becomes files: each dialect in a module of its own, all of them pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from stackgen.backing import litellm as gateway
from stackgen.plan import Plan
from stackgen.render.compose import compose_file
from stackgen.render.env import env_example
from stackgen.render.litellm import gateway_file
from stackgen.render.runbook import runbook

COMPOSE_FILE = "docker-compose.yml"
ENV_FILE = ".env"

_DIALECTS: Mapping[str, Callable[[Plan], str]] = MappingProxyType({gateway.DIALECT: gateway_file})
_GITIGNORE = "# secrets, and what an interrupted write leaves behind\n.env\n*.stackgen-new\n.stackgen-journal.json\n"


@dataclass(frozen=True)
class File:
    """One rendered file."""

    path: str
    text: str

    @property
    def digest(self) -> str:
        """SHA-256 of its bytes."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def files(plan: Plan) -> tuple[File, ...]:
    """Every file of the stack that holds no secret, in the order of their paths."""
    read_by_services = [
        File(file.path, _DIALECTS[file.dialect](plan)) for service in plan.services for file in service.config_files
    ]
    rendered = [
        *read_by_services,
        File(COMPOSE_FILE, compose_file(plan, {file.path: file.digest for file in read_by_services})),
        File(".env.example", env_example(plan)),
        File(".gitignore", _GITIGNORE),
        File("RUNBOOK.md", runbook(plan)),
    ]
    return tuple(sorted(rendered, key=lambda file: file.path))
