"""Verbs as they were declared: each becomes a command when somebody asks for it.

Typer makes every command of a program at each start, with every option of each, and that takes longer than to plan a
small stack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import typer
from typer.main import get_command_from_info, get_command_name, get_group_from_info
from typer.models import CommandInfo, TyperInfo


class Program(typer.Typer):
    """A program that keeps what is declared, and makes nothing of it yet."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.declared: dict[str, CommandInfo | TyperInfo] = {}

    def command(self, *words: Any, **settings: Any) -> Callable[[Any], Any]:
        """Declare a verb; as typer's own."""
        declare = super().command(*words, **settings)

        def keep(function: Any) -> Any:
            declare(function)
            verb = self.registered_commands.pop()
            self.declared[verb.name or get_command_name(function.__name__)] = verb
            return function

        return keep

    def add_typer(self, *words: Any, **settings: Any) -> None:
        """Declare a verb that has verbs below it; as typer's own."""
        super().add_typer(*words, **settings)
        group = self.registered_groups.pop()
        self.declared[str(group.name)] = group


class Commands(Mapping[str, Any]):
    """The commands of a program by the words that call them."""

    def __init__(self, declared: Mapping[str, CommandInfo | TyperInfo], shape: Callable[[Any], None]) -> None:
        """`shape` is told each command that was made."""
        self._declared = declared
        self._shape = shape
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = _made(self._declared[name])
            self._shape(self._made[name])
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._declared)

    def __len__(self) -> int:
        return len(self._declared)

    def short_help(self, name: str) -> str:
        """What a verb does, in a line; it needs no command where the declaration says it."""
        declared = self._declared[name]
        below = declared.typer_instance if isinstance(declared, TyperInfo) else None
        said = below.info.short_help if below else declared.short_help
        return said if isinstance(said, str) else str(self[name].get_short_help_str(200))


def _made(declared: CommandInfo | TyperInfo) -> Any:
    if isinstance(declared, CommandInfo):
        return get_command_from_info(declared, pretty_exceptions_short=True, rich_markup_mode=None)
    return get_group_from_info(declared, pretty_exceptions_short=True, suggest_commands=True, rich_markup_mode=None)
