"""Puts a door on a port, as the engines' own servers do: HTTP/1.1, a thread a client, bodies read before the answer."""

from __future__ import annotations

import re
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from .door import Answer, Door, Request

_IDLE_SECONDS = 120
_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_MOST_BODY_BYTES = 512 * 2**20
"""More than any picture or recording needs; a stand-in holds a body whole."""
Strike = Callable[[Request, bool], bool]
"""Whether the engine fails at a request; is told whether that makes a model work."""


class _Server(ThreadingHTTPServer):
    """Many clients at once; threads end with the program."""

    daemon_threads = True
    request_queue_size = 128
    address_family = socket.AF_INET

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are no error of the server."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def serve(
    door: Door,
    strike: Strike,
    address: str = "0.0.0.0",  # noqa: S104 - inside a container
) -> ThreadingHTTPServer:
    """Listen, in threads of its own.

    Args:
        door: what to answer; port 0 takes a free one.
        strike: what goes wrong.
        address: where to listen.

    Raises:
        OSError: the port is taken.
    """
    server = _Server((address, door.port), _handler(door, strike))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server


def _handler(door: Door, strike: Strike) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _IDLE_SECONDS

        def serve(self) -> None:
            try:
                content = _content(self)
            except ValueError as error:
                self.send_error(400, str(error))
                return
            path, _, query = self.requestline.split()[1].partition("?")  # the library makes one of two slashes
            request = Request(
                method=self.command,
                path=unquote(path),
                headers={name.lower(): value for name, value in self.headers.items()},
                query=query,
                content=content,
            )
            route, _ = door.route_of(request)
            fails = strike(request, route in door.works)
            _give(self, door.failure(request) if fails else _answered(door, request))

        def send_error(self, code: int, message: str | None = None, _explain: str | None = None) -> None:
            """What is no request is refused in uvicorn's words; nobody knows where the next one begins."""
            print(f"no request: HTTP {code} {message}", file=sys.stderr, flush=True)
            self.close_connection, self.request_version = True, self.protocol_version
            _give(self, Answer.text("Invalid HTTP request received.", 400))

        def version_string(self) -> str:
            return door.server

        def log_message(self, *_: Any) -> None:
            """Requests are not logged: health checks would drown what matters."""

    for method in _METHODS:
        setattr(Handler, f"do_{method}", Handler.serve)
    return Handler


def _answered(door: Door, request: Request) -> Answer:
    """The answer; where the stand-in itself fails, what the engine says where it fails, and its log says why."""
    try:
        return door.answer(request)
    except Exception:  # noqa: BLE001 - of whatever kind: the engines' servers do the same
        traceback.print_exc()
        return door.failure(request)


def _content(handler: BaseHTTPRequestHandler) -> bytes:
    """The body, of a told length or in chunks.

    Raises:
        ValueError: its length is no number, or too large.
    """
    if handler.headers.get("Transfer-Encoding", "").lower() != "chunked":
        return handler.rfile.read(_size(handler.headers.get("Content-Length") or "0", 10))
    content = b""
    while size := _size(handler.rfile.readline().partition(b";")[0].decode("latin-1"), 16, len(content)):
        content += handler.rfile.read(size)
        handler.rfile.readline()
    while handler.rfile.readline().strip():
        pass  # headers that follow the last chunk
    return content


def _size(written: str, base: int, already: int = 0) -> int:
    """A number of bytes that come now; raises ValueError."""
    if not re.fullmatch(r"[0-9a-fA-F]{1,16}", written.strip()):
        raise ValueError("a length is no number")
    size = int(written, base)
    if already + size > _MOST_BODY_BYTES:
        raise ValueError(f"a stand-in takes bodies of at most {_MOST_BODY_BYTES} bytes")
    return size


def _give(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
    handler.send_response_only(answer.status)
    if handler.version_string():
        handler.send_header("Server", handler.version_string())
    handler.send_header("Date", handler.date_time_string())
    if answer.content_type:
        handler.send_header("Content-Type", answer.content_type)
    for name, value in answer.headers.items():
        handler.send_header(name, value)
    if answer.pieces is None:
        handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(answer.body)
        return
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for piece in answer.pieces:
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        handler.wfile.flush()
    handler.wfile.write(b"0\r\n\r\n")
