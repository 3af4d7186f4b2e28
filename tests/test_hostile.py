"""Hostile text in every field that takes text: refused with a line, or read back equal; never a new key.

Each field of a spec and of a profile gets each string of hostile.py. What is accepted is rendered, and every reader must see
what it sees for a harmless word, with the string in that word's place.
"""

from __future__ import annotations

import copy
import hashlib
import importlib
import json
import re
import shlex
import shutil
import subprocess
import unicodedata
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
import yaml
from hostile import HOSTILE, literal
from pydantic import BaseModel
from support import lacking

from stackgen import plan as planning
from stackgen import render, sources, vault
from stackgen.engines import ENGINES
from stackgen.errors import SpecError, StackError
from stackgen.parts import Secret, SecretKind
from stackgen.plan import Plan
from stackgen.render.compose import word
from stackgen.render.env import quoted
from stackgen.render.litellm import complaints
from stackgen.render.yaml import dump
from stackgen.runtime import compose
from stackgen.spec import Profile, Spec

Where = tuple[str | int, ...]
"""Keys and positions that lead to a place in a document."""

COMPOSE, GATEWAY, RUNBOOK = "docker-compose.yml", "litellm/config.yaml", "RUNBOOK.md"
KEY = "<key>"
"""In a path: the text is a key, not a value."""
IMAGE = "redis:8.0.2"
LEAKS = {"X": "LEAKED"}
"""What must not take the place of `$X`."""

SPEC: dict[str, Any] = {
    "version": 1,
    "name": "base",
    "profiles": ["own"],
    "gpus": {"a0": {"card": "a100-80gb", "uuid": "GPU-00000000"}},
    "models": {
        "chat": {
            "source": "Qwen/Qwen3-0.6B",
            "engine": "vllm",
            "modalities": ["chat"],
            "public_names": ["talk"],
            "gpus": ["a0"],
            "options": {"gpu_memory_utilization": 0.5},
        },
    },
    "gateway": {"database": False},
}
EMBED: dict[str, Any] = {
    "source": "sentence-transformers/all-MiniLM-L6-v2",
    "engine": "infinity",
    "modalities": ["embedding"],
    "gpus": ["a0"],
}
"""Joins SPEC for the fields that need it; what is not there costs no time."""
PROFILE: dict[str, Any] = {
    "about": "pins for cards and for the processor",
    "images": {
        "vllm": {"repository": "vllm/vllm-openai", "tag": "v0.32.0", "version": "0.32.0", "evidence": "a test"},
    },
}
EMBED_PIN = {"repository": "michaelf34/infinity", "tag": "0.0.77", "version": "0.0.77", "evidence": "a test"}


@dataclass(frozen=True, kw_only=True)
class Field:
    """A place that takes text. `where` is what the walk over the models calls it, `path` a real one in SPEC or PROFILE."""

    where: str
    path: Where
    lands: tuple[Where, ...] = ()
    """Where the text must turn up: a file and a path in it; a word for a list means the item behind that word."""
    prefix: str = ""
    """Stands before the text, so that some strings pass the pattern of the field."""
    harmless: str = "harmless"
    never: bool = False
    """Whether nothing that begins with the prefix is accepted."""
    entry: Any = None
    """What stands under the key, where the text is a key."""
    also: Where = ()
    """Another place of the same file that must say the same."""

    def __str__(self) -> str:
        return f"{self.where} {self.prefix}".strip()

    def written(self, text: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Spec and profile with the text in this field."""
        documents = {"spec": copy.deepcopy(SPEC), "profile": copy.deepcopy(PROFILE)}
        if {"embed", "infinity"} & {*self.path, *self.also}:
            documents["spec"]["models"]["embed"] = copy.deepcopy(EMBED)
            documents["profile"]["images"]["infinity"] = EMBED_PIN
        document = documents[self.where.split(".")[0]]
        inner: Any = document
        for part, below in pairwise(self.path):
            inner = inner[part] if isinstance(inner, list) else inner.setdefault(part, [] if below == 0 else {})
        last = self.path[-1]
        if last == KEY:
            inner[text] = self.entry
        elif last == 0:
            inner[:] = [text]
        else:
            inner[last] = text
        if self.also:
            at(document, self.also[:-1])[self.also[-1]] = text
        return documents["spec"], documents["profile"]


def of_spec(where: str, path: Where, *lands: Where, **more: Any) -> Field:
    return Field(where=f"spec.{where}", path=path, lands=lands, **more)


def of_profile(where: str, path: Where, *lands: Where, **more: Any) -> Field:
    return Field(where=f"profile.{where}", path=path, lands=lands, **more)


def in_service(name: str, *path: str | int) -> Where:
    return (COMPOSE, "services", name, *path)


def options() -> Iterator[Field]:
    """The options that are text, said in a model and said in a profile."""
    names = {
        "vllm": ("quantization", "kv_cache_dtype", "tool_call_parser", "reasoning_parser", "revision"),
        "infinity": ("revision",),
    }
    model, service = {"vllm": "chat", "infinity": "embed"}, {"vllm": "vllm-chat", "infinity": "infinity-a0"}
    for engine, fields in names.items():
        for name in fields:
            lands = in_service(service[engine], "command", f"--{name.replace('_', '-')}")
            yield of_spec(f"models.*.options.{engine}.{name}", ("models", model[engine], "options", name), lands)
            yield of_profile(f"engines.*.options.{engine}.{name}", ("engines", engine, "options", name), lands)


CPU_MODEL = {"source": "Qwen/Qwen3-0.6B", "engine": "vllm", "modalities": ["chat"], "gpus": []}
PIN = PROFILE["images"]["vllm"]
DEVICE = in_service("vllm-chat", "deploy", "resources", "reservations", "devices", 0, "device_ids", 0)
CHAT_IMAGE = in_service("vllm-chat", "image")
NAME = (GATEWAY, "model_list", 0, "model_name")
PORT = in_service("litellm", "ports", 0)

FIELDS = (
    of_spec("name", ("name",), (COMPOSE, "name")),
    of_spec("profiles[]", ("profiles", 0), harmless="own"),
    of_spec(
        "gpus.<key>",
        ("gpus", KEY),
        in_service("infinity-harmless"),
        entry={"card": "a100-80gb", "uuid": "GPU-11111111"},
        also=("models", "embed", "gpus", 0),
    ),
    of_spec("gpus.*.card", ("gpus", "a0", "card"), harmless="h100-80gb"),
    of_spec("gpus.*.uuid", ("gpus", "a0", "uuid"), DEVICE, harmless="GPU-beefbeef"),
    of_spec("gpus.*.uuid", ("gpus", "a0", "uuid"), DEVICE, prefix="GPU-8a1c0000", harmless="beef"),
    of_spec("secrets.<key>", ("secrets", KEY), entry={"required": False}, harmless="HF_TOKEN"),
    of_spec(
        "models.<key>",
        ("models", KEY),
        in_service("vllm-harmless"),
        (GATEWAY, "model_list", 1, "model_name"),
        (GATEWAY, "model_list", 1, "litellm_params", "model"),
        entry=CPU_MODEL,
    ),
    of_spec("models.*.source", ("models", "chat", "source"), in_service("vllm-chat", "command", 0)),
    of_spec("models.*.source", ("models", "chat", "source"), in_service("vllm-chat", "command", 0), prefix="/models/"),
    of_spec("models.*.engine", ("models", "chat", "engine"), harmless="vllm"),
    of_spec("models.*.modalities[]", ("models", "chat", "modalities", 0), harmless="chat"),
    of_spec("models.*.public_names[]", ("models", "chat", "public_names", 0), NAME),
    of_spec("models.*.instance", ("models", "embed", "instance"), in_service("infinity-harmless")),
    of_spec("models.*.gpus[]", ("models", "chat", "gpus", 0), harmless="a0"),
    of_spec(
        "models.*.extra_args[]",
        ("models", "chat", "extra_args", 0),
        in_service("vllm-chat", "command", -1),
        harmless="--enable-log-requests",
    ),
    of_spec(
        "models.*.extra_args[]",
        ("models", "chat", "extra_args", 0),
        in_service("vllm-chat", "command", -1),
        prefix="--chat-template=",
    ),
    of_spec("models.*.options.<key>", ("models", "chat", "options", KEY), entry="x", harmless="revision"),
    of_spec(
        "models.*.environment.<key>",
        ("models", "chat", "environment", KEY),
        in_service("vllm-chat", "environment", "harmless"),
        entry="x",
    ),
    of_spec(
        "models.*.environment.*", ("models", "chat", "environment", "H"), in_service("vllm-chat", "environment", "H")
    ),
    of_spec("gateway.address", ("gateway", "address"), PORT, harmless="10.9.8.7"),
    of_spec("gateway.address", ("gateway", "address"), PORT, prefix="fe80::", harmless="9"),
    of_spec("gateway.address", ("gateway", "address"), prefix="fe80::1%", never=True),
    of_profile("about", ("about",)),
    of_profile("gateway.address", ("gateway", "address"), PORT, harmless="10.9.8.7"),
    of_profile("images.<key>", ("images", KEY), entry=PIN, harmless="postgres"),
    of_profile("images.*.repository", ("images", "vllm", "repository"), CHAT_IMAGE),
    of_profile("images.*.repository", ("images", "vllm", "repository"), CHAT_IMAGE, prefix="registry.example/"),
    of_profile("images.*.tag", ("images", "vllm", "tag"), CHAT_IMAGE),
    of_profile("images.*.tag", ("images", "vllm", "tag"), CHAT_IMAGE, prefix="v1.0"),
    of_profile("images.*.version", ("images", "vllm", "version"), harmless="0.31.0"),
    of_profile("images.*.version", ("images", "vllm", "version"), prefix="0.", harmless="31.0"),
    of_profile("images.*.evidence", ("images", "vllm", "evidence")),
    of_profile("engines.<key>", ("engines", KEY), entry={"context": 4096}, harmless="vllm"),
    of_profile("engines.*.options.<key>", ("engines", "vllm", "options", KEY), entry="x", harmless="revision"),
    of_profile(
        "engines.*.environment.<key>",
        ("engines", "vllm", "environment", KEY),
        in_service("vllm-chat", "environment", "harmless"),
        entry="x",
    ),
    of_profile(
        "engines.*.environment.*", ("engines", "vllm", "environment", "H"), in_service("vllm-chat", "environment", "H")
    ),
    *options(),
)


def test_there_are_48_strings():
    assert len(HOSTILE) == len(set(HOSTILE)) == 48


def free_texts(annotation: Any, path: str) -> Iterator[str]:
    """Every place below a type where a user writes text; an annotation that nobody thought of is an error."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is str:
        yield path
    elif origin is Annotated:
        yield from free_texts(arguments[0], path)
    elif origin in (Union, UnionType):
        for part in arguments:
            yield from free_texts(part, path)
    elif origin is tuple:
        yield from free_texts(arguments[0], f"{path}[]")
    elif origin is dict:
        yield from free_texts(arguments[0], f"{path}.{KEY}")
        yield from engine_options(path) if arguments[1] is Any else free_texts(arguments[1], f"{path}.*")
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            yield from free_texts(field.annotation, f"{path}.{name}")
    else:
        assert annotation in (int, float, bool, type(None)) or origin is Literal, f"{path}: what is {annotation}?"


def engine_options(path: str) -> Iterator[str]:
    assert path.endswith(".options"), f"{path} takes anything"
    for engine in ENGINES.values():
        yield from free_texts(engine.options, f"{path}.{engine.name}")


def test_every_field_that_takes_text_is_in_the_table():
    assert {*free_texts(Spec, "spec"), *free_texts(Profile, "profile")} == {field.where for field in FIELDS}


def emitted(data: dict[str, Any]) -> tuple[str, dict[Where, int]]:
    """A document with one key or item a line, and the line of each path."""
    lines: list[str] = []
    numbers: dict[Where, int] = {}

    def walk(value: Any, path: Where, pad: str) -> None:
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            begin = f"{pad}{literal(name)}:" if isinstance(value, dict) else f"{pad}-"
            numbers[(*path, name)] = len(lines) + 1
            if isinstance(inner, dict | list) and inner:
                lines.append(begin)
                walk(inner, (*path, name), f"{pad}  ")
            else:
                lines.append(f"{begin} {literal(inner) if isinstance(inner, str) else json.dumps(inner)}")

    walk(data, (), "")
    return "\n".join(lines) + "\n", numbers


def planned(folder: Path, spec: dict[str, Any], profile: dict[str, Any]) -> Plan:
    (folder / "profiles").mkdir(exist_ok=True)
    for path, document in ((folder / "profiles" / "own.yaml", profile), (folder / "stack.yaml", spec)):
        text = emitted(document)[0].encode()
        if not path.exists() or path.read_bytes() != text:
            path.write_bytes(text)
    return planning.make(sources.load(folder / "stack.yaml"))


@pytest.fixture
def once(monkeypatch):
    """Do once what would be the same each time: reading files of equal content, compiling the template."""
    known: dict[tuple[str, str], Any] = {}
    original = sources.read

    def read(path: Path, shown: str) -> Any:
        content = (shown, path.read_text(encoding="utf-8"))
        if content not in known:
            known[content] = original(path, shown)
        document, problems = known[content]
        return document, list(problems)

    monkeypatch.setattr(sources, "read", read)
    runbook = importlib.import_module("stackgen.render.runbook")
    for name in ("FileSystemLoader", "Environment"):
        monkeypatch.setattr(runbook, name, cache(getattr(runbook, name)))


def at(data: Any, path: Where) -> Any:
    """What stands at a path; a word for a list means the item behind that word."""
    for part in path:
        data = data[data.index(part) + 1 if isinstance(data, list) and isinstance(part, str) else part]
    return data


@cache
def parsed(text: str) -> Any:
    """PyYAML with its parser in C, which is ten times faster; `test_many_…` reads with the one in Python."""
    return yaml.load(text, yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader)


@cache
def parsed_as_by_the_gateway(text: str) -> Any:
    return yaml.safe_load(text)


def mapped(data: Any, change: Callable[[str], str]) -> Any:
    """The same data with every string changed, keys included."""
    if isinstance(data, dict):
        return {change(name): mapped(inner, change) for name, inner in data.items()}
    if isinstance(data, list):
        return [mapped(item, change) for item in data]
    return change(data) if isinstance(data, str) else data


def undoubled(text: str) -> str:
    return text.replace("$$", "$")


def key_paths(data: Any, path: Where = ()) -> Iterator[Where]:
    if isinstance(data, dict | list):
        for name, inner in data.items() if isinstance(data, dict) else enumerate(data):
            yield (*path, name)
            yield from key_paths(inner, (*path, name))


def documents(plan: Plan) -> dict[str, Any]:
    """What readers see in the rendered files; the hash of the gateway's file is compared and taken out."""
    texts = {file.path: file.text for file in render.files(plan)}
    composed = mapped(parsed(texts[COMPOSE]), undoubled)
    digest = composed["services"]["litellm"]["labels"].pop(f"stackgen.sha256.{GATEWAY}")
    assert digest == hashlib.sha256(texts[GATEWAY].encode()).hexdigest()
    gateway = parsed_as_by_the_gateway(texts[GATEWAY])
    assert [body["model"] for body in shown_requests(texts[RUNBOOK])] == [
        entry["model_name"] for entry in gateway["model_list"]
    ]
    return {
        COMPOSE: composed,
        GATEWAY: gateway,
        ".env.example": texts[".env.example"],
        "shape of RUNBOOK.md": shape(texts[RUNBOOK]),
        "lines of the plan": planning.as_text(plan).count("\n"),
        "routes of the plan": planning.as_json(plan)["routes"],
    }


def shown_requests(runbook: str) -> Iterator[dict[str, Any]]:
    """The bodies that the commands in RUNBOOK.md send; a shell must see nine words in each."""
    for shown in re.findall(r"^```sh\n(curl .*?)\n```$", runbook, re.MULTILINE | re.DOTALL):
        words = shlex.split(shown.replace("\\\n", ""))
        assert len(words) == 9, f"the shell sees {words}"
        assert words[:2] == ["curl", "-fsS"]
        assert words[-2] == "-d"
        yield json.loads(words[-1])


def shape(markdown: str) -> list[int]:
    """Cells of each line, 0 outside of tables; a string that made a line or a cell would change it."""
    return [len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0 for line in markdown.split("\n")]


def has_control_character(text: str) -> bool:
    return any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in text)


def attempt(folder: Path, field: Field, text: str) -> Plan | SpecError:
    try:
        return planned(folder, *field.written(text))
    except SpecError as error:
        return error


def misplaced(error: SpecError, field: Field, text: str) -> str:
    """What is wrong with the places of a refusal: one of them must be the field's own line."""
    spec, profile = field.written(text)
    file, document = ("stack.yaml", spec) if field.where.startswith("spec") else ("own.yaml", profile)
    line = emitted(document)[1][tuple(text if part == KEY else part for part in field.path)]
    places = [(Path(problem.place.file).name, problem.place.line) for problem in error.problems]
    return "" if (file, line) in places else f"refused at {places}, not at line {line} of {file}"


def faults(folder: Path, field: Field, text: str, harmless: dict[str, Any]) -> Iterator[str]:
    """What is wrong with how one string fares in one field."""
    try:
        result = attempt(folder, field, text)
        if isinstance(result, SpecError):
            yield from filter(None, [misplaced(result, field, text)])
            return
        if field.never or has_control_character(text):
            yield "is accepted"
        seen = documents(result)
    except Exception as error:  # noqa: BLE001 - whatever else a planner, renderer or reader raises is the finding
        yield f"{type(error).__name__}: {error}"
        return
    token = field.prefix + field.harmless
    expected = mapped(harmless, lambda found: found.replace(token, text)) if field.lands else harmless
    for name, found in seen.items():
        if set(key_paths(found)) != set(key_paths(expected[name])):
            yield f"{name}: other keys than with a harmless word"
        elif found != expected[name]:
            yield f"{name}: {difference(found, expected[name])}"


def difference(found: Any, expected: Any) -> str:
    """The first place where two documents with the same keys differ."""
    if isinstance(found, dict | list) and isinstance(expected, dict | list):
        for name, inner in found.items() if isinstance(found, dict) else enumerate(found):
            if inner != expected[name]:
                return f"{name}: {difference(inner, expected[name])}"
    return f"{found!r}, not {expected!r}"


@pytest.mark.parametrize("field", FIELDS, ids=str)
def test_hostile_text_is_refused_with_its_line_or_read_back_equal(field, tmp_path, once):
    token = field.prefix + field.harmless
    plan = attempt(tmp_path, field, "127.0.0.1" if field.never else token)
    assert isinstance(plan, Plan), plan.problems
    harmless = documents(plan)
    for file, *path in field.lands:
        assert token in f"{path[-1]}: {at(harmless[str(file)], tuple(path))}"
    found = {text: list(faults(tmp_path, field, field.prefix + text, harmless)) for text in HOSTILE}
    assert not {text: fault for text, fault in found.items() if fault}


def test_a_refusal_is_clean_text_on_one_line(tmp_path, once):
    """What a terminal obeys must not come out of a spec, and no second line that looks like an error of ours."""
    found = {}
    for field in FIELDS:
        result = attempt(tmp_path, field, f"{field.prefix}x\n\x1b[31m\x85\u2028error: forged")
        if isinstance(result, SpecError):
            said = [text for problem in result.problems for text in (problem.message, problem.hint)]
            found[str(field)] = [text for text in said if has_control_character(text)]
    assert found
    assert not {name: texts for name, texts in found.items() if texts}


def test_a_hostile_file_name_changes_nothing_but_comments(tmp_path, once):
    expected = documents(planned(tmp_path, SPEC, PROFILE))
    for text in HOSTILE:
        if not text.strip() or "/" in text or "\x00" in text or len(text.encode()) > 200:
            continue
        (tmp_path / text).write_text(emitted(SPEC)[0], encoding="utf-8")
        plan = planning.make(sources.load(tmp_path / text))
        texts = {file.path: file.text for file in render.files(plan)}
        seen = mapped(parsed(texts[COMPOSE]), undoubled)
        assert seen["services"]["litellm"]["labels"].pop(f"stackgen.sha256.{GATEWAY}")
        assert seen == expected[COMPOSE], text
        assert parsed_as_by_the_gateway(texts[GATEWAY]) == expected[GATEWAY], text


CROWDED: dict[str, Where] = {
    "source": ("command", 0),
    "extra_args": ("command", -1),
    "environment": ("environment", "H"),
    **{
        f"options.{name}": ("command", f"--{name.replace('_', '-')}")
        for name in ("quantization", "kv_cache_dtype", "tool_call_parser", "reasoning_parser", "revision")
    },
}
"""Fields of a model of the crowd, and where their text lands in its service."""


def member(texts: dict[str, str]) -> tuple[dict[str, Any], dict[str, Where]]:
    """A model with a text in each field, and where each stands below it."""
    options = {name.removeprefix("options."): text for name, text in texts.items() if name.startswith("options.")}
    model = CPU_MODEL | {
        "source": texts["source"],
        "public_names": [texts["public_names"]],
        "extra_args": ["--chat-template", texts["extra_args"]],
        "environment": {"H": texts["environment"]},
        "options": options,
    }
    places: dict[str, Where] = {"source": ("source",), "environment": ("environment", "H")}
    places |= {"public_names": ("public_names", 0), "extra_args": ("extra_args", 1)}
    return model, places | {f"options.{name}": ("options", name) for name in options}


@dataclass(frozen=True)
class Crowd:
    """A spec with a model for each string, the string in each of its fields; a harmless word where it is refused."""

    plan: Plan
    texts: dict[str, dict[str, str]]
    """Per model and field: what stands there."""
    refused: int

    def check(self, services: dict[str, Any]) -> None:
        """Each text where it belongs, and each service with the keys of the harmless one."""
        shape = set(key_paths(services["vllm-harmless"]))
        for model, texts in self.texts.items():
            service = services[f"vllm-{model}"]
            assert set(key_paths(service)) == shape, f"{texts} made or lost a key"
            for name, path in CROWDED.items():
                assert undoubled(at(service, path)) == texts[name], f"{name} of {model}"


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """A harmless word takes the place of what is refused; a model whose source is refused shows its other faults later."""
    folder = tmp_path_factory.mktemp("crowd")
    fields = [*CROWDED, "public_names"]
    texts = {f"m{number:02}": dict.fromkeys(fields, text) for number, text in enumerate(HOSTILE)}
    texts["harmless"] = dict.fromkeys(fields, "harmless")
    refused = 0
    for _ in range(4):
        members = {model: member(inner) for model, inner in texts.items()}
        spec = SPEC | {"name": "crowd", "gpus": {}, "models": {model: found for model, (found, _) in members.items()}}
        try:
            return Crowd(planned(folder, spec, PROFILE), texts, refused)
        except SpecError as error:
            lines = emitted(spec)[1]
            owners = {
                lines[("models", model, *path)]: (model, name)
                for model, (_, places) in members.items()
                for name, path in places.items()
            }
            for line in {problem.place.line for problem in error.problems}:
                model, name = owners[line]
                texts[model][name] = f"harmless-{model}"
                refused += 1
    pytest.fail("what is harmless is refused")


def test_many_strings_are_refused_in_few_runs(crowd):
    dirty = sum(has_control_character(text) for text in HOSTILE)
    assert dirty == 8
    assert dirty * (len(CROWDED) + 1) <= crowd.refused < 15 * (len(CROWDED) + 1)


def test_many_accepted_strings_read_back_from_one_file(crowd, tmp_path):
    texts = {file.path: file.text for file in render.files(crowd.plan)}
    crowd.check(yaml.safe_load(texts[COMPOSE])["services"])
    names = [entry["model_name"] for entry in yaml.safe_load(texts[GATEWAY])["model_list"]]
    assert names == [crowd.texts[model]["public_names"] for model in sorted(crowd.texts)]
    assert [body["model"] for body in shown_requests(texts[RUNBOOK])] == names
    (tmp_path / "config.yaml").write_text(texts[GATEWAY], encoding="utf-8")
    assert list(complaints(crowd.plan, tmp_path / "config.yaml")) == []


def docker(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", *arguments],
        capture_output=True,
        check=False,
        encoding="utf-8",
        env=compose.environment(()) | LEAKS | variables,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )


def config(file: Path, env_file: str = "/dev/null", **variables: str) -> dict[str, Any]:
    """What Compose makes of a file. It doubles each `$` again, so that its output can be its input."""
    result = docker(
        "compose", "-p", "hostile", "-f", str(file), "--env-file", env_file, "config", "--format", "json", **variables
    )
    assert result.returncode == 0, result.stderr
    assert "variable is not set" not in result.stderr
    return json.loads(result.stdout)["services"]


@pytest.fixture
def compose_plugin():
    if shutil.which("docker") is None or docker("compose", "version").returncode != 0:
        lacking("docker", "`docker compose` does not work here", "install Docker with its Compose plugin")


def test_compose_reads_every_accepted_string_equal(crowd, compose_plugin, tmp_path):
    file = tmp_path / COMPOSE
    file.write_text(next(found.text for found in render.files(crowd.plan) if found.path == COMPOSE), encoding="utf-8")
    crowd.check(config(file, **{secret.name: "placeholder" for secret in crowd.plan.secrets}))


def names_of(texts: tuple[str, ...] | list[str]) -> dict[str, str]:
    return {f"H{number:02}": text for number, text in enumerate(texts)}


def test_compose_reads_every_string_of_the_writer_equal(compose_plugin, tmp_path):
    """The writer and the encoder by themselves, also with what no spec may say."""
    variables = {name: word(text) for name, text in names_of(HOSTILE).items()}
    service = {"image": IMAGE, "command": [word(text) for text in HOSTILE], "environment": variables}
    images = {name.lower(): {"image": word(f"{text}:1")} for name, text in names_of(HOSTILE).items()}
    (tmp_path / COMPOSE).write_text(dump({"services": {"all": service} | images}), encoding="utf-8")
    seen = config(tmp_path / COMPOSE)
    assert [undoubled(text) for text in seen["all"]["command"]] == list(HOSTILE)
    assert mapped(seen["all"]["environment"], undoubled) == names_of(HOSTILE)
    assert [undoubled(seen[name]["image"]) for name in images] == [f"{text}:1" for text in HOSTILE]
    assert len({frozenset(seen[name]) for name in images}) == 1


@pytest.mark.docker
def test_a_container_gets_every_string_equal(compose_plugin, tmp_path):
    found = docker("image", "inspect", "--format", "{{json .Config.Env}}", IMAGE)
    if found.returncode != 0:
        lacking("docker", f"no Docker engine with {IMAGE} here", f"start Docker, then: docker pull {IMAGE}")
    texts = [text for text in HOSTILE if "\x00" not in text]
    assert len(texts) >= 20
    service = {
        "image": IMAGE,
        "command": [word(text) for text in texts],
        "environment": {name: word(text) for name, text in names_of(texts).items()},
        "network_mode": "none",
    }
    project, file = f"hostile-{uuid.uuid4().hex[:12]}", tmp_path / COMPOSE
    file.write_text(dump({"name": project, "services": {"held": service}}), encoding="utf-8")
    of_project = ("compose", "-f", str(file), "--env-file", "/dev/null")
    try:
        created = docker(*of_project, "create", "--pull", "never")
        assert created.returncode == 0, created.stderr
        container = docker(*of_project, "ps", "--all", "--quiet").stdout.strip()
        (inspected,) = json.loads(docker("inspect", container).stdout)
    finally:
        removed = docker(*of_project, "down", "--volumes", "--timeout", "0")
    assert removed.returncode == 0, removed.stderr
    assert inspected["Config"]["Cmd"] == texts
    of_image = json.loads(found.stdout) or []
    variables = [entry for entry in inspected["Config"]["Env"] if entry not in of_image]
    assert sorted(variables) == sorted(f"{name}={text}" for name, text in names_of(texts).items())
    assert inspected["HostConfig"]["Privileged"] is False


SECRETS = (*HOSTILE, r"a\'b", "'", "''", r"\'", r"\\'x", "a#b # c", r"a\$X", "'$X'")
"""Values of secrets: the strings, and what quotes and backslashes can do to single quotes."""


def test_compose_reads_hostile_secrets_from_the_env_file(compose_plugin, tmp_path):
    lines, written, refused = [], {}, []
    for name, text in names_of(SECRETS).items():
        try:
            lines.append(f"{name}={quoted(name, text)}")
        except StackError:
            refused.append(text)
        else:
            written[name] = text
    assert len(refused) <= 12, refused
    (tmp_path / ".env").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
    service = {"image": IMAGE, "environment": {name: f"${{{name}}}" for name in written}}
    (tmp_path / COMPOSE).write_text(dump({"services": {"all": service}}), encoding="utf-8")
    seen = config(tmp_path / COMPOSE, str(tmp_path / ".env"))
    assert mapped(seen["all"]["environment"], undoubled) == written


@pytest.mark.parametrize("text", [text for text in SECRETS if text], ids=lambda text: ascii(text)[:30])
def test_a_hostile_secret_of_the_environment_is_kept_equal_or_refused(text, tmp_path):
    secret = Secret(name="HF_TOKEN", purpose="a test", kind=SecretKind.OPTIONAL, from_environment=True)
    try:
        vault.settle(tmp_path, [secret], environment={"HF_TOKEN": text}, volume_exists=lambda _: False)
    except StackError:
        assert vault.read(tmp_path / vault.FOLDER / vault.FILE) == {}
    else:
        assert vault.read(tmp_path / vault.FOLDER / vault.FILE) == {"HF_TOKEN": text}
