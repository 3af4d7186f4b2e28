"""`stackgen profiles`: those that came with stackgen and those beside the spec; every key with value, place and meaning."""

from __future__ import annotations

import json

import pytest
import yaml
from support import EXAMPLES, SMALL, write_spec
from typer.testing import CliRunner

from stackgen.cli import app
from stackgen.engines import ENGINES

SHIPPED = sorted(file.stem for file in (EXAMPLES.parent / "profiles").glob("*.yaml"))
HOUSE = 'about: "What this house adds"\naccelerator: cpu\ngateway: {port: 4100}\n'


def run(*words):
    return CliRunner().invoke(app, ["profiles", *map(str, words)])


def rows_of(result):
    return {line.split()[0]: line for line in result.stdout.splitlines()}


def test_shipped_profiles_are_listed_where_there_is_no_spec(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run()
    assert result.exit_code == 0
    assert sorted(rows_of(result)) == sorted([*SHIPPED, "profile"])
    assert "always" in rows_of(result)["default"]
    assert "Models on AMD cards by ROCm" in rows_of(result)["rocm"]


def test_profiles_beside_the_spec_are_listed_and_take_the_place_of_shipped_ones(tmp_path):
    file = write_spec(tmp_path, SMALL.replace("[cpu]", "[cpu, house]"), house=HOUSE, rocm=HOUSE)
    rows = rows_of(run("--file", file))
    assert rows["house"].split()[:4] == ["house", "cpu", "profiles/house.yaml", "yes"]
    assert rows["rocm"].split()[:4] == ["rocm", "cpu", "profiles/rocm.yaml", "-"]
    assert rows["cpu"].split()[:4] == ["cpu", "cpu", "shipped", "yes"]
    found = json.loads(run("--file", file, "--json").stdout)
    assert found["version"] == 1
    assert {one["name"] for one in found["profiles"] if one["applied"]} == {"default", "cpu", "house"}


@pytest.mark.parametrize("name", SHIPPED)
def test_every_key_of_a_shipped_profile_is_told_with_its_meaning(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = json.loads(run("show", name, "--json").stdout)
    data = yaml.safe_load((EXAMPLES.parent / "profiles" / f"{name}.yaml").read_text())
    said = {one["path"]: one for one in found["says"]}

    def leaves(value, path=()):
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from leaves(inner, (*path, key))
        else:
            yield ".".join(path), value

    assert {path: one["value"] for path, one in said.items()} == dict(leaves(data))
    assert all(one["meaning"] and one["where"].startswith(f"profiles/{name}.yaml:") for one in said.values())
    could = {one["path"] for one in found["could_say"]}
    assert not could & set(said)
    assert {path.split(".")[1] for path in could if path.startswith("engines.")} == set(ENGINES)


def test_what_a_profile_does_not_say_is_told_with_what_counts_then(tmp_path):
    file = write_spec(tmp_path, SMALL, house=HOUSE)
    could = {one["path"]: one for one in json.loads(run("show", "house", "--file", file, "--json").stdout)["could_say"]}
    assert could["gateway.retries"]["value"] == 2
    assert could["engines.infinity.options.batch_size"]["value"] == 32
    assert could["engines.vllm.options.dtype"]["value"] == "the engine's own default"
    assert "gateway.port" not in could
    text = run("show", "house", "--file", file).stdout
    assert "house: What this house adds (profiles/house.yaml, cards: cpu)" in text
    assert "gateway.port  4100" in text


def test_an_unknown_profile_names_the_nearest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("show", "nvidai")
    assert (result.exception.message, result.exception.hint) == (
        "there is no profile `nvidai`", "did you mean `nvidia`?",
    )  # fmt: skip


def test_a_broken_profile_is_shown_as_far_as_it_is_sound(tmp_path):
    file = write_spec(tmp_path, SMALL, house=HOUSE + "engins: {}\n")
    result = run("show", "house", "--file", file)
    assert result.exit_code == 1
    assert "gateway.port" in result.stdout
    assert "unknown key `engins`" in result.stderr
    result = run("--file", file)
    assert result.exit_code == 1
    assert "house" in rows_of(result)
