"""Stand-in for Parrot: the engine of test_adding_an_engine.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .door import Answer, Door, Request

OUT_OF_MEMORY = "the cage is too small"
_REFUSED = Answer.json({"error": {"message": "I do not know you"}}, 401)


def door(_words: Sequence[str], environment: Mapping[str, str], _version: str) -> Door:
    """It says again what it was told."""

    def guard(request: Request, _known: bool) -> Answer | None:  # noqa: FBT001 - the server calls it
        allowed = request.path == "/health" or request.bearer == environment["PARROT_API_KEY"]
        return None if allowed else _REFUSED

    def chat(request: Request) -> Answer:
        message = {"role": "assistant", "content": request.json()["messages"][-1]["content"]}
        return Answer.json({"object": "chat.completion", "choices": [{"index": 0, "message": message}]})

    routes = {"GET /health": lambda _: Answer.json({}), "POST /v1/chat/completions": chat}
    return Door(port=8090, routes=routes, guard=guard, failure=lambda _: _REFUSED)
