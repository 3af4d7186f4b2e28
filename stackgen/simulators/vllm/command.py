"""The command line of `vllm serve`, as argparse reads it there: the flags of one release, from the table of all of them."""

from __future__ import annotations

import argparse
import json
import operator
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from .. import catalogue

_POSITIONAL_IGNORED_SINCE = (0, 10, 0)
_DEFAULT_MODEL_OLD, _DEFAULT_MODEL = "facebook/opt-125m", "Qwen/Qwen3-0.6B"
_MULTIPLIERS = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_BOUNDS: Mapping[str, tuple[Callable[[float, float], bool], str, str]] = {
    "gt": (operator.gt, "greater_than", "greater than"),
    "ge": (operator.ge, "greater_than_equal", "greater than or equal to"),
    "lt": (operator.lt, "less_than", "less than"),
    "le": (operator.le, "less_than_equal", "less than or equal to"),
}
_PYDANTIC = "https://errors.pydantic.dev/2.14/v"
_LONGER = ("hf_overrides", "rope_scaling")
"""With these a model may be longer than its own configuration says."""
_TOP_USAGE = """\
usage: vllm [-h] [-v]
            {chat,complete,serve,launch,bench,collect-env,run-batch}
            ..."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """What of a command line a stand-in needs."""

    source: str
    names: tuple[str, ...]
    port: int
    keys: tuple[str, ...]
    longest: int
    """Tokens of prompt and answer together."""
    cards: int
    """Cards that share the layers."""
    sequences: int
    """Requests that are answered at the same time."""
    calls_tools: bool
    thinks: bool
    forces_usage: bool
    tells_metrics: bool
    """Whether there are series of the engine; without its own statistics there are none."""


def read(words: Sequence[str], environment: Mapping[str, str], version: str) -> Command:
    """The command line, with what variables say; ends the program as vLLM does where it refuses it."""
    release = catalogue.release(version)
    serves = release >= catalogue.release(catalogue.facts("vllm_flags")["model_is_positional_since"])
    parser = _parser(version, serves=serves, positional=release >= _POSITIONAL_IGNORED_SINCE)
    given, unknown = parser.parse_known_args(_tidied(_model_first(list(words)) if serves else list(words)))
    if unknown:
        _refuse_unknown(unknown, serves=serves)
    if given.enable_auto_tool_choice and not given.tool_call_parser:
        _end("TypeError: Error: --enable-auto-tool-choice requires --tool-call-parser")
    _check_parsers(given, release)
    _check_bounds(given)
    default = _DEFAULT_MODEL if release >= _POSITIONAL_IGNORED_SINCE else _DEFAULT_MODEL_OLD
    source = (given.model_tag if serves else given.model) or default
    written = given.api_key if isinstance(given.api_key, list) else [given.api_key] if given.api_key else []
    return Command(
        source=source,
        names=tuple(given.served_model_name or (source,)),
        port=8000 if given.port is None else given.port,
        keys=tuple(written or filter(None, [environment.get("VLLM_API_KEY")])),
        longest=_longest(given, source, environment),
        cards=given.tensor_parallel_size or 1,
        sequences=given.max_num_seqs or 1,
        calls_tools=bool(given.enable_auto_tool_choice),
        thinks=bool(given.reasoning_parser),
        forces_usage=bool(getattr(given, "enable_force_include_usage", None)),
        tells_metrics=not getattr(given, "disable_log_stats", None),
    )


def _parser(version: str, *, serves: bool, positional: bool) -> argparse.ArgumentParser:
    name, usage = ("vllm serve", "vllm serve [model_tag] [options]") if serves else ("api_server.py", None)
    parser = argparse.ArgumentParser(prog=name, usage=usage)
    if positional:
        parser.add_argument("model_tag", nargs="?")
    for flag, form in catalogue.flags("vllm", version).items():
        options = [flag, *form.get("aliases", ())]
        if form["type"] in {"bool", "switch"}:
            negatives = form.get("negative", ())
            parser.add_argument(*options, *negatives, action=_Switch, negatives=negatives)
        else:
            rest = {"nargs": form["nargs"]} if "nargs" in form else {}
            parser.add_argument(*options, type=_TYPES[form["type"]], choices=form.get("choices"), **rest)
    return parser


class _Switch(argparse.Action):
    """A flag without a value, with spellings that switch it off."""

    def __init__(self, option_strings: Sequence[str], dest: str, negatives: Sequence[str]) -> None:
        super().__init__(option_strings, dest, nargs=0, default=None)
        self.negatives = negatives

    def __call__(
        self, _parser: Any, namespace: argparse.Namespace, _values: Any, option_string: str | None = None
    ) -> None:
        setattr(namespace, self.dest, option_string not in self.negatives)


def human_readable_int(value: str) -> int:
    """1k is 1000 and 1K is 1024."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([kKmMgGtT])", value.strip())
    if not found:
        return int(value)
    amount, unit = found.groups()
    if unit.isupper() and "." in amount:
        raise argparse.ArgumentTypeError(
            f"Decimals are not allowed with binary suffixes like {unit}. Did you mean to use {amount}{unit.lower()} instead?"
        )
    return int(float(amount) * _MULTIPLIERS[unit])


def human_readable_int_or_auto(value: str) -> int:
    """A length, or -1 for what fits into memory."""
    return -1 if value.strip().lower() in {"-1", "auto"} else human_readable_int(value)


def _json(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"Value {value} cannot be converted to {json.loads}.") from error


def _truth(value: str) -> bool:
    if value.lower() not in {"true", "false"}:
        raise argparse.ArgumentTypeError(f"Expected 'true' or 'false', got {value!r}")
    return value.lower() == "true"


def _pair_or_json(value: str) -> str:
    if "=" not in value and not value.startswith("{"):
        raise argparse.ArgumentTypeError(f"Invalid LoRA module {value!r}: neither name=path nor JSON")
    return value


_TYPES: Mapping[str, Any] = {
    "str": str,
    "int": int,
    "float": float,
    "json": _json,
    "json|str": str,
    "int(k/M/G)": human_readable_int,
    "int(k/M/G)|auto": human_readable_int_or_auto,
    "bool-value": _truth,
    "name=path|json": _pair_or_json,
}
"""By the types of the table; argparse names a function in its complaint."""


def _model_first(words: list[str]) -> list[str]:
    """`--model X` is taken from wherever it stands to the front, with a warning."""
    at = next((at for at, word in enumerate(words) if re.match(r"--model(=.+|$)", word)), None)
    if at is not None:
        print("WARNING With `vllm serve`, you should provide the model as a positional argument", file=sys.stderr)
        word = words[at]
        if word == "--model" and at + 1 == len(words):
            _end("IndexError: list index out of range")
        value, after = (words[at + 1], at + 2) if word == "--model" else (word.removeprefix("--model="), at + 1)
        return [value, *words[:at], *words[after:]]
    named = any(re.match(r"--served[-_]model[-_]name(=.+|$)", word) for word in words)
    if words and words[0].startswith("-") and named:
        _end("ValueError: `model` should be provided as the first positional argument when using `vllm serve`.")
    return words


def _tidied(words: Sequence[str]) -> list[str]:
    """Underscores in names become dashes, `-O3` a flag, and `--name.key value` parts of one JSON object."""
    tidied: list[str] = []
    objects: dict[str, dict[str, Any]] = {}
    rest = [part for word in words for part in _level(word)]
    while rest:
        word = rest.pop(0)
        name, sign, value = word.partition("=")
        if name.startswith("--"):
            head, dot, keys = name.partition(".")
            name = f"{head.replace('_', '-')}{dot}{keys}"
        if not name.startswith("-") or "." not in name or re.fullmatch(r"-[\d.]+", name):
            tidied.append(f"{name}{sign}{value}")
            continue
        if not sign and not rest:
            _end("IndexError: list index out of range")
        _nest(objects, name, value if sign else rest.pop(0))
    for name, value_of in objects.items():
        tidied += [name, json.dumps(value_of)]
    return tidied


def _level(word: str) -> list[str]:
    found = re.fullmatch(r"-O=?(.+)", word)
    return ["--optimization-level", found[1]] if found else [word]


def _nest(objects: dict[str, dict[str, Any]], name: str, written: str) -> None:
    adds = name.endswith("+")
    flag, *keys = name.removesuffix("+").split(".")
    try:
        value = written.split(",") if adds else json.loads(written)
    except ValueError:
        value = written
    inner = objects.setdefault(flag, {})
    for key in keys[:-1]:
        inner = inner.setdefault(key, {})
    inner[keys[-1]] = [*inner.get(keys[-1], ()), *value] if adds else value


def _check_parsers(given: argparse.Namespace, release: tuple[int, ...]) -> None:
    """Refuse parsers that no release up to the recorded one has; what newer ones have is not known."""
    known = catalogue.facts("vllm_limits")
    recorded = catalogue.release(known["release"])
    if release > recorded:
        return
    gone = known["older"] if release < recorded else {}
    tools, thoughts = (sorted({*known[kind], *gone.get(kind, ())}) for kind in ("tool_call", "reasoning"))
    calls, thinks = given.tool_call_parser, given.reasoning_parser
    plugin = getattr(given, "tool_parser_plugin", None)
    if given.enable_auto_tool_choice and calls not in tools and not plugin:
        _end(f"KeyError: 'invalid tool call parser: {calls} (chose from {{ {','.join(tools)} }})'")
    if thinks and thinks not in thoughts and not getattr(given, "reasoning_parser_plugin", None):
        _end(f"""KeyError: "Reasoning parser '{thinks}' not found. Available parsers: {", ".join(thoughts)}\"""")


def _check_bounds(given: argparse.Namespace) -> None:
    """Refuse numbers that a field of vLLM's configuration does not take."""
    for flag, bounds in catalogue.facts("vllm_limits")["bounds"].items():
        value = getattr(given, flag.removeprefix("--").replace("-", "_"), None)
        for kind, bound in bounds.items():
            fits, name, words = _BOUNDS[kind]
            if isinstance(value, int | float) and not fits(value, bound):
                told = f"[type={name}, input_value={value}, input_type={type(value).__name__}]"
                _end(f"  Input should be {words} {bound} {told}\n    For further information visit {_PYDANTIC}/{name}")


def _longest(given: argparse.Namespace, source: str, environment: Mapping[str, str]) -> int:
    """The written length, else the model's; longer than the model only where that is allowed."""
    own = catalogue.find(source).longest_context
    written = given.max_model_len
    if written is None or written == -1:
        return own or 4096
    allowed = environment.get("VLLM_ALLOW_LONG_MAX_MODEL_LEN", "").strip().lower() in {"1", "true"}
    may = allowed or any(getattr(given, name, None) for name in _LONGER)
    if written < 1:
        _end(
            f"  Value error, max_model_len must be a positive integer, got int: {written}. Example: max_model_len=2048"
        )
    if own and written > own and not may:
        _end(
            f"  Value error, User-specified max_model_len ({written}) is greater than the derived max_model_len "
            f"(max_position_embeddings={own}.0 or model_max_length=None in model's config.json). To allow overriding this "
            "maximum, set the env var VLLM_ALLOW_LONG_MAX_MODEL_LEN=1."
        )
    return int(written)


def _refuse_unknown(words: Sequence[str], *, serves: bool) -> NoReturn:
    head = f"{_TOP_USAGE}\nvllm" if serves else "usage: api_server.py [-h] [options]\napi_server.py"
    print(f"{head}: error: unrecognized arguments: {' '.join(words)}", file=sys.stderr)
    raise SystemExit(2)


def _end(message: str) -> NoReturn:
    """As an exception that nobody catches ends it."""
    print(message, file=sys.stderr)
    raise SystemExit(1)
