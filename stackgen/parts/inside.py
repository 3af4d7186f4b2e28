"""Commands inside a running container: what they prove there, and what they change."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stackgen.parts.values import Secret
from stackgen.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Proof:
    """A command inside a running container that proves what its health check does not: it ends with 0."""

    name: str
    """What it proves, such as `login`."""
    command: tuple[str, ...]
    environment: Mapping[str, Secret]
    refusals: tuple[str, ...]
    """What its output says where the one thing is wrong that it is there for."""
    complaint: str
    """What is wrong then."""
    hint: str
    """With {up}, {project} and the like in the place of our verb and of the stack's name."""


@dataclass(frozen=True, kw_only=True)
class Rekey:
    """A command inside a running container that tells its server a new value of a secret; told twice, it is the same."""

    secret: Secret
    command: tuple[str, ...]
    environment: Mapping[str, Secret]
    """With the value that counted before."""
    order: Callable[[str], str]
    """The input of the command, from the new value, which is not in it: no log of the server may have it."""
