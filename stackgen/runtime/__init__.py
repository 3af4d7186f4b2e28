"""Executes without policy: preflight, up, down, and what is running. The only room that knows Docker."""

from __future__ import annotations

from stackgen.runtime import compose, preflight
from stackgen.runtime.engine import ContainerState, Docker, connect
from stackgen.runtime.up import budgets_seconds, up
from stackgen.runtime.watch import Progress

__all__ = ["ContainerState", "Docker", "Progress", "budgets_seconds", "compose", "connect", "preflight", "up"]
