"""Which groups are active: chosen once, kept in .stackgen/groups.json, followed and told by later verbs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from stackgen import vault
from stackgen.errors import StackError
from stackgen.facts.refusals import refused
from stackgen.plan import Plan
from stackgen.plan.groups import exclusions
from stackgen.spec import Spec

FILE = "groups.json"


def wanted(spec: Spec | None, asked: Sequence[str], home: Path, folder: Path) -> tuple[str, ...]:
    """Names of the groups that are to be active; whether the spec has them is for the plan to say.

    Args:
        spec: what is sound of the spec; None where nothing is.
        asked: groups that somebody asks for now. They win over kept ones of the same exclusion, and end the memory of
            groups that the spec no longer has.
        home: where the choice is kept: the spec's folder, or that of the simulation.
        folder: the spec's; a simulation without a choice of its own follows it.

    Raises:
        StackError: what was kept cannot be read.
    """
    if spec is None or not spec.groups:
        return tuple(asked)
    kept = _kept(home)
    kept = _kept(folder) if kept is None else kept
    if not asked or not kept:
        return tuple(asked or kept or ())
    words = exclusions(spec)
    taken = {words.get(name) for name in asked}
    return (*asked, *(name for name in kept if name in words and words[name] not in taken))


def keep(home: Path, active: Sequence[str]) -> None:
    """Remember the active groups for later verbs.

    Raises:
        StackError: it cannot be written.
    """
    path = vault.prepare(home) / FILE
    try:
        vault.write_private(path, json.dumps({"active": list(active)}) + "\n")
    except OSError as error:
        raise refused("the choice of groups cannot be kept", error, path) from None


def group_lines(plan: Plan) -> Iterator[str]:
    """Which groups are active, and which names sleep."""
    if plan.groups:
        yield f"active: {', '.join(plan.active_groups)}"
    for group, names in plan.sleepers.items():
        yield asleep_line(group, names, plan.verb(f"up --group {group}"))


def asleep_line(group: str, names: Iterable[str], switch: str) -> str:
    """Public names that nobody answers to now, and the command that changes that."""
    return f"asleep: {', '.join(names)}; `{switch}` wakes the group `{group}`"


def _kept(home: Path) -> tuple[str, ...] | None:
    """None where nobody chose."""
    path = home / vault.FOLDER / FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        names = data.get("active") if isinstance(data, dict) else None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise TypeError("it holds no list of groups")  # noqa: TRY301 - told like broken JSON
    except FileNotFoundError:
        return None
    except OSError as error:
        raise refused("the choice of groups cannot be read", error, path) from None
    except (TypeError, ValueError) as error:
        hint = "delete it, then choose: stackgen render --group NAME"
        raise StackError(f"the choice of groups cannot be read: {error}", where=str(path), hint=hint) from None
    return tuple(names)
