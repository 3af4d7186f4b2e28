"""Spec and inventory become a Plan: grouping, placement, memory, ports, names. Pure; every offline check is made here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from stackgen import backing, facts
from stackgen.engines import ENGINES
from stackgen.errors import Problem
from stackgen.parts import Dependency, Engine, Gpu, Image, Instance, Joined, Route, Secret, SecretKind, Service, Value
from stackgen.plan import cards, checks, grouping
from stackgen.plan.model import CardPlan, CardUse, Plan, service_url
from stackgen.plan.text import as_json, as_text
from stackgen.sources import Loaded, nearest
from stackgen.spec import Spec

__all__ = ["CardPlan", "CardUse", "Plan", "as_json", "as_text", "make", "service_url"]


def make(loaded: Loaded, engines: Mapping[str, Engine] = ENGINES) -> Plan:
    """Decide everything.

    Args:
        loaded: what was read, with the problems found so far.
        engines: the engines there are; tests pass their own.

    Raises:
        SpecError: every problem of the spec and its profiles, those found while reading included.
    """
    problems = list(loaded.problems)
    spec = loaded.spec
    if spec is None:
        raise loaded.failure(problems)
    problems += checks.profile_problems(loaded, engines)
    problems += checks.gpu_problems(loaded, spec)
    problems += checks.model_problems(loaded, spec, engines)
    served = grouping.served_models(loaded, spec, engines, problems)
    found = grouping.in_start_order(grouping.instances(loaded, spec, engines, served, problems), engines)
    for instance in found:
        engine = engines[instance.engine]
        for model in instance.models:
            problems += checks.extra_argument_problems(
                loaded, model.path, model.model, engine, instance.image.pin.version
            )
            problems += checks.environment_problems(loaded, model.path, model.model, engine)
    inventory = _inventory(spec)
    plans = cards.card_plans(found, inventory, engines)
    problems += cards.memory_problems(loaded, plans, found, engines)
    images = _images(loaded, spec, problems)
    problems += _secret_problems(loaded, spec, engines)
    if problems:
        raise loaded.failure(problems)
    return _plan(loaded, spec, found, plans, images, engines)


def _plan(
    loaded: Loaded,
    spec: Spec,
    found: list[Instance],
    plans: list[CardPlan],
    images: Mapping[str, Image],
    engines: Mapping[str, Engine],
) -> Plan:
    routes = tuple(route for instance in found for route in _routes(instance, engines[instance.engine]))
    services = [
        _started(service, instance) for instance in found for service in engines[instance.engine].services(instance)
    ]
    services += backing.services(spec.gateway, routes, images.__getitem__)
    services = [_with_secret_settings(service, spec) for service in sorted(services, key=lambda service: service.name)]
    secrets = {secret.name: secret for service in services for secret in service.secrets()}
    return Plan(
        name=spec.name,
        spec_file=loaded.file,
        profiles=spec.profiles,
        gateway=spec.gateway,
        instances=tuple(found),
        services=tuple(services),
        routes=tuple(sorted(routes, key=lambda route: (route.model, route.modality))),
        secrets=tuple(secrets[name] for name in sorted(secrets)),
        cards=tuple(plans),
        warnings=tuple(_warnings(found, plans, spec)),
        origins=loaded.merged.origins,
    )


def _routes(instance: Instance, engine: Engine) -> tuple[Route, ...]:
    sound = [model for model in instance.models if engine.modalities.issuperset(model.model.modalities)]
    return engine.routes(replace(instance, models=tuple(sound))) if sound else ()


def _started(service: Service, instance: Instance) -> Service:
    """The service with its place in the start order of its card."""
    why = f"both use {', '.join(gpu.id for gpu in instance.gpus)}; one at a time measures its memory"
    return replace(service, needs=(*service.needs, *(Dependency(service=name, why=why) for name in instance.after)))


def _with_secret_settings(service: Service, spec: Spec) -> Service:
    """The service with what the spec says about its secrets."""
    environment = {name: replace(arg, value=_settled(arg.value, spec)) for name, arg in service.environment.items()}
    command = tuple(replace(arg, value=_settled(arg.value, spec)) for arg in service.command)
    return replace(service, environment=environment, command=command)


def _settled(value: Value, spec: Spec) -> Value:
    if isinstance(value, Joined):
        return Joined(tuple(part if isinstance(part, str) else _settled_secret(part, spec) for part in value.parts))
    return _settled_secret(value, spec) if isinstance(value, Secret) else value


def _settled_secret(secret: Secret, spec: Spec) -> Secret:
    setting = spec.secrets.get(secret.name)
    if setting is None:
        return secret
    kind = SecretKind.REQUIRED if secret.kind is SecretKind.OPTIONAL and setting.required else secret.kind
    return replace(secret, kind=kind, from_environment=setting.source == "environment")


def _inventory(spec: Spec) -> list[Gpu]:
    known = facts.cards()
    return [
        Gpu(id=identifier, card=known[gpu.card], device=checks.device_of(gpu))
        for identifier, gpu in spec.gpus.items()
        if gpu.card in known
    ]


def _images(loaded: Loaded, spec: Spec, problems: list[Problem]) -> dict[str, Image]:
    images = {}
    for family in backing.wanted(spec.gateway):
        pinned = loaded.pinned(family, "")
        if pinned:
            images[family] = Image(family=family, pin=pinned.pin, origin=pinned.origin)
        else:
            hint = "pin one under `images:` of a profile without `accelerator:`"
            problems.append(Problem(loaded.place(("profiles",)), f"no profile pins an image of {family}", hint))
    return images


def _secret_problems(loaded: Loaded, spec: Spec, engines: Mapping[str, Engine]) -> Iterator[Problem]:
    used = {model.engine for model in spec.models.values()} & set(engines)
    secrets = (*backing.SECRETS, *(secret for name in used for secret in engines[name].secrets))
    known = {secret.name for secret in secrets}
    generated = {secret.name for secret in secrets if secret.kind is SecretKind.GENERATED}
    for name, setting in spec.secrets.items():
        if name in generated and setting.required:
            place = loaded.place(("secrets", name, "required"))
            yield Problem(place, f"stackgen generates {name} where it is missing", "drop the line")
        if name not in known:
            yield Problem(
                loaded.place(("secrets", name), of_key=True), f"the stack has no secret {name}", nearest(name, known)
            )


def _warnings(found: list[Instance], plans: list[CardPlan], spec: Spec) -> list[str]:
    warnings = []
    for instance in found:
        version = instance.image.pin.version
        if facts.flag_table(instance.engine, version) is None:
            known = facts.flag_versions(instance.engine)
            warnings.append(
                f"flags of {instance.engine} {version} are not proven: tables reach from {known[0]} to {known[-1]}"
            )
    for plan in plans:
        unknown = [use.instance for use in plan.uses if use.need is None]
        if unknown:
            warnings.append(
                f"memory on {plan.gpu.id} is not proven: the catalogue lacks a model of {', '.join(unknown)}"
            )
    if not _is_private(spec.gateway.address):
        warnings.append(
            f"the gateway listens on {spec.gateway.address}: everybody who reaches this host can try its key, without TLS"
        )
    return warnings


def _is_private(address: str) -> bool:
    return address in {"127.0.0.1", "::1"} or address.startswith("127.")
