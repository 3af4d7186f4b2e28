"""What the pages claim, where the code can tell whether it is true: tables, examples, links, command lines."""

from __future__ import annotations

import re
import shlex

import pytest
import typer
import yaml
from support import EXAMPLES, TESTS, plan_of

from stackgen import backing, cli, facts
from stackgen.engines import ENGINES
from stackgen.spec import Profile
from stackgen.spec.facts_file import FactsFile

STATES = {"covered", "planned", "later", "not ours"}
DOCS = TESTS.parent / "docs"
PAGES = [*sorted(TESTS.parent.glob("*.md")), EXAMPLES / "README.md", *sorted(DOCS.glob("*.md"))]
COVERAGE = (DOCS / "coverage.md").read_text("utf-8")
PROGRAM = typer.main.get_command(cli.app)
COMMAND = re.compile(r"^(?:\$ )?(stackgen (?!.*`).*)$|`(stackgen [^`]*)`", re.MULTILINE)
BEHIND_IT = re.compile(r"[|;>&]|\d>")


def tables():
    """Head and rows of each table."""
    found = []
    for line in COVERAGE.splitlines():
        if not line.startswith("|"):
            found.append([])
        elif not line.startswith("| ---"):
            found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
    return [(table[0], table[1:]) for table in found if table]


def test_every_row_has_a_known_state_and_says_how():
    rated = [row for head, rows in tables() if "state" in head for row in rows if not row[0].startswith("**")]
    assert len(rated) > 50
    for _, state, reason in rated:
        assert state in STATES
        assert reason


def test_what_the_code_has_is_not_called_planned_or_later():
    waiting = {row[0].lower() for head, rows in tables() if head[:2] == ["system", "state"] for row in rows}
    assert not waiting & {*ENGINES, *backing.NAMES}


def test_every_engine_and_service_of_the_code_is_in_the_tables():
    offered = " ".join(row[0] for head, rows in tables() if head[-1] == "how to ask for it" for row in rows).lower()
    assert [name for name in (*ENGINES, *backing.NAMES) if name not in offered] == []


def examples(page):
    return re.findall(r"^```yaml\n(.*?)^```$", (DOCS / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_the_examples_of_the_spec_are_together_one_file_that_plans(tmp_path):
    plan = plan_of(tmp_path, "\n".join(examples("stack.md")))
    assert {instance.engine for instance in plan.instances} == set(ENGINES)


def test_the_example_of_a_profile_is_one():
    (text,) = examples("profiles.md")
    assert Profile.model_validate(yaml.safe_load(text)).engines["vllm"].context == 131072


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TESTS.parent)))
def test_links_lead_to_files_and_headings_that_there_are(page):
    for file, anchor in re.findall(r"\]\(((?!http)[^)#]*)(?:#([^)]*))?\)", page.read_text("utf-8")):
        target = page.parent / file if file else page
        assert target.exists(), file
        headings = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.MULTILINE) if anchor else []
        known = {re.sub(r"[^a-z0-9_ -]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert not anchor or anchor in known, anchor


def test_every_example_has_its_line():
    page = (EXAMPLES / "README.md").read_text("utf-8")
    listed = re.findall(r"^\| \[([a-z-]+)\]\(\1/stack.yaml\) \| \S", page, re.MULTILINE)
    assert sorted(listed) == sorted(path.parent.name for path in EXAMPLES.glob("*/stack.yaml"))


def test_the_example_of_a_facts_file_is_one():
    (text,) = examples("facts.md")
    file = FactsFile.model_validate(yaml.safe_load(text))
    assert file.cards["bench-card"].visible_gib == 29.4
    assert not [key for model in file.models.values() for key in facts.lacking(model.kind, model.model_dump())]


def commands(page):
    """The words of each command of stackgen that a page shows, without what a shell does with its output."""
    for line, inside in COMMAND.findall(page.read_text("utf-8")):
        words = shlex.split((line or inside).translate(str.maketrans("", "", "[]")), comments=True)[1:]
        end = next((at for at, word in enumerate(words) if BEHIND_IT.match(word)), len(words))
        yield [word.rstrip(";") for word in words[:end]]


def parsed(words):
    """Read a command line as the program does, without doing what it says; a verb alone may stand for itself."""
    command, verbs, rest = PROGRAM, ["stackgen"], [*words]
    while rest and rest[0] in getattr(command, "commands", ()):
        verbs.append(rest.pop(0))
        command = command.commands[verbs[-1]]
    if hasattr(command, "commands"):
        assert set(rest) <= {"--help", *(spelling for option in command.params for spelling in option.opts)}
    elif rest:
        command.make_context(" ".join(verbs), rest)


@pytest.mark.parametrize(
    "text", ["$ stackgen plan --bogus | head", "as `stackgen plam` says", "`stackgen secrets show`"]
)
def test_a_command_that_there_is_not_is_found(tmp_path, text):
    page = tmp_path / "page.md"
    page.write_text(f"{text}\n", encoding="utf-8")
    (words,) = commands(page)
    with pytest.raises((typer.exceptions.TyperException, AssertionError)):
        parsed(words)


@pytest.mark.parametrize(
    "page", [*PAGES, TESTS.parent / "templates" / "RUNBOOK.md"], ids=lambda page: str(page.relative_to(TESTS.parent))
)
def test_every_command_of_a_page_is_one_of_the_program(page):
    for words in commands(page):
        parsed(words)


def test_every_exception_from_a_rule_says_why():
    """As CONTRIBUTING.md asks."""
    sources = [
        file
        for room in ("stackgen", "scripts", "benchmarks", "templates")
        for file in (TESTS.parent / room).rglob("*.py")
    ]
    bare = re.compile(r"# noqa(?!: [A-Z]+\d+(?:, [A-Z]+\d+)* - \S)")
    assert [str(file) for file in sources if bare.search(file.read_text("utf-8"))] == []
