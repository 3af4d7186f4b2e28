"""Infinity: embedding on /embeddings and rerank on /rerank (no /v1); many models in one process, on one card or the CPU.

The length of an input is the model's own; it cannot be set. Clients are told apart by one key for all models.
https://michaelfeil.github.io/infinity
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Literal

from pydantic import Field

from stackgen import facts
from stackgen.engines import hub, memory, starting
from stackgen.facts import Card
from stackgen.memory import encoder
from stackgen.memory.weights import weights_gib
from stackgen.parts import (
    ENGINE_NETWORK,
    Arg,
    Engine,
    Health,
    Instance,
    Metrics,
    Mount,
    Need,
    Port,
    Quirks,
    Route,
    Secret,
    ServedModel,
    Service,
    flag_args,
)
from stackgen.spec import Strict, Word

PORT = 7997
API_KEY = Secret(name="INFINITY_API_KEY", purpose="lets the gateway in at Infinity", prefix="sk-")

_ENDPOINTS = MappingProxyType({"embedding": "/embeddings", "rerank": "/rerank"})
_DEFAULT_BATCH = 32
_WIDE_NUMBERS = 2
"""Activations on the processor are numbers of 32 bits; the estimate is for 16."""


class Options(Strict):
    """Settings of Infinity alone, named like its flags; each model has its own."""

    batch_size: int = Field(_DEFAULT_BATCH, ge=1, le=4096, description="Texts that are worked on together.")
    dtype: Literal["auto", "float32", "float16", "bfloat16", "int8", "fp8"] = Field(
        "auto", description="Number format of the weights."
    )
    trust_remote_code: bool = Field(False, description="Run Python code that comes with the model.")
    revision: Word | None = Field(None, description="Commit, tag or branch at the hub.")


FLAGS = MappingProxyType(
    {
        "--model-id": "source",
        "--served-model-name": "id",
        "--batch-size": "options.batch_size",
        "--dtype": "options.dtype",
        "--trust-remote-code": "options.trust_remote_code",
        "--revision": "options.revision",
    }
)


def need(instance: Instance, _card: Card, tensor_parallel: int) -> Need | None:
    """Memory of the process: weights of all models, the largest batch of the hungriest one, the CUDA context.

    Returns:
        None where the catalogue does not know one of the models.
    """
    activation = _activation_gib(instance)
    if activation is None:
        return None
    known = [(served.known, served.value("options.dtype")) for served in instance.models if served.known]
    weights = sum(weights_gib(model, tensor_parallel) * (2 if dtype == "float32" else 1) for model, dtype in known)
    return Need(
        weights_gib=weights,
        cache_gib=0.0,
        cache_wanted_gib=0.0,
        overhead_gib=activation + encoder.CONTEXT_GIB,
        why="largest batch of full-length texts",
        estimates=("activations of a batch", *(text for model, _ in known for text in model.estimates)),
    )


def refusal(instance: Instance, card: Card, _tensor_parallel: int) -> str | None:
    """Why cards of a kind cannot run the models: number formats that they lack."""
    formats = sorted({str(served.value("options.dtype")) for served in instance.models})
    said = (facts.refused_dtype(card, form) or facts.refused_weights(card, form) for form in formats)
    return next(filter(None, said), None)


def services(instance: Instance) -> tuple[Service, ...]:
    """The server. Its command is what follows `infinity_emb` in the image's entrypoint."""
    mounts = (Mount(storage=hub.HUGGINGFACE, target="/app/.cache/huggingface"),) if hub.needs_hub(instance) else ()
    locks = facts.locks(instance.image.family)
    start = starting.with_weights(instance)
    batches = 0.0 if instance.on_gpu else _WIDE_NUMBERS * (_activation_gib(instance) or 0.0)
    return (
        Service(
            name=instance.name,
            image=instance.image,
            why=f"Infinity serves {', '.join(served.model.source for served in instance.models)}",
            command=_command(instance),
            environment={
                "INFINITY_API_KEY": Arg(value=API_KEY, why="the gateway must show it"),
                "HF_HOME": Arg(value="/app/.cache/huggingface", why="where the volume is mounted"),
                **hub.environment(instance),
            },
            ports=(Port(container=PORT),),
            mounts=mounts,
            scratch=locks.writable(on_cards=instance.on_gpu),
            read_only=locks.read_only(on_cards=instance.on_gpu),
            capabilities=locks.capabilities,
            limits=memory.host_limits(instance, batches),
            health=Health(
                command=("curl", "-fsS", "-o", "/dev/null", "--max-time", "5", f"http://127.0.0.1:{PORT}/health")
            ),
            start_budget_seconds=start.seconds,
            start_budget_path=start.path,
            start_budget_why=start.why,
            networks=(ENGINE_NETWORK,),
            gpus=instance.gpus,
            metrics=Metrics(path="/metrics", port=PORT),
        ),
    )


def routes(instance: Instance) -> tuple[Route, ...]:
    """Embedding and rerank at the root: Infinity's url prefix is empty."""
    return tuple(
        Route(
            model=served.id,
            modality=modality,
            public_names=served.public_names,
            engine="infinity",
            served_name=served.id,
            provider="infinity",
            service=instance.name,
            port=PORT,
            base_path="",
            endpoint=_ENDPOINTS[modality],
            key=API_KEY,
            quirks=_quirks(served, modality, alone=len(instance.models) == 1),
        )
        for served in instance.models
        for modality in served.model.modalities
    )


def _quirks(served: ServedModel, modality: str, *, alone: bool) -> Quirks:
    """A process with one model answers for it whatever name it is asked by (Infinity 0.0.77)."""
    known = served.known
    size = known.hidden_size if known and modality == "embedding" else 0
    return Quirks(catalogued=known is not None, size=size, any_name=alone)


def _activation_gib(instance: Instance) -> float | None:
    """The largest batch of the hungriest model; None where the catalogue does not know one of the models."""
    largest = 0.0
    for served in instance.models:
        if served.known is None:
            return None
        texts = served.value("options.batch_size")
        largest = max(largest, encoder.batch_gib(served.known, texts, served.known.longest_context))
    return largest


def _command(instance: Instance) -> tuple[Arg, ...]:
    words = [Arg(value="v2", why="the subcommand that serves several models")]
    revisions = any(served.value("options.revision") for served in instance.models)
    for served in instance.models:
        words += flag_args(FLAGS, served)
        if revisions and not served.value("options.revision"):
            words += [
                Arg(value="--revision"),
                Arg(value="main", why="one revision given alone would count for every model"),
            ]
    words += [
        Arg(value="--device"),
        Arg(value="cuda" if instance.on_gpu else "cpu", why="where the models were placed"),
    ]
    for served in instance.models:
        words += [
            Arg(value=word, path=(*served.path, "extra_args", at)) for at, word in enumerate(served.model.extra_args)
        ]
    return tuple(words)


ENGINE = Engine(
    name="infinity",
    docs="https://michaelfeil.github.io/infinity",
    modalities=frozenset(_ENDPOINTS),
    many_models=True,
    many_cards=False,
    port=PORT,
    fields=frozenset(),
    options=Options,
    flags=FLAGS,
    secrets=(API_KEY, hub.HF_TOKEN),
    flag_options=frozenset(),
    own_flags=MappingProxyType(
        {
            "--api-key": "the key is a secret of the stack",
            "--device": "it follows from `gpus`",
            "--device-id": "it follows from `gpus`",
            "--host": "the server listens inside the stack's network",
            "--port": "the health check and the gateway know port 7997",
            "--url-prefix": "the gateway calls Infinity at its root",
        }
    ),
    longer_by=frozenset(),
    process_options=frozenset(),
    fetches=False,
    memory_share="",
    savings=MappingProxyType({"batch_size": (16, 8, 4, 2, 1)}),
    complaints=hub.source_complaints,
    need=need,
    holds=memory.holds_nothing,
    refusal=refusal,
    budget=memory.takes_what_it_needs,
    usual=memory.leaves_all_unsaid,
    services=services,
    routes=routes,
)
