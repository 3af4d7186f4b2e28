"""The known keys of the gateway's file are those of the package that the profiles pin."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from support import TESTS

from stackgen.facts.gateway import gateway_keys

pytestmark = pytest.mark.gateway

ROOT = TESTS.parent
IMPORT_SECONDS = 120


@pytest.fixture(scope="module")
def package(litellm_program: Path) -> Path:
    """The folder in which the library lies."""
    return next((litellm_program.parent.parent / "lib").glob("python*/site-packages/litellm"))


def test_the_written_table_is_what_the_package_says(litellm_program: Path, tmp_path):
    command = [str(litellm_program.parent / "python"), str(ROOT / "scripts" / "litellm_facts.py"), "--print"]
    environment = {"HOME": str(tmp_path), "PATH": os.defpath}
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment, cwd=tmp_path, timeout=IMPORT_SECONDS
    )
    printed = json.loads(done.stdout.splitlines()[-1])
    written = json.loads((ROOT / "stackgen" / "facts" / "litellm_keys.json").read_text(encoding="utf-8"))["versions"]
    assert written[printed["version"]] == printed["table"], "run scripts/litellm_facts.py with the Python of LiteLLM"


def test_the_package_reads_every_variable_that_a_callback_is_said_to_need(package: Path):
    keys = gateway_keys(next(iter(package.parent.glob("litellm-*.dist-info"))).name.split("-")[1].removesuffix(".dist"))
    assert keys
    files = [
        *package.rglob("*.py"),
        *package.rglob("*callbacks.json"),
        *package.parent.glob("litellm_enterprise/**/*.py"),
    ]
    text = "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in files)
    needed = {variable for variables in keys.callback_secrets.values() for variable in variables}
    assert [variable for variable in sorted(needed) if variable not in text] == []
