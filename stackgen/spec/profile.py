"""Profiles: what an ops team decides once for a kind of machine."""

from __future__ import annotations

from pydantic import Field

from stackgen.spec.gateway import GatewayDefaults
from stackgen.spec.image import Pin
from stackgen.spec.model import ModelDefaults
from stackgen.spec.stack import Accelerator
from stackgen.spec.words import Identifier, NonEmptyText, Strict


class Profile(Strict):
    """What an ops team decides once for a kind of machine."""

    about: NonEmptyText = Field(description="What the profile is for.")
    accelerator: Accelerator | None = Field(
        None, description="Instances that images and engines below apply to; all where left out."
    )
    images: dict[Identifier, Pin] = Field(default_factory=dict, description="Pinned image per engine or service.")
    gateway: GatewayDefaults = Field(GatewayDefaults(), description="Defaults of the gateway.")
    engines: dict[Identifier, ModelDefaults] = Field(default_factory=dict, description="Defaults of models, by engine.")
