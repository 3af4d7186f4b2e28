"""How many bytes the weights of a model are, by the list of its files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatch
from typing import Any

from stackgen.errors import StackError
from stackgen.lookup.config import table
from stackgen.lookup.foreign import count_of, map_of

_PART = re.compile(r"(.*)-(\d{5})-of-(\d{5})(\.[^/]*)")


def weight_bytes(sizes: Mapping[str, int], read_json: Callable[[str], Any], where: str) -> int:
    """Bytes of the weights; 0 where there are none.

    An index says it without headers and without copies in other formats, which many models keep beside their weights.

    Args:
        sizes: bytes of each file by its path inside the model.
        read_json: reads a file of the model.
        where: where the model is, for people.

    Raises:
        StackError: no index says it, and files are missing.
    """
    for index in table()["weights"]["index"]:
        if index in sizes:
            total = _total(read_json(index))
            if total:
                return total
    files = weight_files(sizes)
    require_all_parts(files, where)
    return sum(sizes[path] for path in files)


def require_all_parts(files: Iterable[str], where: str) -> None:
    """Refuse a model of several numbered files of which some are not there: its size would be too small.

    Raises:
        StackError: some are missing.
    """
    sets: dict[tuple[str, int, str], set[int]] = {}
    for part in filter(None, map(_PART.fullmatch, files)):
        sets.setdefault((part[1], int(part[3]), part[4]), set()).add(int(part[2]))
    for (_, count, _), there in sets.items():
        if len(there) < count:
            message = f"{len(there)} of the {count} files of the weights are there"
            raise StackError(
                message, where=where, hint="download the rest; what is half there would be planned too small"
            )


def weight_files(sizes: Mapping[str, int]) -> list[str]:
    """The files that hold the weights, in the first format that there is, without copies in others."""
    rules = table()["weights"]
    kept = [path for path in sizes if not any(fnmatch(path, never) for never in rules["never"])]
    for pattern in rules["files"]:
        found = [path for path in kept if path.count("/") == pattern.count("/") and fnmatch(path, pattern)]
        if found:
            return found
    return []


def _total(index: Any) -> int:
    return count_of(map_of(map_of(index).get("metadata")).get("total_size"))
