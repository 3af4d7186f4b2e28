"""Models as they are served: instances, what they need, and the ways to them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from pydantic import BaseModel

from stackgen.facts import ModelFacts
from stackgen.parts.service import THIS_HOST, Gpu, Group, service_url
from stackgen.parts.values import Image, Secret, Value
from stackgen.records import dataclass
from stackgen.sources import Path
from stackgen.spec import Model


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """A model with everything that its engine needs to know."""

    id: str
    model: Model
    options: BaseModel
    known: ModelFacts | None
    """What the catalogue knows of its source; None where it does not know it."""
    derived: Mapping[str, str] = field(default_factory=dict)
    """Settings that nobody wrote and the planner chose, each with its why."""

    @property
    def public_names(self) -> tuple[str, ...]:
        """What clients ask for."""
        return self.model.public_names or (self.id,)

    @property
    def path(self) -> Path:
        """Where the model stands in the spec."""
        return ("models", self.id)

    @property
    def flags_given(self) -> frozenset[str]:
        """Names of the flags in `extra_args`: `--a_b.c=v` is --a-b."""
        words = (word.partition("=")[0] for word in self.model.extra_args if word.startswith("-"))
        return frozenset(word.replace("_", "-").partition(".")[0] for word in words)

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
    """Instances on the same card that start first: those that always run, and those of its own group."""
    group: Group | None = None
    """None where it always runs."""
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
    """Of one request of full length: with less the engine does not start."""
    overhead_gib: float
    why: str
    cache_wanted_gib: float = 0.0
    """Of as many requests of full length as are to be answered at the same time."""
    cache_written_gib: float | None = None
    """What somebody wrote: exactly so much is taken."""
    outside_gib: float = 0.0
    """Taken beside the share that the engine budgets for itself."""
    estimates: tuple[str, ...] = ()
    """What of it rests on an estimate, in words."""

    @property
    def total_gib(self) -> float:
        """What must be there, without what is taken outside."""
        cache = self.cache_gib if self.cache_written_gib is None else self.cache_written_gib
        return self.weights_gib + cache + self.overhead_gib

    @property
    def wanted_gib(self) -> float:
        """What serves everything that is asked for, without what is taken outside."""
        if self.cache_written_gib is not None:
            return self.total_gib
        return self.weights_gib + max(self.cache_gib, self.cache_wanted_gib) + self.overhead_gib


@dataclass(frozen=True, kw_only=True)
class Held:
    """What a cache holds."""

    tokens: int | None
    """None where requests of different lengths fill it differently."""
    requests: float
    """Of full length, at the same time."""

    @property
    def shown_requests(self) -> str:
        """Their number for people, never rounded up: 3.96 are not 4."""
        return f"{math.floor(self.requests * 10) / 10:.1f}"


@dataclass(frozen=True, kw_only=True)
class Quirks:
    """What a request to this model must know about it beyond its modality."""

    voice: str = ""
    """Voice that is asked to speak; empty where the model has one alone."""
    language: str = "en"
    """Language of the voice, such as `de` or `pt-BR`."""
    tools: bool = False
    """Whether the model calls tools."""
    reasoning: bool = False
    """Whether its thoughts come in a field of their own."""
    structured: bool = False
    """Whether its answers can be held to a JSON schema."""
    catalogued: bool = False
    """Whether the catalogue knows the model: then its vectors and scores must make sense; a folder may hold anything."""
    size: int = 0
    """Numbers in each of its vectors; 0 where nobody knows."""
    hears: str = ""
    """The one language that it understands, such as `en`; empty for many."""
    any_name: bool = False
    """Whether its process answers for this model whatever name it is asked by."""


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
