"""Dataclasses that cost a fifth at the start of the program.

Python's own compiles six methods for each class; of a hundred classes that is a sixth of `render`. Here only `__init__` is
compiled, when the first one is made: a run makes half of them. Equality, hash and repr are the same in meaning and shared;
that nobody writes to a frozen one is proven by the type checker, for which this is Python's own dataclass, and not looked
at again when the program runs.
"""

from __future__ import annotations

import dataclasses
from operator import attrgetter
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls=None, /, *, frozen=False, kw_only=False):  # noqa: ANN001, ANN201 - typed above
        """`dataclasses.dataclass` with the two options that this house uses."""

        def made(cls):  # noqa: ANN001, ANN202 - typed above
            cls = dataclasses.dataclass(cls, init=False, repr=False, eq=False, kw_only=kw_only)
            if "__init__" not in vars(cls):
                _compile_init_when_called(cls)
            _give_shared_methods(cls, hashable=frozen)
            return cls

        return made if cls is None else made(cls)


def _compile_init_when_called(cls: type) -> None:
    """The first call compiles the one that all later calls meet."""

    def first(self: object, *words: object, **named: object) -> None:
        made: Any = _init_of(cls)
        cls.__init__ = made  # type: ignore[misc] # this class and no subclass
        made(self, *words, **named)

    cls.__init__ = first  # type: ignore[misc]


def _init_of(cls: type) -> object:
    """`__init__` with the parameters and defaults that the fields of a class say."""
    names: dict[str, Any] = {"__absent__": object()}
    parameters: dict[bool, list[str]] = {False: [], True: []}
    lines = []
    for field in dataclasses.fields(cls):
        default, made = f"_default_{field.name}", field.default_factory is not dataclasses.MISSING
        names[default] = field.default_factory if made else field.default
        has_one = made or field.default is not dataclasses.MISSING
        parameters[bool(field.kw_only)].append(
            field.name + (f"={'__absent__' if made else default}" if has_one else "")
        )
        value = f"{default}() if {field.name} is __absent__ else {field.name}" if made else field.name
        lines.append(f"self.{field.name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    head = ", ".join(["self", *parameters[False], *(["*", *parameters[True]] if parameters[True] else [])])
    exec(f"def __init__({head}):\n " + "\n ".join(lines or ["pass"]), names)  # noqa: S102 - from names of fields alone
    names["__init__"].__qualname__ = f"{cls.__qualname__}.__init__"
    return names["__init__"]


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
