"""The contract of an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from stackgen.facts import Card
from stackgen.parts.served import Instance, Need, Route, ServedModel
from stackgen.parts.service import Service
from stackgen.parts.values import Arg, Secret
from stackgen.sources import Path

_BY_DEFAULT = "engine default"


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Everything about one engine; its file ends with one of these."""

    name: str
    docs: str
    modalities: frozenset[str]
    many_models: bool
    """Whether one process serves several models."""
    many_cards: bool
    """Whether one process can use several cards."""
    port: int
    fields: frozenset[str]
    """Keys of a model, beyond those common to all, that this engine honours."""
    options: type[BaseModel]
    flags: Mapping[str, str]
    secrets: tuple[Secret, ...]
    """Every secret that its services may be given."""
    flag_options: frozenset[str]
    """Options that become flags of the same name, but not by the table `flags`."""
    own_flags: Mapping[str, str]
    """Flags that stackgen writes itself, with what to do instead of giving them in `extra_args`."""
    longer_by: frozenset[str]
    """Flags and variables with which it takes more tokens than a model was trained for."""
    process_options: frozenset[str]
    """Options that a process has only once, so that its models must agree on them."""
    fetches: bool
    """Whether a job fetches its models after it started."""
    memory_share: str
    """Option that holds the share of a card which the engine takes at once when it starts; empty where it takes what it needs."""
    complaints: Callable[[ServedModel], Iterator[tuple[Path, str, str]]]
    """What only the engine knows to be wrong with a model: path below the model, message, hint."""
    need: Callable[[Instance, Card, int], Need | None]
    services: Callable[[Instance], tuple[Service, ...]]
    routes: Callable[[Instance], tuple[Route, ...]]


def flag_args(flags: Mapping[str, str], served: ServedModel) -> Iterator[Arg]:
    """Words of a command line from a table flag -> setting; settings that are left out give no word.

    True gives the bare flag; False gives its `--no-` form where the setting was written, else nothing.
    """
    for flag, setting in flags.items():
        value = served.value(setting)
        path = served.path if setting == "id" else (*served.path, *setting.split("."))
        if value is None:
            continue
        if isinstance(value, bool):
            yield Arg(value=flag if value else flag.replace("--", "--no-", 1), path=path, why=_BY_DEFAULT)
            continue
        yield Arg(value=flag)
        yield Arg(value=str(value), path=path, why=_BY_DEFAULT)
