"""How shells ask what may come next, and how they are answered: in whole words, whatever they take a word to be.

Bash ends a word at every `:` and `=`, and replaces only what stands behind it. So it sends its line as it is, with the text
that it would replace, and that much of each answer is left to it.
"""

from __future__ import annotations

import os
from typing import Any

from typer import _completion_shared as typers_own
from typer._click import shell_completion

LINE, TEXT = "_STACKGEN_COMPLETE_LINE", "_STACKGEN_COMPLETE_TEXT"
"""What bash sends: its line up to the cursor, and the end of it that an answer takes the place of."""
_BASH = f"""
%(complete_func)s() {{
    mapfile -t COMPREPLY < <(env %(autocomplete_var)s=complete_bash {LINE}="${{COMP_LINE:0:COMP_POINT}}" {TEXT}="$2" "$1")
    if [[ ${{#COMPREPLY[@]}} == 1 ]]; then
        case "${{COMPREPLY[0]}}" in
            "") COMPREPLY=() ;;
            *[=:]) compopt -o nospace ;;
        esac
    fi
}}

complete -o default -F %(complete_func)s %(prog_name)s
"""


def teach() -> None:
    """Let `--show-completion` and `--install-completion` give bash the script that knows its line."""
    typers_own._completion_scripts["bash"] = _BASH  # noqa: SLF001 - typer has no other place for it


def answer(program: Any, name: str, variable: str) -> str:
    """What a shell is to be told.

    Args:
        program: the program as typer made it.
        name: what it is called.
        variable: the variable by which the shell asks.
    """
    _, _, shell = os.environ[variable].partition("_")
    base: Any = shell_completion.get_completion_class(shell)
    form = _in_bash(base) if shell == "bash" else base
    return str(_in_whole_words(form)(program, {}, name, variable).complete())


def _in_whole_words(base: Any) -> Any:
    class Whole(base):  # type: ignore[misc] # typer's class of one shell
        """Offers `--model=chat` where `--model=` is begun, not `chat` alone."""

        def get_completions(self, args: list[str], incomplete: str) -> Any:
            option, equals, _ = incomplete.partition("=") if incomplete.startswith("--") else ("", "", "")
            found = super().get_completions(args, incomplete)
            for item in found if equals else ():
                item.value = f"{option}={item.value}"
            return found

    return Whole


def _in_bash(base: Any) -> Any:
    class Bash(base):  # type: ignore[misc]
        """Reads the line itself."""

        def get_completion_args(self) -> tuple[list[str], str]:
            line = os.environ[LINE]
            words = shell_completion.split_arg_string(line)
            begun = words.pop() if len(words) > 1 and not line[-1:].isspace() else ""
            return words[1:], begun

        def format_completion(self, item: Any) -> str:
            _, begun = self.get_completion_args()
            text = os.environ[TEXT]
            kept = len(begun) - len(text) if begun.endswith(text) else 0
            return str(item.value)[kept:]

    return Bash
