"""What clients ask of a model: one file a modality, with its requests and what makes a reply good.

Adding one: a file with `MODALITY = Modality(...)` and a line in MODALITIES.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from stackgen.modalities import chat, completion, embedding, rerank, speech, transcription, vision
from stackgen.modalities.probe import Asked, Modality, Probe, Reply, Upload

__all__ = ["MODALITIES", "Asked", "Modality", "Probe", "Reply", "Upload"]

_FILES = (chat, completion, vision, embedding, rerank, transcription, speech)
MODALITIES: Mapping[str, Modality] = MappingProxyType({file.MODALITY.name: file.MODALITY for file in _FILES})
