"""Routes of Ollama behind which the stand-in does no work, because no route of a stack leads there: they check and say so."""

from __future__ import annotations

from ..door import Answer, Handler, Request
from .bodies import decoded
from .openai import guarded
from .server import Server
from .talk import refuse

_NEEDED = {"/v1/responses": "input", "/v1/messages": "messages"}
"""By path, the field that a body needs beside the model's name."""


def working(server: Server) -> dict[str, Handler]:
    """The routes; a model must be here all the same."""

    def handler(path: str, needed: str) -> Handler:
        def handle(request: Request) -> Answer:
            body = decoded(request)
            if not body.get(needed):
                raise refuse(f"{needed} is required")
            return _nothing(server, path, str(body.get("model") or ""))

        return guarded(handle)

    def transcription(request: Request) -> Answer:
        form = request.form()
        if "file" not in form:
            raise refuse("file is required")
        return _nothing(server, request.path, str(form.get("model", "")))

    handlers = {f"POST {path}": handler(path, needed) for path, needed in _NEEDED.items()}
    return {**handlers, "POST /v1/audio/transcriptions": guarded(transcription)}


def _nothing(server: Server, path: str, name: str) -> Answer:
    server.model(name)
    raise refuse(f"A stand-in does no work at {path}", 501)
