"""The plan as lines that a person (and a golden file) reads, and as JSON that a program reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from stackgen.parts import Exposure, Group, Need, Route, Service
from stackgen.plan import disk, picture
from stackgen.plan.model import CardPlan, Memory, Plan
from stackgen.sources import printable


def as_text(plan: Plan) -> str:
    """Services, routes, cards, storage, disk and secrets, each with its why."""
    lines = [f"{plan.name}: {plan.spec_file}, profiles {', '.join(plan.profiles)}"]
    lines += _section("services", (_service_row(service) for service in plan.services))
    lines += _section("groups", (_group_row(group) for group in plan.groups))
    lines += _section("routes", _route_rows(plan))
    for card in plan.cards:
        lines += ["", picture.card_title(card), *(f"  {row}" for row in picture.card_lines(card))]
    lines += _section("memory", picture.memory_rows(plan))
    lines += _section("estimates", picture.estimate_rows(plan))
    lines += _section("storage", ((storage.name, storage.holds) for storage in plan.storages))
    lines += _section("disk", disk.rows(plan.disk))
    lines += _section("secrets", ((secret.name, secret.kind.value, secret.purpose) for secret in plan.secrets))
    lines += _section("warnings", ((warning,) for warning in plan.warnings))
    return "\n".join(lines) + "\n"


def as_json(plan: Plan) -> dict[str, Any]:
    """The plan as data, for programs."""
    return {
        "name": plan.name,
        "profiles": list(plan.profiles),
        "gateway": {"url": plan.gateway_url, "database": plan.gateway.database, "cache": plan.gateway.cache},
        "groups": [_group_data(group) for group in plan.groups],
        "services": [_service_data(service) for service in plan.services],
        "routes": [_route_data(route) for route in plan.routes],
        "cards": [_card_data(card) for card in plan.cards],
        "memory": [_memory_data(name, memory) for name, memory in plan.memory.items()],
        "storage": [storage.name for storage in plan.storages],
        "disk": disk.as_data(plan.disk),
        "secrets": [
            {"name": secret.name, "kind": secret.kind.value, "purpose": secret.purpose} for secret in plan.secrets
        ],
        "warnings": list(plan.warnings),
    }


def _group_data(group: Group) -> dict[str, Any]:
    return {"name": group.name, "exclusion": group.exclusion, "active": group.active, "models": list(group.models)}


def _service_data(service: Service) -> dict[str, Any]:
    return {
        "name": service.name,
        "image": printable(service.image_reference),
        "gpus": [gpu.id for gpu in service.gpus],
        "group": service.group and service.group.name,
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
        "endpoint": not route.port,
    }


def _card_data(card: CardPlan) -> dict[str, Any]:
    return {
        "id": card.gpu.id,
        "card": card.gpu.card.id,
        "visible_gib": card.gpu.card.visible_gib,
        "free_gib": round(card.free_gib, 2),
        "verdict": str(card.verdict),
        "uses": [
            {
                "instance": use.instance,
                "taken_gib": None if use.taken_gib is None else round(use.taken_gib, 2),
                "group": use.group.name if use.group else None,
                "need_gib": None if use.need is None else round(use.need.total_gib, 2),
                **_need_data(use.need),
                "why": use.why,
            }
            for use in card.uses
        ],
    }


def _need_data(need: Need | None) -> dict[str, Any]:
    if need is None:
        return {}
    return {
        "weights_gib": round(need.weights_gib, 2),
        "cache_of_one_request_gib": round(need.cache_gib, 2),
        "overhead_gib": round(need.overhead_gib, 2),
        "outside_gib": round(need.outside_gib, 2),
        "estimates": list(need.estimates),
    }


def _memory_data(name: str, memory: Memory) -> dict[str, Any]:
    held = memory.held
    return {
        "instance": name,
        "share": memory.share,
        "context": memory.context,
        "cache_gib": None if memory.cache_gib is None else round(memory.cache_gib, 2),
        "cache_tokens": held.tokens if held else None,
        "requests_of_full_length": round(held.requests, 2) if held else None,
        "requests_wanted": memory.requests_wanted,
        "verdict": str(memory.verdict),
        "why": memory.need.why if memory.need else "",
    }


def columns(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Rows as lines whose cells stand below each other."""
    table = list(rows)
    if not table:
        return []
    widths = [max(len(row[column]) for row in table if len(row) > column) for column in range(max(map(len, table)))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in table]


def _section(title: str, rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = columns(rows)
    return ["", title, *(f"  {line}" for line in lines)] if lines else []


def _service_row(service: Service) -> tuple[str, ...]:
    place = ", ".join(gpu.id for gpu in service.gpus)
    published = ", ".join(
        f"{port.address}:{port.published}" for port in service.ports if port.exposure is not Exposure.INTERNAL
    )
    after = ", ".join(dependency.service for dependency in service.needs)
    why = f"{service.why}; after {after}" if after else service.why
    if service.is_asleep and service.group:
        why = f"asleep with {service.group.name}: {why}"
    return service.name, printable(service.image_reference), place or published or "-", why


def _group_row(group: Group) -> tuple[str, ...]:
    return (
        group.name,
        "active" if group.active else "asleep",
        f"takes turns: {group.exclusion}",
        ", ".join(group.models),
    )


def _route_rows(plan: Plan) -> Iterator[tuple[str, ...]]:
    for route in plan.routes:
        for name in route.public_names:
            yield name, route.modality, route.base_url or "-", f"{route.provider}/{route.served_name}"
