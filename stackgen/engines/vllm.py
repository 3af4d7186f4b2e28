"""vLLM: chat and vision on /v1/chat/completions, completion on /v1/completions; one model per instance, on cards or the CPU.

It takes its share of a card at once when it starts, blind to neighbours. Not here yet: LoRA, pooling models, several hosts.
https://docs.vllm.ai/en/latest/cli/serve.html
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Literal

from pydantic import Field

from stackgen import facts
from stackgen.engines import hub, memory
from stackgen.facts import Card
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
    Storage,
    flag_args,
)
from stackgen.sources import Path
from stackgen.spec import Strict, Word

PORT = 8000
API_KEY = Secret(name="VLLM_API_KEY", purpose="lets the gateway in at vLLM", prefix="sk-")
COMPILE_CACHE = Storage(name="vllm-compile", holds="vLLM's compiled kernels", size_estimate_gib=2)

_ENDPOINTS = MappingProxyType(
    {"chat": "/v1/chat/completions", "completion": "/v1/completions", "vision": "/v1/chat/completions"}
)
_DEFAULT_BATCHED_TOKENS = 2048
_DEFAULT_SEQUENCES = 256
_PARSERS = MappingProxyType({"tools": "tool_call_parser", "reasoning": "reasoning_parser"})
"""What a model can do beyond text, and the option that says how it writes that."""
_GRAPHS_INSIDE_BUDGET_SINCE = (0, 21)
_LEAN_SAMPLER_SINCE = (0, 25)


class Options(Strict):
    """Settings of vLLM alone, named like its flags."""

    dtype: Literal["auto", "bfloat16", "float16", "float32"] | None = Field(
        None, description="Number format of the weights."
    )
    quantization: Word | None = Field(None, description="Quantisation method, where the checkpoint does not say it.")
    kv_cache_dtype: Word | None = Field(None, description="Number format of the attention cache, e.g. fp8.")
    gpu_memory_utilization: float | None = Field(
        None, gt=0, le=1, description="Share of each card that vLLM takes, 0 to 1."
    )
    max_num_batched_tokens: int | None = Field(None, ge=16, description="Tokens that one step works on.")
    enable_prefix_caching: bool | None = Field(None, description="Reuse the cache of equal beginnings.")
    enforce_eager: bool | None = Field(None, description="No compilation: starts sooner, answers slower.")
    tool_call_parser: Word | None = Field(None, description="How the model writes tool calls; switches them on.")
    reasoning_parser: Word | None = Field(
        None, description="How the model writes its thoughts; `reasoning: true` takes it from the catalogue."
    )
    trust_remote_code: bool | None = Field(None, description="Run Python code that comes with the model.")
    revision: Word | None = Field(None, description="Commit, tag or branch at the hub.")
    cpu_cache_gib: int | None = Field(
        None, ge=1, le=4096, description="Memory for the attention cache on the CPU, in GiB."
    )


FLAGS = MappingProxyType(
    {
        "--served-model-name": "id",
        "--max-model-len": "context",
        "--max-num-seqs": "concurrency",
        "--max-num-batched-tokens": "options.max_num_batched_tokens",
        "--gpu-memory-utilization": "options.gpu_memory_utilization",
        "--dtype": "options.dtype",
        "--quantization": "options.quantization",
        "--kv-cache-dtype": "options.kv_cache_dtype",
        "--enable-prefix-caching": "options.enable_prefix_caching",
        "--enforce-eager": "options.enforce_eager",
        "--trust-remote-code": "options.trust_remote_code",
        "--revision": "options.revision",
    }
)


def complaints(served: ServedModel) -> Iterator[tuple[Path, str, str]]:
    """Abilities for which neither the spec nor the catalogue names a parser, and parsers of abilities that are off."""
    yield from hub.source_complaints(served)
    yield from _share_complaints(served)
    for ability, option in _PARSERS.items():
        wanted, written = getattr(served.model, ability), served.value(f"options.{option}")
        if wanted and not _parser(served, ability):
            message = f"how {served.model.source} writes its {ability} is not in the catalogue"
            yield (ability,), message, f"write `{option}:` under `options`, as the model's card says"
        if wanted is False and written:
            yield ("options", option), f"`{ability}` is false, and this would switch it on", "drop one of the two"


def _share_complaints(served: ServedModel) -> Iterator[tuple[Path, str, str]]:
    """Cards among which the attention heads cannot be shared evenly, nor each be repeated equally often."""
    known = facts.models().get(served.model.source)
    heads, cards = known.kv_heads if known else 0, len(served.model.gpus or ()) // served.model.replicas
    if heads and cards > 1 and heads % cards and cards % heads:
        fitting = [str(count) for count in range(1, 2 * cards + 1) if heads % count == 0 or count % heads == 0]
        message = f"{served.model.source} has {heads} heads of keys and values, which {cards} cards cannot share evenly"
        yield ("gpus",), message, f"{', '.join(fitting)} cards for each replica can"


def need(instance: Instance, _card: Card, tensor_parallel: int) -> Need | None:
    """Memory on each card: weights, the cache of one request of full length, and what a step takes beside them.

    Overhead = max(activations, sampler) + non-torch + CUDA graphs. Sampler: 8 copies of the logits up to 0.24 (fits about
    six logged starts), 3 from 0.25 on (one). Non-torch: 0.25 GiB on one card, up to 1.6 GiB with NVLink (logged 1.38 to
    1.84). Graphs: 0.5 GiB counted inside the budget from 0.21 on (logged 0.58 to 1.94).

    Returns:
        None where the catalogue does not know the model.
    """
    served = instance.models[0]
    known = facts.models().get(served.model.source)
    if known is None or not known.kv_heads:
        return None
    version = instance.image.release
    tokens = served.model.context or known.longest_context
    number_bytes = 1 if str(served.value("options.kv_cache_dtype")).startswith(("fp8", "int8")) else 2
    forward = memory.forward_gib(
        known, served.value("options.max_num_batched_tokens") or _DEFAULT_BATCHED_TOKENS, tensor_parallel
    )
    copies = 3 if version >= _LEAN_SAMPLER_SINCE else 8
    sampler = copies * 4 * (served.model.concurrency or _DEFAULT_SEQUENCES) * known.vocabulary_size / memory.GIB
    graphs = 0.5 if version >= _GRAPHS_INSIDE_BUDGET_SINCE and not served.value("options.enforce_eager") else 0.0
    return Need(
        weights_gib=memory.weights_gib(known, tensor_parallel),
        cache_gib=memory.attention_cache_gib(known, tokens, number_bytes, tensor_parallel),
        overhead_gib=max(forward, sampler) + (0.25 if tensor_parallel == 1 else 1.6) + graphs,
        why=f"one request of {tokens} tokens{'; weights are an estimate' if known.is_estimate else ''}",
    )


def services(instance: Instance) -> tuple[Service, ...]:
    """The server. Its command is what follows `vllm serve` in the image's entrypoint."""
    served = instance.models[0]
    locks = facts.locks(instance.image.family)
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
            limits=memory.host_limits(instance, _reserved_gib(instance)),
            health=Health(
                command=(
                    "python3",
                    "-c",
                    f"import urllib.request as r; r.urlopen('http://127.0.0.1:{PORT}/health', timeout=5)",
                )
            ),
            start_budget_seconds=served.model.start_seconds or 1800,
            networks=(ENGINE_NETWORK,),
            gpus=instance.gpus,
            shared_memory_gib=_shared_memory_gib(instance),
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
            quirks=Quirks(tools=_parser(served, "tools") is not None),
        )
        for modality in served.model.modalities
    )


def _command(instance: Instance) -> tuple[Arg, ...]:
    served = instance.models[0]
    words = [Arg(value=served.model.source, path=(*served.path, "source")), *flag_args(FLAGS, served)]
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


def _parser_words(served: ServedModel) -> Iterator[Arg]:
    for ability, option in _PARSERS.items():
        parser = _parser(served, ability)
        if parser is None:
            continue
        written = served.value(f"options.{option}")
        path = (*served.path, "options", option) if written else (*served.path, ability)
        yield Arg(value=f"--{option.replace('_', '-')}")
        yield Arg(value=parser, path=path)
        if ability == "tools":
            yield Arg(value="--enable-auto-tool-choice", why="tool calls need it beside their parser")


def _parser(served: ServedModel, ability: str) -> str | None:
    """The parser of an ability: the written one, else the catalogue's where the ability is asked for."""
    written = served.value(f"options.{_PARSERS[ability]}")
    if written:
        return str(written)
    known = facts.models().get(served.model.source)
    if not known or not getattr(served.model, ability):
        return None
    return (known.tool_parser if ability == "tools" else known.reasoning_parser) or None


def _reserved_gib(instance: Instance) -> float | None:
    """Host memory for shared memory and, on the CPU, the cache; without a size for it vLLM takes a share of the host."""
    served = instance.models[0]
    cache = 0 if instance.on_gpu else served.value("options.cpu_cache_gib")
    if cache is None or "VLLM_CPU_KVCACHE_SPACE" in served.model.environment:
        return None
    return float(cache + (_shared_memory_gib(instance) or 0))


def _shared_memory_gib(instance: Instance) -> int | None:
    """Workers that share layers talk through /dev/shm; so do the processes of the CPU build."""
    if not instance.on_gpu:
        return 4
    return 10 if instance.tensor_parallel > 1 else None


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
    flag_options=frozenset(_PARSERS.values()),
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
    process_options=frozenset(),
    fetches=False,
    memory_share="gpu_memory_utilization",
    complaints=complaints,
    need=need,
    services=services,
    routes=routes,
)
