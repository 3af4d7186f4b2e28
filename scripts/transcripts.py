"""Pages that are run: each line after `$ ` in a block of `console` is a command, what follows it is what it printed.

The blocks of a page are run from top to bottom in one empty folder, with `stackgen` on the path. A block after
`<!-- live -->` needs a Docker engine: it is run with --live alone, and else left as it is.

    python scripts/transcripts.py [--live] [--check] PAGE...
"""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = "campus"
LIVE = "<!-- live -->\n"
BLOCK = re.compile(rf"(?P<live>{re.escape(LIVE)})?```console\n(?P<body>.*?)^```", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"^\$ (?P<line>.*\n(?:> .*\n)*)", re.MULTILINE)
NOT_SHOWN = {2: "wrong usage", 3: "a bug", 126: "no program", 127: "no program"}
"""Exit codes that no page shows."""
LIMIT_SECONDS = 300

RULES = {
    "progress of a start, in whatever order services come up": (
        r"(?m)^ +\d+\.\d s .*\n(?: +\d+\.\d s .*\n)*",
        "    …\n",
    ),
    "seconds of a request": (r"(?m)\b(gateway|engine) {2,}\d+\.\d+ s(?: \(first [\d.]+ s\))?", r"\1  … s"),
    "what a column of seconds leaves behind it": (r"(?m)(… s) {2,}", r"\1  "),
    "seconds": (r"\b\d+(?:\.\d+)? s\b", "… s"),
    "ports that Docker picked": (r"127\.0\.0\.1:3\d{4}\b", "127.0.0.1:PORT"),
    "content of the image of a stand-in": (r"(stackgen-stand-in:\S+)-[0-9a-f]{12}", r"\1-…"),
    "images of stand-ins that are not built yet": (r"(?m)^building stackgen-stand-in:.*\n", ""),
    "spaces at the ends of lines": (r"(?m) +$", ""),
}
"""What differs from run to run, and what is shown in its place."""


def filled(text: str, *, live: bool = False) -> str:
    """A page with what its commands print now."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / FOLDER
        folder.mkdir()
        programs = folder.parent / "bin"
        programs.mkdir()
        (programs / "stackgen").write_text(f'#!/bin/sh\nexec {sys.executable} -m stackgen "$@"\n', encoding="utf-8")
        (programs / "stackgen").chmod(0o755)
        return BLOCK.sub(lambda block: _run(block, folder) if live or not block["live"] else block[0], text)


def _run(block: re.Match[str], folder: Path) -> str:
    return f"{block['live'] or ''}```console\n{''.join(_commands(block['body'], folder))}```"


def _commands(body: str, folder: Path) -> Iterator[str]:
    for command in COMMAND.finditer(body):
        yield command[0]
        yield _printed(re.sub(r"(?m)^> ", "", command["line"]), folder)


def _printed(line: str, folder: Path) -> str:
    """What one command prints, made the same for every run."""
    variables = {name: value for name, value in os.environ.items() if name not in {"FORCE_COLOR", "CI"}}
    path = f"{folder.parent / 'bin'}:{os.environ['PATH']}"
    environment = {**variables, "PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "120", "NO_COLOR": "1", "LC_ALL": "C"}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    if done.returncode in NOT_SHOWN:
        raise SystemExit(f"{NOT_SHOWN[done.returncode]}: {line}{done.stdout}")
    text = done.stdout.replace(f"{folder}/", "").replace(str(folder), FOLDER)
    for pattern, instead in RULES.values():
        text = re.sub(pattern, instead, text)
    return text if text.endswith("\n") or not text else f"{text}\n"


def main() -> None:
    """Write or compare."""
    pages = [Path(word) for word in sys.argv[1:] if not word.startswith("--")]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        now = filled(text, live="--live" in sys.argv)
        if "--check" not in sys.argv:
            page.write_text(now, encoding="utf-8")
        elif now != text:
            lines = difflib.unified_diff(
                text.splitlines(), now.splitlines(), str(page), "what it prints now", lineterm=""
            )
            fix = " ".join(word for word in sys.argv if word != "--check")
            raise SystemExit("\n".join([*lines, f"{page} is not what the program prints; run: python {fix}"]))


if __name__ == "__main__":
    main()
