"""What docs/coverage.md claims, where the code can tell whether it is true."""

from __future__ import annotations

import re

import pytest
import yaml
from support import EXAMPLES, TESTS, plan_of

from stackgen import backing, facts
from stackgen.engines import ENGINES
from stackgen.spec import FactsFile, Profile

STATES = {"covered", "planned", "later", "not ours"}
DOCS = TESTS.parent / "docs"
PAGES = [*sorted(TESTS.parent.glob("*.md")), EXAMPLES / "README.md", *sorted(DOCS.glob("*.md"))]
COVERAGE = (DOCS / "coverage.md").read_text("utf-8")


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
