"""Embedding: a list of texts becomes a list of vectors (`/v1/embeddings`)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from stackgen.modalities.probe import Asked, Modality, Probe, Reply, same

_BODY: Mapping[str, Any] = {
    "input": ["The cat sleeps on the sofa.", "A kitten naps on the couch.", "Interest rates rose by half a point."]
}


_LARGEST_DIFFERENCE = 1e-3
"""Of cosines: engines that batch requests round a little differently each time."""


def complaint(reply: Reply) -> str | None:
    """A good reply has one vector per text, all of one size, finite and not all zero."""
    return reply.refusal() or _vector_complaint(reply.json())


def _vector_complaint(data: Any) -> str | None:
    entries = data.get("data") if isinstance(data, dict) else None
    if not isinstance(entries, list) or len(entries) != len(_BODY["input"]):
        return f"expected {len(_BODY['input'])} vectors, got {len(entries) if isinstance(entries, list) else 'none'}"
    vectors = [entry.get("embedding") for entry in entries]
    if not all(isinstance(vector, list) and vector for vector in vectors):
        return "a vector is missing"
    if len({len(vector) for vector in vectors}) != 1:
        return f"vectors differ in size: {sorted({len(vector) for vector in vectors})}"
    if not all(isinstance(number, int | float) and math.isfinite(number) for vector in vectors for number in vector):
        return "a vector holds something that is no finite number"
    if any(not any(vector) for vector in vectors):
        return "a vector is all zeros"
    return None


def misfit(reply: Reply, asked: Asked) -> str | None:
    """A model that the catalogue knows has vectors of its size, and finds the cat's two sentences the most alike."""
    cat, kitten, rates = vectors = _vectors(reply)
    if asked.quirks.size and len(cat) != asked.quirks.size:
        return f"vectors have {len(cat)} numbers, and the model's have {asked.quirks.size}: is this another model?"
    alike, others = _likeness(cat, kitten), [_likeness(vector, rates) for vector in vectors[:2]]
    if asked.quirks.catalogued and alike <= max(others):
        return f"a cat is less like a kitten ({alike:.2f}) than like interest rates ({max(others):.2f})"
    return None


def difference(gateway: Reply, engine: Reply) -> str | None:
    """The gateway hands on the engine's own vectors."""
    for through, own in zip(_vectors(gateway), _vectors(engine), strict=True):
        if len(through) != len(own):
            return f"vectors have {len(through)} numbers through the gateway and {len(own)} from the engine"
        if _likeness(through, own) < 1 - _LARGEST_DIFFERENCE:
            return f"the gateway's vectors are not the engine's: likeness {_likeness(through, own):.3f}"
    return None


def _vectors(reply: Reply) -> list[list[float]]:
    return [entry["embedding"] for entry in reply.json()["data"]]


def _likeness(one: list[float], other: list[float]) -> float:
    """Cosine of the angle between two vectors."""
    product = sum(a * b for a, b in zip(one, other, strict=True))
    return product / (math.hypot(*one) * math.hypot(*other))


def _reply(*vectors: str) -> Reply:
    """An answer as Infinity 0.0.77 gives it, vectors shortened."""
    entries = ",".join(
        f'{{"object":"embedding","embedding":{vector},"index":{index}}}' for index, vector in enumerate(vectors)
    )
    usage = '"usage":{"prompt_tokens":5,"total_tokens":5}'
    body = f'{{"object":"list","data":[{entries}],"model":"embed",{usage}}}'
    return Reply(status=200, content_type="application/json", body=body)


MODALITY = Modality(
    name="embedding",
    kinds=frozenset({"embedding"}),
    path="/v1/embeddings",
    call="embeddings.create",
    answer=".data[0].embedding[:3]",
    probes=(
        Probe(
            name="embedding",
            body=same(_BODY),
            complaint=complaint,
            misfit=misfit,
            difference=difference,
            good=(_reply("[-0.0627,0.0549]", "[-0.0611,0.0552]", "[0.0121,-0.0035]"),),
            bad=(
                _reply("[-0.0627,0.0549]"),
                _reply("[-0.0627,0.0549]", "[-0.0611]", "[0.0121,-0.0035]"),
                _reply("[0.1,0.2]", "[0.0,0.0]", "[0.3,0.1]"),
                _reply("[0.1,0.2]", "[NaN,0.1]", "[0.3,0.1]"),
                Reply(status=401, content_type="application/json", body='{"detail":"Unauthorized"}'),
                Reply(status=200, body="{}"),
            ),
        ),
    ),
)
