"""The contract of an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from stackgen.facts import Card
from stackgen.parts.served import Held, Instance, Need, Route, ServedModel
from stackgen.parts.service import Service
from stackgen.parts.values import Arg, Secret
from stackgen.records import dataclass
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
    savings: Mapping[str, tuple[Any, ...]]
    """Options by which it takes less memory, each with values that take less and less; what to try first stands first."""
    complaints: Callable[[ServedModel], Iterator[tuple[Path, str, str]]]
    """What only the engine knows to be wrong with a model: path below the model, message, hint."""
    need: Callable[[Instance, Card, int], Need | None]
    """GPU memory on each of so many cards of a kind; None where the catalogue does not know a model."""
    holds: Callable[[Instance, Card, int, float], Held | None]
    """What a cache of so many GiB on each card holds; None where there is no cache to speak of, or nobody knows."""
    refusal: Callable[[Instance, Card, int], str | None]
    """Why so many cards of a kind cannot run it, whatever their memory."""
    budget: Callable[[Instance, float, float | None], Mapping[str, Any]]
    """Options that make it keep to a share of its cards, and on cards with neighbours to a cache of so many GiB on each."""
    usual: Callable[[Instance, Card], Mapping[str, Any]]
    """Options that are always written: what it would take by itself on such cards, and another release would not."""
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
        why = served.derived.get(setting, _BY_DEFAULT)
        if isinstance(value, bool):
            yield Arg(value=flag if value else flag.replace("--", "--no-", 1), path=path, why=why)
            continue
        yield Arg(value=flag)
        yield Arg(value=str(value), path=path, why=why)
