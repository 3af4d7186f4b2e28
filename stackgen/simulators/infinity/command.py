"""The command line of Infinity (`infinity_emb v2`, typer): options may be repeated, one for all models or one each."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from .. import catalogue

_COMMANDS = ("v1", "v2", "help", "--help")
_WIDTH = 76
_STARTUP_FAILED = 3
"""How uvicorn ends then."""
_DEFAULTS: Mapping[str, str] = {
    "--model-id": "michaelfeil/bge-small-en-v1.5",
    "--batch-size": "32",
    "--engine": "torch",
    "--port": "7997",
    "--redirect-slash": "/docs",
    "--log-level": "info",
}
_OF_THE_SERVER = frozenset(
    {
        "--api-key",
        "--host",
        "--log-level",
        "--permissive-cors",
        "--port",
        "--preload-only",
        "--proxy-root-path",
        "--redirect-slash",
        "--url-prefix",
    }
)
"""Options that count once; the others count for each model."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """One model as the command line names it."""

    source: str
    name: str
    batch_size: int
    backend: str


@dataclass(frozen=True, kw_only=True)
class Command:
    """A whole command line."""

    models: tuple[Served, ...]
    port: int
    key: str
    """Empty: no key is asked for."""
    url_prefix: str
    redirect_slash: str


def read(words: Sequence[str], environment: Mapping[str, str], version: str) -> Command:
    """The command line, with what variables say where it says nothing; ends the program as Infinity does where it refuses."""
    if not words or words[0] not in _COMMANDS:
        words = ["v2", *words]
        print(
            "ERROR    infinity_emb ERROR: Error: No command given. Please use infinity with the `v2` command.",
            file=sys.stderr,
        )
    known = catalogue.flags("infinity", version)
    given = _given(words[1:], known)
    values = {flag: _values(flag, form, given.get(flag), environment) for flag, form in known.items()}
    count = len(values["--model-id"])
    for flag, several in values.items():
        if flag not in _OF_THE_SERVER and len(several) not in {0, 1, count}:
            print(f"ValueError: Expected length {count} but got {len(several)}", file=sys.stderr)
            raise SystemExit(1)
    prefix = _last(values, "--url-prefix")
    if prefix not in {"", "/"} and (not prefix.startswith("/") or prefix.endswith("/")):
        _refuse("Invalid value for '--url-prefix': Path must start with '/' and must not end with '/'")
    models = tuple(_served(values, at) for at in range(count))
    _check_models(models)
    return Command(
        models=models,
        port=int(_last(values, "--port")),
        key=_last(values, "--api-key"),
        url_prefix=prefix.rstrip("/"),
        redirect_slash=_last(values, "--redirect-slash"),
    )


def _given(words: Sequence[str], known: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Values by flag, in their order."""
    negatives = {negative: flag for flag, form in known.items() for negative in form.get("negative", ())}
    given: dict[str, list[str]] = {}
    rest = list(words)
    while rest:
        word, sign, value = rest.pop(0).partition("=")
        if not word.startswith("-"):
            _refuse(f"Got unexpected extra argument ({word}{sign}{value})")
        if word not in known and word not in negatives:
            _refuse(f"No such option: {word}")
        if word in negatives or known[word]["type"] == "bool":
            if sign:
                _refuse(f"Option '{word}' does not take a value.")
            given.setdefault(negatives.get(word, word), []).append(str(word not in negatives).lower())
            continue
        if not sign and not rest:
            _refuse(f"Option '{word}' requires an argument.", usage=False)
        given.setdefault(word, []).append(value if sign else rest.pop(0))
        _check(word, known[word], given[word][-1])
    return given


def _check(flag: str, form: Mapping[str, Any], value: str) -> None:
    choices = form.get("choices")
    if choices and value not in choices:
        _refuse(f"Invalid value for '{flag}': '{value}' is not one of {', '.join(repr(choice) for choice in choices)}.")
    if form["type"] == "int" and not value.strip().lstrip("+-").isdigit():
        _refuse(f"Invalid value for '{flag}': '{value}' is not a valid integer.")


def _values(
    flag: str, form: Mapping[str, Any], given: Sequence[str] | None, environment: Mapping[str, str]
) -> list[str]:
    if given:
        return list(given)
    variable = f"INFINITY_{flag.removeprefix('--').replace('-', '_').upper()}"
    written = environment.get(variable, "")
    if not written:
        return [_DEFAULTS[flag]] if flag in _DEFAULTS else []
    several = [written] if flag in _OF_THE_SERVER else [value for value in written.split(";") if value]
    for value in several:
        if form.get("choices") and value not in form["choices"]:
            kind = "".join(word.capitalize() for word in flag.removeprefix("--").split("-"))
            print(f"ValueError: {value!r} is not a valid {kind}", file=sys.stderr)
            raise SystemExit(1)
    return several


def _served(values: Mapping[str, list[str]], at: int) -> Served:
    source = values["--model-id"][at]
    return Served(
        source=source,
        name=_of(values, "--served-model-name", at) or "/".join(source.rstrip("/").split("/")[-2:]),
        batch_size=int(_of(values, "--batch-size", at)),
        backend=_of(values, "--engine", at),
    )


def _check_models(models: Sequence[Served]) -> None:
    """What Infinity finds wrong once its server starts, which then ends the server."""
    reason = ""
    if len({served.name for served in models}) < len(models):
        reason = "ValueError: Engines must have unique model names"
    elif any(served.batch_size < 1 for served in models):
        reason = "IndexError: list index out of range"
    if reason:
        print(f"{reason}\n\nERROR:    Application startup failed. Exiting.", file=sys.stderr)
        raise SystemExit(_STARTUP_FAILED)


def _of(values: Mapping[str, list[str]], flag: str, at: int) -> str:
    """A flag's value for one model."""
    several = values[flag]
    return several[at if len(several) > 1 else 0] if several else ""


def _last(values: Mapping[str, list[str]], flag: str) -> str:
    return values[flag][-1] if values[flag] else ""


def _refuse(message: str, *, usage: bool = True) -> NoReturn:
    """In a frame, as typer draws it."""
    if usage:
        print("Usage: infinity_emb v2 [OPTIONS]\nTry 'infinity_emb v2 --help' for help.", file=sys.stderr)
    lines = textwrap.wrap(message, _WIDTH)
    frame = [
        "╭─ Error " + "─" * (_WIDTH - 6) + "╮",
        *(f"│ {line:<{_WIDTH}} │" for line in lines),
        "╰" + "─" * (_WIDTH + 2) + "╯",
    ]
    print("\n".join(frame), file=sys.stderr)
    raise SystemExit(2)
