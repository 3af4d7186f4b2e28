"""What a verb loads before it begins: the start of a program is paid at each call."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer
from support import EXAMPLES
from typer._coercion import build_runtime_param

from stackgen import __main__, verbs
from stackgen.cli import app
from stackgen.cli.declared import Commands

NEEDED_BY_FEW = frozenset(
    {
        "docker",
        "gguf",
        "http.client",
        "huggingface_hub",
        "importlib.metadata",
        "jsonschema",
        "numpy",
        "requests",
        "rich",
        "socket",
        "stackgen.spec.facts_file",
        "tarfile",
        "urllib.request",
        "zipfile",
    }
)
NEEDED_BY_MOST = frozenset(
    {"jinja2", "pydantic", "ruamel.yaml", "stackgen.plan", "stackgen.spec", "stackgen.verbs.stack"}
)
ROOMS_OF_FEW = frozenset(
    {
        "stackgen.access",
        "stackgen.lookup",
        "stackgen.measuring",
        "stackgen.report",
        "stackgen.runtime",
        "stackgen.smoke",
    }
)
TELL = """
import atexit, sys
atexit.register(lambda: print(*sys.modules, file=sys.stderr))
from stackgen.__main__ import program
program()
"""
"""The program as it is started, and at its end the modules that it loaded."""


def loaded(folder, *words):
    """The modules that a verb loads, in a process of its own."""
    command = [sys.executable, "-c", TELL, *words]
    environment = {name: value for name, value in os.environ.items() if name != "FORCE_COLOR"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("words", [["--help"], ["render", "--help"], ["--version"], ["facts", "--help"]])
def test_help_loads_nothing_that_a_verb_works_with(tmp_path, words):
    assert not loaded(tmp_path, *words) & (NEEDED_BY_FEW | ROOMS_OF_FEW | NEEDED_BY_MOST)


def test_render_loads_nothing_that_talks_to_anybody(tmp_path):
    """The second one: the first asks Docker whether data of an older stack is there, and makes the secrets."""
    (tmp_path / "stack.yaml").write_bytes((EXAMPLES / "archi-llm" / "stack.yaml").read_bytes())
    loaded(tmp_path, "render")
    found = loaded(tmp_path, "render")
    assert found > NEEDED_BY_MOST
    assert not found & (NEEDED_BY_FEW | ROOMS_OF_FEW)


@pytest.mark.parametrize("words", [["plan"], ["profiles"], ["schema"]])
def test_a_verb_that_only_looks_loads_no_templates_and_talks_to_nobody(tmp_path, words):
    (tmp_path / "stack.yaml").write_bytes((EXAMPLES / "archi-llm" / "stack.yaml").read_bytes())
    few = NEEDED_BY_FEW - {"stackgen.spec.facts_file"}  # they tell of its keys
    assert not loaded(tmp_path, *words) & (few | ROOMS_OF_FEW | {"jinja2"})


def test_the_program_ends_with_the_code_of_its_verb_and_all_that_it_wrote(tmp_path):
    command = [sys.executable, "-m", "stackgen"]
    schema = subprocess.run([*command, "schema"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert schema.stdout.endswith("}\n")
    assert subprocess.run([*command, "render"], cwd=tmp_path, capture_output=True, check=False).returncode == 1
    assert subprocess.run([*command, "fly"], cwd=tmp_path, capture_output=True, check=False).returncode == 2


def test_a_verb_is_made_when_it_is_asked_for():
    made = []
    commands = Commands(app.declared, made.append)
    assert [commands.short_help(verb) for verb in commands] == [
        command.get_short_help_str(200) for command in typer.main.get_command(app).commands.values()
    ]
    assert not made
    assert commands["render"] is commands["render"]
    assert made == [commands["render"]]


def every_command(command):
    yield command
    for below in getattr(command, "commands", {}).values():
        yield from every_command(below)


def test_no_default_is_changed_by_the_conversion_that_it_is_spared():
    program = typer.main.get_command(app)
    looked_at = []
    for command in every_command(program):
        context = typer.Context(command)
        for param in command.get_params(context):
            if param.default is not None and not isinstance(param.default, bool):
                typers_own = build_runtime_param(param.type_descriptor)
                assert typers_own.coerce(param.default, param=param, ctx=context) == param.default
                looked_at.append(param.default)
    assert Path("stack.yaml") in looked_at


@pytest.mark.parametrize(
    ("words", "problem"), [(["logs", "--tail", "x"], "--tail"), (["status", "nowhere.yaml"], "nowhere.yaml")]
)
def test_what_is_written_is_converted(tmp_path, words, problem):
    command = [sys.executable, "-m", "stackgen", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode in {1, 2}
    assert problem in done.stderr.splitlines()[0]


def test_whoever_asks_pydantic_for_plugins_all_the_same_gets_its_own_search(monkeypatch):
    monkeypatch.setenv("PYDANTIC_DISABLE_PLUGINS", "0")
    monkeypatch.delitem(sys.modules, "pydantic.plugin._loader", raising=False)
    __main__._want_no_plugins()
    searcher = import_module("pydantic.plugin._loader")
    assert tuple(searcher.get_plugins()) == ()
    assert searcher.PYDANTIC_ENTRY_POINT_GROUP == "pydantic"


def test_the_table_of_the_verbs_room_is_what_the_type_checker_reads():
    source = Path(verbs.__file__).read_text(encoding="utf-8")
    read = {
        node.module.rpartition(".")[2]: {name.name for name in node.names}
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("stackgen.verbs.")
    }
    assert read == {file: set(names) for file, names in verbs.FILES.items()}
    assert sorted(verbs.__all__) == sorted(name for names in verbs.FILES.values() for name in names)
    assert all(hasattr(verbs, name) for name in verbs.__all__)


def test_a_name_that_no_verb_has_is_an_error():
    with pytest.raises(AttributeError, match="no attribute 'fly'"):
        verbs.fly  # noqa: B018 - the look at it is the test
