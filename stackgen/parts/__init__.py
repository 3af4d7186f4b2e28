"""What a stack is made of, in no dialect: engines and services describe themselves with these, renderers spell them.

Fields for later dialects (host, replicas, metrics, exposure) are here from the start, so that adding one touches no engine.
"""

from __future__ import annotations

from stackgen.parts.engine import Engine, flag_args
from stackgen.parts.inside import Proof, Rekey
from stackgen.parts.served import Held, Instance, Need, Quirks, Route, ServedModel
from stackgen.parts.service import (
    CLIENT_NETWORK,
    DATA_NETWORK,
    ENGINE_NETWORK,
    OUTSIDE_NETWORK,
    THIS_HOST,
    Bind,
    ConfigFile,
    Dependency,
    Exposure,
    Gpu,
    Group,
    Health,
    Limits,
    Metrics,
    Mount,
    Port,
    Service,
    Storage,
    host_port,
    host_url,
    service_url,
    together,
)
from stackgen.parts.values import Arg, Image, Joined, Secret, SecretKind, Value, secrets_of

__all__ = [
    "CLIENT_NETWORK",
    "DATA_NETWORK",
    "ENGINE_NETWORK",
    "OUTSIDE_NETWORK",
    "THIS_HOST",
    "Arg",
    "Bind",
    "ConfigFile",
    "Dependency",
    "Engine",
    "Exposure",
    "Gpu",
    "Group",
    "Health",
    "Held",
    "Image",
    "Instance",
    "Joined",
    "Limits",
    "Metrics",
    "Mount",
    "Need",
    "Port",
    "Proof",
    "Quirks",
    "Rekey",
    "Route",
    "Secret",
    "SecretKind",
    "ServedModel",
    "Service",
    "Storage",
    "Value",
    "flag_args",
    "host_port",
    "host_url",
    "secrets_of",
    "service_url",
    "together",
]
