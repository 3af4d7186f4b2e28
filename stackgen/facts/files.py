"""Reads the data files of this folder; a file of JSON is parsed once."""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent


def rows(name: str) -> list[dict[str, str]]:
    """The rows of a CSV file by the names of its columns."""
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def document(name: str) -> Any:
    """What a JSON file holds; nobody may change it."""
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))
