"""The data files that stand-ins share with the program that writes stacks: models, and flags of each release."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).resolve().parent.parent / "facts"


@dataclass(frozen=True, kw_only=True)
class Model:
    """What the catalogue says of a model; empty and 0 where it does not know."""

    source: str = ""
    kind: str = ""
    """`llm`, `vlm`, `embedding`, `reranker`, `stt` or `tts`."""
    weights_gib: float = 0.0
    hidden_size: int = 0
    """Numbers of a vector."""
    longest_context: int = 0
    """Tokens."""
    cache_bytes_of_token: int = 0
    """Keys and values of one token in 16-bit numbers."""


@cache
def models() -> Mapping[str, Model]:
    """All of the catalogue, by names in small letters."""
    with (_FOLDER / "models.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["source"].lower(): Model(
                source=row["source"],
                kind=row["kind"],
                weights_gib=float(row["weights_gib"]),
                hidden_size=int(row["hidden_size"] or 0),
                longest_context=int(row["longest_context"] or 0),
                cache_bytes_of_token=4 * math.prod(int(row[name] or 0) for name in ("layers", "kv_heads", "head_dim")),
            )
            for row in csv.DictReader(file)
        }


def find(*names: str) -> Model:
    """The first model that is known by one of its names, whatever their case; one of which nothing is known otherwise."""
    return next((models()[name.lower()] for name in names if name.lower() in models()), Model())


@cache
def facts(name: str) -> Any:
    """The content of a data file, JSON."""
    return json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def release(version: str) -> tuple[int, ...]:
    """The numbers of a version, to compare with: `v0.10.1.post1` is (0, 10, 1, 1)."""
    return tuple(int(number) for number in re.findall(r"\d+", version))


def flags(engine: str, version: str) -> Mapping[str, Mapping[str, Any]]:
    """The flags of a release by their long names; of the newest known one that is not newer where it is not known."""
    table = facts(f"{engine}_flags")
    known = sorted(map(release, table["versions"]))
    wanted = max((one for one in known if one <= release(version)), default=known[0])
    return {
        name: form
        for name, forms in table["flags"].items()
        for form in forms
        if release(form["since"]) <= wanted <= release(form["until"])
    }
