"""What to make of failed requests: for each model one sentence with the service, the hop, the likely cause and the next step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stackgen.backing import litellm
from stackgen.facts.requests import request_advice
from stackgen.parts import Route
from stackgen.plan import Plan
from stackgen.smoke.result import Hop, Result

_AT_THE_DOOR = ("no connection", "no answer", "the connection broke")
"""How complaints begin when the gateway itself is down; a wrong route gives an answer, with a status."""


def diagnosis(plan: Plan, results: Sequence[Result]) -> Iterator[str]:
    """One sentence per broken model: which hop is to blame."""
    engine = {_key(result): result for result in results if result.hop is Hop.ENGINE}
    through = [result for result in results if result.hop is Hop.GATEWAY and result.modality]
    asked = [result for result in through if not result.skipped]
    if asked and all(map(_is_at_the_door, asked)) and all(result.ok for result in engine.values() if result.modality):
        told = {request_advice(Hop.GATEWAY.value).get(result.cause, "") for result in asked}
        why = f": {plan.told(told.pop())}" if len(told) == 1 and asked[0].cause == "door" else ""
        yield f"no model answers through the gateway, and no engine is to blame: look at {litellm.NAME} and its key first{why}"
        return
    broken = [result for result in results if not result.ok and (result.modality or result.model)]
    found: dict[tuple[str, str], str] = {}
    for result in broken:
        sentence = _sentence(plan, result, engine)
        if sentence:
            found.setdefault((result.name, result.service), sentence)
    yield from found.values()


def _is_at_the_door(result: Result) -> bool:
    complaint = result.complaint or ""
    return result.cause == "door" or complaint.startswith(_AT_THE_DOOR)


def _sentence(plan: Plan, result: Result, engine: dict[tuple[str, str, str], Result]) -> str:
    name, service, advice = result.name, result.service, _advice(plan, result)
    straight = engine.get(_key(result))
    if result.hop is Hop.ENGINE:
        # where the gateway's own request failed too, its sentence came first
        words = f"{service} gives no good answer to {result.probe} without the gateway{advice}"
    elif not result.modality:
        words = f"the gateway's entry for {service} is not the spec's: {result.complaint} -> `{plan.verb('up')}`"
    elif service == litellm.NAME:
        words = "no good answer to a request by the name that several share"
    elif straight is None or straight.skipped:
        words = f"{service} does not answer through the gateway, and cannot be asked without it{advice}"
    elif not straight.ok:
        words = f"{service} does not answer, with or without the gateway{_advice(plan, straight)}"
    elif result.cause:
        words = f"{service} itself answers; the gateway's route to it is wrong{advice}"
    else:
        words = f"{service} itself answers {result.probe} well; what comes through the gateway is not that answer"
    return f"{name}: {words}"


def _advice(plan: Plan, result: Result) -> str:
    """The likely cause and the next step, in the words for the hop where it failed."""
    text = request_advice(result.hop.value).get(result.cause)
    route = next(
        (route for route in plan.routes if (route.model, route.modality) == (result.model, result.modality)), None
    )
    if text is None or route is None:
        return ""
    return f": {text.format(**_names(plan, result, route))}"


def _names(plan: Plan, result: Result, route: Route) -> dict[str, str]:
    return {
        "project": plan.name,
        "up": plan.verb("up"),
        "logs": plan.verb("logs"),
        "service": result.service,
        "gateway": litellm.NAME,
        "url": route.url or route.service,
        "base": route.base_url or "the provider's own address",
        "served": route.served_name,
    }


def _key(result: Result) -> tuple[str, str, str]:
    return result.service, result.model, result.probe
