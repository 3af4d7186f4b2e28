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


def _offer(read: Callable[[Path], Iterable[str]]) -> Callable[[typer.Context, str], list[str]]:
    """A function that typer asks for values, by one that reads them from a spec."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        return [name for name in dict.fromkeys(read(_spec(ctx))) if name.startswith(incomplete)]

    return complete


def _spec(ctx: typer.Context) -> Path:
    """The spec that the line names, also where typer has not read the line to its end."""
    named = ctx.params.get("file") or ctx.params.get("files") or ()
    for word in (*ctx.args, *(named if isinstance(named, list | tuple) else (named,))):
        file = Path(str(word))
        if file.is_dir():
            return file / _SPEC
        if file.is_file():
            return file
    return Path(_SPEC)


def services(ctx: typer.Context, incomplete: str) -> list[str]:
    """Services of the stack, or of its simulation."""
    found = names.services(_spec(ctx), simulate=bool(ctx.params.get("simulate")))
    return [name for name in found if name.startswith(incomplete)]


def faults(ctx: typer.Context, incomplete: str) -> list[str]:
    """SERVICE=KIND for every service."""
    found = names.services(_spec(ctx), simulate=True)
    return [pair for name in found for kind in KINDS if (pair := f"{name}={kind}").startswith(incomplete)]


def counted_cards(ctx: typer.Context, incomplete: str) -> list[str]:
    """Cards with their number, as 2xrtx-4090; behind a comma one more kind of them."""
    before, comma, last = incomplete.rpartition(",")
    count, times, _ = last.partition("x")
    number = count if times and count.isdecimal() else "1"
    found = (f"{before}{comma}{number}x{card}" for card in names.cards(_spec(ctx)))
    return [text for text in ("none", *found) if text.startswith(incomplete)]


def places(ctx: typer.Context, incomplete: str) -> list[str]:
    """Paths of the spec, and its services."""
    found = (*names.paths(_spec(ctx)), *(f"services.{name}" for name in names.services(_spec(ctx))))
    return [name for name in dict.fromkeys(found) if name.startswith(incomplete)]


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
