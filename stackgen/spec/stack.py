"""stack.yaml as a whole: cards, secrets, storage, network, models, gateway, further services."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import Field

from stackgen.spec.gateway import Gateway
from stackgen.spec.model import Endpoint, Model, Overrides
from stackgen.spec.words import (
    AbsolutePath,
    DockerName,
    EnvironmentName,
    GpuUuid,
    Identifier,
    NonEmptyText,
    StackName,
    Strict,
    Subnet,
    Text,
    sequence,
)

Accelerator = Literal["cpu", "nvidia", "rocm"]
ACCELERATORS: tuple[str, ...] = get_args(Accelerator)


class Gpu(Strict):
    """One card of the machine."""

    card: NonEmptyText = Field(description="Kind of card, an id of the catalogue such as a100-80gb.")
    uuid: GpuUuid | None = Field(None, description="Stable id of the device, from `nvidia-smi -L`.")
    index: int | None = Field(
        None, ge=0, le=63, description="Number of the device; may move between reboots, so prefer uuid."
    )


class SecretSetting(Strict):
    """How the value of one secret is found."""

    required: bool | None = Field(None, description="`up` refuses to start while the value is missing.")
    source: Literal["file", "environment"] = Field(
        "file",
        description="`environment`: taken from the caller's environment at render time and kept in .stackgen/secrets.env.",
    )
    generate: bool = Field(False, description="stackgen makes the value up; for secrets of your own services.")
    purpose: Text = Field("", description="What it is for; shown beside its name.")


class Network(Strict):
    """The stack's own network, or one that exists already: one of the two keys."""

    subnet: Subnet | None = Field(
        None, description="Addresses of the stack's own network; Docker picks where left out."
    )
    external: DockerName | None = Field(
        None, description="Network that exists already: the gateway alone joins it, engines and stores stay apart."
    )


class Place(Strict):
    """Where a cache is kept: a folder of the host or a volume that exists already; one of the two keys."""

    path: AbsolutePath | None = Field(None, description="Folder of the host.")
    volume: DockerName | None = Field(None, description="Docker volume that exists already.")


class Group(Strict):
    """Models that start and stop together; of the groups of one exclusion, one is active at a time."""

    models: tuple[Identifier, ...] = sequence(min_length=1, description="The models of the group, by id.")
    exclusive: Identifier | None = Field(
        None,
        description="The exclusion: groups that say the same word take turns; the group's own name where left out.",
    )


class ExtraService(Strict):
    """A service of your own beside the stack, in Compose's words."""

    compose: dict[str, Any] = Field(description="The service as Compose knows it; what it leaves out is filled in.")
    secret_environment: dict[EnvironmentName, EnvironmentName] = Field(
        default_factory=dict, description="Variables whose values are secrets: variable: name of the secret."
    )


class Spec(Strict):
    """stack.yaml: what a machine serves."""

    version: Literal[1] = Field(description="Version of this file's format.")
    name: StackName = Field(description="Name of the stack; prefixes its containers, networks and volumes.")
    profiles: tuple[str, ...] = sequence(min_length=1, description="Profiles to apply in order; a later one wins.")
    gpus: dict[Identifier, Gpu] = Field(
        default_factory=dict, description="The cards there are, by an id of your choice."
    )
    network: Network = Field(Network(), description="The stack's network.")
    secrets: dict[EnvironmentName, SecretSetting] = Field(
        default_factory=dict, description="Settings of secrets, by name."
    )
    storage: dict[Identifier, Place] = Field(
        default_factory=dict,
        description="Where caches and data are kept, by kind; a volume of the stack where left out.",
    )
    models: dict[Identifier, Model] = Field(default_factory=dict, description="The models, by id.")
    groups: dict[Identifier, Group] = Field(
        default_factory=dict,
        description="Models that take turns, by name; models of no group always run. "
        "The first group of an exclusion is active until `stackgen render --group NAME` says another.",
    )
    endpoints: dict[Identifier, Endpoint] = Field(
        default_factory=dict, description="Servers that stackgen does not run, by id."
    )
    gateway: Gateway = Field(description="The one door that clients use.")
    services: dict[Identifier, ExtraService] = Field(
        default_factory=dict, description="Services of your own beside the stack, by name."
    )
    overrides: dict[Identifier, Overrides] = Field(
        default_factory=dict, description="Raw keys for services of the stack, by service name."
    )
