"""What is known of the secrets of a stack, and a value that somebody brings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from enum import StrEnum
from typing import Any

from stackgen import vault
from stackgen.errors import StackError
from stackgen.parts import Secret, SecretKind
from stackgen.plan import Plan
from stackgen.plan.secrets import client_key, readers_of
from stackgen.records import dataclass
from stackgen.render.env import quoted
from stackgen.sources import nearest, printable
from stackgen.verbs.rendering import holds_data
from stackgen.verbs.stack import Stack


class State(StrEnum):
    """How a secret stands."""

    KEPT = "kept"
    ENVIRONMENT = "from environment"
    MISSING = "missing"
    NOT_YET = "not made yet"
    NOT_SET = "not set"
    WEAK = "weak"
    UNFIT = "unfit"


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A secret without its value."""

    name: str
    kind: str
    state: State
    guards: str
    """The volume or folder whose data it opens; empty where none."""
    read_by: list[str]
    purpose: str
    complaint: str
    """Why it is weak or unfit."""


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """All secrets of a stack, and what is not as it should be with their file."""

    listed: list[Listed]
    strangers: list[str]
    """Names in the file that nothing in the stack reads."""
    unfinished: list[str]
    """Names whose new value is not yet kept, or whose old one the gateway still has to forget."""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "secrets": [asdict(entry) for entry in self.listed],
            "unused": self.strangers,
            "unfinished": self.unfinished,
        }


def secrets_of(stack: Stack, environment: Mapping[str, str]) -> Secrets:
    """How every secret of a stack stands; nothing is changed, and no value is told.

    Args:
        stack: the stack.
        environment: the caller's variables, for secrets with `source: environment`.

    Raises:
        StackError: they cannot be read.
    """
    kept = {name: value for name, value in stack.values().items() if value}
    left = vault.intended(stack.home)
    names = {secret.name for secret in stack.plan.secrets}
    return Secrets(
        listed=[_listed(stack.plan, secret, kept, environment) for secret in stack.plan.secrets],
        strangers=sorted(kept.keys() - names),
        unfinished=sorted({*left.new, *left.forget}),
    )


def secret_named(plan: Plan, name: str) -> Secret:
    """A secret of a stack by its name.

    Raises:
        StackError: there is none.
    """
    found = {secret.name: secret for secret in plan.secrets}
    if name not in found:
        raise StackError(f"the stack {plan.name} has no secret `{printable(name)}`", hint=nearest(name, found))
    return found[name]


def readers(plan: Plan, name: str) -> list[str]:
    """Services that are given a secret."""
    return readers_of(plan.services, name)


def client_keys(plan: Plan) -> set[str]:
    """Secrets whose values the gateway itself keeps, by their digests."""
    return {client_key(name).name for name in plan.gateway.keys} if plan.gateway.database else set()


def keep_secret(stack: Stack, name: str, value: str) -> bool:
    """Keep a value that somebody brings.

    Args:
        stack: the stack.
        name: the secret.
        value: what it is to be.

    Returns:
        Whether it is another one than before.

    Raises:
        StackError: it does not fit, it is weak, or it would not open what is there already.
    """
    secret = secret_named(stack.plan, name)
    with vault.locked(stack.home):
        kept = stack.values().get(name, "")
        _refuse_change(stack, secret, kept, value)
        if value == kept:
            return False
        if kept and name in client_keys(stack.plan):
            left = vault.intended(stack.home)
            vault.intend(stack.home, vault.Rotation(left.new, {name: vault.SecretValue(kept).digest, **left.forget}))
        vault.change(stack.home / vault.FOLDER / vault.FILE, {name: value})
    return True


def _refuse_change(stack: Stack, secret: Secret, kept: str, value: str) -> None:
    name, plan = secret.name, stack.plan
    if not value:
        raise StackError(f"an empty value of {name}", hint="type it, or send it: … | stackgen secrets set " + name)
    if complaint := vault.misfit(secret, value):
        raise StackError(complaint.message, hint=complaint.hint)
    quoted(name, value)
    if name in vault.intended(stack.home).new:
        raise StackError(f"a rotation of {name} was interrupted", hint=f"`{plan.verb('up')}` finishes it first")
    restores = not kept and bool(secret.guards_volume)
    if not restores and (why := vault.weakness(secret, value)):
        raise StackError(f"the value of {name} is {why}", hint=_stronger(secret))
    if kept and value != kept and secret.guards_volume and holds_data(plan, secret.guards_volume):
        where = plan.kept_in(secret.guards_volume)
        if secret.fixed:
            raise StackError(
                f"{name} cannot change while {where} holds data: {secret.fixed}", hint="keep the one it has"
            )
        hint = f"`{plan.verb(f'secrets rotate {name}')}` tells the server a new one"
        raise StackError(f"{where} holds data that only the kept {name} opens", hint=hint)


def _stronger(secret: Secret) -> str:
    if secret.kind is SecretKind.GENERATED:
        return f"stackgen makes a strong one: leave it away, or `stackgen secrets rotate {secret.name}`"
    return "copy the real one from where it was given to you"


def _listed(plan: Plan, secret: Secret, kept: Mapping[str, str], environment: Mapping[str, str]) -> Listed:
    state, complaint = _state(secret, kept.get(secret.name, ""), environment)
    return Listed(
        name=secret.name,
        kind=secret.kind.value,
        state=state,
        guards=plan.kept_in(secret.guards_volume) if secret.guards_volume else "",
        read_by=readers(plan, secret.name),
        purpose=secret.purpose,
        complaint=complaint,
    )


def _state(secret: Secret, kept: str, environment: Mapping[str, str]) -> tuple[State, str]:
    """How a secret stands, and why where that is not well."""
    value = kept or (environment.get(secret.name, "") if secret.from_environment else "")
    if not value:
        missing = {SecretKind.REQUIRED: State.MISSING, SecretKind.GENERATED: State.NOT_YET}
        return missing.get(secret.kind, State.NOT_SET), ""
    if complaint := vault.misfit(secret, value):
        return State.UNFIT, complaint.message
    if why := vault.weakness(secret, value):
        return State.WEAK, f"the value of {secret.name} is {why}"
    return (State.KEPT if kept else State.ENVIRONMENT), ""
