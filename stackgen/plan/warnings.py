"""What works but should be known: things that nobody could prove, and doors that stand open."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stackgen import facts
from stackgen.modalities import MODALITIES
from stackgen.parts import Exposure, Instance, ServedModel, Service
from stackgen.plan import names
from stackgen.plan.model import CardPlan
from stackgen.plan.openings import dangers
from stackgen.spec import Spec

_MOVING_TAGS = frozenset({"latest", "main", "stable", "nightly", "edge", "dev"})
_KEY_LIKE = re.compile(r"(sk-|hf_|ghp_|glpat-|xox[abp]-|AKIA)[A-Za-z0-9_-]{12,}")
_ROUTING_WITHOUT_LIMITS = "simple-shuffle"
"""Measured on LiteLLM 1.106.2: it enforces no limit by this strategy, unless requests are measured before they are sent."""


def of_stack(found: list[Instance], plans: Sequence[CardPlan], spec: Spec, services: list[Service]) -> Iterator[str]:
    """Every warning of a plan, one sentence each."""
    yield from _unproven(found, plans)
    if not _is_private(spec.gateway.address):
        yield (
            f"the gateway listens on {spec.gateway.address}: everybody who reaches this host can try its key, without TLS"
        )
    engines = {instance.name for instance in found}
    for service in services:
        if service.name in engines:
            yield from _open_engine(service)
        yield from dangers(service.name, service.raw)
        if service.name in spec.services and not _has_exact_tag(service.raw):
            yield f"{service.name} has an image without an exact tag: what runs can change with every pull"
    if spec.gateway.routing == _ROUTING_WITHOUT_LIMITS and not spec.gateway.measures_requests and _limited(spec):
        yield (
            f"with `routing: {_ROUTING_WITHOUT_LIMITS}` limits of rpm and tpm only weigh deployments against each other; "
            "`pre_call_checks: true` lets the gateway refuse what is above rpm"
        )
    kinds = names.kinds(spec)
    defaults = {kinds.get(name, "") for name in spec.gateway.default_fallbacks} - {""}
    if defaults and defaults != set(kinds.values()):
        others = ", ".join(sorted(set(kinds.values()) - defaults))
        yield f"`default_fallbacks` catch every failure, of {others} too, which they cannot answer: name them under `fallbacks`"
    yield from _own_images(spec)
    yield from _literal_secrets(spec)
    if spec.gateway.cache == "semantic":
        yield "the semantic cache needs Redis with search and a gateway image with redisvl; neither was tried"
    if spec.gateway.keys or spec.gateway.teams:
        yield "teams and keys are created through the gateway's API at `up`; that was not rehearsed against a database"


def _own_images(spec: Spec) -> Iterator[str]:
    """Images that a spec chose and that nobody knows by name."""
    for identifier, model in spec.models.items():
        if model.image and not model.image.version:
            yield f"the image of {identifier} says no `version`: its flags are proven against that of the profile's pin"
        if model.image and model.image.tag in _MOVING_TAGS:
            yield f"the image of {identifier} has no exact tag: what runs can change with every pull"


def _literal_secrets(spec: Spec) -> Iterator[str]:
    """Values that look like keys; a rendered file is no place for them."""
    places = {f"models.{name}": dict(model.environment) for name, model in spec.models.items()}
    places["gateway"] = dict(spec.gateway.environment)
    for name, entry in spec.services.items():
        written = entry.compose.get("environment")
        places[f"services.{name}"] = written if isinstance(written, dict) else {}
        if entry.compose.get("env_file"):
            yield f"services.{name} reads an `env_file`: .env of the stack would give it every secret"
    for place, variables in places.items():
        for variable, value in variables.items():
            if isinstance(value, str) and _KEY_LIKE.match(value):
                yield f"{variable} of {place} looks like a key, and stands in the rendered file: name it in `secret_environment`"


def _limited(spec: Spec) -> bool:
    limits = [model.limits for model in spec.models.values()]
    limits += [endpoint.limits for endpoint in spec.endpoints.values()]
    return any(limit.rpm or limit.tpm for limit in limits)


def _unproven(found: list[Instance], plans: Sequence[CardPlan]) -> Iterator[str]:
    for instance in found:
        versions = facts.flag_versions(instance.engine)
        if versions and facts.flag_table(instance.engine, instance.image.version) is None:
            yield (
                f"flags of {instance.engine} {instance.image.version} are not proven: "
                f"tables reach from {versions[0]} to {versions[-1]}"
            )
    for plan in plans:
        unproven = [use.instance for use in plan.uses if use.need is None]
        if unproven:
            yield f"memory on {plan.gpu.id} is not proven: the catalogue lacks a model of {', '.join(unproven)}"
    on_cards = [served for instance in found if instance.on_gpu for served in instance.models]
    for served in {served.model.source: served for served in on_cards if served.known is None}.values():
        yield f"the numbers of {served.model.source} are not known: {facts.how_to_declare(served.model.source, _kind(served))}"


def _kind(served: ServedModel) -> str:
    """What a model must be to serve what is asked of it."""
    wanted = [MODALITIES[modality].kinds for modality in served.model.modalities]
    return min(frozenset.intersection(*wanted), default="llm")


def _open_engine(service: Service) -> Iterator[str]:
    """Engines that are published: their keys guard a part of their paths, or there is no key at all."""
    for port in service.ports:
        if port.exposure is Exposure.ADDRESS and not _is_private(port.address):
            yield (
                f"{service.name} listens on {port.address}:{port.published} beside the gateway: "
                "its own key guards a part of its paths at most"
            )


def _has_exact_tag(raw: Mapping[str, Any]) -> bool:
    image = raw.get("image")
    if not isinstance(image, str) or "@sha256:" in image:
        return True
    tag = image.rpartition("/")[2].partition(":")[2]
    return bool(tag) and tag not in _MOVING_TAGS


def _is_private(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback
