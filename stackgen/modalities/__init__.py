"""What clients ask of a model: one file a modality, with its requests and what makes a reply good.

Adding one: a file with `MODALITY = Modality(...)` and a line in MODALITIES.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from stackgen.modalities import chat, embedding, rerank
from stackgen.modalities.probe import Modality, Probe, Reply

__all__ = ["MODALITIES", "Modality", "Probe", "Reply"]

MODALITIES: Mapping[str, Modality] = MappingProxyType(
    {modality.name: modality for modality in (chat.MODALITY, embedding.MODALITY, rerank.MODALITY)}
)
