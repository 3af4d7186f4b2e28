"""JSON for programs: every document has a version first, and docs/json.md lists its keys."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from engine_stand_in import container
from support import SMALL

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
        assert next(iter(document.items())) == ("version", 1)


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
