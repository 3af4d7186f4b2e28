"""What others' checkers say about the golden Compose files: a security linter, a schema, a reader that refuses double keys."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import yaml
from ruamel.yaml import YAML
from support import GOLDEN, TESTS

FILES = sorted(GOLDEN.glob("*/docker-compose.yml"))
EXCEPTIONS = yaml.safe_load((TESTS / "lint_exceptions.yaml").read_text(encoding="utf-8"))
each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)


def run(module, *words):
    return subprocess.run([sys.executable, "-m", module, *words], capture_output=True, text=True, check=False)


def services(file):
    return yaml.safe_load(file.read_text(encoding="utf-8"))["services"]


@dataclass(frozen=True)
class Finding:
    rule: str
    image: str
    message: str
    where: str

    def is_allowed_by(self, exception):
        same_image = exception["image"] in {self.image, "*"}
        return exception["rule"] == self.rule and same_image and exception["says"] in self.message


def linted(*files):
    done = run("compose_lint", "check", "--format", "json", "--fail-on", "low", *map(str, files))
    assert done.returncode in {0, 1}, done.stderr
    report = json.loads(done.stdout)
    assert (report["errors"], report["warnings"]) == ([], [])
    assert bool(report["findings"]) == bool(done.returncode)
    images = {(file.resolve(), name): entry["image"] for file in files for name, entry in services(file).items()}
    return [
        Finding(
            rule=entry["rule_id"],
            image=images[Path(entry["file"]).resolve(), entry["service"]].rpartition(":")[0],
            message=entry["message"],
            where=f"{entry['file']}:{entry['line']} {entry['service']}",
        )
        for entry in report["findings"]
    ]


@cache
def findings():
    return linted(*FILES)


def test_the_linter_finds_only_what_is_excepted():
    assert [found for found in findings() if not any(map(found.is_allowed_by, EXCEPTIONS))] == []


def test_every_exception_stands_for_a_finding():
    idle = [entry for entry in EXCEPTIONS if not any(found.is_allowed_by(entry) for found in findings())]
    assert idle == []


def test_every_exception_says_why():
    assert all(set(entry) == {"rule", "image", "says", "reason"} for entry in EXCEPTIONS)
    assert all(entry["says"] and entry["reason"] for entry in EXCEPTIONS)


def test_the_linter_sees_a_lock_that_is_gone(tmp_path):
    file = next(file for file in FILES if "read_only: true" in file.read_text(encoding="utf-8"))
    text = file.read_text(encoding="utf-8")
    for line in ('    cap_drop: ["ALL"]\n', '    security_opt: ["no-new-privileges:true"]\n'):
        assert line in text
        text = text.replace(line, "")
    opened = tmp_path / "docker-compose.yml"
    opened.write_text(text, encoding="utf-8")
    assert {"CL-0003", "CL-0006"} <= {found.rule for found in linted(opened)}


def test_the_schema_of_compose_accepts_every_file():
    done = run("check_jsonschema", "--builtin-schema", "vendor.compose-spec", *map(str, FILES))
    assert done.returncode == 0, done.stdout + done.stderr


@each_file
def test_no_key_stands_twice(file):
    assert YAML(typ="safe").load(file.read_text(encoding="utf-8")) == yaml.safe_load(file.read_text(encoding="utf-8"))
