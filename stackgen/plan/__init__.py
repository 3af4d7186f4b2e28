"""Spec and inventory become a Plan: grouping, placement, memory, ports, names. Pure; every offline check is made here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from stackgen import backing, trace
from stackgen.engines import ENGINES
from stackgen.errors import Problem
from stackgen.parts import Engine, Gpu, Group, Image, Instance, Route, Secret, Service, service_url
from stackgen.plan import (
    card_checks,
    cards,
    checks,
    deployments,
    disk,
    fit_problems,
    gateway,
    grouping,
    groups,
    model_checks,
    names,
    secrets,
    warnings,
)
from stackgen.plan.arrangement import arrange
from stackgen.plan.bench import Bench
from stackgen.plan.deployments import Deployment
from stackgen.plan.disk import Disk, StorageSpace
from stackgen.plan.filling import filled, spec_with
from stackgen.plan.measured import engines_with
from stackgen.plan.model import CardPlan, CardUse, Plan, command
from stackgen.plan.raw import Reader
from stackgen.plan.service_checks import Services
from stackgen.plan.services import Shop
from stackgen.plan.simulation import FAULT_VARIABLE, StandIns, simulated, stand_in_names
from stackgen.plan.text import as_json, as_text
from stackgen.sources import Loaded
from stackgen.spec import Spec

__all__ = [
    "FAULT_VARIABLE",
    "CardPlan",
    "CardUse",
    "Deployment",
    "Disk",
    "Plan",
    "StandIns",
    "StorageSpace",
    "as_json",
    "as_text",
    "command",
    "make",
    "service_url",
    "simulated",
    "stand_in_names",
]


@trace.timed("planning")
def make(
    loaded: Loaded, engines: Mapping[str, Engine] = ENGINES, *, active: Sequence[str] = (), suggest: bool = True
) -> Plan:
    """Decide everything.

    Args:
        loaded: what was read, with the problems found so far.
        engines: the engines there are; tests pass their own.
        active: names of the groups that are to be active; of an exclusion of which none is named, it is the first one.
        suggest: whether changes are tried where something does not fit.

    Raises:
        SpecError: every problem of the spec and its profiles, those found while reading included.
    """
    problems = list(loaded.problems)
    spec = loaded.spec
    if spec is None:
        raise loaded.failure(problems)
    engines = engines_with(engines, loaded.catalogue.measured)
    problems += checks.profile_problems(loaded, engines)
    problems += card_checks.gpu_problems(loaded, spec)
    problems += checks.model_problems(loaded, spec, engines)
    problems += names.problems(loaded, spec)
    problems += deployments.endpoint_problems(loaded, spec)
    problems += deployments.generation_problems(loaded, spec)
    problems += gateway.problems(loaded, spec)
    problems += groups.problems(loaded, spec, active)
    turns = groups.of_spec(spec, active)
    served = grouping.served_models(loaded, spec, engines, problems)
    gpus, of_models = _inventory(loaded, spec), groups.by_model(turns)
    units = filled(grouping.units(loaded, spec, engines, served, of_models, problems), gpus, engines)
    problems += groups.sharing_problems(loaded, [unit.instance for unit in units], of_models)
    arrangement = arrange(units, gpus, engines)
    if len(gpus) == len(spec.gpus):  # cards that nobody knows were told, and nothing can be said of what fits on them
        problems += fit_problems.problems(loaded, arrangement, Bench(units, gpus, engines, loaded.catalogue, suggest))
    found = grouping.in_start_order(arrangement.instances, engines)
    for instance in found:
        problems += _instance_problems(loaded, instance, engines[instance.engine])
    spec, layout = spec_with(spec, found), cards.layout(arrangement, gpus, engines)
    images = _images(loaded, spec, found, engines, problems)
    plan = _plan(loaded, spec, turns, found, layout, images, engines, problems)
    if problems:
        raise loaded.failure(dict.fromkeys(problems))
    return plan


def _plan(
    loaded: Loaded,
    spec: Spec,
    turns: tuple[Group, ...],
    found: list[Instance],
    layout: cards.Layout,
    images: Mapping[str, Image],
    engines: Mapping[str, Engine],
    problems: list[Problem],
) -> Plan:
    known = secrets.known(spec, engines)
    reader = Reader(loaded.place, known, problems)
    shop = Shop(loaded, spec, known, reader, problems)
    routes = _all_routes(spec, found, engines, known)
    problems += deployments.way_problems(loaded, routes)
    entries = deployments.of_routes(spec, routes, reader)
    raw = gateway.raw_sections(loaded, spec, reader)
    passed = gateway.pass_through_keys(spec, known)
    services = _engine_services(shop, found, engines)
    if images:
        shown = gateway.secrets_shown(routes, entries, raw, passed)
        services += backing.services(spec, shown, gateway.variables(loaded, spec, known, problems), images.__getitem__)
    services = _finished(shop, [*services, *shop.extra()], spec)
    used = _used(spec, services, known)
    problems += _service_problems(loaded, spec, found, services, known, used)
    whole = Plan(
        name=spec.name,
        spec_file=loaded.file,
        profiles=spec.profiles,
        gateway=spec.gateway,
        instances=tuple(found),
        services=tuple(services),
        routes=tuple(routes),
        deployments=entries,
        raw_gateway=raw,
        pass_through_keys=passed,
        network=spec.network,
        places=spec.storage,
        secrets=tuple(used[name] for name in sorted(used)),
        cards=layout.cards,
        memory=layout.memory,
        disk=disk.of_stack(services, found),
        warnings=tuple(warnings.of_stack(found, layout.cards, spec, services)),
        origins=loaded.merged.origins,
        groups=turns,
    )
    return groups.with_sleepers(whole) if turns else whole


def _all_routes(
    spec: Spec, found: list[Instance], engines: Mapping[str, Engine], known: Mapping[str, Secret]
) -> list[Route]:
    """The ways to every model, in an order that does not depend on that of the spec."""
    routes = [route for instance in found for route in _routes(instance, engines[instance.engine])]
    routes += deployments.endpoint_routes(spec, known)
    return sorted(routes, key=lambda route: (route.model, route.service, route.modality))


def _finished(shop: Shop, services: list[Service], spec: Spec) -> list[Service]:
    """Services with what the spec lays over them, by name."""
    ordered = sorted(shop.overridden(services), key=lambda service: service.name)
    return [secrets.with_settings(shop.placed(service), spec) for service in ordered]


def _engine_services(shop: Shop, found: list[Instance], engines: Mapping[str, Engine]) -> list[Service]:
    """Services of the engines; one that cannot have its job, for want of an image, was told already."""
    return [
        shop.finished(service, instance)
        for instance in found
        if instance.python or not engines[instance.engine].fetches
        for service in engines[instance.engine].services(instance)
    ]


def _service_problems(
    loaded: Loaded,
    spec: Spec,
    found: list[Instance],
    services: list[Service],
    known: Mapping[str, Secret],
    used: Mapping[str, Secret],
) -> Iterator[Problem]:
    """What is wrong with the services together, their secrets and storages included."""
    yield from secrets.problems(loaded, spec, known)
    whole = Services(loaded, spec, found, services)
    if whole.is_complete:
        yield from secrets.unused(loaded, spec, used.values(), known)
    yield from whole.problems({mount.storage.name: mount.storage for one in services for mount in one.mounts}.values())


def _instance_problems(loaded: Loaded, instance: Instance, engine: Engine) -> Iterator[Problem]:
    for served in instance.models:
        yield from checks.extra_argument_problems(loaded, served.path, served.model, engine, instance.image.version)
    yield from model_checks.problems(loaded, instance, engine)
    yield from checks.environment_problems(loaded, instance, engine)


def _routes(instance: Instance, engine: Engine) -> tuple[Route, ...]:
    sound = [model for model in instance.models if engine.modalities.issuperset(model.model.modalities)]
    return engine.routes(replace(instance, models=tuple(sound))) if sound else ()


def _used(spec: Spec, services: list[Service], known: Mapping[str, Secret]) -> dict[str, Secret]:
    """The secrets that the stack needs: those that services are given, and those that `up` hands out itself."""
    found = {secret.name: secret for service in services for secret in secrets.of_service(service)}
    for identifier in spec.gateway.keys:
        name = secrets.client_key(identifier).name
        found[name] = known[name]
    return found


def _inventory(loaded: Loaded, spec: Spec) -> list[Gpu]:
    known = loaded.catalogue.cards
    return [
        Gpu(id=identifier, card=known[gpu.card], device=card_checks.device_of(gpu))
        for identifier, gpu in spec.gpus.items()
        if gpu.card in known
    ]


def _images(
    loaded: Loaded, spec: Spec, found: list[Instance], engines: Mapping[str, Engine], problems: list[Problem]
) -> dict[str, Image]:
    """The images of the gateway and its stores; empty where one is missing."""
    images = {}
    wanted = list(backing.wanted(spec.gateway))
    if any(engines[instance.engine].fetches for instance in found):
        wanted.append(checks.PYTHON_FAMILY)
    for family in wanted:
        pinned = loaded.pinned(family, "")
        if pinned:
            images[family] = Image.chosen(family, pinned.pin, "", pinned.origin)
        else:
            hint = "pin one under `images:` of a profile without `accelerator:`"
            problems.append(Problem(loaded.place(("profiles",)), f"no profile pins an image of {family}", hint))
    return images if len(images) == len(wanted) else {}
