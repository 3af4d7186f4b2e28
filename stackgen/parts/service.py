"""Services and what they are made of: ports, storage, health, limits, cards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from enum import Enum
from typing import Any

from stackgen.facts import Card, Scratch
from stackgen.parts.inside import Proof, Rekey
from stackgen.parts.values import Arg, Image, Secret, secrets_of
from stackgen.records import dataclass
from stackgen.sources import Path
from stackgen.spec import Build

THIS_HOST = "local"
ENGINE_NETWORK = "engines"
DATA_NETWORK = "data"
CLIENT_NETWORK = "clients"
OUTSIDE_NETWORK = "outside"


class Exposure(Enum):
    """From where a port can be reached."""

    INTERNAL = "internal"
    LOOPBACK = "loopback"
    ADDRESS = "address"

    @classmethod
    def of(cls, address: str) -> Exposure:
        """How a port is exposed that is published on an address of the host."""
        return cls.LOOPBACK if address in {"127.0.0.1", "::1"} else cls.ADDRESS


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
    """Beside weights."""
    weights_at: str | None = None
    """Where the files of a model lie in it: `{}` is its source with `--` for `/`; empty where nobody can tell by the source
    alone, None where it holds no weights.
    """
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
    start_interval_seconds: float = 0.75
    """Between two looks while it starts. Measured on two overloaded cores (benchmarks/readiness.py): a server is seen at
    most 0.9 s after it answers where looks come every 0.5 s, 1.3 s at 0.75 s, 1.6 s at 1 s. A look of Python takes about
    0.15 s of a core, so a load of ten minutes takes two minutes of one.
    """


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
class Group:
    """Models that start and stop together. Of the groups of one exclusion, one is active."""

    name: str
    exclusion: str
    models: tuple[str, ...]
    """Their ids."""
    active: bool


def together(one: Group | None, other: Group | None) -> bool:
    """Whether members of two groups can be active at once; None is the group of what always runs."""
    return one is None or other is None or one.name == other.name or one.exclusion != other.exclusion


@dataclass(frozen=True, kw_only=True)
class Service:
    """One container, in no dialect."""

    name: str
    image: Image
    why: str
    health: Health | None
    start_budget_seconds: int
    limits: Limits
    start_budget_path: Path = ()
    """Who wrote the time for its start, in the merged spec; empty where nobody did."""
    start_budget_why: str = ""
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
    """Whether it is started only by whoever asks for it by name, or by another choice of groups."""
    group: Group | None = None
    """None where it always runs."""
    build: Build | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)
    """Keys in the words of Compose that are laid over the rendered ones, last."""
    host: str = THIS_HOST
    replicas: int = 1
    metrics: Metrics | None = None
    proof: Proof | None = None
    rekey: Rekey | None = None
    """How it is told a new value of a secret that it keeps in its data; None where a new container has the new value."""

    @property
    def may_end(self) -> bool:
        """Whether it is all right when it has ended well: a job, or one that somebody asked for by name."""
        return self.job or self.dormant

    @property
    def is_asleep(self) -> bool:
        """Whether its group is not the active one of its exclusion: then it must not even have a container."""
        return self.group is not None and not self.group.active

    @property
    def image_reference(self) -> str:
        """The image that runs, whoever said it."""
        said = self.raw.get("image")
        return said if isinstance(said, str) else self.image.reference

    @property
    def waits_for(self) -> tuple[str, ...]:
        """Names of the services that must be there before it starts, whoever said so."""
        return (*(need.service for need in self.needs), *(self.raw.get("depends_on") or ()))

    def secrets(self) -> Iterator[Secret]:
        """Every secret that the service is given."""
        for arg in (*self.command, *self.environment.values()):
            yield from secrets_of(arg.value)


def service_url(service: str, port: int, path: str = "") -> str:
    """The one place where the URL of a service is built; names resolve inside the stack's networks."""
    return f"http://{service}:{port}{path}"


def host_url(address: str, port: int) -> str:
    """Where programs on this host find what is published on an address of it."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 - what a spec may say, not listened on
    return f"http://{host_port(address, port)}"


def host_port(address: str, port: int) -> str:
    """An address of this host and a port of it, as URLs and people write them."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
