"""Real requests for every model, through the gateway and straight to its engine, so that a failure names its hop."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stackgen.backing import litellm
from stackgen.errors import StackError
from stackgen.plan import Plan
from stackgen.smoke.asks import Ask, Wishes, chosen
from stackgen.smoke.course import Course
from stackgen.smoke.diagnosis import diagnosis
from stackgen.smoke.result import Hop, Result
from stackgen.smoke.transport import File, Request, Transport, by_script, from_this_host, masked, unreachable

__all__ = [
    "Ask",
    "File",
    "Hop",
    "Request",
    "Result",
    "Transport",
    "Wishes",
    "by_script",
    "chosen",
    "diagnosis",
    "from_this_host",
    "masked",
    "run",
    "unreachable",
]


def run(
    plan: Plan,
    host: Transport,
    inside: Transport,
    keys: Mapping[str, str],
    wishes: Wishes = Wishes(),  # noqa: B008 - it is frozen
    *,
    exact: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Result]:
    """Every probe of every route on both hops, what doors must refuse, and what the gateway says about itself.

    Args:
        plan: the stack.
        host: sends what clients send.
        inside: sends from the gateway's place in the network.
        keys: values of the stack's secrets by name.
        wishes: whom to ask, and what all requests together may cost.
        exact: whether every word of a recording must be heard, as stand-ins do.
        tell: hears how far it is.

    Raises:
        StackError: the gateway's key is not there, or somebody wishes for what the stack does not have.
    """
    if litellm.MASTER_KEY.name not in keys:
        hint = plan.verb("up") if plan.simulated else "run `stackgen render` first"
        raise StackError(f"{litellm.MASTER_KEY.name} is not among the kept secrets", hint=hint)
    asks = chosen(plan, wishes)
    ways = {Hop.GATEWAY: host, Hop.ENGINE: inside}
    return Course(plan, ways, keys, wishes, exact=exact, tell=tell).results(asks)
