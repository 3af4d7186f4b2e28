"""What a check is: for each thing of a stack that it is about, what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from traps.parts import ENGINES, STORES
from traps.stack import Service, Stack

Subject = TypeVar("Subject")
Subjects = Callable[[Stack], Iterable[Subject]]
Complaints = Callable[[Stack, Subject], Iterator[str]]


@dataclass(frozen=True)
class Check(Generic[Subject]):
    """One render check; called with a stack it yields complaints, none where the stack is right."""

    name: str
    subjects: Subjects[Subject]
    """What the check looks at; a stack without any proves nothing about it."""
    complaints: Complaints[Subject]

    def __call__(self, stack: Stack) -> Iterator[str]:
        for subject in self.subjects(stack):
            yield from (f"{_named(subject)}: {complaint}" for complaint in self.complaints(stack, subject))


def _named(subject: object) -> str:
    return str(subject[0] if isinstance(subject, tuple) else subject)


def about(subjects: Subjects[Subject]) -> Callable[[Complaints[Subject]], Check[Subject]]:
    """Makes a check of a function of one subject."""
    return lambda complaints: Check(complaints.__name__, subjects, complaints)


def servers(*roles: str) -> Subjects[Service]:
    """Servers by what their image is."""
    return lambda stack: stack.serving(*roles)


def everything(stack: Stack) -> Iterable[Stack]:
    """The stack as a whole."""
    return (stack,)


def every_server(stack: Stack) -> Iterable[Service]:
    """Whatever stays running."""
    return stack.servers


def every_service(stack: Stack) -> Iterable[Service]:
    """Servers and jobs."""
    return stack.services


def probed(*roles: str) -> Subjects[Service]:
    """Servers with a health check; all of them where no role is named."""
    return lambda stack: [server for server in stack.servers if server.health and (not roles or server.role in roles)]


def with_card(stack: Stack) -> Iterable[Service]:
    """Services that want a card."""
    return [service for service in stack.services if service.wants_card]


engines = servers(*ENGINES)
stores = servers(*STORES)
gateways = servers("litellm")
