"""Models on this machine: a folder as the hub has it, or a GGUF file."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stackgen.errors import StackError
from stackgen.lookup import gguf_file
from stackgen.lookup.foreign import json_of
from stackgen.lookup.found import Found
from stackgen.lookup.place import CONFIG, Place, found_at
from stackgen.lookup.weights import require_all_parts, weight_files

GGUF = ".gguf"
_LONGEST_HEADER_BYTES = 100_000_000
"""What the library safetensors takes at most."""


def found_on_disk(path: Path, model: str = "", kind: str = "") -> Found:
    """The numbers of a folder with config.json, or of a GGUF file.

    Args:
        path: the folder or file.
        model: what a spec calls it; its absolute path where left out.
        kind: what it is; read where left out.

    Raises:
        StackError: it is not there, or does not say enough.
    """
    path = path.expanduser().absolute()
    try:
        if path.is_dir():
            return _in_folder(path, model, kind)
        if not path.exists():
            raise StackError(f"there is no {path}", hint="name a folder with config.json, a .gguf file, or owner/model")
        names = [other.name for other in path.parent.iterdir()]
        parts = [path.with_name(name) for name in gguf_file.parts_of(path.name, names)]
        require_all_parts([part.name for part in parts], str(path))
        total = sum(part.stat().st_size for part in parts)
    except OSError as error:
        raise StackError(f"{path} cannot be read: {error.strerror or error}") from None
    return gguf_file.found_in(gguf_file.opened(parts[0], str(path)), model or str(path), str(path), total, kind)


def _in_folder(path: Path, model: str, kind: str) -> Found:
    sizes = {str(file.relative_to(path)): file.stat().st_size for file in sorted(path.rglob("*")) if file.is_file()}
    only = [name for name in sizes if name.endswith(GGUF)]
    if CONFIG not in sizes and len(only) == 1:
        return found_on_disk(path / only[0], model, kind)
    if CONFIG not in sizes and not kind:
        hint = "name the folder that holds config.json and *.safetensors, or one .gguf file"
        raise StackError(f"there is no {CONFIG} in {path}", hint=hint)

    def read_json(name: str) -> Any:
        return json_of((path / name).read_bytes(), str(path / name))

    place = Place(
        model=model or str(path),
        shown=str(path),
        sizes=sizes,
        read_json=read_json,
        parameters=lambda: _parameters(path / name for name in weight_files(sizes)),
    )
    return found_at(place, kind)


def _parameters(files: Iterable[Path]) -> Counter[str]:
    """Numbers by their type, from the headers of safetensors files: eight bytes of length, then JSON."""
    found: Counter[str] = Counter()
    for file in files:
        if file.suffix != ".safetensors":
            continue
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            if length > min(_LONGEST_HEADER_BYTES, file.stat().st_size):
                raise StackError("this is no file of safetensors: its header is longer than it may be", where=str(file))
            header = json_of(opened.read(length), str(file))
            try:
                tensors = [tensor for name, tensor in header.items() if name != "__metadata__"]
                for tensor in tensors:
                    found[str(tensor["dtype"])] += math.prod(map(int, tensor["shape"]))
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise StackError(f"this is no file of safetensors: {error!r}", where=str(file)) from None
    return found
