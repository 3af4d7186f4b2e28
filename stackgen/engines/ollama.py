"""Ollama: chat and vision on /api/chat, embedding on /api/embed; many models in one process, loaded when they are asked for.

It has no key of its own: whoever reaches its port may fetch and delete models, so it stays on the engines' network.
https://docs.ollama.com
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from stackgen import facts
from stackgen.engines import fetch, memory, starting
from stackgen.facts import Card, ModelFacts
from stackgen.memory import GIB, llama_cpp
from stackgen.parts import (
    ENGINE_NETWORK,
    Arg,
    Engine,
    Health,
    Held,
    Instance,
    Mount,
    Need,
    Port,
    Quirks,
    Route,
    ServedModel,
    Service,
    Storage,
    Value,
)
from stackgen.records import dataclass
from stackgen.sources import Path, describe
from stackgen.spec import Strict

PORT = 11434
MODELS = Storage(name="ollama-models", holds="Ollama's models", weights_at="")

_ENDPOINTS = MappingProxyType({"chat": "/api/chat", "vision": "/api/chat", "embedding": "/api/embed"})
_PROVIDERS = MappingProxyType({"chat": "ollama_chat", "vision": "ollama_chat", "embedding": "ollama"})
_OPENAI_ENDPOINTS = MappingProxyType(
    {"chat": "/v1/chat/completions", "vision": "/v1/chat/completions", "embedding": "/v1/embeddings"}
)
_CONTEXT = 4096
_START_SECONDS = 120

_NAME = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*((:[0-9]{1,5})?(/[A-Za-z0-9_][A-Za-z0-9._-]*){1,3})?(:[A-Za-z0-9_][A-Za-z0-9._-]*)?"
)

Duration = Annotated[str, StringConstraints(pattern=r"^(-1|[0-9]{1,6}(ms|s|m|h)?)$")]


class Options(Strict):
    """Settings of Ollama alone. All but `flash_attention` and `kv_cache_type` may be left to Ollama."""

    keep_alive: Duration | None = Field(
        None, description="How long a model stays loaded after a request, e.g. 5m; -1 for ever."
    )
    max_loaded_models: int | None = Field(None, ge=1, le=64, description="Models that are loaded at the same time.")
    kv_cache_type: Literal["f16", "q8_0", "q4_0"] | None = Field(
        None, description="Number format of the attention cache; all but f16 need flash attention."
    )
    flash_attention: bool | None = Field(None, description="Attention that needs less memory.")
    gpu_overhead_gib: float | None = Field(
        None, ge=0, le=1024, description="Memory of each card that Ollama leaves to others, in GiB."
    )


def complaints(served: ServedModel) -> Iterator[tuple[Path, str, str]]:
    """Sources that are no name of a model: folders, URLs, spaces."""
    if not _NAME.fullmatch(served.model.source):
        message = f"{describe(served.model.source)} is no name of a model for Ollama"
        yield ("source",), message, "write name:tag as in its library, or hf.co/owner/model:quantisation"


_VARIABLES: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("keep_alive", "OLLAMA_KEEP_ALIVE", str),
    ("max_loaded_models", "OLLAMA_MAX_LOADED_MODELS", str),
    ("kv_cache_type", "OLLAMA_KV_CACHE_TYPE", str),
    ("flash_attention", "OLLAMA_FLASH_ATTENTION", lambda value: str(int(value))),
    ("gpu_overhead_gib", "OLLAMA_GPU_OVERHEAD", lambda value: str(int(value * GIB))),
)
"""Options of the process, the variables that carry them, and how these spell a value."""


def need(instance: Instance, _card: Card, tensor_parallel: int) -> Need | None:
    """Memory of the models that are loaded together, the largest ones: file, cache of all slots, graph; and one process.

    Several cards share the layers of a model; each of them has a process's context and a graph.

    Returns:
        None where the catalogue does not know one of the models.
    """
    loaded = _loaded(instance)
    if loaded is None:
        return None
    cache = sum(each.cache_gib for each in loaded) / tensor_parallel
    return Need(
        weights_gib=sum(each.model.weights_gib for each in loaded) / tensor_parallel,
        cache_gib=cache,
        cache_wanted_gib=cache,
        overhead_gib=llama_cpp.CONTEXT_GIB + sum(each.graph_gib for each in loaded),
        why=f"{len(loaded)} loaded at the same time, {_slots(instance)} slots each",
        estimates=("compute graph", *(text for each in loaded for text in each.model.estimates)),
    )


def holds(instance: Instance, _card: Card, tensor_parallel: int, cache_gib: float) -> Held | None:
    """Requests of full length, where one model alone has the cache; tokens too, where all its layers keep every token."""
    loaded = _loaded(instance)
    if loaded is None or len(loaded) != 1 or not loaded[0].cache_gib:
        return None
    requests = cache_gib * tensor_parallel / loaded[0].cache_gib * _slots(instance)
    mixed = loaded[0].model.window_layers or loaded[0].model.linear_layers
    return Held(tokens=None if mixed else int(requests * loaded[0].context), requests=requests)


def services(instance: Instance) -> tuple[Service, ...]:
    """The server, and the job that fetches its models."""
    locks = facts.locks(instance.image.family)
    start = starting.without_weights(instance, _START_SECONDS)
    server = Service(
        name=instance.name,
        image=instance.image,
        why=f"Ollama serves {', '.join(served.model.source for served in instance.models)}",
        environment=_environment(instance),
        ports=(Port(container=PORT),),
        mounts=(Mount(storage=MODELS, target="/root/.ollama"),),
        health=Health(command=("ollama", "list")),
        start_budget_seconds=start.seconds,
        start_budget_path=start.path,
        start_budget_why=start.why,
        networks=(ENGINE_NETWORK,),
        gpus=instance.gpus,
        scratch=locks.writable(on_cards=instance.on_gpu),
        read_only=locks.read_only(on_cards=instance.on_gpu),
        capabilities=locks.capabilities,
        limits=memory.host_limits(instance, 0.0 if instance.on_gpu else _loaded_cache_gib(instance)),
        stop_seconds=30,
    )
    return server, fetch.service(instance, PORT, None)


def routes(instance: Instance) -> tuple[Route, ...]:
    """The root of the server; the context is told with every request too, else a model is loaded anew for each."""
    return tuple(
        Route(
            model=served.id,
            modality=modality,
            public_names=served.public_names,
            engine="ollama",
            served_name=served.model.source,
            provider=_PROVIDERS[modality],
            service=instance.name,
            port=PORT,
            base_path="",
            endpoint=_ENDPOINTS[modality],
            probe_endpoint=_OPENAI_ENDPOINTS[modality],
            key=None,
            parameters=_parameters(served),
            quirks=_quirks(served, modality),
        )
        for served in instance.models
        for modality in served.model.modalities
    )


def _quirks(served: ServedModel, modality: str) -> Quirks:
    known = served.known
    return Quirks(
        tools=bool(served.model.tools),
        reasoning=bool(served.model.reasoning),
        structured=True,
        catalogued=known is not None,
        size=known.hidden_size if known and modality == "embedding" else 0,
    )


def _parameters(served: ServedModel) -> Mapping[str, Value]:
    return {"num_ctx": served.model.context or _CONTEXT}


def _environment(instance: Instance) -> dict[str, Arg]:
    """The server's settings; what one model says counts for the process, and models that disagree were refused."""
    longest = max(instance.models, key=lambda served: served.model.context or _CONTEXT)
    busiest = max(instance.models, key=lambda served: served.model.concurrency or 1)
    variables = {
        "OLLAMA_CONTEXT_LENGTH": Arg(
            value=str(longest.model.context or _CONTEXT),
            path=(*longest.path, "context"),
            why="left out, it depends on the card",
        ),
        "OLLAMA_NUM_PARALLEL": Arg(
            value=str(busiest.model.concurrency or 1), path=(*busiest.path, "concurrency"), why="one request at a time"
        ),
        "OLLAMA_NOPRUNE": Arg(value="1", why="a restart must not throw away what a job is fetching"),
        "OLLAMA_NO_CLOUD": Arg(value="1", why="no model of this name runs anywhere else"),
    }
    for option, variable, spelled in _VARIABLES:
        owner = _owner(instance, option)
        if owner is not None:
            value = spelled(owner.value(f"options.{option}"))
            variables[variable] = Arg(value=value, path=(*owner.path, "options", option))
    if _process_option(instance, "kv_cache_type") not in (None, "f16"):
        variables.setdefault("OLLAMA_FLASH_ATTENTION", Arg(value="1", why="the cache needs it"))
    for served in instance.models:
        for name, text in served.model.environment.items():
            variables[name] = Arg(value=text, path=(*served.path, "environment", name))
    return variables


@dataclass(frozen=True, kw_only=True)
class _Loaded:
    """One loaded model, counted over all cards together."""

    model: ModelFacts
    context: int
    cache_gib: float
    graph_gib: float

    @property
    def total_gib(self) -> float:
        return self.model.weights_gib + self.cache_gib + self.graph_gib


def _loaded(instance: Instance) -> list[_Loaded] | None:
    """The models that are loaded together, the largest ones; None where one is not known."""
    number_bytes = facts.cache_number_bytes(_process_option(instance, "kv_cache_type") or "f16") or 2
    fast = _process_option(instance, "flash_attention") is not False
    found: list[_Loaded] = []
    for served in {served.model.source: served for served in instance.models}.values():
        if served.known is None:
            return None
        context = served.model.context or _CONTEXT
        found.append(
            _Loaded(
                model=served.known,
                context=context,
                cache_gib=llama_cpp.cache_gib(served.known, context, _slots(instance), number_bytes),
                graph_gib=llama_cpp.graph_gib(served.known, context, flash_attention=fast),
            )
        )
    found.sort(key=lambda each: each.total_gib, reverse=True)
    return found[: _process_option(instance, "max_loaded_models") or len(found)]


def _loaded_cache_gib(instance: Instance) -> float:
    return sum(each.cache_gib for each in _loaded(instance) or ())


def _slots(instance: Instance) -> int:
    return max(served.model.concurrency or 1 for served in instance.models)


def _owner(instance: Instance, option: str) -> ServedModel | None:
    """The first model that says anything about an option of the process."""
    return next((served for served in instance.models if served.value(f"options.{option}") is not None), None)


def _process_option(instance: Instance, option: str) -> Any:
    owner = _owner(instance, option)
    return owner.value(f"options.{option}") if owner else None


ENGINE = Engine(
    name="ollama",
    docs="https://docs.ollama.com",
    modalities=frozenset(_ENDPOINTS),
    many_models=True,
    many_cards=True,
    port=PORT,
    fields=frozenset({"context", "concurrency", "tools", "reasoning"}),
    options=Options,
    flags=MappingProxyType({}),
    secrets=(),
    flag_options=frozenset(),
    own_flags=MappingProxyType({}),
    longer_by=frozenset(),
    process_options=frozenset(Options.model_fields),
    fetches=True,
    memory_share="",
    savings=MappingProxyType({"max_loaded_models": (2, 1), "kv_cache_type": ("q8_0", "q4_0")}),
    complaints=complaints,
    need=need,
    holds=holds,
    refusal=memory.refuses_nothing,
    budget=memory.takes_what_it_needs,
    usual=memory.leaves_all_unsaid,
    services=services,
    routes=routes,
)
