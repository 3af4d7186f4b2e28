"""Pages that are run: scripts/transcripts.py fills them, compares them, and refuses what no page may show."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support import TESTS

SCRIPT = TESTS.parent / "scripts" / "transcripts.py"


@pytest.fixture
def fill(tmp_path):
    """Run the script on a page; the page afterwards and what was said."""
    page = tmp_path / "page.md"

    def call(text, *options):
        page.write_text(text, encoding="utf-8")
        done = subprocess.run([sys.executable, SCRIPT, *options, page], capture_output=True, text=True, check=False)
        return page.read_text("utf-8"), done.stderr

    return call


def block(body, mark=""):
    return f"before\n\n{mark}```console\n{body}```\nafter\n"


def test_commands_are_run_in_order_in_one_folder_and_keep_their_lines(fill):
    page, _ = fill(block("$ cat > a <<'E'\n> one\n> E\n$ cat a\nold\n$ pwd\n") + block("$ ls\n"))
    assert page == block("$ cat > a <<'E'\n> one\n> E\n$ cat a\none\n$ pwd\ncampus\n") + block("$ ls\na\n")


def test_the_program_is_on_the_path(fill):
    page, _ = fill(block("$ stackgen plan\n"))
    assert "error: stack.yaml:1:1: there is no such file" in page


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("   1.2 s  litellm  starting\\n  12.0 s  vllm  healthy\\nup after 13 s", "    …\nup after … s"),
        ("ok  chat    gateway    0.09 s", "ok  chat    gateway  … s"),
        ("ok  chat    engine    12.09 s (first 0.31 s)   note", "ok  chat    engine  … s  note"),
        ("at http://127.0.0.1:32781/v1", "at http://127.0.0.1:PORT/v1"),
        ("at http://127.0.0.1:4000/v1", "at http://127.0.0.1:4000/v1"),
        ("stackgen-stand-in:vllm-0.32.0-dd2b624ecb96", "stackgen-stand-in:vllm-0.32.0-…"),
        ("takes 8 GiB   ", "takes 8 GiB"),
    ],
)
def test_what_differs_from_run_to_run_is_shown_by_a_sign(fill, printed, shown):
    page, _ = fill(block(f"$ printf '{printed}\\n'\n"))
    assert page == block(f"$ printf '{printed}\\n'\n{shown}\n")


def test_what_needs_an_engine_is_left_as_it_is(fill):
    text = block("$ echo new\nold\n", mark="<!-- live -->\n")
    assert fill(text)[0] == text
    assert fill(text, "--live")[0] == text.replace("old", "new")


def test_drift_is_shown_and_nothing_is_written(fill):
    page, said = fill(block("$ echo new\nold\n"), "--check")
    assert page == block("$ echo new\nold\n")
    assert "-old\n+new\n" in said
    assert f"is not what the program prints; run: python {SCRIPT}" in said


@pytest.mark.parametrize(("command", "said"), [("stackgen plan --bogus", "wrong usage"), ("bogus", "no program")])
def test_a_page_shows_no_command_that_is_wrong(fill, command, said):
    page, error = fill(block(f"$ {command}\nold\n"))
    assert page == block(f"$ {command}\nold\n")
    assert error.startswith(f"{said}: {command}")
