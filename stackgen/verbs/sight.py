"""A stack as it can be looked at, even one whose spec is broken: then its name and its containers are left."""

from __future__ import annotations

from pathlib import Path

from stackgen import vault
from stackgen.errors import SpecError
from stackgen.plan import command
from stackgen.records import dataclass
from stackgen.verbs.stack import Stack, open_stack, simulation_home, stack_name


@dataclass(frozen=True)
class Sight:
    """What is known of a stack. `stack` is None where the spec is broken; `failure` says why."""

    name: str
    home: Path
    """Where its secrets are kept."""
    simulated: bool
    stack: Stack | None
    failure: SpecError | None = None

    def verb(self, words: str) -> str:
        """A command of ours about this stack, as people are told to write it."""
        return command(words, simulated=self.simulated)

    @property
    def warning(self) -> str:
        """A sentence about a broken spec; empty for a sound one."""
        if self.failure is None:
            return ""
        return f"{self.failure.message}: only containers are known (`stackgen plan` names every problem)"

    def values(self) -> dict[str, str]:
        """The kept secrets by name.

        Raises:
            StackError: they cannot be read.
        """
        return vault.read(self.home / vault.FOLDER / vault.FILE)


def sight_of(file: Path, out: Path | None = None, *, simulate: bool = False) -> Sight:
    """What can be known of a stack, or of its simulation, by its spec.

    Raises:
        SpecError: the spec has not even a usable name.
    """
    try:
        stack = open_stack(file, out, simulate=simulate)
    except SpecError as failure:
        folder = (file if file.is_dir() else file.parent).absolute()
        home = simulation_home(folder) if simulate else folder
        return Sight(stack_name(file, simulate=simulate), home, simulate, None, failure)
    return Sight(stack.plan.name, stack.home, simulate, stack)
