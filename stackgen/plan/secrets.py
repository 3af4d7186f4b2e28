"""Secrets of a stack by name: those of its services, those that a spec declares, and what the spec says about each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from stackgen import backing
from stackgen.errors import Problem
from stackgen.parts import Arg, Engine, Joined, Secret, SecretKind, Service, Value
from stackgen.plan.raw import secrets_in, unknown_secret_hint
from stackgen.sources import Loaded, Path, describe, nearest
from stackgen.spec import SecretSetting, Spec

_STEERING = re.compile(r"(COMPOSE|DOCKER)_|(PATH|HOME|USER|SHELL|PWD)$")
KEY_PREFIX = "LITELLM_KEY_"


def known(spec: Spec, engines: Mapping[str, Engine]) -> dict[str, Secret]:
    """Every secret that this spec may name, by name."""
    used = {model.engine for model in spec.models.values()} & set(engines)
    own = (*backing.SECRETS, *(secret for name in sorted(used) for secret in engines[name].secrets))
    found = {secret.name: settled(secret, spec) for secret in own}
    uses: dict[str, list[str]] = {}
    for name, use in _outside(spec):
        uses.setdefault(name, []).append(use)
    for name in (*spec.secrets, *uses):
        setting = spec.secrets.get(name, SecretSetting())
        purpose = f"opens {', '.join(uses[name])}" if name in uses else "is declared in the spec"
        found.setdefault(name, settled(Secret(name=name, purpose=purpose, kind=_kind(setting)), spec))
    for identifier in spec.gateway.keys:
        secret = client_key(identifier)
        found.setdefault(secret.name, settled(secret, spec))
    return found


def client_key(identifier: str) -> Secret:
    """The secret that holds the value of a declared key."""
    name = f"{KEY_PREFIX}{identifier.upper().replace('-', '_')}"
    return Secret(
        name=name,
        purpose=f"the key of the client `{identifier}`",
        prefix="sk-",
        url_safe=True,
        notice="whoever shows the old one is refused from then on; what it had spent is forgotten, its team's spend stays",
    )


def settled(secret: Secret, spec: Spec) -> Secret:
    """The secret with what the spec says about it."""
    setting = spec.secrets.get(secret.name)
    if setting is None:
        return secret
    kind = secret.kind
    if kind is SecretKind.OPTIONAL and setting.required:
        kind = SecretKind.REQUIRED
    elif kind is SecretKind.REQUIRED and setting.required is False:
        kind = SecretKind.OPTIONAL
    purpose = setting.purpose or secret.purpose
    return replace(secret, kind=kind, purpose=purpose, from_environment=setting.source == "environment")


def with_settings(service: Service, spec: Spec) -> Service:
    """The service with what the spec says about its secrets."""
    environment = {name: replace(arg, value=_settled(arg.value, spec)) for name, arg in service.environment.items()}
    command = tuple(replace(arg, value=_settled(arg.value, spec)) for arg in service.command)
    return replace(service, environment=environment, command=command)


def environment(
    loaded: Loaded, names: Mapping[str, str], path: Path, found: Mapping[str, Secret], problems: list[Problem]
) -> dict[str, Arg]:
    """Variables whose values are secrets, from a map variable -> name of the secret."""
    variables = {}
    for variable, name in names.items():
        if name in found:
            variables[variable] = Arg(value=found[name], path=(*path, variable))
        else:
            message = f"the stack has no secret {describe(name)}"
            problems.append(Problem(loaded.place((*path, variable)), message, unknown_secret_hint(name, found)))
    return variables


def problems(loaded: Loaded, spec: Spec, found: Mapping[str, Secret]) -> Iterator[Problem]:
    """Settings that contradict what a secret is."""
    for name, setting in spec.secrets.items():
        if _STEERING.match(name):
            place = loaded.place(("secrets", name), of_key=True)
            message = f"{name} in .env steers Compose or the shell itself"
            yield Problem(
                place, message, "choose another name; `secret_environment` gives it to a container as this one"
            )
        generated = found[name].kind is SecretKind.GENERATED
        if generated and setting.required is not None and not setting.generate:
            place = loaded.place(("secrets", name, "required"))
            yield Problem(place, f"stackgen generates {name} where it is missing", "drop the line")
        if setting.generate and setting.required is not None:
            place = loaded.place(("secrets", name, "required"))
            yield Problem(place, f"{name} is generated, so it is never missing", "drop the line")
        if setting.generate and not generated:
            place = loaded.place(("secrets", name, "generate"))
            yield Problem(place, f"nobody but you knows the value of {name}", "drop the line")


def unused(loaded: Loaded, spec: Spec, used: Iterable[Secret], found: Mapping[str, Secret]) -> Iterator[Problem]:
    """Declared secrets that no service is given: a name misspelt, or a line without effect."""
    names = {secret.name for secret in used}
    names.update(name for model in spec.models.values() for name in model.secret_environment.values())
    for name in spec.secrets:
        if name not in names:
            place = loaded.place(("secrets", name), of_key=True)
            others = set(found) - {name}
            yield Problem(place, f"nothing in this stack uses the secret {name}", nearest(name, others))


def of_service(service: Service) -> Iterator[Secret]:
    """Every secret that a service is given, raw keys included."""
    yield from service.secrets()
    yield from secrets_in(dict(service.raw))


def readers_of(services: Iterable[Service], name: str) -> list[str]:
    """Names of the services that are given a secret."""
    return [service.name for service in services if any(secret.name == name for secret in of_service(service))]


def _outside(spec: Spec) -> Iterator[tuple[str, str]]:
    for identifier, endpoint in spec.endpoints.items():
        if endpoint.key:
            yield endpoint.key, f"the endpoint `{identifier}`"
    for identifier, leads in spec.gateway.pass_through.items():
        if leads.key:
            yield leads.key, f"what `{identifier}` leads to"


def _kind(setting: SecretSetting) -> SecretKind:
    if setting.generate:
        return SecretKind.GENERATED
    return SecretKind.OPTIONAL if setting.required is False else SecretKind.REQUIRED


def _settled(value: Value, spec: Spec) -> Any:
    if isinstance(value, Joined):
        return Joined(tuple(part if isinstance(part, str) else settled(part, spec) for part in value.parts))
    return settled(value, spec) if isinstance(value, Secret) else value
