"""Why a service failed: its exit code in words, the lines of its log that tell, and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence

from stackgen.errors import DockerError, NotHealthyError, StackError
from stackgen.facts.logs import LogFailure, exit_codes, log_failures
from stackgen.plan import Plan
from stackgen.records import dataclass
from stackgen.runtime import compose
from stackgen.runtime.border import explained
from stackgen.runtime.container import ContainerState
from stackgen.runtime.engine import Docker
from stackgen.sources import printable

_READ_LINES = 400
_TAIL_LINES = 6
_TELLING_LINES = 5
_LONGEST_LINE = 400
_PROBE_LINES = 2
_TELLING = re.compile(r"^(?!\s*File ).*(\b\w*(Error|Exception)\b: |\berror: |\b(FATAL|PANIC|CRITICAL)\b)")
_KILLED = 137


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a service failed, in one line, and the lines of its log that tell it."""

    service: str
    headline: str
    log: tuple[str, ...] = ()
    hint: str = ""
    """As in facts/log_failures.json: our verbs stand in braces."""

    @property
    def text(self) -> str:
        """The headline with the log below it."""
        lines = "\n".join(f"  | {line}" for line in self.log)
        return f"{self.headline}; from its log:\n{lines}" if lines else f"{self.headline}; it logged nothing"

    def error(self, plan: Plan) -> NotHealthyError:
        """The failure as what ends a verb."""
        return failed([self], plan)


def failed(failures: Sequence[Failure], plan: Plan) -> NotHealthyError:
    """What ends `up` where services failed: each with its log, then what to do."""
    hints = dict.fromkeys(plan.told(failure.hint) for failure in failures if failure.hint)
    names = " ".join(failure.service for failure in failures)
    log = f"the other services go on; the whole log: {plan.verb(f'logs {names}')}"
    return NotHealthyError("\n".join(failure.text for failure in failures), hint="\n".join([*hints, log]))


def death(
    service: str, container: str, exit_code: int | None, docker: Docker, mask: Callable[[str], str], *, memory: bool
) -> Failure:
    """Why a container ended. Docker forgets the exit code where it starts one again.

    Args:
        service: its service.
        container: its id.
        exit_code: how it ended; None where that is forgotten.
        docker: the engine.
        mask: takes secrets out of a text.
        memory: whether the kernel killed it because memory ran out.
    """
    if memory:
        what = f"{service} was killed: this host or its own limit is out of memory (exit code {_KILLED})"
    elif exit_code is None:
        what = f"{service} ended, and Docker starts it again"
    else:
        words = exit_codes().get(exit_code)
        what = f"{service} ended with exit code {exit_code}" + (f" ({words})" if words else "")
    return _failure(service, what, docker.log_tail(container, _READ_LINES), mask)


def unhealthy(state: ContainerState, docker: Docker, mask: Callable[[str], str]) -> Failure:
    """What the health check says at last; a program of Python puts its error behind a long trace."""
    said = clean("\n".join(state.last_probe.splitlines()[-_PROBE_LINES:]), mask)
    what = f"{state.service} is unhealthy" + (f"; its health check says: {said}" if said else "")
    return _failure(state.service, what, docker.log_tail(state.id, _READ_LINES), mask)


def compose_failure(
    lines: Iterable[str], plan: Plan, mask: Callable[[str], str], pulling: Collection[str] = ()
) -> StackError:
    """What Compose says, in our words where they are known; it names no image itself.

    Args:
        lines: all that Compose said.
        plan: the stack.
        mask: takes secrets out of a text.
        pulling: services whose images it was fetching.
    """
    failure = explained(mask(compose.tail(lines)))
    images = [f"{service.name} ({service.image_reference})" for service in plan.services if service.name in pulling]
    meanwhile = f", while the image was fetched for {', '.join(images)}" if images else ""
    return DockerError(
        f"{failure.message}{meanwhile}", hint=failure.hint or f"`{plan.verb('status')}` shows what is there"
    )


def known_failure(lines: Iterable[str]) -> tuple[LogFailure, str] | None:
    """The most telling known failure in a log, and its last line that says so."""
    newest_first = list(lines)[::-1]
    for failure in log_failures():
        for line in newest_first:
            if failure.pattern.search(line):
                return failure, line
    return None


def telling_lines(lines: Sequence[str]) -> tuple[str, ...]:
    """The lines that name errors, the last few of them, and the end of the log; in their order, none twice."""
    naming = [at for at, line in enumerate(lines) if _TELLING.search(line)]
    known = known_failure(lines)
    if known:
        naming.append(len(lines) - 1 - lines[::-1].index(known[1]))
    kept = {*sorted(set(naming))[-_TELLING_LINES:], *naming[-1:], *range(max(0, len(lines) - _TAIL_LINES), len(lines))}
    return tuple(dict.fromkeys(lines[at] for at in sorted(kept)))


def clean(text: str, mask: Callable[[str], str]) -> str:
    """What a container wrote, without secrets and without what would play with the terminal."""
    cleaned = printable(mask(" ".join(text.splitlines()).strip()))
    return cleaned if len(cleaned) <= _LONGEST_LINE else f"{cleaned[: _LONGEST_LINE - 1]}…"


def _failure(service: str, what: str, lines: Sequence[str], mask: Callable[[str], str]) -> Failure:
    said = [cleaned for line in lines if (cleaned := clean(line, mask))]
    known = known_failure(said)
    headline = f"{what}: {known[0].message}" if known else what
    return Failure(
        service=service, headline=headline, log=telling_lines(said), hint=f"{service}: {known[0].hint}" if known else ""
    )
