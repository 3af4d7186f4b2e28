"""Hostile text in every field that takes text: refused with a line, or read back equal; never a new key.

Each field of a spec and of a profile gets each string of hostile.py. What is accepted is rendered, and every reader must see
what it sees for a harmless word, with the string in that word's place.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import json
import re
import shlex
import shutil
import subprocess
import unicodedata
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
import yaml
from hostile import HOSTILE
from hostile_fields import (
    ASLEEP,
    COMPOSE,
    CPU_MODEL,
    EMBED,
    EMBED_PIN,
    FIELDS,
    GATEWAY,
    KEY,
    PROFILE,
    RUNBOOK,
    SPEC,
    Field,
    Where,
    at,
    emitted,
)
from hostile_together import ALONE, ANY, ENV, NAMES, REFERENCES, RICH, RICH_PROFILE, TOGETHER
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

IMAGE = "redis:8.0.2"
LEAKS = {"X": "LEAKED"}
"""What must not take the place of `$X`."""


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
        yield from anything(path) if arguments[1] is Any else free_texts(arguments[1], f"{path}.*")
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            yield from free_texts(field.annotation, f"{path}.{name}")
    else:
        assert annotation in (int, float, bool, type(None)) or origin is Literal, f"{path}: what is {annotation}?"


def anything(path: str) -> Iterator[str]:
    if not path.endswith(".options"):
        yield f"{path}.{ANY}"
        return
    for engine in ENGINES.values():
        yield from free_texts(engine.options, f"{path}.{engine.name}")


def test_every_field_that_takes_text_is_in_the_table():
    table = {field.where for field in (*FIELDS, *TOGETHER, *REFERENCES, *ALONE)} | {
        f"spec.{where}" for where, _ in NAMES
    }
    assert {*free_texts(Spec, "spec"), *free_texts(Profile, "profile")} == table


def planned(folder: Path, spec: dict[str, Any], profile: dict[str, Any]) -> Plan:
    (folder / "profiles").mkdir(exist_ok=True)
    for path, document in ((folder / "profiles" / "own.yaml", profile), (folder / "stack.yaml", spec)):
        text = emitted(document)[0].encode()
        if not path.exists() or path.read_bytes() != text:
            path.write_bytes(text)
    return planning.make(sources.load(folder / "stack.yaml"))


@pytest.fixture
def once(monkeypatch):
    """Do once what would be the same each time: reading files of equal content."""
    known: dict[tuple[str, str], Any] = {}
    original = sources.read

    def read(path: Path, shown: str) -> Any:
        content = (shown, path.read_text(encoding="utf-8"))
        if content not in known:
            known[content] = original(path, shown)
        document, problems = known[content]
        return document, list(problems)

    monkeypatch.setattr(sources, "read", read)


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


def undoubled_values(data: Any) -> Any:
    """What Compose makes of a document; it doubles no `$` in keys."""
    if isinstance(data, dict):
        return {name: undoubled_values(inner) for name, inner in data.items()}
    if isinstance(data, list):
        return [undoubled_values(item) for item in data]
    return undoubled(data) if isinstance(data, str) else data


def key_paths(data: Any, path: Where = ()) -> Iterator[Where]:
    if isinstance(data, dict | list):
        for name, inner in data.items() if isinstance(data, dict) else enumerate(data):
            yield (*path, name)
            yield from key_paths(inner, (*path, name))


def documents(plan: Plan) -> dict[str, Any]:
    """What readers see in the rendered files; the hash of the gateway's file is compared and taken out."""
    texts = {file.path: file.text for file in render.files(plan)}
    composed = undoubled_values(parsed(texts[COMPOSE]))
    digest = composed["services"]["litellm"]["labels"].pop(f"stackgen.sha256.{GATEWAY}")
    assert digest == hashlib.sha256(texts[GATEWAY].encode()).hexdigest()
    sleepers = asleep(texts[ASLEEP]) if ASLEEP in texts else {}
    if sleepers:
        composed["services"]["litellm"]["labels"].pop(f"stackgen.sha256.{ASLEEP}")
    copied = {path: text for path, text in texts.items() if path.startswith("files/")}
    gateway = parsed_as_by_the_gateway(texts[GATEWAY])
    assert [body["model"] for body in shown_requests(texts[RUNBOOK])] == [
        entry["model_name"] for entry in gateway["model_list"]
    ]
    return {
        COMPOSE: composed,
        GATEWAY: gateway,
        ASLEEP: sleepers,
        ENV: texts[".env.example"],
        "shape of RUNBOOK.md": shape(texts[RUNBOOK]),
        "lines of the plan": planning.as_text(replace(plan, warnings=())).count("\n"),
        "routes of the plan": planning.as_json(plan)["routes"],
        "copied files": copied,
    }


def asleep(text: str) -> dict[str, str]:
    """The table of the gateway's module; a string that left its literal would change the statements around it."""
    statements = ast.parse(text).body
    assert [type(statement).__name__ for statement in statements] == [
        "Expr", "ImportFrom", "ImportFrom", "ImportFrom", "ImportFrom", "AnnAssign", "ClassDef", "Assign",
    ]  # fmt: skip
    table: dict[str, str] = ast.literal_eval(statements[5].value)
    return table


def shown_requests(runbook: str) -> Iterator[dict[str, Any]]:
    """The bodies that the commands in RUNBOOK.md send; a shell must see nine words in each, and perhaps a file for the answer."""
    for shown in re.findall(r"^```sh\n(curl .*?)\n```$", runbook, re.MULTILINE | re.DOTALL):
        words = shlex.split(shown.replace("\\\n", ""))
        words = words[:-2] if words[-2] == "--output" else words
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
    return outcome(folder, *field.written(text))


def misplaced(error: SpecError, field: Field, text: str) -> str:
    """What is wrong with the places of a refusal: one of them must be the field's own line."""
    spec, profile = field.written(text)
    file, document = ("stack.yaml", spec) if field.where.startswith("spec") else ("own.yaml", profile)
    line = emitted(document)[1][field.place(text)]
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


def is_raw(field: Field) -> bool:
    """Whether lines and tabs are text there: scripts stand in raw blocks."""
    return field.where.endswith(f".{ANY}") and KEY not in field.path


@dataclass(frozen=True)
class Trial:
    """A string in many fields at once: the plan, and the fields that took it; a harmless word is in the others."""

    plan: Plan
    accepted: dict[Field, str]
    faults: tuple[str, ...]


def tried(folder: Path, fields: tuple[Field, ...], text: str) -> Trial:
    """Puts the string into all fields, and takes it out where it is refused, until a plan is left."""
    texts = {field: field.prefix + text for field in fields}
    refused: set[Field] = set()
    found: list[str] = []
    for _ in range(8):
        documents = {"spec": copy.deepcopy(RICH), "profile": copy.deepcopy(RICH_PROFILE)}
        for field in fields:
            field.put(documents[field.where.partition(".")[0]], said(field, texts, refused))
        try:
            plan = planned(folder, documents["spec"], documents["profile"])
        except SpecError as error:
            lines = {part: emitted(document)[1] for part, document in documents.items()}
            owners = {
                (part, lines[part][field.place(said(field, texts, refused))]): field
                for field in fields
                for part in [field.where.partition(".")[0]]
            }
            before = set(refused)
            for problem in error.problems:
                part = "spec" if Path(problem.place.file).name == "stack.yaml" else "profile"
                owner = owners.get((part, problem.place.line))
                if owner is None or owner in before:
                    found.append(f"{problem} is at no field that holds the string")
                else:
                    refused.add(owner)
            assert not found, f"{text!r}: {found}"
        else:
            return Trial(plan, {field: texts[field] for field in fields if field not in refused}, tuple(found))
    pytest.fail(f"what is harmless is refused beside {text!r}")


def said(field: Field, texts: dict[Field, str], refused: set[Field]) -> str:
    return field.prefix + field.harmless if field in refused else texts[field]


BATCHES = {
    "together": TOGETHER,
    "references": REFERENCES,
    "subnet": ALONE[:1],
    "network": ALONE[1:2],
    "key": ALONE[2:],
}
FREE = {
    "spec.secrets.*.purpose", "spec.models.*.mounts.<key>", "spec.models.*.mounts.*", "spec.models.*.build.context",
    "spec.models.*.build.args.*", "spec.models.*.generation.stop[]", "spec.endpoints.*.model", "spec.endpoints.*.voice",
    "spec.endpoints.*.public_names[]", "spec.gateway.aliases.<key>", "spec.gateway.environment.*",
}  # fmt: skip
"""Fields in which most strings are right."""


ASSIGNED = "H="
"""A prefix that the rendered files do not show: the item of a list becomes an entry of a map."""


@pytest.fixture
def beside_file(tmp_path):
    (tmp_path / "file.txt").write_text("copied\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("batch", BATCHES)
def test_hostile_text_in_many_fields_at_once(batch, beside_file, once):
    fields = BATCHES[batch]
    harmless = documents(tried(beside_file, fields, "\x00").plan)
    for field in fields:
        for (file,) in field.lands:
            assert field.harmless in str(harmless[file]), f"{field} is not in {file}"
    taken: Counter[str] = Counter()
    for text in HOSTILE:
        trial = tried(beside_file, fields, text)
        taken.update(str(field) for field in trial.accepted)
        dirty = [field for field in trial.accepted if is_dirty(text, field)]
        assert not dirty, f"{text!r} is accepted by {dirty[0]}"
        texts = {}
        for field in fields:
            shown = "" if field.prefix == ASSIGNED else field.prefix
            word = shown + field.harmless
            texts[word] = trial.accepted.get(field, field.prefix + field.harmless)[len(field.prefix) - len(shown) :]
        seen = documents(trial.plan)
        compare(seen, harmless, texts)
        purposes = [said for field, said in trial.accepted.items() if said and field.where.endswith("purpose")]
        assert all(f"\n# {purpose} (optional)\nKNOWN=\n" in seen[ENV] for purpose in purposes)
    free = [field for field in fields if field.where in FREE or is_raw(field)]
    assert {str(field): taken[str(field)] for field in free if taken[str(field)] < 20 and field.path[-1] != "/b"} == {}


def is_dirty(text: str, field: Field) -> bool:
    return has_control_character(re.sub(r"[\n\t]", "", text) if is_raw(field) else text)


def unordered(seen: dict[str, Any]) -> dict[str, Any]:
    """What readers see, in an order that no id of the spec decides."""
    entries = {entry["model_info"]["id"]: entry for entry in seen[GATEWAY]["model_list"]}
    return seen | {
        GATEWAY: seen[GATEWAY] | {"model_list": entries},
        ENV: sorted(line[:1] == "#" for line in seen[ENV].split("\n")),
        "shape of RUNBOOK.md": sorted(seen["shape of RUNBOOK.md"]),
        "routes of the plan": {f"{way['model']} {way['modality']}": way for way in seen["routes of the plan"]},
    }


def compare(seen: dict[str, Any], harmless: dict[str, Any], texts: dict[str, str]) -> None:
    """Every text where its harmless word stands, and nothing else changed."""
    pattern = re.compile("|".join(sorted(map(re.escape, texts), key=len, reverse=True)))
    expected = mapped(unordered(harmless), lambda found: pattern.sub(lambda match: texts[match[0]], found))
    for name, found in unordered(seen).items():
        assert set(key_paths(found)) == set(key_paths(expected[name])), f"{name}: other keys with {texts}"
        assert found == expected[name], f"{name}: {difference(found, expected[name])}"


def outcome(folder: Path, spec: dict[str, Any], profile: dict[str, Any]) -> Plan | SpecError:
    try:
        return planned(folder, spec, profile)
    except SpecError as error:
        return error


def named(text: str) -> dict[str, Any]:
    """RICH with models of hostile names, and every field that takes a name of a model."""
    spec = copy.deepcopy(RICH)
    spec["models"]["chat"]["public_names"] = [text]
    spec["models"]["small"]["public_names"] = [f"spare {text}"]
    spec["models"]["embed"] = EMBED | {"public_names": [f"embed {text}"]}
    spec["gateway"] |= {
        "cache": "semantic",
        "semantic_cache": {"embedding": f"embed {text}"},
        "aliases": {f"alias {text}": text},
        "fallbacks": {text: [f"spare {text}"]},
        "context_window_fallbacks": {text: [f"spare {text}"]},
        "default_fallbacks": [f"spare {text}"],
        "teams": {"people": {"models": [text, f"alias {text}"]}},
        "keys": {"notebook": {"models": [text, f"alias {text}"], "team": "people"}},
    }
    return spec


def test_hostile_names_lead_to_the_same_models_wherever_they_are_said(tmp_path, once):
    profile = copy.deepcopy(RICH_PROFILE)
    profile["images"]["infinity"] = EMBED_PIN
    harmless = documents(planned(tmp_path, named("talk-to-me"), profile))
    accepted = 0
    for text in HOSTILE:
        result = outcome(tmp_path, named(text), profile)
        if isinstance(result, SpecError):
            lines = emitted(named(text))[1]
            holding = {lines[path] for path in lines if path[0] in {"models", "gateway"}}
            assert {problem.place.line for problem in result.problems} <= holding, text
            continue
        accepted += 1
        assert not has_control_character(text)
        compare(documents(result), harmless, {"talk-to-me": text})
    assert accepted > 30


def test_a_hostile_file_is_copied_byte_for_byte_with_its_sum(tmp_path, once):
    content = "\n".join(HOSTILE) + "\r\n\ttext\r"
    (tmp_path / "hostile.txt").write_text(content, encoding="utf-8", newline="")
    spec = copy.deepcopy(SPEC)
    spec["models"]["chat"]["mounts"] = {"/etc/x.jinja": "hostile.txt"}
    files = {file.path: file for file in render.files(planned(tmp_path, spec, PROFILE))}
    copied = files["files/vllm-chat/etc/x.jinja"]
    assert copied.text == content
    labels = parsed(files[COMPOSE].text)["services"]["vllm-chat"]["labels"]
    assert labels[f"stackgen.sha256.{copied.path}"] == hashlib.sha256(content.encode()).hexdigest()


READ_BY_COMPOSE = ("entrypoint", "environment", "extra_hosts", "hostname", "labels", "volumes", "x-deep")


def filled(text: str) -> str:
    """A value with its secrets in their places."""
    return re.sub(r"(?<!\$)\$\{\w+:[-?][^}]*\}", "placeholder", text)


def test_compose_reads_raw_keys_and_mounts_equal(compose_plugin, beside_file, once):
    services, volumes = {}, {}
    for number, text in enumerate(HOSTILE):
        texts = {file.path: file.text for file in render.files(tried(beside_file, TOGETHER, text).plan)}
        found = parsed(texts[COMPOSE])
        volumes |= found["volumes"]
        for name in ("web", "vllm-chat", "litellm"):
            service = {key: found["services"][name][key] for key in READ_BY_COMPOSE if key in found["services"][name]}
            services[f"{name}-{number:02}"] = {"image": IMAGE} | service
    file = beside_file / COMPOSE
    file.write_text(dump({"services": services, "volumes": volumes}), encoding="utf-8")
    secrets = re.findall(r"\$\{(\w+):", file.read_text(encoding="utf-8"))
    variables = [variable for variable in secrets if variable != "PATH"]
    seen = config(file, **dict.fromkeys(variables, "placeholder"))
    for name, service in services.items():
        for key in ("environment", "labels"):
            given = {inner: undoubled(filled(value)) for inner, value in service.get(key, {}).items()}
            assert mapped(seen[name].get(key, {}), undoubled) == given, f"{key} of {name}"
        assert undoubled(seen[name].get("hostname", "")) == undoubled(service.get("hostname", "")), name
        targets = [undoubled(mount["target"]) for mount in seen[name].get("volumes", [])]
        assert targets == [undoubled(mount["target"]) for mount in service.get("volumes", [])], name
        assert set(seen[name]) - set(service) <= {"command", "entrypoint", "networks"}, name


def test_compose_reads_the_rich_stack(compose_plugin, beside_file, once):
    plan = tried(beside_file, TOGETHER, "\x00").plan
    for file in render.files(plan):
        (beside_file / file.path).parent.mkdir(parents=True, exist_ok=True)
        (beside_file / file.path).write_text(file.text, encoding="utf-8")
    assert set(config(beside_file / COMPOSE, **{secret.name: "x" for secret in plan.secrets})) == plan.service_names


def test_names_that_sleep_stay_text_in_the_gateways_module(tmp_path):
    """Public names are free text, and the module is a program."""
    taken = 0
    for text in HOSTILE:
        spec = copy.deepcopy(SPEC) | {
            "groups": {"day": {"models": ["chat"]}, "night": {"models": ["third"], "exclusive": "day"}}
        }
        spec["models"]["third"] = {**CPU_MODEL, "public_names": [text]}
        try:
            plan = planned(tmp_path, spec, PROFILE)
        except SpecError:
            continue
        found = asleep(next(file.text for file in render.files(plan) if file.path == ASLEEP))
        assert list(found) == [text]
        assert found[text].startswith(f"`{text}` sleeps: the group `night` takes turns with `day`")
        taken += 1
    assert taken > 10


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
        for name in ("quantization", "tool_call_parser", "reasoning_parser", "revision")
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
            owners |= {lines["models", model, "extra_args", 0]: (model, "extra_args") for model in members}
            for line in {problem.place.line for problem in error.problems}:
                model, name = owners[line]
                texts[model][name] = f"harmless-{model}"
                refused += 1
    pytest.fail("what is harmless is refused")


def test_many_strings_are_refused_in_few_runs(crowd):
    dirty = sum(has_control_character(text) for text in HOSTILE)
    assert dirty == 8
    assert dirty * (len(CROWDED) + 1) <= crowd.refused < 20 * (len(CROWDED) + 1)


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
