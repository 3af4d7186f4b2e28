"""What a spec says about the gateway: the one door that clients use."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from stackgen.spec.words import (
    Address,
    EnvironmentName,
    GatewayPath,
    Identifier,
    PortNumber,
    PublicName,
    PublicNames,
    Strict,
    Text,
    Url,
    Word,
    sequence,
)

Cache = Literal["none", "local", "redis", "semantic"]


class SemanticCache(Strict):
    """When two requests mean the same."""

    embedding: PublicName = Field(description="Public name of the embedding model that compares requests.")
    similarity: float = Field(0.9, gt=0, le=1, description="Least likeness of two requests, 0 to 1.")


class PassThrough(Strict):
    """A path of the gateway that goes to another server as it is."""

    path: GatewayPath = Field(description="Path at the gateway, such as /ocr.")
    url: Url = Field(description="Where it leads.")
    key: EnvironmentName | None = Field(None, description="Name of the secret that is shown there as a bearer.")


class Allowance(Strict):
    """What a team or a key may use."""

    models: tuple[PublicName, ...] = sequence(default=(), description="Public names it may ask; all where left out.")
    budget: float | None = Field(None, gt=0, description="Most that it may spend, in US dollars.")
    budget_days: int | None = Field(None, ge=1, le=3650, description="Days after which the budget begins anew.")
    rpm: int | None = Field(None, ge=1, description="Requests a minute.")
    tpm: int | None = Field(None, ge=1, description="Tokens a minute.")


class Team(Allowance):
    """People who share a budget."""


class Key(Allowance):
    """A key for one client; stackgen generates its value."""

    team: Identifier | None = Field(None, description="Team that it belongs to.")


class RawGateway(Strict):
    """Keys of the gateway's file in its own words, laid over what stackgen renders, last."""

    litellm_settings: dict[str, Any] = Field(default_factory=dict, description="Section litellm_settings.")
    router_settings: dict[str, Any] = Field(default_factory=dict, description="Section router_settings.")
    general_settings: dict[str, Any] = Field(default_factory=dict, description="Section general_settings.")


class GatewayDefaults(Strict):
    """What a profile may say about the gateway."""

    address: Address | None = Field(None, description="Host address that the gateway listens on.")
    port: PortNumber | None = Field(None, description="Host port of the gateway.")
    database: bool | None = Field(None, description="PostgreSQL for keys, teams and spend.")
    cache: Cache | None = Field(None, description="Where equal requests are answered from.")
    routing: Word | None = Field(None, description="How requests are spread over deployments of one name.")
    retries: int | None = Field(None, ge=0, le=20, description="Further tries after a failure.")
    timeout_seconds: int | None = Field(None, ge=1, le=86_400, description="Longest request, in seconds.")


class Gateway(Strict):
    """The one door that clients use."""

    address: Address = Field(
        description="Host address that the gateway listens on; 127.0.0.1 keeps it on this machine."
    )
    port: PortNumber = Field(description="Host port of the gateway.")
    database: bool = Field(description="PostgreSQL for keys, teams and spend.")
    cache: Cache = Field(
        description="Where equal requests are answered from: none, local (the gateway's memory), redis, "
        "semantic (Redis, and requests that mean the same)."
    )
    cache_seconds: int | None = Field(None, ge=1, description="How long an answer is kept, in seconds.")
    semantic_cache: SemanticCache | None = Field(None, description="Settings of `cache: semantic`.")
    aliases: dict[PublicName, PublicName] = Field(
        default_factory=dict, description="Further names: what a client asks for: public name."
    )
    fallbacks: dict[PublicName, PublicNames] = Field(
        default_factory=dict, description="Names to ask instead, in order, when a name fails."
    )
    context_window_fallbacks: dict[PublicName, PublicNames] = Field(
        default_factory=dict, description="Names to ask instead when a request is too long for a name."
    )
    default_fallbacks: tuple[PublicName, ...] = sequence(
        default=(), description="Names to ask instead when any other name fails."
    )
    routing: Word = Field(description="How requests are spread over deployments of one name.")
    retries: int = Field(ge=0, le=20, description="Further tries after a failure.")
    timeout_seconds: int = Field(ge=1, le=86_400, description="Longest request, in seconds.")
    stream_timeout_seconds: int | None = Field(
        None, ge=1, le=86_400, description="Longest wait for the first piece of a streamed answer, in seconds."
    )
    cooldown_seconds: int | None = Field(
        None, ge=1, le=86_400, description="How long a deployment that failed is left alone, in seconds."
    )
    allowed_fails: int | None = Field(
        None, ge=0, le=10_000, description="Failures a minute that are forgiven before that."
    )
    pre_call_checks: bool | None = Field(
        None, description="Measure requests before they are sent, so that none is longer than its model takes."
    )
    callbacks: tuple[Word, ...] = sequence(default=(), description="Systems that are told of every request.")
    environment: dict[EnvironmentName, Text] = Field(
        default_factory=dict, description="More variables for the gateway's container."
    )
    secret_environment: dict[EnvironmentName, EnvironmentName] = Field(
        default_factory=dict, description="More variables whose values are secrets: variable: name of the secret."
    )
    pass_through: dict[Identifier, PassThrough] = Field(
        default_factory=dict, description="Paths that go to other servers as they are."
    )
    teams: dict[Identifier, Team] = Field(default_factory=dict, description="Teams; they need the database.")
    keys: dict[Identifier, Key] = Field(default_factory=dict, description="Keys of clients; they need the database.")
    raw: RawGateway = Field(RawGateway(), description="Raw keys of the gateway's file.")

    @property
    def measures_requests(self) -> bool:
        """Whether requests are measured before they are sent; fallbacks for long ones need it."""
        return bool(self.context_window_fallbacks) if self.pre_call_checks is None else self.pre_call_checks
