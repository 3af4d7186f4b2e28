"""Which service gets which card, in which order."""

from __future__ import annotations

from itertools import combinations

from traps.check import about, with_card

_WHOLE = 1.0
_DEFAULT_SHARE = "0.92"
"""What vLLM takes of a card without being told, since 0.20."""


def sharing_stacks(stack):
    """Stacks where at least two services want a card."""
    return [stack] if len(with_card(stack)) > 1 else []


@about(sharing_stacks)
def trap_21(stack, _):
    services = with_card(stack)
    for service in services:
        if not service.cards:
            yield f"{service} names no card, and {len(services)} services want one"
    for card in sorted({card for service in services for card in service.cards}):
        for together in _together([service for service in services if card in service.cards]):
            yield from _budget_of(card, together)
            for one, other in combinations(together, 2):
                yield from _order_of(stack, card, one, other)


def _together(tenants):
    """Who is there at the same time: what always runs, with each of the sets that take turns."""
    turns = sorted({_turn(service) for service in tenants} - {""}) or [""]
    return [[service for service in tenants if _turn(service) in ("", turn)] for turn in turns]


def _turn(service):
    return " ".join(service.data.get("profiles") or ())


def _budget_of(card, together):
    shares = [
        float(service.value("--gpu-memory-utilization") or _DEFAULT_SHARE)
        for service in together
        if service.role == "vllm"
    ]
    if len(together) > 1 and sum(shares) >= _WHOLE:
        yield f"card {card}: vLLM takes {sum(shares):.2f} of it, and {len(together)} services share it"
    for service in together:
        limited = service.environment.get("OLLAMA_MAX_LOADED_MODELS", "").isdigit()
        if len(together) > 1 and service.role == "ollama" and not limited:
            yield f"card {card}: {service} may load any number of models"


def _order_of(stack, card, one, other):
    if not stack.waits_for(one, other) and not stack.waits_for(other, one):
        yield f"card {card}: {one} and {other} start at the same time and measure each other's memory"
    for vllm, neighbour in ((one, other), (other, one)):
        always = _turn(vllm) and not _turn(neighbour)  # what always runs cannot wait for what takes turns
        if vllm.role == "vllm" and neighbour.role != "vllm" and stack.waits_for(vllm, neighbour) and not always:
            yield f"card {card}: {vllm} asks for free memory at start, and starts after {neighbour}"


@about(with_card)
def trap_22(stack, service):
    if "runtime" in service.data:
        yield f"runtime: {service.data['runtime']} fails where that runtime is not registered"


@about(with_card)
def trap_23(stack, service):
    if "NVIDIA_VISIBLE_DEVICES" in service.environment:
        yield "NVIDIA_VISIBLE_DEVICES chooses cards past Docker"
    for request in service.device_requests:
        if "count" in request and "device_ids" in request:
            yield "count and device_ids exclude each other"
        if "gpu" not in (request.get("capabilities") or ()):
            yield "a card is asked for without the capability gpu"
