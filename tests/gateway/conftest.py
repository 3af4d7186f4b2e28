"""The real LiteLLM, in an environment of its own: its extras would pull libraries of stackgen to other versions."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import EXAMPLES, TESTS, lacking

from stackgen import sources
from stackgen.backing import litellm as gateway

FOLDER = Path(os.environ.get("STACKGEN_LITELLM_VENV") or TESTS.parent / ".venv-litellm").absolute()
MARKER = FOLDER / "stackgen-litellm-version.txt"
INSTALL_SECONDS = 1200


@pytest.fixture(scope="session")
def litellm_program() -> Path:
    """The command `litellm` of the version that the profiles pin; installed on first use."""
    version = _pinned_version()
    try:
        FOLDER.mkdir(parents=True, exist_ok=True)
        with (FOLDER / "stackgen.lock").open("w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs must not install over each other
            if not MARKER.is_file() or MARKER.read_text(encoding="utf-8") != version:
                _install(version)
    except (OSError, subprocess.SubprocessError) as error:
        fix = "let pip reach a package index, or name a finished environment in STACKGEN_LITELLM_VENV"
        lacking("gateway", f"LiteLLM {version} cannot be installed ({_last_line(error)})", fix)
    return FOLDER / "bin" / "litellm"


def _pinned_version() -> str:
    loaded = sources.load(next(EXAMPLES.glob("*/stack.yaml")))
    pinned = loaded.pinned(gateway.NAME, "")
    assert pinned, "no profile pins an image of the gateway"
    return pinned.pin.version


def _install(version: str) -> None:
    """What is here may be half of another version, so the marker goes first and comes back last."""
    MARKER.unlink(missing_ok=True)
    _run(sys.executable, "-m", "venv", "--without-pip", str(FOLDER))
    # without prisma, never connected, the proxy answers 500 where it means 401; an image has both of the others inside
    wanted = (f"litellm[proxy]=={version}", "prisma", "prometheus-client")
    python = str(FOLDER / "bin" / "python")
    # a proxy compiles the part of it all that it reads
    _run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-compile", *wanted)
    MARKER.write_text(version, encoding="utf-8")


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)


def _last_line(error: Exception) -> str:
    lines = str(getattr(error, "stderr", None) or error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__
