"""Parrot: chat below /v1, one model a process. The engine of test_adding_an_engine.py, which puts it among the others.

https://example.org/parrot
"""

from __future__ import annotations

from types import MappingProxyType

from pydantic import Field

from stackgen import facts
from stackgen.engines import hub, memory, starting
from stackgen.facts import Card
from stackgen.parts import (
    ENGINE_NETWORK,
    Arg,
    Engine,
    Health,
    Instance,
    Mount,
    Need,
    Port,
    Quirks,
    Route,
    Secret,
    Service,
    flag_args,
)
from stackgen.spec import Strict

PORT = 8090
API_KEY = Secret(name="PARROT_API_KEY", purpose="lets the gateway in at Parrot", prefix="sk-")


class Options(Strict):
    """Settings of Parrot alone."""

    cage_size: int | None = Field(None, ge=1, le=9, description="How far it can fly.")


FLAGS = MappingProxyType(
    {"--model": "source", "--name": "id", "--length": "context", "--cage-size": "options.cage_size"}
)


def need(instance: Instance, _card: Card, tensor_parallel: int) -> Need | None:
    """Weights and a fixed part: it repeats what it hears, and keeps no cache."""
    (served,) = instance.models
    if served.known is None:
        return None
    weights = served.known.weights_gib / tensor_parallel
    return Need(weights_gib=weights, cache_gib=0.0, overhead_gib=0.5, why="it keeps nothing")


def services(instance: Instance) -> tuple[Service, ...]:
    """The server."""
    (served,) = instance.models
    locks, start = facts.locks(instance.image.family), starting.with_weights(instance)
    address = f"http://127.0.0.1:{PORT}/health"
    return (
        Service(
            name=instance.name,
            image=instance.image,
            why=f"Parrot repeats what {served.model.source} hears",
            command=tuple(flag_args(FLAGS, served)),
            environment={"PARROT_API_KEY": Arg(value=API_KEY, why="asked of clients"), **hub.environment(instance)},
            ports=(Port(container=PORT),),
            mounts=(Mount(storage=hub.HUGGINGFACE, target="/root/.cache/huggingface"),),
            scratch=locks.writable(on_cards=instance.on_gpu),
            read_only=locks.read_only(on_cards=instance.on_gpu),
            capabilities=locks.capabilities,
            limits=memory.host_limits(instance),
            health=Health(command=("curl", "-fsS", "-o", "/dev/null", "--max-time", "5", address)),
            start_budget_seconds=start.seconds,
            start_budget_path=start.path,
            start_budget_why=start.why,
            networks=(ENGINE_NETWORK,),
            gpus=instance.gpus,
        ),
    )


def routes(instance: Instance) -> tuple[Route, ...]:
    """One, in OpenAI's dialect."""
    return tuple(
        Route(
            model=served.id,
            modality="chat",
            public_names=served.public_names,
            engine="parrot",
            served_name=served.id,
            provider="hosted_vllm",
            service=instance.name,
            port=PORT,
            base_path="/v1",
            endpoint="/v1/chat/completions",
            key=API_KEY,
            quirks=Quirks(any_name=True),
        )
        for served in instance.models
    )


ENGINE = Engine(
    name="parrot",
    docs="https://example.org/parrot",
    modalities=frozenset({"chat"}),
    many_models=False,
    many_cards=False,
    port=PORT,
    fields=frozenset({"context"}),
    options=Options,
    flags=FLAGS,
    secrets=(API_KEY, hub.HF_TOKEN),
    flag_options=frozenset(),
    own_flags=MappingProxyType({"--port": "the gateway knows port 8090"}),
    longer_by=frozenset(),
    process_options=frozenset(),
    fetches=False,
    memory_share="",
    savings=MappingProxyType({}),
    complaints=hub.source_complaints,
    need=need,
    holds=memory.holds_nothing,
    refusal=memory.refuses_nothing,
    budget=memory.takes_what_it_needs,
    usual=memory.leaves_all_unsaid,
    services=services,
    routes=routes,
)
