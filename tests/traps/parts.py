"""What a rendered stack is made of, one spelling for each: images, health checks, ports, mounts, routes, requests."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

ROLES = {
    "vllm/vllm-openai": "vllm",
    "ollama/ollama": "ollama",
    "michaelf34/infinity": "infinity",
    "speaches-ai/speaches": "speaches",
    "berriai/litellm": "litellm",
    "open-webui/open-webui": "webui",
    "postgres": "postgres",
    "redis": "redis",
}
"""Ends of image repositories; of those with an owner, variants too: `vllm/vllm-openai-cpu` is vLLM."""

ENGINES = ("vllm", "ollama", "infinity", "speaches")
STORES = ("postgres", "redis")
OPERATORS = frozenset({"||", "&&", "|", ";", "&"})
"""What only a shell understands."""

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_GIB = {"b": 2**-30, "k": 2**-20, "m": 2**-10, "g": 1, "t": 1024}
_URL = re.compile(r"https?://[^\s'\")]+")


@dataclass(frozen=True)
class Image:
    """An image reference."""

    reference: str

    @cached_property
    def repository(self) -> str:
        name = self.reference.split("@", 1)[0]
        return name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name

    @property
    def tag(self) -> str:
        return self.reference.split("@", 1)[0][len(self.repository) + 1 :]

    @property
    def digest(self) -> str:
        return self.reference.partition("@")[2]

    @cached_property
    def version(self) -> tuple[int, ...]:
        """The numbers that the tag begins with; empty where it begins with none."""
        found = re.match(r"(?:main-)?v?(\d+(?:\.\d+)*)", self.tag)
        return tuple(int(number) for number in found[1].split(".")) if found else ()

    @cached_property
    def role(self) -> str:
        for repository, role in ROLES.items():
            variants = "(-[^/]*)?" if "/" in repository else ""
            if re.search(f"(^|/){repository}{variants}$", self.repository):
                return role
        return ""


@dataclass(frozen=True)
class Health:
    """A health check."""

    data: Mapping[str, Any]

    @cached_property
    def test(self) -> tuple[str, ...]:
        """A plain text is Compose's short form of CMD-SHELL."""
        test = self.data.get("test") or ()
        return ("CMD-SHELL", test) if isinstance(test, str) else tuple(str(word) for word in test)

    @property
    def text(self) -> str:
        return " ".join(self.test[1:])

    @cached_property
    def commands(self) -> tuple[tuple[str, ...], ...]:
        """The commands that it runs, as words; a script is taken apart."""
        words = self.test[1:]
        if self.test[:1] == ("CMD-SHELL",):
            return _commands(words[0]) if words else ()
        if words[0] in {"sh", "bash"} and words[1:2] == ("-c",):
            return _commands(words[2])
        return (words,)

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths of the addresses that it asks."""
        return tuple(urlsplit(url).path for url in _URL.findall(self.text))

    def seconds(self, key: str) -> float | None:
        """One of its times."""
        return seconds(self.data[key]) if key in self.data else None


def _commands(script: str) -> tuple[tuple[str, ...], ...]:
    reader = shlex.shlex(script, posix=True, punctuation_chars="|&;")
    reader.whitespace_split = True
    commands: list[list[str]] = [[]]
    for word in reader:
        if word in OPERATORS:
            commands.append([])
        else:
            commands[-1].append(word)
    return tuple(tuple(command) for command in commands if command)


@dataclass(frozen=True)
class Published:
    """A port of the host."""

    address: str
    host: str
    container: str

    def __str__(self) -> str:
        return f"port {self.host}"

    @classmethod
    def read(cls, entry: Any) -> Published:
        """Short or long spelling."""
        if isinstance(entry, Mapping):
            return cls(entry.get("host_ip", ""), str(entry.get("published", "")), str(entry["target"]))
        rest, _, container = str(entry).rpartition(":")
        address, _, host = rest.rpartition(":")
        return cls(address.strip("[]"), host or rest, container)


@dataclass(frozen=True)
class Mount:
    """A volume or a folder of the host."""

    kind: str
    source: str
    target: str
    read_only: bool
    creates_source: bool

    def __str__(self) -> str:
        return self.target

    @classmethod
    def read(cls, entry: Any) -> Mount:
        """Short or long spelling; the short one makes a missing folder of the host."""
        if isinstance(entry, Mapping):
            creates = (entry.get("bind") or {}).get("create_host_path", True)
            return cls(entry["type"], entry.get("source", ""), entry["target"], entry.get("read_only", False), creates)
        source, _, rest = str(entry).partition(":")
        target, _, mode = rest.partition(":")
        kind = "bind" if source.startswith(("/", ".", "~")) else "volume"
        return cls(kind, source, target or source, "ro" in mode.split(","), creates_source=True)


@dataclass(frozen=True)
class Route:
    """One entry of the gateway's model list."""

    entry: Mapping[str, Any]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        return str(self.entry.get("model_name"))

    @property
    def parameters(self) -> Mapping[str, Any]:
        return self.entry.get("litellm_params") or {}

    @property
    def information(self) -> Mapping[str, Any]:
        return self.entry.get("model_info") or {}

    @property
    def provider(self) -> str:
        return str(self.parameters.get("model")).partition("/")[0]

    @property
    def model(self) -> str:
        """The name that the engine is asked for."""
        return str(self.parameters.get("model")).partition("/")[2]

    @property
    def host(self) -> str:
        return urlsplit(str(self.parameters.get("api_base", ""))).hostname or ""

    @property
    def path(self) -> str:
        return urlsplit(str(self.parameters.get("api_base", ""))).path

    @property
    def mode(self) -> str:
        """A route that says none is a chat route to the gateway."""
        return str(self.information.get("mode", "chat"))


@dataclass(frozen=True)
class Sample:
    """A request that a text tells people to send."""

    file: str
    path: str
    body: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.file}, {self.path}"


def seconds(text: Any) -> float:
    """`1h30m`, `500ms`, `60s`."""
    return sum(float(number) * _SECONDS[unit] for number, unit in re.findall(r"([\d.]+)(ms|s|m|h)", str(text)))


def gib(text: Any) -> float:
    """`32g`, `4gb`, `256m`; a plain number is bytes."""
    number, unit = re.fullmatch(r"([\d.]+)\s*([bkmgt]?)i?b?", str(text).lower()).groups()
    return float(number) * _GIB[unit or "b"]
