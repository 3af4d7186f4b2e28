"""`stackgen config`: the merged spec is a spec, planned to the same files without its profiles; every line has its origin."""

from __future__ import annotations

import json

import pytest
import yaml
from support import EXAMPLES, REFUSED, SMALL, write_spec
from typer.testing import CliRunner

from stackgen import plan as planning
from stackgen import render, sources
from stackgen.cli import app

HOUSE = """\
about: "What this house adds"
gateway: {port: 4100, cache: redis}
engines:
  vllm:
    context: 2048
    environment: {MODE: "yes: # no"}
images:
  redis: {repository: registry.example/redis, tag: house, version: "8.0", evidence: "built here"}
"""
PLANNED = sorted(file.parent.name for file in EXAMPLES.glob("*/stack.yaml") if file.parent.name not in REFUSED)


def config(file, *options):
    result = CliRunner().invoke(app, ["config", str(file), *options])
    return result, result.stdout


def files_of(file):
    """What is rendered, as data where comments differ."""
    found = {one.path: one.text for one in render.files(planning.make(sources.load(file)))}
    return {path: yaml.safe_load(text) if path.endswith((".yml", ".yaml")) else text for path, text in found.items()}


@pytest.mark.parametrize("name", PLANNED)
def test_the_merged_spec_is_planned_to_the_same_files_without_its_profiles(name, tmp_path):
    file = EXAMPLES / name / "stack.yaml"
    result, text = config(file)
    assert result.exit_code == 0
    assert yaml.safe_load(text)["profiles"] == ["default"]
    again = write_spec(tmp_path, text)
    assert files_of(again) == files_of(file)


def test_an_image_of_the_specs_own_takes_the_version_of_the_pin_along(tmp_path):
    own = "engine: vllm\n    image: {repository: registry.example/vllm, tag: v9}\n"
    file = write_spec(tmp_path / "one", SMALL.replace("engine: vllm\n", own, 1))
    _, text = config(file)
    image = yaml.safe_load(text)["models"]["chat"]["image"]
    assert image == {"repository": "registry.example/vllm", "tag": "v9", "version": "0.32.0"}
    assert files_of(write_spec(tmp_path / "two", text)) == files_of(file)


@pytest.mark.parametrize("name", PLANNED)
def test_it_is_the_same_when_it_is_merged_once_more(name, tmp_path):
    _, text = config(EXAMPLES / name / "stack.yaml")
    _, twice = config(write_spec(tmp_path, text))
    assert yaml.safe_load(twice) == yaml.safe_load(text)


@pytest.mark.parametrize("name", PLANNED)
def test_every_value_has_an_origin(name):
    lines = config(EXAMPLES / name / "stack.yaml")[1].splitlines()
    values = [line for line in lines if line and not line.startswith("#") and not line.rstrip().endswith(":")]
    inside = [line for line in values if line.lstrip().startswith("- ")]
    assert [line for line in values if "  # " not in line and line not in inside] == []


def test_a_profile_that_pins_what_a_spec_cannot_say_stays_named(tmp_path):
    text = SMALL.replace("[cpu]", "[cpu, house]")
    file = write_spec(tmp_path / "one", text, house=HOUSE)
    _, found = config(file)
    assert 'profiles: ["house"]  # stack.yaml:3 says cpu, house; what they say is written below' in found
    assert "port: 4100  # profiles/house.yaml:2" in found
    assert 'MODE: "yes: # no"  # profiles/house.yaml:6' in found
    again = write_spec(tmp_path / "two", found, house=HOUSE)
    assert files_of(again) == files_of(file)


def test_what_nobody_says_is_a_comment_with_its_reason():
    _, text = config(EXAMPLES / "shared-card" / "stack.yaml")
    assert "      # gpu_memory_utilization: 0.58  # the planner: beside infinity, speaches\n" in text
    assert '      # dtype: "auto"  # left out\n' in text
    assert "      # quantization:  # the engine's own default\n" in text
    assert '    # gpus: ["a0"]  # the planner: the cards it fits on\n' in text
    assert "context" not in yaml.safe_load(text)["models"]["embed"]


def test_a_broken_spec_is_printed_as_far_as_it_is_sound(tmp_path):
    file = write_spec(tmp_path, SMALL.replace("engine: infinity", "engine: infinty").replace("name: small", "name: S!"))
    result, text = config(file)
    assert result.exit_code == 1
    assert yaml.safe_load(text)["models"]["chat"]["context"] == 4096
    assert yaml.safe_load(text)["profiles"] == ["cpu"]
    assert "infinty" in result.stderr
    assert "is not a valid `name`" in result.stderr


def test_json_says_of_every_value_who_says_it(tmp_path):
    text = SMALL.replace("[cpu]", "[cpu, house]")
    found = json.loads(config(write_spec(tmp_path, text, house=HOUSE), "--json")[1])
    assert (found["version"], found["file"], found["name"], found["problems"]) == (1, "stack.yaml", "small", [])
    by_path = {".".join(map(str, one["path"])): one for one in found["values"]}
    assert by_path["gateway.port"] == {
        "path": ["gateway", "port"], "value": 4100, "origin": "profiles/house.yaml:2", "said": True,
    }  # fmt: skip
    assert by_path["models.chat.image.tag"]["origin"] == "profiles/cpu.yaml:5 (shipped)"
    assert by_path["models.chat.options.dtype"]["said"] is True
    assert by_path["models.chat.options.quantization"] == {
        "path": ["models", "chat", "options", "quantization"], "value": None, "origin": "the engine's own default",
        "said": False,
    }  # fmt: skip


def test_values_that_look_like_other_things_come_back_as_they_were(tmp_path):
    text = SMALL.replace(
        "    modalities: [chat]\n",
        "    modalities: [chat]\n    environment: {A: 'yes', B: '1e3', C: '# no', D: \"q'\\\"\", E: ' x ', F: 'ünï', G: ''}\n",
    )
    file = write_spec(tmp_path / "one", text)
    _, found = config(file)
    wanted = {"A": "yes", "B": "1e3", "C": "# no", "D": "q'\"", "E": " x ", "F": "ünï", "G": ""}
    assert yaml.safe_load(found)["models"]["chat"]["environment"] == wanted
    assert files_of(write_spec(tmp_path / "two", found)) == files_of(file)
