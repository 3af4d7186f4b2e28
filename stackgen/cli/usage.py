"""Wrong usage, in the words and the form of every other error."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any

from stackgen.cli.app import Program, verbs_with
from stackgen.errors import StackError

_LIKE = 0.8

_SENTENCES = (
    (r"No such command '(?P<it>.*?)'\.?( Did you mean (?P<near>.*)\?)?", "there is no verb `{it}`"),
    (r"No such option: (?P<it>\S+)( \(Possible options: (?P<near>.*)\))?", "there is no option `{it}`"),
    (r"Option '(?P<it>.*)' requires an argument\.?", "{it}: a value is missing"),
    (r"Option '(?P<it>.*)' does not take a value\.?", "{it}: it takes no value"),
    (r"Missing (argument|option) '(?P<it>.*?)'.*", "{it} is missing"),
    (r"Got unexpected extra arguments?(\(s\))? \((?P<it>.*)\)", "nothing takes `{it}`"),
    (r"Invalid value for '(?P<it>[^']*)'[^:]*: (?P<why>.*)", "{it}: {why}"),
    (r"Invalid value for (?P<it>[^:]+): (?P<why>.*)", "{it}: {why}"),
    (r"Invalid value: (?P<why>.*)", "{why}"),
    (r"Missing command\.?", "a verb is missing"),
)
"""What typer says of a command line, and how we say it; anything else stays as it is."""
_REASONS = (
    (r"Input should be a valid integer.*", "this is no whole number"),
    (r"Input should be a valid number.*", "this is no number"),
    (r"Input should be greater than or equal to (.*)", r"the least is \1"),
    (r"Input should be less than or equal to (.*)", r"the most is \1"),
    (r"Value error, '(.*)' is not one of (.*?)\.", r"`\1` is none of \2"),
)
"""What pydantic says of a value, and how we say it."""


def error_of(wrong: Any, words: Sequence[str]) -> StackError:
    """An error of typer's as one of ours.

    Args:
        wrong: what typer raised; it knows its sentence and mostly, as `ctx`, the command.
        words: the command as it was meant, for an error that does not know it.
    """
    context = getattr(wrong, "ctx", None)
    help_of = f"{context.command_path if context else ' '.join(words)} --help"
    sentence = str(wrong.format_message())
    for pattern, ours in _SENTENCES:
        found = re.fullmatch(pattern, sentence, re.DOTALL)
        if found:
            parts = {name: text or "" for name, text in found.groupdict().items()}
            is_unknown = "near" in parts
            hint = (is_unknown and _hint(parts["it"], parts["near"], getattr(context, "command", None))) or help_of
            return StackError(ours.format(it=parts.get("it"), why=_reason(parts.get("why", ""))), hint=hint)
    return StackError(sentence.rstrip("."), hint=help_of)


def _hint(word: str, near: str, command: Any) -> str:
    """What somebody may have meant; empty where nobody knows."""
    is_option = word.startswith("-")
    if not is_option and isinstance(command, Program):
        from stackgen.facts.foreign_verbs import foreign_verbs

        if word in foreign_verbs():
            return foreign_verbs()[word]
    names = [name for name in near.replace("'", "").split(", ") if name and (not is_option or _is_like(word, name))]
    if names:
        return f"did you mean {' or '.join(f'`{name}`' for name in names)}?"
    verbs = verbs_with(word) if word.startswith("--") else []
    return f"`{word}` is an option of {', '.join(verbs)}" if verbs else ""


def _is_like(word: str, name: str) -> bool:
    """Whether one is a misspelling of the other; typer is content with less."""
    return SequenceMatcher(None, word, name).ratio() >= _LIKE


def _reason(text: str) -> str:
    """Why a value does not fit."""
    for pattern, ours in _REASONS:
        if re.fullmatch(pattern, text, re.DOTALL):
            return re.sub(pattern, ours, text, flags=re.DOTALL).replace("'", "")
    return text
