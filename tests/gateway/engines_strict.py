"""The stand-ins that the product ships, with a record of every call: only true routes, the right key and served names pass.

A server that answers anything proves nothing: a gateway that calls the wrong path would look right before it.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from stackgen.simulators.door import Answer, Door, Request, Upload
from stackgen.simulators.listening import serve

_INFORMATION = frozenset({"POST /api/show"})
"""What LiteLLM itself asks of Ollama by POST."""
_LONGEST_HANG_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request as it arrived, and the status that it got."""

    service: str
    method: str
    path: str
    model: str | None
    authorization: str | None
    body: Any
    """Data of JSON, or fields of a form; a file is `{"name", "content_type", "data"}` with its bytes in base64."""
    asks_model: bool
    """Whether it wants work of a model, or would if its path were right; else it wants information."""
    status: int
    """Zero where the connection was broken."""


@dataclass(kw_only=True)
class StrictEngine:
    """One instance of an engine."""

    service: str
    door: Door
    record: Callable[[Call], None]
    broken: bool = False
    """Whether it takes requests and breaks the connection, as a server does that is ending."""
    hangs: threading.Event | None = None
    """While it is there and not set, requests are taken and not answered."""
    port: int = field(default=0, init=False)

    @contextmanager
    def listening(self) -> Iterator[StrictEngine]:
        """The engine on a free port of this machine."""
        with serve(replace(self.door, port=0, observe=self._observe), self._strike, "127.0.0.1") as server:
            self.port = server.server_address[1]
            try:
                yield self
            finally:
                server.shutdown()

    def _strike(self, request: Request, _works: bool) -> bool:  # noqa: FBT001 - the server calls it
        """Breaks the connection where it hangs or is broken; the engine itself never fails."""
        if self.hangs:
            self.hangs.wait(_LONGEST_HANG_SECONDS)
            raise ConnectionAbortedError(self.service)
        if self.broken:
            self._note(request, 0)
            raise ConnectionAbortedError(self.service)
        return False

    def _observe(self, request: Request, route: str | None, answer: Answer) -> None:
        self.door.observe(request, route, answer)
        self._note(request, answer.status)

    def _note(self, request: Request, status: int) -> None:
        body = _body(request)
        self.record(
            Call(
                service=self.service,
                method=request.method,
                path=f"{request.path}?{request.query}" if request.query else request.path,
                model=body.get("model") if isinstance(body, dict) else None,
                authorization=request.headers.get("authorization"),
                body=body,
                asks_model=request.method == "POST" and f"POST {request.path}" not in _INFORMATION,
                status=status,
            )
        )


def _body(request: Request) -> Any:
    """The data of a request; several fields of one name become a list."""
    fields: dict[str, Any] = {}
    for name, given in request.fields():
        value = _file(given) if isinstance(given, Upload) else given
        fields[name] = [fields[name], value] if name in fields else value
    try:
        return fields or request.json()
    except ValueError:
        return None


def _file(upload: Upload) -> dict[str, str]:
    data = base64.b64encode(upload.content).decode()
    return {"name": upload.name, "content_type": upload.content_type, "data": data}
