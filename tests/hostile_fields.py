"""Every field of a spec and of a profile that takes text, tried one by one, and where its text lands."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hostile import literal

Where = tuple[str | int, ...]
"""Keys and positions that lead to a place in a document."""

COMPOSE, GATEWAY, RUNBOOK = "docker-compose.yml", "litellm/config.yaml", "RUNBOOK.md"
ASLEEP = "litellm/asleep.py"
KEY = "<key>"
"""In a path: the text is a key, not a value."""
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
CPU_MODEL: dict[str, Any] = {"source": "Qwen/Qwen3-0.6B", "engine": "vllm", "modalities": ["chat"], "gpus": []}
GROUPS: dict[str, Any] = {"day": {"models": ["chat"]}, "night": {"models": ["embed"], "exclusive": "day"}}
"""Joins SPEC for the fields of groups."""
PROFILE: dict[str, Any] = {
    "about": "pins for cards and for the processor",
    "images": {
        "vllm": {"repository": "vllm/vllm-openai", "tag": "v0.32.0", "version": "0.32.0", "evidence": "a test"},
    },
}
EMBED_PIN = {"repository": "michaelf34/infinity", "tag": "0.0.77", "version": "0.0.77", "evidence": "a test"}


@dataclass(frozen=True, kw_only=True, eq=False)
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
        if "groups" in self.path:
            documents["spec"]["models"] |= {"embed": copy.deepcopy(EMBED), "third": copy.deepcopy(CPU_MODEL)}
            documents["profile"]["images"]["infinity"] = EMBED_PIN
            documents["spec"]["groups"] = copy.deepcopy(GROUPS)
        document = documents[self.where.split(".")[0]]
        self.put(document, text)
        if self.also:
            at(document, self.also[:-1])[self.also[-1]] = text
        return documents["spec"], documents["profile"]

    def put(self, document: dict[str, Any], text: str) -> None:
        """The text in this field of a document."""
        inner: Any = document
        for part, below in pairwise(self.path):
            inner = inner[part] if isinstance(inner, list) else inner.setdefault(part, [] if below == 0 else {})
        last = self.path[-1]
        if last == KEY:
            inner[text] = copy.deepcopy(self.entry)
        elif last == 0:
            inner[:] = [text]
        else:
            inner[last] = text

    def place(self, text: str) -> Where:
        """Where the text then stands."""
        return tuple(text if part == KEY else part for part in self.path)


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
            word = {"harmless": "fp8_e5m2"} if name == "kv_cache_dtype" else {}
            where, own = f"options.{engine}.{name}", ("options", name)
            yield of_spec(f"models.*.{where}", ("models", model[engine], *own), lands, **word)
            yield of_profile(f"engines.*.{where}", ("engines", engine, *own), lands, **word)


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
    of_spec(
        "groups.<key>",
        ("groups", KEY),
        in_service("vllm-third", "profiles", 0),
        (ASLEEP, "third"),
        entry={"models": ["third"], "exclusive": "day"},
    ),
    of_spec("groups.*.models[]", ("groups", "night", "models", 0), harmless="embed"),
    of_spec("groups.*.exclusive", ("groups", "night", "exclusive"), also=("groups", "day", "exclusive")),
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


def emitted(data: dict[str, Any]) -> tuple[str, dict[Where, int]]:
    """A document with one key or item a line, and the line of each path."""
    lines: list[str] = []
    numbers: dict[Where, int] = {}

    def walk(value: Any, path: Where, pad: str) -> None:
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            begin = f"{pad}{literal(name)}:" if isinstance(value, dict) else f"{pad}-"
            numbers[(*path, name)] = len(lines) + 1
            if len(begin) > 1000:
                lines.append(f"{pad}? {literal(name)}")
                begin = f"{pad}:"
            if isinstance(inner, dict | list) and inner:
                lines.append(begin)
                walk(inner, (*path, name), f"{pad}  ")
            else:
                lines.append(f"{begin} {literal(inner) if isinstance(inner, str) else json.dumps(inner)}")

    walk(data, (), "")
    return "\n".join(lines) + "\n", numbers


def at(data: Any, path: Where) -> Any:
    """What stands at a path; a word for a list means the item behind that word."""
    for part in path:
        data = data[data.index(part) + 1 if isinstance(data, list) and isinstance(part, str) else part]
    return data
