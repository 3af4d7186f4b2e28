"""What nobody wrote on the command line keeps its type.

Typer converts the value of every option, also a default that has its type already, and makes a class of pydantic for each:
pydantic would be loaded for `stackgen status --help`, and at every key that asks for completion.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_CONVERSION = "get_runtime_param"
"""How typer asks a parameter for its conversion. It is not promised: where it has another name, all is converted."""


class _WhenWritten:
    """The conversion of one parameter, made when there is something to convert."""

    def __init__(self, made: Callable[[], Any]) -> None:
        self._made = made

    def __call__(self) -> _WhenWritten:
        """What typer asks for."""
        return self

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value as its function takes it."""
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        return value if value is param.default else self._made().coerce(value, param=param, ctx=ctx)


def leave_alone(command: Any) -> None:
    """Let a command convert what was written, and nothing else."""
    listed = command.get_params

    def get_params(ctx: Any) -> Any:
        """Its parameters, with those that typer adds at the end, as --help."""
        params = listed(ctx)
        for param in params:
            made = getattr(param, _CONVERSION, None)
            if made and not isinstance(made, _WhenWritten):
                setattr(param, _CONVERSION, _WhenWritten(made))
        return params

    command.get_params = get_params
