"""The engines: one file each, named like the engine. How one is added: docs/engines.md."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from stackgen.engines import infinity, ollama, speaches, vllm
from stackgen.parts import Engine

ENGINES: Mapping[str, Engine] = MappingProxyType(
    {engine.name: engine for engine in (vllm.ENGINE, ollama.ENGINE, infinity.ENGINE, speaches.ENGINE)}
)
