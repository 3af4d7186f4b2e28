"""Stacks become files: everything is looked at first, then all is written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path, PurePosixPath

from stackgen import files, interrupts, render, vault
from stackgen import plan as planning
from stackgen.errors import DockerError, DriftError, StackError, joined
from stackgen.facts.refusals import refused
from stackgen.parts import Secret
from stackgen.plan import Plan
from stackgen.records import dataclass
from stackgen.render.env import env_file
from stackgen.sources import describe, nearest
from stackgen.verbs import choice
from stackgen.verbs.stack import FAULTS_FILE, OUTPUT_FOLDER, Stack, open_stack


@dataclass(frozen=True)
class Rendered:
    """What a render did."""

    written: files.Written
    generated: tuple[str, ...]
    missing: tuple[Secret, ...]
    values: Mapping[str, vault.SecretValue]
    differing: tuple[str, ...]
    rotated: tuple[str, ...] = ()
    """Secrets whose new value counts from here on."""
    weak: tuple[vault.Complaint, ...] = ()
    finished: bool = False
    """Whether a write that was interrupted before was finished first."""


@dataclass(frozen=True)
class _Ready:
    """A stack of which nothing keeps us from writing it."""

    stack: Stack
    found: vault.Found
    env: str
    intended: Mapping[str, vault.SecretValue]
    """New values that a rotation left to be kept."""
    finished: bool
    """Whether a write that was interrupted before is finished now."""


def render_stack(stack: Stack, *, force: bool = False, may_start: bool = False) -> Rendered:
    """Settle the secrets and write every file; see `render_stacks`."""
    return render_stacks([stack], force=force, may_start=may_start)[0]


def render_stacks(stacks: Sequence[Stack], *, force: bool = False, may_start: bool = False) -> list[Rendered]:
    """Settle the secrets of stacks and write all their files; where one is refused, nothing of any is written.

    A rotation that began is finished.

    Args:
        stacks: the stacks.
        force: overwrite what was edited by hand.
        may_start: whether a server may be started that must be told a new secret.

    Raises:
        DriftError: a file was edited by hand.
        StackError: secrets or files cannot be read or written; all that keeps one of the stacks from being written. Or a
            server cannot be told a new secret.
    """
    with turn(*stacks):
        ready, refusals = list[_Ready](), list[StackError]()
        for stack in stacks:
            try:
                ready.append(_ready(stack, force=force, intended=vault.intended(stack.home).new))
            except StackError as refusal:
                refusals.append(refusal)
        if refusals:
            raise joined(refusals)
        with nullcontext() if any(each.intended for each in ready) else interrupts.whole("everything was written"):
            return _written(ready, force=force, may_start=may_start)


def _written(ready: Sequence[_Ready], *, force: bool, may_start: bool) -> list[Rendered]:
    done = list[Rendered]()
    for each in ready:
        try:
            done.append(_write(each, force=force, may_start=may_start))
        except StackError as refusal:
            raise joined((refusal, *_half_way([one.stack for one in ready], len(done)))) from None
    return done


def _half_way(stacks: Sequence[Stack], done: int) -> Iterator[StackError]:
    """Says what was written of several stacks and what was not; nothing where there is no doubt."""
    if len(stacks) > 1:
        written = ", ".join(f"{stack.plan.name} ({stack.out})" for stack in stacks[:done])
        rest = ", ".join(f"{stack.plan.name} ({stack.out})" for stack in stacks[done:])
        message = f"written: {written or 'nothing'}; not written: {rest}"
        yield StackError(message, hint="once that is mended, the same command writes the rest; each folder is one set")


def refuse_stack(stack: Stack, intended: Mapping[str, vault.SecretValue]) -> None:
    """Refuse what a render would, with new values of secrets; a write that was interrupted before is finished.

    Whoever calls holds the lock of the vault.

    Raises:
        DriftError: a file was edited by hand.
        StackError: secrets or files cannot be read or written.
    """
    _ready(stack, force=False, intended=intended)


def open_stacks(specs: Sequence[Path], out: Path | None = None, *, groups: Sequence[str] = ()) -> list[Stack]:
    """Read and plan specs; see `open_stack`.

    Raises:
        StackError: every problem of all of them.
    """
    stacks, refusals = list[Stack](), list[StackError]()
    for spec in specs:
        try:
            stacks.append(open_stack(spec, out, groups=groups))
        except StackError as refusal:
            refusals.append(refusal)
    if refusals:
        raise joined(refusals)
    return stacks


def finish_interrupted(stack: Stack) -> bool:
    """Finish or undo a write that a kill or a full disk interrupted, so that what is rendered is one set.

    Returns:
        Whether there was one to finish.

    Raises:
        DriftError: somebody edited a file meanwhile, or another version has to finish it.
        StackError: it cannot be finished.
    """
    if not files.is_interrupted(stack.out):
        return False
    with turn(stack):
        return files.recover(stack.out)


@contextmanager
def turn(*stacks: Stack) -> Iterator[None]:
    """Nobody else writes secrets or files of these stacks meanwhile, nor into their folders: homes first, then output folders.

    Raises:
        StackError: a lock cannot be taken.
    """
    with vault.locked(*(stack.home for stack in stacks)), files.turn(*(stack.out for stack in stacks)):
        yield


def _ready(stack: Stack, *, force: bool, intended: Mapping[str, vault.SecretValue]) -> _Ready:
    """What will be written, once nothing is in its way; a write that was interrupted before is finished."""
    if stack.plan.simulated:
        vault.prepare(stack.folder)  # keeps all of .stackgen out of git
    if stack.plan.groups:
        choice.require_same(stack.home, stack.folder, stack.kept_groups, stack.plan.active_groups)
    found = vault.look(
        stack.home,
        stack.plan.secrets,
        environment=os.environ,
        volume_exists=lambda volume: _holds_data(stack.plan, volume),
        removal=stack.plan.verb("down --volumes"),
        intended=intended,
        copy=stack.out / render.ENV_FILE,
    )
    env = env_file(stack.plan, {name: value.reveal() for name, value in found.values.items()})
    wanted = {file.path: file.text for file in stack.files()}
    known = vault.rendered_env_digests(stack.home, stack.out)
    with _named_for(stack):
        finished = files.recover(stack.out, force=force)
        files.refuse(stack.out, wanted, stack=stack.plan.name, env=env, env_digests=known, force=force)
    return _Ready(stack, found, env, intended, finished)


def _write(ready: _Ready, *, force: bool, may_start: bool) -> Rendered:
    stack, found, env = ready.stack, ready.found, ready.env
    rotated = _finish_rotation(stack, may_start=may_start) if ready.intended else ()
    vault.keep(stack.home, found)
    digest, known = files.digest(env), vault.rendered_env_digests(stack.home, stack.out)
    vault.keep_rendered_env_digests(stack.home, stack.out, [*known, digest])
    name = stack.plan.name
    remembered = (
        choice.kept_for(stack.home, stack.chosen, lambda: is_interrupted(stack)) if stack.chosen else nullcontext()
    )
    with _named_for(stack), remembered:
        written = files.write(stack.out, stack.files(), stack=name, env=env, env_digests=[*known, digest], force=force)
    vault.keep_rendered_env_digests(stack.home, stack.out, [digest])
    if rotated:
        left = vault.intended(stack.home)
        vault.intend(stack.home, replace(left, new={name: left.new[name] for name in left.new if name not in rotated}))
    if stack.plan.simulated:
        _keep_faults(stack)
    return Rendered(
        written, found.generated, found.missing, found.values, found.differing, rotated, found.weak, ready.finished
    )


def _finish_rotation(stack: Stack, *, may_start: bool) -> tuple[str, ...]:
    from stackgen.verbs import rotation  # noqa: PLC0415 - it renders itself, and hardly any render has one to finish

    return rotation.finish(stack, may_start=may_start)


@contextmanager
def _named_for(stack: Stack) -> Iterator[None]:
    """Refusals name the way out that there is: `render` is about the real stack, not about its simulation."""
    try:
        yield
    except DriftError as error:
        if not stack.plan.simulated:
            raise
        is_home = stack.out == stack.home / OUTPUT_FOLDER
        hint = files.DROP_A_SIMULATION if is_home else "leave --out away: a simulation has a folder of its own"
        raise DriftError(error.message, where=error.where, hint=hint) from None


def is_interrupted(stack: Stack) -> bool:
    """Whether a write of its files began and did not end."""
    return files.is_interrupted(stack.out)


def text_of_file(stack: Stack, path: str | None = None) -> str:
    """What would be rendered into a file; docker-compose.yml where none is named. Nothing is written, no secret is made.

    Raises:
        StackError: there is no such file, or it is the one that holds secrets.
    """
    path = str(PurePosixPath(path)) if path else render.COMPOSE_FILE
    if path == render.ENV_FILE:
        hint = "`stackgen render` writes it; .env.example tells what is in it"
        raise StackError(f"{path} holds secrets and is not printed", hint=hint)
    texts = {file.path: file.text for file in stack.files()}
    if path not in texts:
        hint = nearest(path, texts) or f"there are: {', '.join(texts)}"
        raise StackError(f"the stack `{stack.plan.name}` has no file {describe(path)}", hint=hint)
    return texts[path]


def differences(stack: Stack) -> list[files.Difference]:
    """What a render would change in the output folder now."""
    wanted = stack.files()
    return files.steadily(stack.out, lambda: list(files.differences(stack.out, wanted)))


def holds_data(plan: Plan, storage: str) -> bool:
    """Whether data waits in a storage.

    Raises:
        DockerError: it is a volume, and no engine answers.
    """
    where = plan.kept_in(storage)
    if where.startswith("/"):
        folder = Path(where)
        return folder.is_dir() and any(folder.iterdir())
    from stackgen import runtime  # noqa: PLC0415 - asked once in the life of a stack, when its secrets are made

    return runtime.connect().has_volume(where)


def _holds_data(plan: Plan, storage: str) -> bool | None:
    """Whether data waits in a storage; None where only an engine could say, and none answers."""
    try:
        return holds_data(plan, storage)
    except DockerError:
        return None


def _keep_faults(stack: Stack) -> None:
    """Later verbs must know which faults are meant, or they would take them for drift."""
    given = {
        service.name: str(service.environment[planning.FAULT_VARIABLE].value)
        for service in stack.plan.services
        if planning.FAULT_VARIABLE in service.environment
    }
    path = stack.home / FAULTS_FILE
    try:
        vault.write_private(path, json.dumps(given))
    except OSError as error:
        raise refused("the faults of the simulation cannot be kept", error, path) from None
