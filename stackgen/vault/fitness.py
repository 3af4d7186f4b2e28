"""Which values a secret may have: they must stand where the stack puts them, and not be easy to guess."""

from __future__ import annotations

import unicodedata

from stackgen import facts
from stackgen.parts import Secret, SecretKind
from stackgen.records import dataclass
from stackgen.vault.kept import URL_SAFE

_LONGEST = 8192
"""Characters. Keys of clouds are the longest that are known, with about 2,500."""


@dataclass(frozen=True)
class Complaint:
    """What is wrong with a value, and what to do; the value itself is never here."""

    message: str
    hint: str


def misfit(secret: Secret, value: str) -> Complaint | None:
    """Why a value cannot stand where the stack puts it; None where it can."""
    name = f"the value of {secret.name}"
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in value):
        return Complaint(f"{name} has a control character or a line break", "a secret is one line of text")
    if value != value.strip():
        return Complaint(f"{name} begins or ends with white space", "drop it")
    if len(value) > _LONGEST:
        return Complaint(f"{name} has more than {_LONGEST} characters", "choose a shorter one")
    if secret.url_safe and not URL_SAFE.match(value):
        message = f"{name} has other characters than letters, digits, `-` and `_`"
        return Complaint(message, "choose one without them")
    if not value.startswith(secret.prefix):
        return Complaint(f"{name} does not begin with {secret.prefix}", f"put {secret.prefix} before it")
    return None


def weakness(secret: Secret, value: str) -> str:
    """What makes a value no secret; empty where nothing does.

    A placeholder is none, whosever it is. What stackgen could have generated must be hard to guess as well; a value that
    somebody else gave out, such as a token of a hub, is as it is.
    """
    why = facts.placeholder(value, secret.prefix)
    if not why and secret.kind is SecretKind.GENERATED:
        why = facts.guessable(value, secret.prefix)
    return why


def weak(secret: Secret, value: str) -> Complaint | None:
    """Why a value is no secret, and what to do; None where it is one."""
    why = weakness(secret, value)
    if not why:
        return None
    verb = "rotate" if secret.kind is SecretKind.GENERATED else "set"
    does = "makes a strong one" if verb == "rotate" else "takes the real one"
    return Complaint(f"the value of {secret.name} is {why}", f"`stackgen secrets {verb} {secret.name}` {does}")
