"""AMD cards, as the tool of ROCm tells them: amd-smi, or rocm-smi where that is older."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from stackgen.machine.found import Cards, FoundCard

Tool = Callable[[Sequence[str]], str | None]
AMD_SMI = ("amd-smi", "static", "--asic", "--vram", "--json")
ROCM_SMI = ("rocm-smi", "--showproductname", "--showmeminfo", "vram", "--json")
NO_TOOL = "no ROCm tool found"
_TIMEOUT_SECONDS = 20
_MIB = 2**20
_BYTES_OF = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30}
"""Both tools count in powers of two and write the letters of powers of ten."""
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMG]?B)?\s*", re.IGNORECASE)
_NAME_KEYS = ("card series", "card model", "device name")
_CARD = re.compile(r"card(\d+)")
_NOT_KNOWN = {"", "n/a"}


def look(tool: Tool | None = None) -> Cards:
    """Every card that a tool of ROCm shows.

    Args:
        tool: runs a command and gives what it wrote; None where there is no such command or it failed.
    """
    run = tool or _run
    for command, read in ((AMD_SMI, _of_amd_smi), (ROCM_SMI, _of_rocm_smi)):
        answer = run(command)
        if answer is None:
            continue
        try:
            cards = tuple(read(json.loads(answer)))
        except (ValueError, TypeError, KeyError, AttributeError):
            return Cards((), f"`{' '.join(command)}` answers in a form that is not known here", is_trouble=True)
        return Cards(cards, f"ROCm: {command[0]}")
    return Cards((), NO_TOOL)


def _run(command: Sequence[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)  # noqa: S603 - words of this file
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 and done.stdout.strip() else None


def _of_amd_smi(answer: Any) -> Iterator[FoundCard]:
    """A list of cards, or (from ROCm 7 on) the same below `gpu_data`."""
    for entry in answer["gpu_data"] if isinstance(answer, Mapping) else answer:
        asic = entry["asic"]
        version = _known(asic.get("target_graphics_version"))
        yield _card(int(entry["gpu"]), _known(asic.get("market_name")), version, entry["vram"]["size"])


def _of_rocm_smi(answer: Any) -> Iterator[FoundCard]:
    """Cards by `card0`, `card1`, …; the case of the keys differs between releases."""
    for name, entry in answer.items():
        number = _CARD.fullmatch(name)
        if number is None:
            continue
        said = {key.lower(): value for key, value in entry.items()}
        market_name = next((known for key in _NAME_KEYS if (known := _known(said.get(key)))), "")
        size, used = said["vram total memory (b)"], said.get("vram total used memory (b)")
        yield _card(int(number[1]), market_name, _known(said.get("gfx version")), size, used)


def _card(index: int, name: str, version: str, size: Any, used: Any = None) -> FoundCard:
    return FoundCard(
        vendor="amd",
        name=name or version or "AMD card",
        memory_mib=_bytes(size) // _MIB,
        free_mib=None if used is None else (_bytes(size) - _bytes(used)) // _MIB,
        index=index,
        graphics_version=version,
    )


def _bytes(size: Any) -> int:
    """A size as the tools write it: `{"value": 196592, "unit": "MB"}`, `"196592 MB"`, or bytes."""
    text = f"{size['value']} {size['unit']}" if isinstance(size, Mapping) else str(size)
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no size")
    return int(float(found[1]) * _BYTES_OF[(found[2] or "B").upper()])


def _known(value: Any) -> str:
    text = str(value or "").strip()
    return "" if text.lower() in _NOT_KNOWN else text
