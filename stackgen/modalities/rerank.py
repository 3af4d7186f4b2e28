"""Rerank: documents get a score for a query (`/v1/rerank`)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from stackgen.modalities.probe import Asked, Modality, Probe, Reply, same

_BODY: Mapping[str, Any] = {
    "query": "Where does the cat sleep?",
    "documents": ["Interest rates rose by half a point.", "The cat sleeps on the sofa.", "Paris is in France."],
}


_ANSWER = 1
"""Position of the one document that answers."""


def complaint(reply: Reply) -> str | None:
    """A good reply scores every document once, with finite numbers, best first."""
    refusal = reply.refusal()
    if refusal:
        return refusal
    data = reply.json()
    results = data.get("results") if isinstance(data, dict) else None
    if not isinstance(results, list) or not results:
        return "the reply has no `results`"
    positions = sorted(result.get("index", -1) for result in results)
    if positions != list(range(len(_BODY["documents"]))):
        return f"expected documents 0 to {len(_BODY['documents']) - 1} once each, got {positions}"
    scores = [result.get("relevance_score") for result in results]
    if not all(isinstance(score, int | float) and math.isfinite(score) for score in scores):
        return "a score is no finite number"
    if scores != sorted(scores, reverse=True):
        return "the documents are not in the order of their scores"
    return None


def misfit(reply: Reply, asked: Asked) -> str | None:
    """A model that the catalogue knows finds the sentence about the cat the best."""
    best = reply.json()["results"][0]["index"]
    if asked.quirks.catalogued and best != _ANSWER:
        return f"the best document for “{_BODY['query']}” is “{_BODY['documents'][best]}”"
    return None


def difference(gateway: Reply, engine: Reply) -> str | None:
    """The gateway hands on the engine's own order."""
    through, own = ([result["index"] for result in reply.json()["results"]] for reply in (gateway, engine))
    return None if through == own else f"the order is {through} through the gateway and {own} from the engine"


def _reply(*scores: tuple[int, str]) -> Reply:
    """An answer as Infinity 0.0.77 gives it."""
    results = ",".join(f'{{"relevance_score":{score},"index":{index},"document":null}}' for index, score in scores)
    body = (
        f'{{"object":"rerank","results":[{results}],"model":"rerank","usage":{{"prompt_tokens":27,"total_tokens":27}}}}'
    )
    return Reply(status=200, content_type="application/json", body=body)


MODALITY = Modality(
    name="rerank",
    kinds=frozenset({"reranker"}),
    path="/v1/rerank",
    answer='["results"]',
    probes=(
        Probe(
            name="rerank",
            body=same(_BODY),
            complaint=complaint,
            misfit=misfit,
            difference=difference,
            good=(_reply((1, "0.9029"), (2, "0.5029"), (0, "0.1022")),),
            bad=(
                _reply((1, "0.9"), (0, "0.1")),
                _reply((1, "0.1"), (2, "0.5"), (0, "0.9")),
                _reply((1, "NaN"), (2, "0.5"), (0, "0.1")),
                _reply((1, "0.9"), (1, "0.5"), (0, "0.1")),
                Reply(status=500, body='{"error":{"message":"Unsupported provider: openai"}}'),
                Reply(status=200, body="[]"),
            ),
        ),
    ),
)
