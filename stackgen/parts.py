"""What a stack is made of, in no dialect: engines and services describe themselves with these, renderers spell them.

Fields for later dialects (host, replicas, metrics, exposure) are here from the start, so that adding one touches no engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from pydantic import BaseModel

from stackgen.facts import Card, Scratch
from stackgen.sources import Origin, Path
from stackgen.spec import Build, ImageChoice, Model

THIS_HOST = "local"
ENGINE_NETWORK = "engines"
DATA_NETWORK = "data"
CLIENT_NETWORK = "clients"
OUTSIDE_NETWORK = "outside"
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
    """An image by its exact name. `version` is that of the program inside."""

    family: str
    reference: str
    version: str
    origin: Origin | None

    @classmethod
    def chosen(cls, family: str, choice: ImageChoice, version: str, origin: Origin | None) -> Image:
        """The image that a profile pins or a spec names."""
        return cls(family=family, reference=choice.reference, version=choice.version or version, origin=origin)

    @property
    def release(self) -> tuple[int, ...]:
        """The numbers of the version, for comparing: 0.32.0 is (0, 32, 0)."""
        return tuple(int(part) for part in self.version.split(".") if part.isdigit())


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
    owner: int = 0
    """Number of the user who writes it; a folder of the host must be that user's."""


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A storage at a path of the container."""

    storage: Storage
    target: str


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a container may take of its host; None where nothing is said.

    Too little memory kills; too few processors slow down.
    """

    memory_gib: float | None
    pids: int
    """Processes and threads together."""
    cpus: float | None = None


@dataclass(frozen=True, kw_only=True)
class ConfigFile:
    """A rendered file that a service reads. `dialect` names the renderer that writes its content; TEXT is there already."""

    dialect: str
    path: str
    target: str
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Bind:
    """A file or folder of the host at a path of the container, read-only."""

    source: str
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
    """Another service that should be healthy before this one starts."""

    service: str
    why: str
    required: bool = True
    """Whether this one must not start without it; else it only waits its turn."""


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
    health: Health | None
    start_budget_seconds: int
    limits: Limits
    command: tuple[Arg, ...] = ()
    environment: Mapping[str, Arg] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    mounts: tuple[Mount, ...] = ()
    scratch: tuple[Scratch, ...] = ()
    read_only: bool = False
    """Whether only mounts and scratch can be written."""
    locked: bool = True
    """Whether all rights of the root user are taken away but those of `capabilities`."""
    capabilities: tuple[str, ...] = ()
    """Rights of the root user that are left; all others are taken away."""
    config_files: tuple[ConfigFile, ...] = ()
    binds: tuple[Bind, ...] = ()
    needs: tuple[Dependency, ...] = ()
    networks: tuple[str, ...] = ()
    gpus: tuple[Gpu, ...] = ()
    shared_memory_gib: int | None = None
    unlimited: tuple[str, ...] = ()
    """Limits of the system (ulimits) that are lifted for it."""
    extra_hosts: tuple[str, ...] = ()
    """Names of this host inside the container."""
    stop_seconds: int = 30
    job: bool = False
    """Whether it does its work once and ends, instead of going on."""
    dormant: bool = False
    """Whether it is started only by whoever asks for it by name."""
    build: Build | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)
    """Keys in the words of Compose that are laid over the rendered ones, last."""
    host: str = THIS_HOST
    replicas: int = 1
    metrics: Metrics | None = None

    @property
    def image_reference(self) -> str:
        """The image that runs, whoever said it."""
        said = self.raw.get("image")
        return said if isinstance(said, str) else self.image.reference

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
    """Instances on the same card that start first."""
    host: str = THIS_HOST
    replica: int = 0
    python: Image | None = None
    """Image with Python, for the job that fetches its models."""

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
class Quirks:
    """What a request to this model must know about it beyond its modality."""

    voice: str = ""
    """Voice that is asked to speak; empty where the model has one alone."""
    language: str = "en"
    """Language of the voice, such as `de` or `pt-BR`."""
    tools: bool = False
    """Whether the model calls tools."""


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
    """Service that serves it; of a server that stackgen does not run, its id in the spec."""
    port: int
    """Port of the service; 0 where stackgen does not run the server."""
    base_path: str
    """What the gateway is given after the port, such as /v1; empty for the root. Never ends in a slash."""
    endpoint: str
    """The engine's own path for this modality; base_path and what the provider appends must give exactly this."""
    key: Secret | None
    parameters: Mapping[str, Value] = field(default_factory=dict)
    """What the gateway tells the engine with every request, in the gateway's words."""
    information: Mapping[str, Value] = field(default_factory=dict)
    """What the gateway knows about the model, in the gateway's words."""
    probe_endpoint: str = ""
    """Where the engine itself takes OpenAI's requests, if `endpoint` speaks another dialect; empty: at `endpoint`."""
    quirks: Quirks = Quirks()

    @property
    def base_url(self) -> str:
        """What the gateway is told; of a server that stackgen does not run, the whole `base_path`, perhaps empty."""
        return service_url(self.service, self.port, self.base_path) if self.port else self.base_path

    @property
    def url(self) -> str:
        """Where requests of this modality must arrive; empty where only the gateway knows."""
        return service_url(self.service, self.port, self.endpoint) if self.port else self.endpoint


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Everything about one engine; its file ends with one of these."""

    name: str
    docs: str
    modalities: frozenset[str]
    many_models: bool
    """Whether one process serves several models."""
    many_cards: bool
    """Whether one process can use several cards."""
    port: int
    fields: frozenset[str]
    """Keys of a model, beyond those common to all, that this engine honours."""
    options: type[BaseModel]
    flags: Mapping[str, str]
    secrets: tuple[Secret, ...]
    """Every secret that its services may be given."""
    flag_options: frozenset[str]
    """Options that become flags of the same name, but not by the table `flags`."""
    own_flags: Mapping[str, str]
    """Flags that stackgen writes itself, with what to do instead of giving them in `extra_args`."""
    process_options: frozenset[str]
    """Options that a process has only once, so that its models must agree on them."""
    fetches: bool
    """Whether a job fetches its models after it started."""
    memory_share: str
    """Option that holds the share of a card which the engine takes at once when it starts; empty where it takes what it needs."""
    complaints: Callable[[ServedModel], Iterator[tuple[Path, str, str]]]
    """What only the engine knows to be wrong with a model: path below the model, message, hint."""
    need: Callable[[Instance, Card, int], Need | None]
    services: Callable[[Instance], tuple[Service, ...]]
    routes: Callable[[Instance], tuple[Route, ...]]


def service_url(service: str, port: int, path: str = "") -> str:
    """The one place where the URL of a service is built; names resolve inside the stack's networks."""
    return f"http://{service}:{port}{path}"


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
