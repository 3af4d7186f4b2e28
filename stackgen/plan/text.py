"""The plan as lines that a person (and a golden file) reads, and as JSON that a program reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from stackgen.parts import Exposure, Route, Service
from stackgen.plan.model import CardPlan, Plan
from stackgen.sources import printable

JSON_VERSION = 1


def as_text(plan: Plan) -> str:
    """Services, routes, cards, storage and secrets, each with its why."""
    lines = [f"{plan.name}: {plan.spec_file}, profiles {', '.join(plan.profiles)}"]
    lines += _section("services", (_service_row(service) for service in plan.services))
    lines += _section("routes", _route_rows(plan))
    for card in plan.cards:
        lines += _section(
            f"card {card.gpu.id}: {card.gpu.card.name}, {card.gpu.card.visible_gib:g} GiB", _card_rows(card)
        )
    lines += _section("storage", ((storage.name, storage.holds) for storage in plan.storages))
    lines += _section("secrets", ((secret.name, secret.kind.value, secret.purpose) for secret in plan.secrets))
    lines += _section("warnings", ((warning,) for warning in plan.warnings))
    return "\n".join(lines) + "\n"


def as_json(plan: Plan) -> dict[str, Any]:
    """The plan as data; `version` grows when a key changes its meaning."""
    return {
        "version": JSON_VERSION,
        "name": plan.name,
        "profiles": list(plan.profiles),
        "gateway": {"url": plan.gateway_url, "database": plan.gateway.database, "cache": plan.gateway.cache},
        "services": [_service_data(service) for service in plan.services],
        "routes": [_route_data(route) for route in plan.routes],
        "cards": [_card_data(card) for card in plan.cards],
        "storage": [storage.name for storage in plan.storages],
        "secrets": [
            {"name": secret.name, "kind": secret.kind.value, "purpose": secret.purpose} for secret in plan.secrets
        ],
        "warnings": list(plan.warnings),
    }


def _service_data(service: Service) -> dict[str, Any]:
    return {
        "name": service.name,
        "image": printable(service.image_reference),
        "gpus": [gpu.id for gpu in service.gpus],
        "after": [dependency.service for dependency in service.needs],
        "start_budget_seconds": service.start_budget_seconds,
        "why": service.why,
    }


def _route_data(route: Route) -> dict[str, Any]:
    return {
        "model": route.model,
        "modality": route.modality,
        "public_names": list(route.public_names),
        "url": route.base_url,
        "served_name": route.served_name,
        "provider": route.provider,
    }


def _card_data(card: CardPlan) -> dict[str, Any]:
    return {
        "id": card.gpu.id,
        "card": card.gpu.card.id,
        "visible_gib": card.gpu.card.visible_gib,
        "free_gib": round(card.free_gib, 2),
        "uses": [
            {
                "instance": use.instance,
                "taken_gib": None if use.taken_gib is None else round(use.taken_gib, 2),
                "need_gib": None if use.need is None else round(use.need.total_gib, 2),
                "why": use.why,
            }
            for use in card.uses
        ],
    }


def _section(title: str, rows: Iterable[tuple[str, ...]]) -> list[str]:
    table = list(rows)
    if not table:
        return []
    widths = [max(len(row[column]) for row in table if len(row) > column) for column in range(max(map(len, table)))]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in table)
    return ["", title, *(f"  {row}" for row in padded)]


def _service_row(service: Service) -> tuple[str, ...]:
    place = ", ".join(gpu.id for gpu in service.gpus)
    published = ", ".join(
        f"{port.address}:{port.published}" for port in service.ports if port.exposure is not Exposure.INTERNAL
    )
    after = ", ".join(dependency.service for dependency in service.needs)
    why = f"{service.why}; after {after}" if after else service.why
    return service.name, printable(service.image_reference), place or published or "-", why


def _route_rows(plan: Plan) -> Iterator[tuple[str, ...]]:
    for route in plan.routes:
        for name in route.public_names:
            yield name, route.modality, route.base_url or "-", f"{route.provider}/{route.served_name}"


def _card_rows(card: CardPlan) -> Iterator[tuple[str, ...]]:
    yield "GiB", "takes", "needs", "weights", "cache", "overhead"
    for use in card.uses:
        taken = "?" if use.taken_gib is None else f"{use.taken_gib:.1f}"
        if use.need is None:
            yield use.instance, taken, "?", "?", "?", "?", f"{use.why}; a model is not in the catalogue"
            continue
        need = use.need
        parts = (need.total_gib, need.weights_gib, need.cache_gib, need.overhead_gib)
        yield use.instance, taken, *(f"{part:.1f}" for part in parts), f"{use.why}; {need.why}"
    yield "free", f"{card.free_gib:.1f}"
