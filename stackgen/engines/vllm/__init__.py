"""vLLM: chat and vision on /v1/chat/completions, completion on /v1/completions; one model per instance, on cards or the CPU.

It takes its share of a card at once when it starts, blind to neighbours. Not here yet: LoRA, pooling models, several hosts.
https://docs.vllm.ai/en/latest/cli/serve.html
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

from stackgen import facts
from stackgen.engines import hub, memory, starting
from stackgen.engines.vllm.need import budget, holds, need, reserved_gib, shared_memory_gib, usual
from stackgen.engines.vllm.options import FLAGS, PARSERS, Options, complaints, parser_of
from stackgen.engines.vllm.refusals import refusal
from stackgen.parts import (
    ENGINE_NETWORK,
    Arg,
    Engine,
    Health,
    Instance,
    Metrics,
    Mount,
    Port,
    Quirks,
    Route,
    Secret,
    ServedModel,
    Service,
    Storage,
    flag_args,
)

PORT = 8000
API_KEY = Secret(name="VLLM_API_KEY", purpose="lets the gateway in at vLLM", prefix="sk-")
COMPILE_CACHE = Storage(name="vllm-compile", holds="vLLM's compiled kernels", size_estimate_gib=2)

_ENDPOINTS = MappingProxyType(
    {"chat": "/v1/chat/completions", "completion": "/v1/completions", "vision": "/v1/chat/completions"}
)
_LOOK = f"import urllib.request as r; r.urlopen('http://127.0.0.1:{PORT}/health', timeout=5)"


def services(instance: Instance) -> tuple[Service, ...]:
    """The server. Its command is what follows `vllm serve` in the image's entrypoint."""
    served = instance.models[0]
    locks = facts.locks(instance.image.family)
    start = starting.with_weights(instance)
    variables = {
        "VLLM_API_KEY": Arg(value=API_KEY, why="the gateway must show it"),
        "VLLM_NO_USAGE_STATS": Arg(value="1", why="no telemetry"),
    }
    cache = served.value("options.cpu_cache_gib")
    if cache and not instance.on_gpu:
        variables["VLLM_CPU_KVCACHE_SPACE"] = Arg(value=str(cache), path=(*served.path, "options", "cpu_cache_gib"))
    variables |= hub.environment(instance)
    mounts = [Mount(storage=COMPILE_CACHE, target="/root/.cache/vllm")]
    if hub.needs_hub(instance):
        mounts.insert(0, Mount(storage=hub.HUGGINGFACE, target="/root/.cache/huggingface"))
    return (
        Service(
            name=instance.name,
            image=instance.image,
            why=f"vLLM serves {served.model.source}",
            command=_command(instance),
            environment=variables,
            ports=(Port(container=PORT),),
            mounts=tuple(mounts),
            scratch=locks.writable(on_cards=instance.on_gpu),
            read_only=locks.read_only(on_cards=instance.on_gpu),
            capabilities=locks.capabilities,
            limits=memory.host_limits(instance, reserved_gib(instance)),
            health=Health(command=("python3", "-c", _LOOK)),
            start_budget_seconds=start.seconds,
            start_budget_path=start.path,
            start_budget_why=start.why,
            networks=(ENGINE_NETWORK,),
            gpus=instance.gpus,
            shared_memory_gib=shared_memory_gib(instance),
            unlimited=("memlock", "stack") if instance.tensor_parallel > 1 else (),
            stop_seconds=60,
            metrics=Metrics(path="/metrics", port=PORT),
        ),
    )


def routes(instance: Instance) -> tuple[Route, ...]:
    """Everything at /v1."""
    served = instance.models[0]
    return tuple(
        Route(
            model=served.id,
            modality=modality,
            public_names=served.public_names,
            engine="vllm",
            served_name=served.id,
            provider="hosted_vllm",
            service=instance.name,
            port=PORT,
            base_path="/v1",
            endpoint=_ENDPOINTS[modality],
            key=API_KEY,
            quirks=Quirks(
                tools=parser_of(served, "tools") is not None,
                reasoning=parser_of(served, "reasoning") is not None,
                structured=True,
            ),
        )
        for modality in served.model.modalities
    )


def _command(instance: Instance) -> tuple[Arg, ...]:
    served = instance.models[0]
    words = [*_model_words(instance), *flag_args(FLAGS, served)]
    if instance.tensor_parallel > 1:
        words += [
            Arg(value="--tensor-parallel-size"),
            Arg(
                value=str(instance.tensor_parallel),
                path=(*served.path, "tensor_parallel"),
                why="each of its cards holds a part of every layer",
            ),
        ]
    words += _parser_words(served)
    words += [Arg(value=word, path=(*served.path, "extra_args", at)) for at, word in enumerate(served.model.extra_args)]
    return tuple(words)


def _model_words(instance: Instance) -> Iterator[Arg]:
    table = facts.flag_table("vllm", instance.image.version)
    if table is not None and not table.model_is_positional:
        yield Arg(value="--model", why=f"the image of {table.version} ignores a model that is named without it")
    served = instance.models[0]
    yield Arg(value=served.model.source, path=(*served.path, "source"))


def _parser_words(served: ServedModel) -> Iterator[Arg]:
    for ability, option in PARSERS.items():
        parser = parser_of(served, ability)
        if parser is None:
            continue
        written = served.value(f"options.{option}")
        path = (*served.path, "options", option) if written else (*served.path, ability)
        yield Arg(value=f"--{option.replace('_', '-')}")
        yield Arg(value=parser, path=path)
        if ability == "tools":
            yield Arg(value="--enable-auto-tool-choice", why="tool calls need it beside their parser")


ENGINE = Engine(
    name="vllm",
    docs="https://docs.vllm.ai",
    modalities=frozenset(_ENDPOINTS),
    many_models=False,
    many_cards=True,
    port=PORT,
    fields=frozenset({"context", "concurrency", "tensor_parallel", "tools", "reasoning"}),
    options=Options,
    flags=FLAGS,
    secrets=(API_KEY, hub.HF_TOKEN),
    flag_options=frozenset(PARSERS.values()),
    own_flags=MappingProxyType(
        {
            "--api-key": "the key is a secret of the stack",
            "--grpc": "the gateway speaks HTTP",
            "--headless": "the gateway speaks HTTP",
            "--runner": "the modalities say what the model does",
            "--host": "the server listens inside the stack's network",
            "--model": "write `source`",
            "--port": "the health check and the gateway know port 8000",
            "--config": "write the settings into the spec",
            "--data-parallel-size": "one process group in this version",
            "--pipeline-parallel-size": "one process group in this version",
            "--root-path": "the gateway calls vLLM at /v1",
            "--ssl-certfile": "inside the stack's network vLLM speaks plain HTTP",
            "--ssl-keyfile": "inside the stack's network vLLM speaks plain HTTP",
            "--enable-auto-tool-choice": "write `tools: true`",
            "--reasoning-parser": "write `reasoning: true`, or `options: reasoning_parser:`",
            "--tensor-parallel-size": "write `tensor_parallel`",
            "--tool-call-parser": "write `tools: true`, or `options: tool_call_parser:`",
            "--uds": "the gateway calls vLLM by its port",
        }
    ),
    longer_by=frozenset({"--hf-overrides", "VLLM_ALLOW_LONG_MAX_MODEL_LEN"}),
    process_options=frozenset(),
    fetches=False,
    memory_share="gpu_memory_utilization",
    savings=MappingProxyType({"max_num_batched_tokens": (2048,), "kv_cache_dtype": ("fp8", "fp8_e5m2")}),
    complaints=complaints,
    need=need,
    holds=holds,
    refusal=refusal,
    budget=budget,
    usual=usual,
    services=services,
    routes=routes,
)
