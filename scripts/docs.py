"""Writes the generated parts of the docs, or (--check) fails where they are not what the code says.

docs/commands.md is the help of every verb; docs/stack.schema.json the schema. README.md, docs/tour.md and docs/json.md are run by
transcripts.py; what of them needs a Docker engine, by tests/docker/test_tour.py. Other pages hold blocks between
`<!-- begin NAME -->` and `<!-- end NAME -->`: reference.py writes those of docs/stack.md, docs/profiles.md and docs/facts.md,
troubles.py those of docs/troubleshooting.md, house.py those of docs/architecture.md.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import house
import reference
import transcripts
import troubles
import typer
import yaml

from stackgen.cli import app
from stackgen.cli.app import GROUPS
from stackgen.documents import VERSIONS
from stackgen.engines import ENGINES
from stackgen.plan import schema
from stackgen.simulators.faults import KINDS

ROOT = Path(__file__).resolve().parent.parent


def generated() -> Iterator[tuple[Path, str]]:
    """Every generated file with its text."""
    yield ROOT / "docs" / "commands.md", commands()
    yield ROOT / "docs" / "stack.schema.json", json.dumps(schema.of_spec(), indent=2, ensure_ascii=False) + "\n"
    readme, tour = ROOT / "README.md", ROOT / "docs" / "tour.md"
    yield readme, with_blocks(transcripts.filled(readme.read_text(encoding="utf-8")), {"verbs": verbs()})
    yield tour, transcripts.filled(tour.read_text(encoding="utf-8"))
    coverage = ROOT / "docs" / "coverage.md"
    pages = {"stack": reference.of_stack(), "profiles": reference.of_profiles(), "facts": reference.of_facts()}
    for name, filled in pages.items():
        page = ROOT / "docs" / f"{name}.md"
        yield page, with_blocks(page.read_text(encoding="utf-8"), filled)
    page = ROOT / "docs" / "planning.md"
    yield page, with_blocks(page.read_text(encoding="utf-8"), reference.of_planning())
    page = ROOT / "docs" / "explain.md"
    yield page, with_blocks(page.read_text(encoding="utf-8"), reference.of_explain())
    for name, blocks in {"troubleshooting": troubles.blocks(), "architecture": house.blocks()}.items():
        page = ROOT / "docs" / f"{name}.md"
        yield page, with_blocks(page.read_text(encoding="utf-8"), blocks)
    page = ROOT / "docs" / "json.md"
    yield page, with_block(transcripts.filled(page.read_text(encoding="utf-8")), "versions", versions())
    page = ROOT / "docs" / "simulation.md"
    faults = "".join(f"| `{kind}` | it {what} |\n" for kind, what in KINDS.items())
    yield page, with_blocks(page.read_text(encoding="utf-8"), {"faults": faults})
    filled = {"engines": engines(), "traps": traps()}
    yield coverage, with_blocks(coverage.read_text(encoding="utf-8"), filled)


def commands() -> str:
    """The help of stackgen and of each verb, as Markdown."""
    parts = ["# Commands\n\nGenerated from the program's own help.\n"]
    for words in verbs_below(typer.main.get_command(app)):
        title = " ".join(("stackgen", *words))
        parts.append(f"\n## {title}\n\n```text\n{help_of(*words)}```\n")
    return "".join(parts)


def verbs_below(command: Any, *words: str) -> Iterator[tuple[str, ...]]:
    """The words of a command and of everything below it, in the order of its help."""
    yield words
    for name in command.list_commands(None) if hasattr(command, "list_commands") else ():
        yield from verbs_below(command.commands[name], *words, name)


def verbs() -> str:
    """What each verb does, in the groups of the program's help."""
    program: Any = typer.main.get_command(app)
    rows = [["", "verb", "what it does"]]
    for group, names in GROUPS.items():
        for name in names:
            if name in program.list_commands(None):
                said = program.commands[name].get_short_help_str(200).rstrip(".")
                first = all(row[0] != group for row in rows)
                rows.append([group if first else "", f"[`stackgen {name}`](docs/commands.md#stackgen-{name})", said])
    return reference.lines(rows)


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
    return pattern.sub(lambda _: f"{begin}{content}{end}", text)


def with_blocks(text: str, filled: Mapping[str, str]) -> str:
    """A text with all of its blocks filled anew; one that nothing fills is an error too."""
    unknown = set(re.findall(r"<!-- begin (.*) -->", text)) - set(filled)
    if unknown:
        raise SystemExit(f"nothing fills the blocks {sorted(unknown)}")
    for name, content in filled.items():
        text = with_block(text, name, content)
    return text


def versions() -> str:
    """The JSON documents with their versions, as a table."""
    rows = [["document of", "version"], *([f"`stackgen {verb}`", str(version)] for verb, version in VERSIONS.items())]
    return reference.lines(rows)


def engines() -> str:
    """The engines there are, as a table."""
    rows = (
        f"| [{name}]({engine.docs}) | {', '.join(sorted(engine.modalities))} | `engine: {name}` |"
        for name, engine in sorted(ENGINES.items())
    )
    return "\n".join(("| engine | it serves | how to ask for it |", "| --- | --- | --- |", *rows, ""))


def traps() -> str:
    """The trap map as a table: every mistake with what keeps it out."""
    entries = yaml.safe_load((ROOT / "tests" / "traps" / "map.yaml").read_text(encoding="utf-8"))
    rows = (f"| {number} | {entry['title']} | {kept_out(entry)} |" for number, entry in entries.items())
    return "\n".join(("| | what people copy | what keeps it out |", "| --- | --- | --- |", *rows, ""))


def kept_out(entry: dict[str, Any]) -> str:
    """What the map says about one mistake, in one cell."""
    ways = [f"render: {', '.join(f'`{name}`' for name in entry['test'])}"] if "test" in entry else []
    refusal = entry.get("preflight", {})
    ways += [refusal["existing"]] if "existing" in refusal else []
    ways += [f"planned: {refusal['planned']}"] if "planned" in refusal else []
    ways += [f"later: {entry['later']}"] if "later" in entry else []
    ways += [f"not ours: {entry['not_ours']}"] if "not_ours" in entry else []
    return "; ".join(ways)


def main() -> None:
    """Write or compare."""
    stale = {path: text for path, text in generated() if not path.exists() or path.read_text("utf-8") != text}
    if "--check" in sys.argv[1:] and stale:
        names = ", ".join(str(path.relative_to(ROOT)) for path in stale)
        raise SystemExit(f"not what the code says: {names}; run: make docs")
    for path, text in stale.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
