"""The shown examples are the tested ones: what each renders to, byte for byte, and what other readers make of it."""

from __future__ import annotations

import pytest
import yaml
from support import EXAMPLES, GOLDEN, REFUSED, lacking

from stackgen import plan as planning
from stackgen import render, sources
from stackgen.engines import fetch
from stackgen.errors import DockerError, SpecError
from stackgen.plan import Plan
from stackgen.render.litellm import document
from stackgen.render.yaml import Note
from stackgen.resources import shipped
from stackgen.runtime import compose

EVERY = sorted(path.parent.name for path in EXAMPLES.glob("*/stack.yaml"))
NAMES = [name for name in EVERY if name not in REFUSED]


def planned(name: str) -> Plan:
    return planning.make(sources.load(EXAMPLES / name / "stack.yaml"))


def without_notes(value):
    if isinstance(value, Note):
        return without_notes(value.value)
    if isinstance(value, dict):
        return {key: without_notes(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [without_notes(inner) for inner in value]
    return value


@pytest.mark.parametrize("name", NAMES)
def test_an_example_renders_to_its_golden_files(name, golden):
    plan = planned(name)
    texts = {file.path: file.text for file in render.files(plan) if file.path != fetch.SCRIPT.path}
    golden(name, texts | {"plan.txt": planning.as_text(plan)})


def test_the_script_that_fetches_models_is_rendered_as_it_is():
    texts = {file.path: file.text for file in render.files(planned("archi-llm"))}
    assert texts[fetch.SCRIPT.path] == (shipped("templates") / "fetch.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_two_renders_are_byte_equal(name):
    assert render.files(planned(name)) == render.files(planned(name))


@pytest.mark.parametrize("name", NAMES)
def test_the_gateways_own_reader_sees_the_data(name):
    plan = planned(name)
    text = next(file.text for file in render.files(plan) if file.path == "litellm/config.yaml")
    assert yaml.safe_load(text) == without_notes(document(plan))


@pytest.mark.parametrize("name", NAMES)
def test_compose_reads_an_example_without_a_word(name):
    try:
        compose.version()
    except DockerError as error:
        lacking("docker", error.message, error.hint)
    plan = planned(name)
    groups = [group.name for group in plan.groups]
    assert compose.complaints(GOLDEN / name, [secret.name for secret in plan.secrets], groups) == []


def test_every_golden_folder_has_an_example():
    assert sorted(path.name for path in GOLDEN.iterdir()) == EVERY


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_an_example_that_is_refused_is_refused_in_these_words(name, golden, monkeypatch):
    monkeypatch.chdir(EXAMPLES / name)
    with pytest.raises(SpecError) as raised:
        planned(name)
    golden(name, {"refusal.txt": "\n".join(said_of(raised.value))})


def said_of(error: SpecError):
    for problem in error.problems:
        yield f"error: {problem.place}: {problem.message}"
        yield f"hint: {problem.hint}"
    yield f"{error.message}\n"
