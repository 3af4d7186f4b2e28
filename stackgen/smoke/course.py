"""A run of all requests: in waves, on both ways at once, within the budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from stackgen.modalities import Reply
from stackgen.plan import Plan
from stackgen.smoke.asks import Ask, Wishes
from stackgen.smoke.caller import NOT_ASKED, in_background
from stackgen.smoke.door import Knock, knocks
from stackgen.smoke.result import Hop, Result
from stackgen.smoke.sleepers import knocks_at_sleepers
from stackgen.smoke.transport import REQUEST_SECONDS, Request, Transport
from stackgen.smoke.visit import FIRST, LAST, SECOND, Known, Visit

_LEAST_SECONDS = 1.0
"""With less left, nothing more is sent."""


class Course:
    """One run. Who gave no answer at all is not asked again, so that an engine that hangs costs one wait."""

    def __init__(
        self,
        plan: Plan,
        transports: Mapping[Hop, Transport],
        keys: Mapping[str, str],
        wishes: Wishes,
        *,
        exact: bool,
        tell: Callable[[str], None],
    ) -> None:
        self._plan, self._transports, self._keys = plan, transports, keys
        self._wishes, self._exact, self._tell = wishes, exact, tell
        self._visits: list[Visit] = []
        self._known = Known()
        self._silent: dict[tuple[Hop, str], str] = {}
        self._replies: dict[int, Reply] = {}
        self._results: dict[int, Result] = {}
        self._began = time.monotonic()

    def results(self, asks: Sequence[Ask]) -> list[Result]:
        """Send everything.

        Returns:
            Results in the order of the plan: models at the gateway, models at their engines, then doors.
        """
        waves = dict(enumerate(_waves(asks)))
        self._visits = [Visit(ask=ask, hop=Hop.GATEWAY, wave=waves[at]) for at, ask in enumerate(asks)]
        self._visits += [
            Visit(ask=ask, hop=Hop.ENGINE, wave=waves[at]) for at, ask in enumerate(asks) if ask.also_straight
        ]
        self._leave_out_what_costs_too_much()
        doors = list(knocks(self._plan, asks, self._keys))
        if not (self._wishes.models or self._wishes.modalities):
            doors += knocks_at_sleepers(self._plan, self._keys)
        told = dict(enumerate(self._wave(FIRST, doors)))
        again = [at for at, found in told.items() if doors[at].repeated and not all(result.ok for result in found)]
        told |= dict(zip(again, self._wave(SECOND, [doors[at] for at in again]), strict=True))
        self._wave(LAST, [])
        self._compare()
        at_doors = (result for found in told.values() for result in found)
        return [*(self._results[at] for at in range(len(self._visits))), *at_doors]

    def _leave_out_what_costs_too_much(self) -> None:
        """The first questions come first, so that a small budget still asks every model something."""
        left = self._wishes.tokens
        numbers = range(len(self._visits))
        for at in sorted(numbers, key=lambda at: (self._visits[at].wave, self._visits[at].ask.position)):
            visit = self._visits[at]
            if visit.tokens <= left:
                left -= visit.tokens
            else:
                words = f"the budget of {self._wishes.tokens} tokens is used up"
                self._results[at] = visit.skipped(f"{words}; --budget-tokens sets another")

    def _wave(self, wave: int, doors: Sequence[Knock]) -> list[Sequence[Result]]:
        """Send what is due, and knock at doors; what each door told."""
        sent: dict[int, Request] = {}
        for at, visit in enumerate(self._visits):
            if visit.wave != wave or at in self._results:
                continue
            reason = self._reason_to_skip(visit)
            if reason:
                self._results[at] = visit.skipped(reason)
            else:
                sent[at] = visit.request(self._plan, self._keys, self._known)
        ways = [self._visits[at].hop for at in sent] + [knock.hop for knock in doors]
        replies = self._exchange(ways, [*sent.values(), *(knock.request for knock in doors)])
        for at, reply in zip(sent, replies, strict=False):
            self._keep(at, reply)
        if ways:
            seconds = time.monotonic() - self._began
            self._tell(f"{seconds:6.1f} s  {len(self._results)} of {len(self._visits)} requests to models are done")
        return [knock.results(reply) for knock, reply in zip(doors, replies[len(sent) :], strict=True)]

    def _reason_to_skip(self, visit: Visit) -> str:
        seconds = self._wishes.seconds
        if self._seconds_left() < _LEAST_SECONDS:
            return f"the budget of {seconds:g} seconds is used up; --budget-seconds sets another"
        silent = self._silent.get((visit.hop, visit.ask.service)) or self._silent.get((Hop.ENGINE, visit.ask.service))
        if silent:
            return silent
        if visit.ask.probe.after and self._known.before(visit) is None:
            return f"it goes on from the answer to {visit.ask.probe.after}"
        return ""

    def _exchange(self, ways: Sequence[Hop], requests: Sequence[Request]) -> list[Reply]:
        """Send on both ways at once; replies in the order of the requests."""
        left = self._seconds_left()
        timed = [replace(each, timeout_seconds=min(REQUEST_SECONDS, left), within_seconds=left) for each in requests]
        numbers = {hop: [at for at, way in enumerate(ways) if way is hop] for hop in Hop}
        replies: dict[int, Reply] = {}
        waiting = {
            hop: in_background(partial(self._transports[hop], [timed[at] for at in chosen]))
            for hop, chosen in numbers.items()
            if chosen
        }
        for hop, answers in waiting.items():
            replies |= dict(zip(numbers[hop], answers.result(), strict=True))
        return [replies[at] for at in range(len(requests))]

    def _keep(self, at: int, reply: Reply) -> None:
        visit = self._visits[at]
        if reply.error.startswith(NOT_ASKED):
            self._results[at] = visit.skipped(reply.error)
            return
        self._replies[at] = reply
        self._results[at] = visit.result(reply, self._known, exact=self._exact)
        if reply.error:
            words = f"{visit.ask.service} gave no answer to {visit.ask.probe.name} of {visit.ask.name}"
            self._silent.setdefault((visit.hop, visit.ask.service), words)

    def _compare(self) -> None:
        """Where both ways gave a good reply that must be the same, a difference is the gateway's."""
        at_engines = {_key(self._visits[at]): at for at in self._replies if self._visits[at].hop is Hop.ENGINE}
        for at, reply in self._replies.items():
            visit = self._visits[at]
            other = at_engines.get(_key(visit))
            if visit.hop is Hop.ENGINE or other is None or not (self._results[at].ok and self._results[other].ok):
                continue
            complaint = visit.ask.probe.difference(reply, self._replies[other])
            self._results[at] = replace(self._results[at], complaint=complaint)

    def _seconds_left(self) -> float:
        return self._wishes.seconds - (time.monotonic() - self._began)


def _waves(asks: Sequence[Ask]) -> Iterator[int]:
    """When each may be sent: what needs a recording or an answer waits for it."""
    spoken = {ask.route.modality for ask in asks}
    for ask in asks:
        if ask.probe.after:
            yield LAST
        elif ask.position or ask.probe.hears in spoken:
            yield SECOND
        else:
            yield FIRST


def _key(visit: Visit) -> tuple[str, str, str, str]:
    ask = visit.ask
    return ask.route.model, ask.service, ask.public_name, ask.probe.name
