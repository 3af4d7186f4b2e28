"""The header of a GGUF file, as llama.cpp and Ollama keep models. The only import of the library `gguf`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackgen.errors import StackError
from stackgen.lookup.config import table
from stackgen.lookup.foreign import count_of, list_of
from stackgen.lookup.found import GIB, Found, require_whole

if TYPE_CHECKING:
    from gguf import GGUFReader

_PART = re.compile(r"-\d{5}-of-\d{5}\.gguf$")


def parts_of(name: str, names: list[str]) -> list[str]:
    """The files that a model in several parts is made of; the one file alone where it is whole."""
    part = _PART.search(name)
    if part is None:
        return [name]
    stem = name[: part.start()]
    return sorted(other for other in names if other.startswith(stem) and _PART.fullmatch(other[len(stem) :]))


def opened(path: Path, source: str) -> GGUFReader:
    """A file that begins with a header, read once: the vocabulary takes seconds.

    Raises:
        StackError: it is no GGUF file.
    """
    from gguf import GGUFReader  # noqa: PLC0415 - it loads numpy

    try:
        return GGUFReader(path)
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise StackError(f"{source} is not a GGUF file that can be read: {error}", hint="download it again") from None
    except OSError as error:
        raise StackError(f"{source} cannot be read: {error.strerror or error}") from None


def found_in(reader: GGUFReader, model: str, source: str, file_bytes: int, kind: str = "") -> Found:
    """What a header says.

    Args:
        reader: the file that begins with it.
        model: its source, as a spec writes it.
        source: where it is kept, for people.
        file_bytes: size of the whole model, all its parts together.
        kind: what it is; by its architecture where left out.

    Raises:
        StackError: it is no model, or its header says too little.
    """
    read = _reading(reader)
    architecture = str(read("general.architecture", "") or "")
    rules = table()["gguf"]
    if architecture in rules["no_models"] or not architecture:
        what = "holds what turns pictures into tokens, not a model" if architecture else "names no architecture"
        raise StackError(f"{source} {what}", hint="name the file of the model itself")
    tokens = reader.get_field("tokenizer.ggml.tokens")
    numbers, notes = _numbers(read, architecture, len(tokens.data) if tokens else 0)
    numbers["quantization"] = _format(read("general.file_type", None))
    numbers |= {"weights_gib": round(file_bytes / GIB, 6), "weights_evidence": "read: size of the file"}
    is_encoder = architecture in rules["encoders"] or read(f"{architecture}.pooling_type", 0)
    found = Found(
        model=model,
        kind=kind or ("embedding" if is_encoder else "llm"),
        numbers=numbers,
        source=source,
        notes=tuple(notes),
    )
    return require_whole(found)


def _format(file_type: int | None) -> str:
    """How most of the weights are packed, as Ollama's tags spell it: q4_K_M; empty for plain numbers."""
    from gguf import LlamaFileType  # noqa: PLC0415 - `--help` must not pay for it

    name = next((kind.name for kind in LlamaFileType if kind.value == file_type), "").removeprefix("MOSTLY_")
    rules: Mapping[str, Any] = table()["gguf"]
    return str(rules["formats"].get(name, name[:1].lower() + name[1:]))


def _reading(reader: GGUFReader) -> Callable[[str, Any], Any]:
    def read(key: str, default: Any) -> Any:
        field = reader.get_field(key)
        return default if field is None else field.contents()

    return read


def _numbers(read: Callable[[str, Any], Any], architecture: str, tokens: int) -> tuple[dict[str, Any], list[str]]:
    """Geometry by the keys of a facts file; a list by layer counts by its largest, zeros in it are layers without cache."""
    rules: Mapping[str, Any] = table()["gguf"]
    said = {name: read(f"{architecture}.{key}", 0) for name, key in rules["keys"].items()}
    by_layer = list_of(said["kv_heads"])
    said = {name: max(map(count_of, list_of(value) or [value])) for name, value in said.items()}
    heads = said["attention_heads"]
    said["kv_heads"] = said["kv_heads"] or heads
    said["head_dim"] = said["head_dim"] or (said["hidden_size"] // heads if heads else 0)
    said["vocabulary_size"] = said["vocabulary_size"] or tokens
    for name, other in rules["only_with"].items():
        said[name] = said[name] if said[other] else 0
    notes = []
    if 0 in by_layer:
        said |= {"linear_layers": by_layer.count(0), "full_layers": len(by_layer) - by_layer.count(0)}
        notes.append("linear_state_bytes cannot be told from the header: without it the memory is not proven")
    elif said["sliding_window"]:
        pattern = rules["patterns"].get(architecture)
        if pattern:
            full = said["layers"] // pattern
            said |= {"full_layers": full, "window_layers": said["layers"] - full}
        else:
            said["sliding_window"] = 0
            notes.append(f"which layers of {architecture} have the window is not known: all count as seeing everything")
    return said, notes
