"""Writes the generated parts of the docs, or (--check) fails where they are not what the code says.

docs/commands.md is the help of every verb; docs/stack.schema.json the schema; README.md holds blocks between
`<!-- begin NAME -->` and `<!-- end NAME -->`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from stackgen import plan as planning
from stackgen import sources
from stackgen.plan import schema

ROOT = Path(__file__).resolve().parent.parent
VERBS = ("render", "plan", "up", "down", "status", "check", "schema")


def generated() -> Iterator[tuple[Path, str]]:
    """Every generated file with its text."""
    yield ROOT / "docs" / "commands.md", commands()
    yield ROOT / "docs" / "stack.schema.json", json.dumps(schema.of_spec(), indent=2, ensure_ascii=False) + "\n"
    plan = planning.make(sources.load(ROOT / "examples" / "article-core" / "stack.yaml"))
    yield (
        ROOT / "README.md",
        with_block((ROOT / "README.md").read_text(encoding="utf-8"), "plan", planning.as_text(plan)),
    )


def commands() -> str:
    """The help of stackgen and of each verb, as Markdown."""
    parts = ["# Commands\n\nGenerated from the program's own help.\n"]
    for words in ((), *((verb,) for verb in VERBS)):
        title = " ".join(("stackgen", *words))
        parts.append(f"\n## {title}\n\n```text\n{help_of(*words)}```\n")
    return "".join(parts)


def help_of(*words: str) -> str:
    """What `--help` prints, at a width that does not depend on the terminal."""
    environment = {**os.environ, "COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "stackgen", *words, "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    return text.replace("python -m stackgen", "stackgen").rstrip() + "\n"


def with_block(text: str, name: str, content: str) -> str:
    """A text with the block of that name filled anew."""
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(text):
        raise SystemExit(f"there is no block {name!r}")
    return pattern.sub(lambda _: f"{begin}```text\n{content}```\n{end}", text)


def main() -> None:
    """Write or compare."""
    stale = [path for path, text in generated() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv[1:]:
        if stale:
            names = ", ".join(str(path.relative_to(ROOT)) for path in stale)
            raise SystemExit(f"not what the code says: {names}; run: make docs")
        return
    for path, text in generated():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
