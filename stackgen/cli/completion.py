"""Values that a shell completes: from the spec that the line names, without a word where there is none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from stackgen.simulators.faults import KINDS
from stackgen.verbs import names

_SPEC = "stack.yaml"


def _offer(read: Callable[[Path], Iterable[str]]) -> Callable[[typer.Context], list[str]]:
    """A function that typer asks for values, by one that reads them from a spec; typer drops what begins otherwise."""

    def complete(ctx: typer.Context) -> list[str]:
        return list(dict.fromkeys(read(_spec(ctx))))

    return complete


def _spec(ctx: typer.Context) -> Path:
    """The spec that the line names, also where typer has not read the line to its end."""
    named = ctx.params.get("file") or ctx.params.get("specs") or ()
    for word in (*ctx.args, *(named if isinstance(named, list) else (named,))):
        file = Path(str(word))
        if file.is_dir():
            return file / _SPEC
        if file.is_file():
            return file
    return Path(_SPEC)


def services(ctx: typer.Context) -> list[str]:
    """Services of the stack, or of its simulation."""
    return list(names.services(_spec(ctx), simulate=bool(ctx.params.get("simulate"))))


def faults(ctx: typer.Context) -> list[str]:
    """SERVICE=KIND for every service."""
    return [f"{name}={kind}" for name in names.services(_spec(ctx), simulate=True) for kind in KINDS]


def counted_cards(ctx: typer.Context, incomplete: str) -> list[str]:
    """Cards with their number, as 2xrtx-4090; behind a comma one more kind of them."""
    before, comma, last = incomplete.rpartition(",")
    count, times, _ = last.partition("x")
    number = count if times and count.isdecimal() else "1"
    return ["none", *(f"{before}{comma}{number}x{card}" for card in names.cards(_spec(ctx)))]


def changes(ctx: typer.Context) -> list[str]:
    """PATH= for every value of the spec that is no map."""
    found = list(dict.fromkeys(names.paths(_spec(ctx))))
    above = {path.rpartition(".")[0] for path in found}
    return [f"{path}=" for path in found if path not in above]


def named_sources(ctx: typer.Context, incomplete: str) -> list[str]:
    """NAME=SOURCE for every known model, once a name is written."""
    name, equals, _ = incomplete.partition("=")
    return [f"{name}={source}" for source in names.sources(_spec(ctx))] if equals else []


def places(ctx: typer.Context) -> list[str]:
    """Paths of the spec, its services, and files whose lines can be asked for."""
    spec = _spec(ctx)
    found = [*names.paths(spec), *(f"services.{name}" for name in names.services(spec))]
    return list(dict.fromkeys([*found, *(f"{file}:" for file in names.files(spec))]))


models = _offer(names.models)
modalities = _offer(names.modalities)
groups = _offer(names.groups)
paths = _offer(names.paths)
profiles = _offer(names.profiles)
secrets = _offer(names.secrets)
facts = _offer(names.facts)


@contextmanager
def without_rich() -> Iterator[None]:
    """Keep typer from loading rich to write plain help texts for zsh and fish: it would double the time of a key press."""
    there = {name: module for name, module in sys.modules.items() if name == "rich"}
    sys.modules["rich"] = None  # type: ignore[assignment] # the way to say: not there
    try:
        yield
    finally:
        del sys.modules["rich"]
        sys.modules.update(there)
