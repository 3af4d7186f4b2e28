"""Dataclasses that cost a third at the start of the program.

Python's own compiles six methods for each class; of a hundred classes that is a sixth of `render`. Here only `__init__` is
compiled. Equality, hash and repr are the same in meaning and shared; that nobody writes to a frozen one is proven by the
type checker, for which this is Python's own dataclass, and not looked at again when the program runs.
"""

from __future__ import annotations

import dataclasses
from operator import attrgetter
from typing import TYPE_CHECKING

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls=None, /, *, frozen=False, kw_only=False):  # noqa: ANN001, ANN201 - typed above
        """`dataclasses.dataclass` with the two options that this house uses."""

        def made(cls):  # noqa: ANN001, ANN202
            cls = dataclasses.dataclass(cls, repr=False, eq=False, kw_only=kw_only)
            _give_shared_methods(cls, hashable=frozen)
            return cls

        return made if cls is None else made(cls)


def _give_shared_methods(cls: type, *, hashable: bool) -> None:
    """Equality, hash and repr, where the class has none of its own."""
    names = [field.name for field in dataclasses.fields(cls)]
    values = attrgetter(*names) if names else lambda _: ()

    def equal(self: object, other: object) -> bool:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    def shown(self: object) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    own = vars(cls)
    for name, method in (
        ("__repr__", shown),
        ("__eq__", equal),
        ("__hash__", (lambda self: hash(values(self))) if hashable else None),
    ):
        if own.get(name) is None:
            setattr(cls, name, method)
