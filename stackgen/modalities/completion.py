"""Completion: a model goes on with a text, without a chat template (`/v1/completions`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stackgen.modalities.probe import Modality, Probe, Reply, of_choice, same

_BODY: Mapping[str, Any] = {"prompt": "The capital of France is", "max_tokens": 8, "temperature": 0}


@of_choice
def complaint(choice: Mapping[str, Any]) -> str | None:
    """A good reply has a choice with text."""
    if "text" not in choice:
        return "the choice has no `text`: an answer of /v1/chat/completions?"
    return None if str(choice["text"] or "").strip() else "the text is empty"


def _reply(choice: str) -> Reply:
    """An answer as vLLM 0.32.0 spells it."""
    usage = '"usage":{"prompt_tokens":5,"total_tokens":13,"completion_tokens":8}'
    body = f'{{"id":"cmpl-80b4","object":"text_completion","created":1795228630,"model":"base","choices":[{choice}],{usage}}}'
    return Reply(status=200, content_type="application/json", body=body)


MODALITY = Modality(
    name="completion",
    kinds=frozenset({"llm", "vlm"}),
    path="/v1/completions",
    call="completions.create",
    answer=".choices[0].text",
    probes=(
        Probe(
            name="completion",
            body=same(_BODY),
            complaint=complaint,
            good=(_reply('{"index":0,"text":" Paris, and the","logprobs":null,"finish_reason":"length"}'),),
            bad=(
                _reply('{"index":0,"text":"","logprobs":null,"finish_reason":"stop"}'),
                _reply('{"index":0,"text":" \\n","logprobs":null,"finish_reason":"length"}'),
                _reply('{"index":0,"message":{"role":"assistant","content":"Paris"},"finish_reason":"stop"}'),
                _reply(""),
                Reply(status=404, content_type="application/json", body='{"detail":"Not Found"}'),
                Reply(error="no connection: [Errno 111] Connection refused"),
            ),
        ),
    ),
)
