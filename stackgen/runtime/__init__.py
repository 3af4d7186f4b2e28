"""Executes without policy: preflight, up, down, and what is running. The only room that knows Docker."""

from __future__ import annotations

from stackgen.runtime import compose, disk, lock, logs, preflight, stand_ins
from stackgen.runtime.border import engine_address
from stackgen.runtime.container import ContainerState, HostPort
from stackgen.runtime.engine import Docker, connect
from stackgen.runtime.preflight import is_local
from stackgen.runtime.up import budgets_seconds, start_order, up
from stackgen.runtime.watch import Progress

__all__ = [
    "ContainerState",
    "Docker",
    "HostPort",
    "Progress",
    "budgets_seconds",
    "compose",
    "connect",
    "disk",
    "engine_address",
    "is_local",
    "lock",
    "logs",
    "preflight",
    "stand_ins",
    "start_order",
    "up",
]
