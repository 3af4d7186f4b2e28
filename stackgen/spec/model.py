"""What a spec says about one model, one endpoint, and what both share."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from stackgen.spec.image import Build, ImageChoice
from stackgen.spec.words import (
    AbsolutePath,
    Address,
    EnvironmentName,
    Identifier,
    NonEmptyText,
    PortNumber,
    PublicName,
    Source,
    Strict,
    Text,
    Url,
    Word,
    sequence,
)

LOOPBACK = "127.0.0.1"


class ModelDefaults(Strict):
    """What a profile may say for every model of an engine; the same words as in a model."""

    context: int | None = Field(None, ge=16, le=100_000_000, description="Longest request plus answer, in tokens.")
    concurrency: int | None = Field(None, ge=1, le=100_000, description="Requests that are answered at the same time.")
    start_seconds: int | None = Field(
        None,
        ge=5,
        le=86_400,
        description="Longest time from start to healthy, downloads included; where nobody says it, it follows from the weights.",
    )
    options: dict[str, Any] = Field(default_factory=dict, description="Settings of this engine alone.")
    environment: dict[EnvironmentName, Text] = Field(
        default_factory=dict, description="More variables for the engine's container."
    )


class Generation(Strict):
    """What the gateway asks of a model where a client says nothing; the client's own word wins."""

    temperature: float | None = Field(None, ge=0, le=2, description="How freely words are chosen, 0 to 2.")
    top_p: float | None = Field(None, gt=0, le=1, description="Share of likely words that are chosen from.")
    top_k: int | None = Field(None, ge=1, description="Number of likely words that are chosen from.")
    min_p: float | None = Field(None, ge=0, le=1, description="Least likelihood beside the likeliest word.")
    max_tokens: int | None = Field(None, ge=1, description="Longest answer, in tokens.")
    frequency_penalty: float | None = Field(None, ge=-2, le=2, description="Pushes away words that came often.")
    presence_penalty: float | None = Field(None, ge=-2, le=2, description="Pushes away words that came at all.")
    repetition_penalty: float | None = Field(None, gt=0, le=10, description="Pushes away repetition; 1 does nothing.")
    seed: int | None = Field(None, description="Number that makes answers repeatable.")
    stop: tuple[NonEmptyText, ...] | None = sequence(default=None, description="Texts that end an answer.")


class Limits(Strict):
    """What one deployment may take, and its place among those of the same public name."""

    rpm: int | None = Field(None, ge=1, description="Requests a minute.")
    tpm: int | None = Field(None, ge=1, description="Tokens a minute.")
    max_parallel_requests: int | None = Field(None, ge=1, description="Requests at the same time.")
    weight: int | None = Field(None, ge=1, description="Share of the requests among equals.")
    order: int | None = Field(None, ge=1, description="Rank: a higher number is asked only when the lower ones fail.")


class GatewayEntry(Strict):
    """More keys for the gateway's entry of this deployment, in the gateway's own words."""

    litellm_params: dict[str, Any] = Field(default_factory=dict, description="Sent with every request to the model.")
    model_info: dict[str, Any] = Field(default_factory=dict, description="What the gateway tells about the model.")


class Overrides(Strict):
    """Raw keys that are laid over what stackgen renders, last: maps by key, lists replace."""

    compose: dict[str, Any] = Field(default_factory=dict, description="Keys of the Compose service.")


class Publish(Strict):
    """A host port for the engine itself, beside the gateway."""

    address: Address = Field(LOOPBACK, description="Host address; 127.0.0.1 keeps it on this machine.")
    port: PortNumber = Field(description="Host port.")


class Model(ModelDefaults):
    """One model that the stack serves."""

    source: Source = Field(
        description="Weights: a hub id such as Qwen/Qwen3-0.6B, an Ollama tag, or an absolute path inside the image."
    )
    engine: str = Field(description="Server that runs it.")
    modalities: tuple[str, ...] = sequence(min_length=1, description="What clients ask of it.")
    public_names: tuple[PublicName, ...] = sequence(
        default=(), description="What clients ask for; the model's id where left out. Models may share a name."
    )
    instance: Identifier | None = Field(
        None, description="Models that name the same instance share one server process."
    )
    gpus: tuple[str, ...] | None = sequence(
        default=None,
        description="Ids of the cards it runs on; [] means the CPU. Left out, the planner picks them.",
    )
    gpu_count: int | None = Field(
        None, ge=1, le=64, description="Number of cards per replica; the planner picks them. Instead of `gpus`."
    )
    tensor_parallel: int | None = Field(
        None,
        ge=1,
        le=64,
        description="Cards that share each layer; where left out, as many as `gpus` or `gpu_count` say, else as few as hold it.",
    )
    replicas: int = Field(1, ge=1, le=64, description="Equal servers behind the same names; each has cards of its own.")
    tools: bool | None = Field(None, description="The model calls tools.")
    reasoning: bool | None = Field(None, description="The model thinks before it answers.")
    extra_args: tuple[Text, ...] = sequence(
        default=(), description="More words for the engine's command line, one word an item."
    )
    secret_environment: dict[EnvironmentName, EnvironmentName] = Field(
        default_factory=dict, description="More variables whose values are secrets: variable: name of the secret."
    )
    mounts: dict[AbsolutePath, NonEmptyText] = Field(
        default_factory=dict,
        description="Files of the host, read-only; path in the container: file beside the spec, or absolute path.",
    )
    image: ImageChoice | None = Field(None, description="Another image than the profile pins.")
    build: Build | None = Field(None, description="Build the image on the machine instead of fetching it.")
    publish: Publish | None = Field(None, description="A host port for the engine itself.")
    generation: Generation = Field(Generation(), description="Defaults of generation.")
    limits: Limits = Field(Limits(), description="Limits at the gateway.")
    timeout_seconds: int | None = Field(None, ge=1, le=86_400, description="Longest request, in seconds.")
    gateway: GatewayEntry = Field(GatewayEntry(), description="More keys of the gateway's entry.")
    overrides: Overrides = Field(Overrides(), description="Raw keys of the engine's service.")


class Endpoint(Strict):
    """A server that stackgen does not run: in a cloud, on another machine, on this host."""

    provider: Word = Field(description="The gateway's word for the kind of server: openai, hosted_vllm, anthropic, …")
    url: Url | None = Field(
        None, description="Base URL as the provider needs it; left out for clouds that have one of their own."
    )
    model: Source | None = Field(None, description="Name of the model there; the first public name where left out.")
    key: EnvironmentName | None = Field(None, description="Name of the secret that opens it.")
    modalities: tuple[str, ...] = sequence(default=("chat",), min_length=1, description="What clients ask of it.")
    public_names: tuple[PublicName, ...] = sequence(
        default=(), description="What clients ask for; the endpoint's id where left out."
    )
    context: int | None = Field(None, ge=16, le=100_000_000, description="Longest request plus answer, in tokens.")
    tools: bool | None = Field(None, description="The model calls tools.")
    voice: Word | None = Field(None, description="Voice for speech.")
    generation: Generation = Field(Generation(), description="Defaults of generation.")
    limits: Limits = Field(Limits(), description="Limits at the gateway.")
    timeout_seconds: int | None = Field(None, ge=1, le=86_400, description="Longest request, in seconds.")
    gateway: GatewayEntry = Field(GatewayEntry(), description="More keys of the gateway's entry.")
