"""JSON for programs: every document has a version first, and docs/json.md lists its keys."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from engine_stand_in import container
from support import SMALL

from stackgen.documents import VERSIONS

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "json.md"
RICH = (ROOT / "examples" / "archi-llm" / "stack.yaml").read_text(encoding="utf-8")
TURNS = SMALL + "groups: {day: {models: [chat]}, night: {models: [embed], exclusive: day}}\n"
DOCUMENTS = {
    "plan": (("plan", "--json"), (RICH, TURNS)),
    "explain": (("explain", "models.chat.options.gpu_memory_utilization", "--json"), (RICH,)),
    "config": (("config", "--json"), (SMALL,)),
    "profiles": (("profiles", "--json"), (SMALL,)),
    "profiles show": (("profiles", "show", "cpu", "--json"), (SMALL,)),
    "facts show": (("facts", "show", "--json"), (SMALL,)),
    "secrets list": (("secrets", "list", "--json"), (SMALL,)),
    "status": (("status", "--json"), (SMALL, TURNS)),
    "check": (("check", "--format", "json"), (SMALL, TURNS)),
}
MORE = {"plan": ("--what-if", "models.chat.context=2048", "--solve", "models.chat.context")}
"""What is asked beside, of the first spec, for keys that are empty otherwise."""
TYPES = {dict: "map", list: "list", str: "text", bool: "yes or no", int: "number", float: "number", type(None): "null"}


def types(values: Sequence[object]) -> str:
    return " or ".join(sorted({TYPES[type(value)] for value in values}, key=lambda name: (name == "null", name)))


def shape(maps: Sequence[dict], indent: str = "") -> Iterator[str]:
    """The keys of several maps together, with the types of their values."""
    for key in dict.fromkeys(key for each in maps for key in each):
        values = [each[key] for each in maps if key in each]
        items = [item for value in values if isinstance(value, list) for item in value]
        found = types(values)
        yield f"{indent}{key}: {found.replace('list', f'list of {types(items)}') if items else found}"
        below = [value for value in (*values, *items) if isinstance(value, dict)]
        yield from shape(below, indent + "  ")


@pytest.fixture
def documents(run, engine):
    """What each verb prints, by its name."""

    def call(name: str) -> list[dict]:
        words, specs = DOCUMENTS[name]
        if name == "status":
            stopped = container("litellm", status="exited", exit_code=1, ended_at="2026-11-21T14:01:00.000000001Z")
            engine.states = [container("vllm-chat"), stopped]
        found = []
        for spec in specs:
            run("render", "-q", "--force", spec=spec)
            found.append(json.loads(run(*words, spec=spec)[1]))
        if name in MORE:
            found.append(json.loads(run(*words, *MORE[name], spec=specs[0])[1]))
        return found

    return call


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_begins_with_its_version(documents, name):
    for document in documents(name):
        assert next(iter(document.items())) == ("version", VERSIONS[name])


def test_one_table_holds_the_version_of_every_document():
    assert set(VERSIONS) == set(DOCUMENTS)
    page = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `stackgen (?P<verb>[a-z ]+)[^|]*\| (?P<version>\d+) \|$", page, re.MULTILINE)
    assert {verb.strip(): int(version) for verb, version in rows} == dict(VERSIONS)


@pytest.mark.parametrize(("identifier", "group"), [("l40s", "cards"), ("Qwen/Qwen3-8B", "models")])
def test_facts_of_one_card_or_model_have_the_form_of_all(run, identifier, group):
    everything = json.loads(run("facts", "show", "--json")[1])
    one = json.loads(run("facts", "show", identifier, "--json")[1])
    assert list(one) == list(everything)
    (entry,) = one[group]
    assert identifier in {entry.get("id"), entry.get("source")}
    assert entry in everything[group]
    assert [name for name in ("cards", "models") if one[name]] == [group]


def test_facts_say_what_is_an_estimate_and_leave_out_what_nobody_knows(run, tmp_path):
    (tmp_path / "profiles" / "facts").mkdir(parents=True)
    lines = "cards:\n  house-card: {vendor: nvidia, visible_gib: 47.5, compute_capability: 8.6, name: House, source: seen}\n"
    (tmp_path / "profiles" / "facts" / "house.yaml").write_text(lines, encoding="utf-8")
    cards = {card["id"]: card for card in json.loads(run("facts", "show", "--json")[1])["cards"]}
    assert cards["house-card"]["said_by"] == "profiles/facts/house.yaml:2"
    assert cards["house-card"]["nvidia_smi_mib"] is None
    assert cards["l40s"]["said_by"] == "shipped"
    assert {card["estimate"] for card in cards.values()} == {True, False}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_has_the_keys_that_the_page_lists(documents, name, request):
    command = f"stackgen {' '.join(DOCUMENTS[name][0])}"
    lines = "\n".join(shape(documents(name)))
    block = f"`{command}`\n\n```text\n{lines}\n```\n"
    if request.config.getoption("--update-golden"):
        write(block, command)
    assert block in PAGE.read_text(encoding="utf-8"), "--update-golden writes it"


def write(block: str, command: str) -> None:
    """Put a block in the place of the one that begins with the same command, or at the end."""
    text = PAGE.read_text(encoding="utf-8")
    old = re.compile(rf"`{re.escape(command)}`\n\n```text\n.*?```\n", re.DOTALL)
    if old.search(text):
        text = old.sub(lambda _: block, text)
    else:
        text = text.replace("<!-- end shapes -->", f"{block}\n<!-- end shapes -->")
    PAGE.write_text(text, encoding="utf-8")


def test_the_page_lists_nothing_that_is_gone():
    shown = re.findall(r"^`(stackgen .*)`$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert shown == [f"stackgen {' '.join(words)}" for words, _ in DOCUMENTS.values()]


def test_every_verb_that_prints_json_is_among_them(run):
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    verbs = re.split(r"^## stackgen ", page, flags=re.MULTILINE)[1:]
    with_json = {
        text.split("\n", 1)[0] for text in verbs if re.search(r"^  --json|--format <.*json", text, re.MULTILINE)
    }
    assert with_json == set(DOCUMENTS)
