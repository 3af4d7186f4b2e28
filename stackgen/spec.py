"""The words of stack.yaml and of profiles. Strict: unknown keys and wrong types are errors.

Engine words do not live here: `options` of a model is checked by the engine's own `Options`.
No unions and no tagged types: the path of a value in the file and in the model is the same, so errors find their line.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

GATEWAY_ENVIRONMENT_REFERENCE = "os.environ/"


def _no_control_characters(text: str) -> str:
    for position, character in enumerate(text):
        if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} or character == "\ufeff":
            raise ValueError(f"control character U+{ord(character):04X} at position {position + 1} is not allowed")
    return text


def _no_gateway_reference(text: str) -> str:
    if text.startswith(GATEWAY_ENVIRONMENT_REFERENCE):
        raise ValueError(
            f"`{GATEWAY_ENVIRONMENT_REFERENCE}` at the start is how the gateway reads secrets; write a name"
        )
    return text


def _no_wildcard(text: str) -> str:
    if "*" in text:
        raise ValueError("must not hold `*`: the gateway takes such a name for a pattern")
    return text


def _no_leading_dash(text: str) -> str:
    if text.startswith("-"):
        raise ValueError("must not begin with `-`, a command line would take it for a flag")
    return text


def _address(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError("must be an IP address such as 127.0.0.1") from None
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id:
        raise ValueError("must be an IP address without a zone")
    return str(address)


Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,40}$")]
EnvironmentName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,80}$")]
Text = Annotated[str, StringConstraints(max_length=1000), AfterValidator(_no_control_characters)]
NonEmptyText = Annotated[Text, StringConstraints(min_length=1)]
Name = Annotated[NonEmptyText, AfterValidator(_no_gateway_reference)]
PublicName = Annotated[Name, AfterValidator(_no_wildcard)]
Word = Annotated[NonEmptyText, AfterValidator(_no_leading_dash)]
Source = Annotated[Name, AfterValidator(_no_leading_dash)]
Address = Annotated[str, AfterValidator(_address)]
PortNumber = Annotated[int, Field(ge=1, le=65535)]
Cache = Literal["none", "redis"]
Accelerator = Literal["cpu", "nvidia"]
ACCELERATORS: tuple[str, ...] = get_args(Accelerator)
GPU_UUID = re.compile(r"(GPU|MIG)-[0-9a-fA-F-]{8,80}")


def _gpu_uuid(text: str) -> str:
    if not GPU_UUID.fullmatch(text):
        raise ValueError("must look like GPU-8a1c…, as `nvidia-smi -L` prints it")
    return text


class Strict(BaseModel):
    """Base of everything that a user writes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _sequence(**constraints: Any) -> Any:
    """A list in YAML becomes a tuple here; only this outer step is lenient, the items stay strict."""
    return Field(strict=False, **constraints)


class Gpu(Strict):
    """One card of the machine."""

    card: NonEmptyText = Field(description="Kind of card, an id of the catalogue such as a100-80gb.")
    uuid: Annotated[str, AfterValidator(_gpu_uuid)] | None = Field(
        None, description="Stable id of the device, from `nvidia-smi -L`."
    )
    index: int | None = Field(
        None, ge=0, le=63, description="Number of the device; may move between reboots, so prefer uuid."
    )


class SecretSetting(Strict):
    """How the value of one secret is found."""

    required: bool = Field(False, description="`up` refuses to start while the value is missing.")
    source: Literal["file", "environment"] = Field(
        "file",
        description="`environment`: taken from the caller's environment at render time and kept in .stackgen/secrets.env.",
    )


class ModelDefaults(Strict):
    """What a profile may say for every model of an engine; the same words as in a model."""

    context: int | None = Field(None, ge=16, le=100_000_000, description="Longest request plus answer, in tokens.")
    concurrency: int | None = Field(None, ge=1, le=100_000, description="Requests that are answered at the same time.")
    start_seconds: int | None = Field(
        None, ge=5, le=86_400, description="Longest time from start to healthy, downloads included."
    )
    options: dict[str, Any] = Field(default_factory=dict, description="Settings of this engine alone.")
    environment: dict[EnvironmentName, Text] = Field(
        default_factory=dict, description="More variables for the engine's container."
    )


class Model(ModelDefaults):
    """One model that the stack serves."""

    source: Source = Field(
        description="Weights: a hub id such as Qwen/Qwen3-0.6B, or an absolute path inside the image."
    )
    engine: str = Field(description="Server that runs it.")
    modalities: tuple[str, ...] = _sequence(
        min_length=1, description="What clients ask of it: chat, embedding, rerank."
    )
    public_names: tuple[PublicName, ...] = _sequence(
        default=(), description="What clients ask for; the model's id where left out."
    )
    instance: Identifier | None = Field(
        None, description="Models that name the same instance share one server process."
    )
    gpus: tuple[str, ...] | None = _sequence(default=None, description="Ids of the cards it runs on; [] means the CPU.")
    tensor_parallel: int | None = Field(
        None, ge=1, le=64, description="Cards that share each layer; the number of gpus where left out."
    )
    extra_args: tuple[Text, ...] = _sequence(
        default=(), description="More words for the engine's command line, one word an item."
    )


class GatewayDefaults(Strict):
    """What a profile may say about the gateway."""

    address: Address | None = None
    port: PortNumber | None = None
    database: bool | None = None
    cache: Cache | None = None


class Gateway(Strict):
    """The one door that clients use."""

    address: Address = Field(
        description="Host address that the gateway listens on; 127.0.0.1 keeps it on this machine."
    )
    port: PortNumber = Field(description="Host port of the gateway.")
    database: bool = Field(description="PostgreSQL for keys, teams and spend.")
    cache: Cache = Field(description="`redis`: equal requests are answered from a Redis cache.")


class Spec(Strict):
    """stack.yaml: what a machine serves."""

    version: Literal[1] = Field(description="Version of this file's format.")
    name: Identifier = Field(description="Name of the stack; prefixes its containers, networks and volumes.")
    profiles: tuple[str, ...] = _sequence(min_length=1, description="Profiles to apply in order; a later one wins.")
    gpus: dict[Identifier, Gpu] = Field(
        default_factory=dict, description="The cards there are, by an id of your choice."
    )
    secrets: dict[EnvironmentName, SecretSetting] = Field(
        default_factory=dict, description="Settings of secrets, by name."
    )
    models: dict[Identifier, Model] = Field(description="The models, by id.")
    gateway: Gateway


_COMPONENT = r"[a-z0-9]+([._-]+[a-z0-9]+)*"
_REPOSITORY = rf"^({_COMPONENT}(:[0-9]{{1,5}})?/)?{_COMPONENT}(/{_COMPONENT})*$"
"""An image without its tag: a registry, perhaps with its port, then path components."""


class Pin(Strict):
    """An image that is known to work, with the evidence for it."""

    repository: Annotated[str, StringConstraints(pattern=_REPOSITORY, max_length=250)]
    tag: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")]
    version: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,6}\.[0-9]{1,6}(\.[0-9A-Za-z]{1,20}){0,4}$")] = Field(
        description="Version of the program inside; flags are proven against it."
    )
    evidence: NonEmptyText = Field(description="Why this pin is believed to work.")


class Profile(Strict):
    """What an ops team decides once for a kind of machine."""

    about: NonEmptyText
    accelerator: Accelerator | None = Field(
        None, description="Instances that images and engines below apply to; all where left out."
    )
    images: dict[Identifier, Pin] = Field(default_factory=dict, description="Pinned image per engine or service.")
    gateway: GatewayDefaults = GatewayDefaults()
    engines: dict[Identifier, ModelDefaults] = Field(default_factory=dict, description="Defaults of models, by engine.")
