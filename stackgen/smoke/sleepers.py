"""Models whose group sleeps: the gateway must refuse them, and nothing may answer in their place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from stackgen.backing import litellm
from stackgen.modalities import MODALITIES, Reply
from stackgen.parts import Route
from stackgen.plan import Plan
from stackgen.smoke.door import Knock, body_of, refusal
from stackgen.smoke.result import Hop, Result
from stackgen.smoke.transport import Request
from stackgen.smoke.visit import bearer

SLEEPS = "is refused while it sleeps"


def knocks_at_sleepers(plan: Plan, keys: Mapping[str, str]) -> Iterator[Knock]:
    """One request to the gateway for each public name that sleeps."""
    seen: set[str] = set()
    for route in plan.asleep:
        for name in route.public_names:
            if name in plan.sleeping_names and name not in seen:
                seen.add(name)
                yield _knock(plan, route, name, keys)


def _knock(plan: Plan, route: Route, name: str, keys: Mapping[str, str]) -> Knock:
    body, upload = body_of(route)
    request = Request(
        url=f"{plan.gateway_url}{MODALITIES[route.modality].path}",
        headers=bearer(keys[litellm.MASTER_KEY.name]),
        body={"model": name, **body},
        upload=upload,
    )
    knock = refusal(Hop.GATEWAY, litellm.NAME, SLEEPS, request)

    def results(reply: Reply) -> list[Result]:
        return [replace(result, name=name, model=route.model) for result in knock.results(reply)]

    return replace(knock, results=results)
