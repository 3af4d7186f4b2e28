"""What a stack is made of, in no dialect: engines and services describe themselves with these, renderers spell them.

Fields for later dialects (host, replicas, metrics, exposure) are here from the start, so that adding one touches no engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from pydantic import BaseModel

from stackgen.facts import Card
from stackgen.sources import Origin, Path
from stackgen.spec import Model, Pin

THIS_HOST = "local"
ENGINE_NETWORK = "engines"
DATA_NETWORK = "data"
_BY_DEFAULT = "engine default"


class SecretKind(Enum):
    """Who provides the value of a secret."""

    GENERATED = "generated"
    REQUIRED = "required"
    OPTIONAL = "optional"


@dataclass(frozen=True, kw_only=True)
class Secret:
    """A secret by name; its value is never here."""

    name: str
    purpose: str
    kind: SecretKind = SecretKind.GENERATED
    prefix: str = ""
    guards_volume: str = ""
    """Volume whose content can only be read with this secret: it is not generated anew while the volume exists."""
    from_environment: bool = False
    url_safe: bool = False
    """Stands inside a URL or a line of shell, so its value must be made of letters, digits, `-` and `_`."""


@dataclass(frozen=True)
class Joined:
    """Text around secrets, such as a database URL."""

    parts: tuple[str | Secret, ...]


Value = str | int | float | bool | Secret | Joined


@dataclass(frozen=True, kw_only=True)
class Arg:
    """One word of a command or one value of an environment, with where it came from."""

    value: Value
    path: Path = ()
    """Path in the merged spec; empty where the engine itself decides."""
    why: str = ""
    """The reason, for where nobody wrote the value: neither spec nor profile."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """A pinned image."""

    family: str
    pin: Pin
    origin: Origin

    @property
    def reference(self) -> str:
        """`repository:tag`."""
        return f"{self.pin.repository}:{self.pin.tag}"


class Exposure(Enum):
    """From where a port can be reached."""

    INTERNAL = "internal"
    LOOPBACK = "loopback"
    ADDRESS = "address"


@dataclass(frozen=True, kw_only=True)
class Port:
    """A port that a service listens on."""

    container: int
    exposure: Exposure = Exposure.INTERNAL
    address: str = ""
    published: int = 0
    path: Path = ()


@dataclass(frozen=True, kw_only=True)
class Storage:
    """A place that outlives its container; named by what it holds, never by who uses it."""

    name: str
    holds: str
    shared: bool = True
    size_estimate_gib: float | None = None


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A storage at a path of the container."""

    storage: Storage
    target: str


@dataclass(frozen=True, kw_only=True)
class ConfigFile:
    """A rendered file that a service reads. `dialect` names the renderer that writes its content."""

    dialect: str
    path: str
    target: str


@dataclass(frozen=True, kw_only=True)
class Health:
    """How to tell that a service works: words of a command inside its container; times in seconds."""

    command: tuple[str, ...]
    interval_seconds: int = 30
    timeout_seconds: int = 10
    retries: int = 3
    start_interval_seconds: int = 2


@dataclass(frozen=True, kw_only=True)
class Dependency:
    """Another service that must be healthy before this one starts."""

    service: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Where a service tells its numbers."""

    path: str
    port: int


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One card of the inventory. `device` is what the engine of containers calls it: a UUID or an index."""

    id: str
    card: Card
    device: str


@dataclass(frozen=True, kw_only=True)
class Service:
    """One container, in no dialect."""

    name: str
    image: Image
    why: str
    health: Health
    start_budget_seconds: int
    command: tuple[Arg, ...] = ()
    environment: Mapping[str, Arg] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    mounts: tuple[Mount, ...] = ()
    scratch: tuple[str, ...] = ()
    """Paths that live in memory and die with the container."""
    config_files: tuple[ConfigFile, ...] = ()
    needs: tuple[Dependency, ...] = ()
    networks: tuple[str, ...] = ()
    gpus: tuple[Gpu, ...] = ()
    shared_memory_gib: int | None = None
    stop_seconds: int = 30
    host: str = THIS_HOST
    replicas: int = 1
    metrics: Metrics | None = None

    def secrets(self) -> Iterator[Secret]:
        """Every secret that the service is given."""
        for arg in (*self.command, *self.environment.values()):
            yield from secrets_of(arg.value)


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """A model with everything that its engine needs to know."""

    id: str
    model: Model
    options: BaseModel

    @property
    def public_names(self) -> tuple[str, ...]:
        """What clients ask for."""
        return self.model.public_names or (self.id,)

    @property
    def path(self) -> Path:
        """Where the model stands in the spec."""
        return ("models", self.id)

    def value(self, dotted: str) -> Any:
        """A setting by its path below the model: `context`, `options.dtype`; `id` is the model's key."""
        if dotted == "id":
            return self.id
        name, _, rest = dotted.partition(".")
        return getattr(self.options, rest) if rest else getattr(self.model, name)


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One engine process group: its models, its cards, its host and its replica number."""

    name: str
    engine: str
    models: tuple[ServedModel, ...]
    image: Image
    gpus: tuple[Gpu, ...] = ()
    tensor_parallel: int = 1
    after: tuple[str, ...] = ()
    """Instances on the same card that must be healthy first."""
    host: str = THIS_HOST
    replica: int = 0

    @property
    def on_gpu(self) -> bool:
        """Whether it runs on cards."""
        return bool(self.gpus)


@dataclass(frozen=True, kw_only=True)
class Need:
    """GPU memory of one instance on each of its cards, in GiB."""

    weights_gib: float
    cache_gib: float
    overhead_gib: float
    why: str

    @property
    def total_gib(self) -> float:
        """Everything together."""
        return self.weights_gib + self.cache_gib + self.overhead_gib


@dataclass(frozen=True, kw_only=True)
class Route:
    """How the gateway reaches one model for one modality, in no gateway's spelling."""

    model: str
    modality: str
    public_names: tuple[str, ...]
    engine: str
    served_name: str
    provider: str
    """How the gateway is told to speak to the engine: a key of facts/gateway.json."""
    service: str
    port: int
    base_path: str
    """What the gateway is given after the port, such as /v1; empty for the root. Never ends in a slash."""
    endpoint: str
    """The engine's own path for this modality; base_path and what the provider appends must give exactly this."""
    key: Secret | None
    longest_request: int | None = None


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Everything about one engine; its file ends with one of these."""

    name: str
    docs: str
    modalities: frozenset[str]
    many_models: bool
    """Whether one process serves several models."""
    port: int
    fields: frozenset[str]
    """Keys of a model, beyond those common to all, that this engine honours."""
    options: type[BaseModel]
    flags: Mapping[str, str]
    secrets: tuple[Secret, ...]
    """Every secret that its services may be given."""
    own_flags: Mapping[str, str]
    """Flags that stackgen writes itself, with what to do instead of giving them in `extra_args`."""
    memory_share: str
    """Option that holds the share of a card which the engine takes at once when it starts; empty where it takes what it needs."""
    need: Callable[[Instance, Card, int], Need | None]
    services: Callable[[Instance], tuple[Service, ...]]
    routes: Callable[[Instance], tuple[Route, ...]]


def secrets_of(value: Value) -> Iterator[Secret]:
    """The secrets inside a value."""
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, Joined):
        yield from (part for part in value.parts if isinstance(part, Secret))


def flag_args(flags: Mapping[str, str], served: ServedModel) -> Iterator[Arg]:
    """Words of a command line from a table flag -> setting; settings that are left out give no word.

    True gives the bare flag; False gives its `--no-` form where the setting was written, else nothing.
    """
    for flag, setting in flags.items():
        value = served.value(setting)
        path = served.path if setting == "id" else (*served.path, *setting.split("."))
        if value is None:
            continue
        if isinstance(value, bool):
            yield Arg(value=flag if value else flag.replace("--", "--no-", 1), path=path, why=_BY_DEFAULT)
            continue
        yield Arg(value=flag)
        yield Arg(value=str(value), path=path, why=_BY_DEFAULT)
