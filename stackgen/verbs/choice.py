"""Which groups are active: chosen once, kept in .stackgen/groups.json, followed and told by later verbs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from stackgen import vault
from stackgen.errors import StackError, joined
from stackgen.facts.refusals import refused
from stackgen.plan import Plan
from stackgen.plan.groups import exclusions
from stackgen.spec import Spec

FILE = "groups.json"


def wanted(spec: Spec | None, asked: Sequence[str], before: Sequence[str] | None) -> tuple[str, ...]:
    """Names of the groups that are to be active; whether the spec has them is for the plan to say.

    Args:
        spec: what is sound of the spec; None where nothing is.
        asked: groups that somebody asks for now. They win over kept ones of the same exclusion, and end the memory of
            groups that the spec no longer has.
        before: groups that were kept; None where nobody chose.
    """
    if spec is None or not spec.groups:
        return tuple(asked)
    if not asked or not before:
        return tuple(asked or before or ())
    words = exclusions(spec)
    taken = {words.get(name) for name in asked}
    return (*asked, *(name for name in before if name in words and words[name] not in taken))


def kept_by(spec: Spec | None, home: Path, folder: Path) -> tuple[str, ...] | None:
    """What `kept` says, of a spec that has groups at all.

    Raises:
        StackError: what was kept cannot be read.
    """
    return kept(home, folder) if spec and spec.groups else None


def kept(home: Path, folder: Path) -> tuple[str, ...] | None:
    """Names of the groups that were chosen; None where nobody chose.

    Args:
        home: where the choice is kept: the spec's folder, or that of the simulation.
        folder: the spec's; a simulation without a choice of its own follows it.

    Raises:
        StackError: what was kept cannot be read.
    """
    own = _kept(home)
    return _kept(folder) if own is None else own


def require_same(home: Path, folder: Path, before: Sequence[str] | None, active: Sequence[str]) -> None:
    """Refuse to write for groups that are no longer those that count: the plan was made before somebody chose others.

    Args:
        home: see `kept`.
        folder: likewise.
        before: groups that were kept when the plan was made.
        active: those that the plan has as active.

    Raises:
        StackError: somebody chose others meanwhile.
    """
    now = kept(home, folder)
    if now != before and set(now or ()) != set(active):
        message = f"other groups were chosen meanwhile: {', '.join(now or ())}"
        raise StackError(
            message, where=str(home / vault.FOLDER / FILE), hint="run it again, with --group where you want others"
        )


@contextmanager
def kept_for(home: Path, active: Sequence[str], is_interrupted: Callable[[], bool]) -> Iterator[None]:
    """Remember the active groups while files are written for them: whoever comes after a kill goes on to them.

    Args:
        home: where the choice is kept.
        active: the groups.
        is_interrupted: whether the write is still to be finished, where it failed.

    Raises:
        StackError: they cannot be kept. Or that of the block; then the old choice counts again.
    """
    old = _kept(home)
    keep(home, active)
    try:
        yield
    except StackError as refusal:
        try:
            if not is_interrupted():
                keep(home, old)
        except StackError as other:
            raise joined((refusal, other)) from None
        raise


def keep(home: Path, active: Sequence[str] | None) -> None:
    """Remember the active groups for later verbs; None forgets any choice.

    Raises:
        StackError: it cannot be written.
    """
    path = vault.prepare(home) / FILE
    try:
        if active is None:
            path.unlink(missing_ok=True)
        else:
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
