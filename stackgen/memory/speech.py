"""Memory of speech models: transcription by CTranslate2, voices by ONNX."""

from __future__ import annotations

from stackgen.facts import ModelFacts, fitted

_BYTE_FORMATS = frozenset({"int8", "int8_float16", "int8_bfloat16", "int8_float32"})
_WIDE_FORMATS = frozenset({"float32"})


def weights_gib(model: ModelFacts, compute_type: str) -> float:
    """Weights as they are computed with; the files are 16 bits wide, voices keep what they came in."""
    if model.kind != "stt":
        return model.weights_gib
    if compute_type in _BYTE_FORMATS:
        return model.weights_gib / 2
    return model.weights_gib * (2 if compute_type in _WIDE_FORMATS else 1)


def working_gib() -> float:
    """What a process takes beside weights while it transcribes, CUDA context included."""
    return fitted()["speech_working_gib"].value
