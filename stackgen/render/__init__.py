"""A plan becomes files: each dialect in a module of its own, all of them pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from types import MappingProxyType

from stackgen import trace
from stackgen.aside import ASIDE, OLD
from stackgen.backing import litellm as gateway
from stackgen.engines import fetch
from stackgen.parts import ConfigFile
from stackgen.plan import Plan
from stackgen.records import dataclass
from stackgen.render.asleep import asleep_file
from stackgen.render.compose import compose_file
from stackgen.render.env import env_example
from stackgen.render.litellm import gateway_file
from stackgen.render.runbook import runbook
from stackgen.resources import shipped

COMPOSE_FILE = "docker-compose.yml"
ENV_FILE = ".env"

_DIALECTS: Mapping[str, Callable[[Plan, ConfigFile], str]] = MappingProxyType(
    {
        gateway.ASLEEP.dialect: lambda plan, _: asleep_file(plan),
        gateway.DIALECT: lambda plan, _: gateway_file(plan).text,
        fetch.DIALECT: lambda _plan, _file: (shipped("templates") / "fetch.py").read_text(encoding="utf-8"),
        "text": lambda _, file: file.text,
    }
)
_GITIGNORE = f"""\
# secrets, and what an interrupted write leaves behind
.env
*{ASIDE}
*{OLD}
.stackgen-journal.json
"""


@dataclass(frozen=True)
class File:
    """One rendered file."""

    path: str
    text: str

    @property
    def digest(self) -> str:
        """SHA-256 of its bytes."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@trace.timed("rendering")
def files(plan: Plan, spec_folder: str = "..") -> tuple[File, ...]:
    """Every file of the stack that holds no secret, in the order of their paths.

    Args:
        plan: the stack.
        spec_folder: the spec's folder as seen from the output folder.
    """
    wanted = {file.path: file for service in plan.services for file in service.config_files}
    read_by_services = [File(path, _DIALECTS[file.dialect](plan, file)) for path, file in wanted.items()]
    digests = {file.path: file.digest for file in read_by_services}
    rendered = [
        *read_by_services,
        File(COMPOSE_FILE, compose_file(plan, digests, spec_folder).text),
        File(".env.example", env_example(plan)),
        File(".gitignore", _GITIGNORE),
    ]
    if not plan.simulated:  # nobody operates a simulation
        rendered.append(File("RUNBOOK.md", runbook(plan)))
    return tuple(sorted(rendered, key=lambda file: file.path))
