"""The list of docs/engines.md, followed in a copy of this checkout with an engine of its own; then with steps left out."""

from __future__ import annotations

import filecmp
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import TESTS

HOUSE = TESTS.parent
ADDED = TESTS / "added_engine"
NAME = "parrot"
COPIED = ("stackgen", "profiles", "templates", "tests", "examples", "docs", "README.md", "pyproject.toml")
LIST = (HOUSE / "docs" / "engines.md").read_text("utf-8").split("## The list")[1].split("\n## ")[0]
STEPS = {
    int(number): text for number, text in re.findall(r"^(\d+)\. (.*?)(?=^\d+\. |\Z)", LIST, re.MULTILINE | re.DOTALL)
}
CHECKED = ("tests/engines", "tests/test_disk.py", "tests/test_starting.py", "tests/test_docs.py")

FORM = {"since": "7", "until": "7"}
FLAGS = {
    "source": "a test",
    "versions": ["7"],
    "removed": {},
    "flags": {
        flag: [FORM | {"type": kind}]
        for flag, kind in {
            "--model": "str",
            "--name": "str",
            "--length": "int",
            "--cage-size": "int",
            "--port": "int",
        }.items()
    },
}
IMAGE = {
    "programs": ["curl"],
    "source": "a test",
    "unpacked": {kind: {"gib": 1, "source": "a test"} for kind in ("cpu", "nvidia")},
    "locks": {
        "capabilities": [],
        "writable_root": "",
        "scratch": [{"path": "/tmp"}],
        "pids": 64,
        "memory_gib": 2,
        "cpus": None,
        "source": "a test",
    },
}
PIN = f"""\
  {NAME}:
    repository: example/{NAME}
    tag: b7
    version: "7"
    evidence: a test

engines:
"""
SAMPLE = f"""
SAMPLES["{NAME}"] = Sample(source="Qwen/Qwen3-0.6B", modality="chat", version="7", options={{"cage_size": 3}})
"""
MODEL = f"""\
    source: Qwen/Qwen3-0.6B
    engine: {NAME}
    modalities: [chat]
"""
EXAMPLE = f"version: 1\nname: {NAME}\nprofiles: [cpu]\nmodels:\n  bird:\n{MODEL}"


def changed_text(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert old in text, f"{file} has no {old!r}"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def with_entry(file: Path, *keys: str, entry: object) -> None:
    data = json.loads(file.read_text("utf-8"))
    place = data
    for key in keys:
        place = place[key]
    if isinstance(place, list):
        place.append(entry)
    else:
        place[NAME] = entry
    file.write_text(json.dumps(data), encoding="utf-8")


def flags(house):
    (house / "stackgen" / "facts" / f"{NAME}_flags.json").write_text(json.dumps(FLAGS), encoding="utf-8")


def image(house):
    with_entry(house / "stackgen" / "facts" / "images.json", entry=IMAGE)


def start(house):
    times = {"base_seconds": 600, "unknown_weights_gib": 2, "source": "a test"}
    with_entry(house / "stackgen" / "facts" / "starting.json", "engines", entry=times)


def engine(house):
    shutil.copy(ADDED / "engine.py", house / "stackgen" / "engines" / f"{NAME}.py")


def registry(house):
    file = house / "stackgen" / "engines" / "__init__.py"
    changed_text(file, "import infinity", f"import {NAME}, infinity")
    changed_text(file, "(vllm.ENGINE,", f"({NAME}.ENGINE, vllm.ENGINE,")


def floors(house):
    changed_text(house / "pyproject.toml", '["stackgen.engines.', f'["stackgen.engines.{NAME}", "stackgen.engines.')


def pins(house):
    for profile in ("cpu", "nvidia"):
        changed_text(house / "profiles" / f"{profile}.yaml", "\nengines:\n", PIN)


def sample(house):
    with (house / "tests" / "engine_samples.py").open("a", encoding="utf-8") as file:
        file.write(SAMPLE)


def stand_in(house):
    shutil.copy(ADDED / "stand_in.py", house / "stackgen" / "simulators" / f"{NAME}.py")
    file = house / "stackgen" / "facts" / "stand_ins.json"
    user = {"owner": "0", "home": "/root", "store": "/root/.cache/huggingface", "programs_of": NAME}
    with_entry(file, "engines", entry=user)
    with_entry(file, "data", entry=f"{NAME}_flags.json")


def example(house):
    folder = house / "examples" / NAME
    folder.mkdir()
    (folder / "stack.yaml").write_text(EXAMPLE, encoding="utf-8")
    row = f"| [{NAME}]({NAME}/stack.yaml) | a bird |\n| ["
    changed_text(house / "examples" / "README.md", "| [", row)


def docs(house):
    changed_text(
        house / "docs" / "stack.md", "  speak:\n    source:", f"  bird:\n{MODEL}    gpus: [a0]\n  speak:\n    source:"
    )
    changed_text(house / "docs" / "coverage.md", "<!-- end engines -->", f"| {NAME} | chat | |\n<!-- end engines -->")


FOLLOWED = (flags, image, start, engine, registry, floors, pins, sample, stand_in, example, docs)
PROOF = len(FOLLOWED) + 1
"""The last step: what the tests below do."""


@pytest.fixture
def house(tmp_path):
    """A copy of this checkout without its golden files."""
    left_out = shutil.ignore_patterns("golden", "rendered", ".stackgen")
    for name in COPIED:
        source = HOUSE / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=left_out)
        else:
            shutil.copy(source, tmp_path / name)
    return tmp_path


def called(house, *words):
    compiled = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = {**compiled, "PYTHONPATH": str(house), "COLUMNS": "200"}
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=house, env=environment, capture_output=True, text=True, check=False)


def failed_tests(house):
    """Names of the failed tests, and all that was said; they are those of the contract and of the docs."""
    chosen = f"{NAME} or sample or may_import or every_engine or every_example or examples_of_the_spec"
    done = called(house, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=line", *CHECKED, "-k", chosen)
    return set(re.findall(r"^FAILED \S+::(\w+)", done.stdout, re.MULTILINE)), done.stdout + done.stderr


def files_that_differ(house):
    """Relative paths of files that are not as in this checkout."""
    found = (path for path in house.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    relative = (path.relative_to(house) for path in found)
    return {
        str(path)
        for path in relative
        if path.parts[0] in COPIED
        and not ((HOUSE / path).is_file() and filecmp.cmp(HOUSE / path, house / path, shallow=False))
    }


def files_named():
    """What the steps of the list say is made or changed."""
    named = re.findall(r"`((?:stackgen|tests|profiles|examples|docs)/[^`]*\.\w+|pyproject\.toml)`", LIST)
    return {path.replace("NAME", NAME) for path in named} | {"docs/coverage.md"}  # `make docs` writes that one


def test_the_list_has_a_step_for_each_that_is_followed_here():
    assert list(STEPS) == list(range(1, PROOF + 1))


def test_whoever_follows_the_list_has_an_engine(house):
    for step in FOLLOWED:
        step(house)
    assert files_that_differ(house) == files_named()
    failed, said = failed_tests(house)
    assert not failed, said

    spec = str(house / "examples" / NAME / "stack.yaml")
    plan = json.loads(called(house, "-m", "stackgen", "plan", "--json", spec).stdout)
    (route,) = plan["routes"]
    assert route["url"] == f"http://{NAME}-bird:8090/v1"
    assert called(house, "-m", "stackgen", "render", spec).returncode == 0
    rendered = house / "examples" / NAME / "rendered"
    assert f"example/{NAME}:b7" in (rendered / "docker-compose.yml").read_text("utf-8")
    assert f"http://{NAME}-bird:8090/v1" in (rendered / "litellm" / "config.yaml").read_text("utf-8")
    assert called(house, "-m", "stackgen", "check", "--static", spec).returncode == 0
    asked = f"""
import pathlib
from stackgen import plan, sources
from stackgen.smoke import asks
for ask in asks.chosen(plan.make(sources.load(pathlib.Path({spec!r}))), asks.Wishes()): print(ask.service, ask.probe.name)
"""
    assert f"{NAME}-bird chat\n" in called(house, "-c", asked).stdout


@pytest.mark.parametrize(
    ("left_out", "complaining"),
    [
        (
            {flags, image, start},
            {
                "test_every_flag_exists_in_the_pinned_release",
                "test_every_engine_has_sizes_of_its_images_and_a_place_for_its_weights",
                "test_no_engine_that_loads_its_weights_gets_less_than_ten_minutes",
            },
        ),
        (
            {floors, pins, sample, stand_in, example, docs},
            {
                "test_no_engine_may_import_another",
                "test_every_engine_has_an_example_and_every_modality_a_probe",
                "test_every_engine_has_its_row_among_the_samples",
                "test_every_engine_has_a_stand_in_with_its_flags",
                "test_the_examples_of_the_spec_are_together_one_file_that_plans",
            },
        ),
    ],
    ids=["facts", "the rest"],
)
def test_whoever_leaves_a_step_out_is_told(house, left_out, complaining):
    for step in FOLLOWED:
        if step not in left_out:
            step(house)
    failed, said = failed_tests(house)
    assert complaining <= failed, said
    table = (HOUSE / "docs" / "engines.md").read_text("utf-8").split("## What complains")[1]
    assert complaining <= set(re.findall(r"`(test_\w+)`", table))
