"""RUNBOOK.md: how to use and operate this stack, with and without stackgen."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from stackgen.backing import litellm
from stackgen.parts import Exposure, Group, Route, Service, together
from stackgen.plan import Deployment, Plan
from stackgen.plan.openings import named_volumes
from stackgen.plan.secrets import KEY_PREFIX
from stackgen.records import dataclass
from stackgen.render import snippets
from stackgen.render.compose import word
from stackgen.resources import shipped

if TYPE_CHECKING:
    from jinja2 import Environment

_SPACES: dict[str, Any] = {"trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True}
_PORT_KEYS = ("host_ip", "published", "target")


def runbook(plan: Plan) -> str:
    """The text of RUNBOOK.md."""
    requests = snippets.requests(plan)
    names: dict[str, str] = {}
    for request in requests:
        names.setdefault(request.modality, request.name)
    chats = [request.name for request in requests if request.modality == "chat"]
    return (
        _environment()
        .get_template("RUNBOOK.md")
        .render(
            plan=plan,
            spec_file=code(plan.spec_file),
            master_key=litellm.MASTER_KEY.name,
            gateway_service=litellm.NAME,
            requests=requests,
            names=names,
            client_url=snippets.client_url(plan),
            open_webui=snippets.open_webui(plan, names) if chats else "",
            librechat=snippets.librechat(plan, chats) if chats else "",
            client_keys=[secret for secret in plan.secrets if secret.name.startswith(KEY_PREFIX)],
            shared=_shared(plan),
            endpoints=_endpoints(plan),
            services=[(service, ", ".join(_published(service))) for service in plan.services],
            jobs=[service.name for service in plan.services if service.job],
            compose_of_all="docker compose --profile '*'" if plan.groups else "docker compose",
            switches=[_switch(plan, group) for group in plan.groups],
            kept=list(_kept(plan)),
            read=sorted({bind.source for service in plan.services for bind in service.binds}),
        )
    )


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - most verbs write no RUNBOOK.md

    from stackgen.render.compiled import Compiled  # noqa: PLC0415 - likewise

    environment = Environment(
        loader=FileSystemLoader(shipped("templates")),
        bytecode_cache=Compiled(shipped("templates"), repr(_SPACES)),
        undefined=StrictUndefined,
        **_SPACES,
        autoescape=False,  # noqa: S701 - Markdown, and every free text goes through `code` or `repr`
    )
    environment.filters["code"] = code
    environment.filters["repr"] = repr
    return environment


def code(text: str) -> str:
    """Text as inline code of Markdown, whatever backquotes and pipes it holds."""
    longest = run = 0
    for character in text:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    fence = "`" * (longest + 1)
    padding = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{padding}{text}{padding}{fence}".replace("|", "\\|")


def _shared(plan: Plan) -> dict[str, list[str]]:
    """The deployments of each public name that more than one answers to."""
    found: dict[str, list[str]] = {}
    for deployment in plan.deployments:
        if deployment.public_name in plan.shared_names:
            found.setdefault(deployment.public_name, []).append(_deployment(deployment))
    return found


def _deployment(deployment: Deployment) -> str:
    said = {"rank": deployment.parameters.get("order"), "weight": deployment.parameters.get("weight")}
    place = ", ".join(f"{what} {number}" for what, number in said.items() if number)
    return code(deployment.id) + (f" ({place})" if place else "")


@dataclass(frozen=True)
class _Switch:
    """What to do to make a group the active one of its exclusion."""

    group: Group
    others: list[str]
    """Names of the groups that it takes turns with."""
    ending: list[str]
    """Services of the one that is active now."""


def _switch(plan: Plan, group: Group) -> _Switch:
    others = [other for other in plan.groups if not together(group, other)]
    active = [other.name for other in others if other.active]
    ending = [service.name for service in plan.services if service.group and service.group.name in active]
    return _Switch(group, [other.name for other in others], ending)


def _endpoints(plan: Plan) -> list[Route]:
    """A route to each server that stackgen does not run."""
    return list({route.model: route for route in plan.routes if not route.port}.values())


def _published(service: Service) -> Iterator[str]:
    """Where a service can be reached from outside the stack."""
    for port in service.ports:
        if port.exposure is not Exposure.INTERNAL:
            yield f"{port.address}:{port.published}"
    for entry in service.raw.get("ports") or ():
        parts = [entry[key] for key in _PORT_KEYS if key in entry] if isinstance(entry, dict) else [entry]
        yield ":".join(word(part) for part in parts)


def _kept(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """What outlives its container: place, content, whose it is."""
    for storage in plan.storages:
        place = plan.places.get(storage.name)
        if place and place.path:
            yield place.path, storage.holds, "a folder of this host, there before the first start; never deleted"
        elif place and place.volume:
            yield place.volume, storage.holds, "a volume that was there already; never deleted"
        else:
            yield f"{plan.name}_{storage.name}", storage.holds, "a volume of this stack"
    for service in plan.services:
        for name in named_volumes(service.raw):
            yield f"{plan.name}_{name}", f"data of {service.name}", "a volume of this stack"
