"""Commands of ours in what people read, as they are typed here: with the spec and the folder that the user named."""

from __future__ import annotations

import re
import shlex
from types import MappingProxyType

_BESIDE = "--file "
SPEC_FORMS = MappingProxyType(
    dict.fromkeys(("render", "plan", "config", "up", "status", "check", "down"), "")
    | dict.fromkeys(
        ("explain", "logs", "secrets list", "secrets set", "secrets rotate", "facts add", "facts show"), _BESIDE
    )
)
"""How each verb is told which spec it is about: what stands before the file."""
TAKE_OUT = frozenset({"render", "explain", "up", "status", "check"})
"""Verbs that are told where the rendered files lie."""
_COMMAND = re.compile(
    rf"(?<![\w./-])stackgen (?P<verb>{'|'.join(SPEC_FORMS)})(?![\w-])(?! --help)(?! \S*(?:/|\.ya?ml))"
)
"""One of ours that names no file yet."""
_named = {"spec": "", "out": ""}


def name(*, spec: str | None = None, out: str | None = None) -> None:
    """From here on commands are about this spec and this folder; "" is the usual one, None leaves it as it is."""
    _named.update({key: value for key, value in (("spec", spec), ("out", out)) if value is not None})


def as_called(text: str) -> str:
    """A text whose commands name what the user named."""
    return _COMMAND.sub(_with_names, text) if any(_named.values()) else text


def _with_names(found: re.Match[str]) -> str:
    verb = found["verb"]
    words = [found[0]]
    if _named["spec"]:
        words.append(SPEC_FORMS[verb] + shlex.quote(_named["spec"]))
    if _named["out"] and verb in TAKE_OUT:
        words.append(f"--out {shlex.quote(_named['out'])}")
    return " ".join(words)
