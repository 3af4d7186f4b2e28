"""The pages that are run say what the program prints, with a real engine too."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support import TESTS

HOUSE = TESTS.parent

pytestmark = pytest.mark.docker


def test_the_tour_is_what_the_program_prints(small_images):
    command = [sys.executable, "scripts/transcripts.py", "--live", "--check", "docs/tour.md"]
    done = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
