"""A new value for a secret, and all that follows: begun on disk, finished by whoever renders next.

The order is what makes it safe to kill: the intent is written first; then servers that keep the secret in their data are
told; then secrets.env has the new value, then `.env`; then the intent goes. New containers read `.env`, which is any `up`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from stackgen import runtime, vault
from stackgen.errors import DockerError, StackError
from stackgen.parts import Rekey, Secret, SecretKind, Service
from stackgen.sources import printable
from stackgen.verbs.rendering import holds_data, refuse_stack, turn
from stackgen.verbs.secrets import client_keys, readers, secret_named
from stackgen.verbs.stack import Stack

_REKEY_SECONDS = 30.0


def consequences(stack: Stack, names: Iterable[str]) -> Iterator[str]:
    """What follows from new values of secrets, a line each.

    Raises:
        StackError: the stack has no such secret.
    """
    engines = {route.service for route in stack.plan.routes}
    for name in names:
        services = readers(stack.plan, name)
        words = [f"new containers for {', '.join(services)}" if services else "no service reads it"]
        words += [f"{service} loads its models again" for service in services if service in engines]
        notice = secret_named(stack.plan, name).notice
        yield f"{name}: {'; '.join(filter(None, [*words, notice]))}"


def refuse_rotation(stack: Stack, names: Iterable[str], environment: Mapping[str, str]) -> None:
    """Look whether secrets can be rotated now, and nothing keeps the files from being written; nothing changes.

    Args:
        stack: the stack.
        names: the secrets.
        environment: the caller's variables, for secrets with `source: environment`.

    Raises:
        StackError: one cannot be rotated, or not now; then none is.
    """
    with turn(stack):
        _planned(stack, names, environment)


def begin_rotation(stack: Stack, names: Iterable[str], environment: Mapping[str, str]) -> tuple[str, ...]:
    """Write down new values for secrets, beside those that an earlier rotation left; nothing else changes yet.

    Returns:
        Names that an earlier rotation left.

    Raises:
        StackError: one cannot be rotated, or not now; then none is.
    """
    with turn(stack):
        left = vault.intended(stack.home)
        vault.intend(stack.home, _planned(stack, names, environment))
    return tuple(left.new)


def _planned(stack: Stack, names: Iterable[str], environment: Mapping[str, str]) -> vault.Rotation:
    """What is to be done, with what an earlier rotation left."""
    kept, left = stack.values(), vault.intended(stack.home)
    fresh = [secret for name in dict.fromkeys(names) if (secret := secret_named(stack.plan, name)).name not in left.new]
    for secret in fresh:
        _refuse_now(stack, secret, kept.get(secret.name, ""))
    new = {secret.name: _new_value(secret, kept[secret.name], environment) for secret in fresh}
    forget = {name: vault.SecretValue(kept[name]).digest for name in client_keys(stack.plan) & new.keys()}
    found = vault.Rotation({**left.new, **vault.hidden(new)}, {**forget, **left.forget})
    refuse_stack(stack, found.new)
    return found


def finish(stack: Stack, *, may_start: bool) -> tuple[str, ...]:
    """Tell servers the new values, then keep those; whoever calls holds the vault's lock, and renders next.

    Returns:
        Names of the secrets that have new values now. Those that the plan no longer has stay as they are.

    Raises:
        StackError: a server cannot be told; told again, it does no harm.
    """
    names = {secret.name for secret in stack.plan.secrets}
    new = {name: value.reveal() for name, value in vault.intended(stack.home).new.items() if name in names}
    kept = stack.values()
    changed = {name: value for name, value in new.items() if kept.get(name) != value}
    for service in stack.plan.services:
        if service.rekey and service.rekey.secret.name in changed:
            _tell(stack, service, service.rekey, kept, changed, may_start=may_start)
    if changed:
        vault.change(stack.home / vault.FOLDER / vault.FILE, changed)
    return tuple(new)


def _refuse_now(stack: Stack, secret: Secret, kept: str) -> None:
    """Refuse what cannot get a new value, or not while things are as they are."""
    name, plan = secret.name, stack.plan
    if secret.kind is not SecretKind.GENERATED and not secret.from_environment:
        raise StackError(
            f"only you can get a new value of {name}", hint=f"`{plan.verb(f'secrets set {name}')}` takes it"
        )
    if not kept:
        raise StackError(f"{name} has no value yet, so there is none to replace", hint=f"`{plan.verb('up')}` makes it")
    if not secret.guards_volume or not holds_data(plan, secret.guards_volume):
        return
    where = plan.kept_in(secret.guards_volume)
    if secret.fixed:
        hint = f"to begin anew without that data: `{plan.verb('down --volumes')}`, then rotate it"
        raise StackError(f"{name} cannot change while {where} holds data: {secret.fixed}", hint=hint)
    for service in plan.services:
        if service.rekey and service.rekey.secret.name == name and not _running(stack, service):
            message = f"{where} holds data that {name} opens, and {service.name}, which must be told, is not running"
            raise StackError(message, hint=f"first `{plan.verb('up')}`, then rotate it")


def _new_value(secret: Secret, kept: str, environment: Mapping[str, str]) -> str:
    """A new value: generated, or what the caller's environment has where that is its source."""
    if not secret.from_environment:
        return vault.generated(secret)
    value, name = environment.get(secret.name, ""), secret.name
    if value in {"", kept}:
        has = "the same value as before" if value else "none"
        message = f"{name} comes from your environment (`source: environment` in the spec), which has {has}"
        raise StackError(message, hint=f"export the new value as {name}, then rotate it")
    if complaint := vault.misfit(secret, value) or vault.weak(secret, value):
        raise StackError(complaint.message, hint=f"export another one as {name}")
    return value


def _tell(
    stack: Stack, service: Service, rekey: Rekey, kept: Mapping[str, str], new: Mapping[str, str], *, may_start: bool
) -> None:
    """Tell a server its new secret, and prove that it took it."""
    if not holds_data(stack.plan, rekey.secret.guards_volume):
        return
    again = f"`{stack.plan.verb('up')}` finishes the rotation"
    container = _running(stack, service)
    if not container and not may_start:
        message = (
            f"a rotation of {rekey.secret.name} was interrupted, and {service.name}, which must be told, is not running"
        )
        raise StackError(message, hint=again)
    if not container:
        runtime.compose.start_alone(stack.out, (secret.name for secret in stack.plan.secrets), service.name)
        container = _running(stack, service)
    try:
        order = rekey.order(new[rekey.secret.name]).encode()
        said = _said(container, rekey.command, order, rekey.environment, kept)
        if not said and service.proof:
            said = _said(container, service.proof.command, b"", service.proof.environment, {**kept, **new})
    except DockerError as error:
        raise DockerError(
            f"{service.name} cannot be told a new {rekey.secret.name}: {error.message}", hint=again
        ) from None
    if said:
        _undo(stack, service, rekey, kept, container)
        message = f"{service.name} does not take a new {rekey.secret.name}: {said}"
        raise StackError(
            message, hint=f"nothing has changed; `{stack.plan.verb(f'logs {service.name}')}` may tell more"
        )


def _undo(stack: Stack, service: Service, rekey: Rekey, kept: Mapping[str, str], container: str) -> None:
    """Where the server goes on with the old value, nothing is intended any more; else the intent stays."""
    name = rekey.secret.name
    _said(container, rekey.command, rekey.order(kept[name]).encode(), rekey.environment, kept)
    if service.proof and _said(container, service.proof.command, b"", service.proof.environment, kept):
        message = f"{service.name} takes neither the old nor a new {name}"
        raise StackError(
            message, hint=f"look at `{stack.plan.verb(f'logs {service.name}')}`; `{stack.plan.verb('up')}` tries again"
        )
    left = vault.intended(stack.home)
    vault.intend(stack.home, vault.Rotation({key: left.new[key] for key in left.new if key != name}, left.forget))


def _said(
    container: str, command: tuple[str, ...], stdin: bytes, environment: Mapping[str, Secret], values: Mapping[str, str]
) -> str:
    """What a command inside a container complains about, its first line without secrets; empty where it ended well."""
    given = {variable: values.get(secret.name, "") for variable, secret in environment.items()}
    code, output, errors = runtime.connect().execute(container, command, stdin, given, timeout_seconds=_REKEY_SECONDS)
    lines = (errors + output).decode(errors="replace").splitlines()
    mask = vault.masker(vault.hidden(values))
    return printable(mask(lines[0] if lines else f"exit code {code}")) if code else ""


def _running(stack: Stack, service: Service) -> str:
    """The container of a service that runs and is healthy; empty where there is none."""
    states = runtime.connect().containers(stack.plan.name)
    return next((state.id for state in states if state.service == service.name and state.is_ready), "")
