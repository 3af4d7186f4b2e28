"""Sends requests and prints replies. Standard library only: it also runs inside a container, sent there as text.

Input (stdin): {"timeout_seconds": 60, "requests": [{"url", "headers", "body", "upload", "method", "timeout_seconds",
"within_seconds"}]}; output: a list of replies in the same order. No reply is waited for longer than either timeout, nor past
`within_seconds` after the first request went out. A request goes out as JSON, a GET without a body; with an upload ({"field",
"name", "content_type", "data"}, the last in base64) as a form with the values of `body` as its fields. A reply that is no text
comes back as `data` in base64.
"""

from __future__ import annotations

import base64
import concurrent.futures
import http.client
import json
import queue
import secrets
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

LARGEST_REPLY_BYTES = 8 * 1024 * 1024
PARALLEL = 8
NOT_ASKED = "not asked"
_SHORTEST_SECONDS = 0.5
"""Less is not worth asking for."""
_NO_TEXT = ("audio/", "image/", "video/", "application/octet-stream")
_TOLD_HEADERS = "x-litellm-"


def call(request: dict[str, Any], timeout_seconds: float) -> dict[str, Any]:
    """One request. A refusal with a status is a reply; no answer at all is an error in words."""
    began = time.monotonic()
    content_type, body = _form(request) if request.get("upload") else _json(request)
    headers = {"Content-Type": content_type, **request["headers"]}
    reply = _nothing()
    try:
        message = urllib.request.Request(request["url"], body, headers, method=request["method"])  # noqa: S310 - built by the plan
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            message, timeout=timeout_seconds
        ) as answer:
            _take(reply, answer, began, timeout_seconds)
    except urllib.error.HTTPError as error:
        with error:
            _take_refusal(reply, error, began, timeout_seconds)
    except urllib.error.URLError as error:
        silent = isinstance(error.reason, TimeoutError)
        reply["error"] = (
            f"no answer within {round(timeout_seconds, 1):g} s" if silent else f"no connection: {error.reason}"
        )
    except TimeoutError:
        reply["error"] = f"no answer within {round(timeout_seconds, 1):g} s"
    except (OSError, ValueError, http.client.HTTPException) as error:
        reply["error"] = f"the connection broke: {error or type(error).__name__}"
    reply["seconds"] = round(time.monotonic() - began, 3)
    return reply


def call_all(requests: list[dict[str, Any]], timeout_seconds: float) -> list[dict[str, Any]]:
    """All requests, a few at a time, replies in their order."""
    began = time.monotonic()

    def in_time(request: dict[str, Any]) -> dict[str, Any]:
        left = request.get("within_seconds", timeout_seconds) - (time.monotonic() - began)
        if left < _SHORTEST_SECONDS:
            return {**_nothing(), "error": f"{NOT_ASKED}: no time is left", "seconds": 0.0}
        return call(request, min(timeout_seconds, request.get("timeout_seconds", timeout_seconds), left))

    due: queue.SimpleQueue[int] = queue.SimpleQueue()
    for at in range(len(requests)):
        due.put(at)
    replies: dict[int, dict[str, Any]] = {}

    def work() -> None:
        while True:
            try:
                at = due.get_nowait()
            except queue.Empty:
                return
            replies[at] = in_time(requests[at])

    for worker in [in_background(work) for _ in range(min(PARALLEL, len(requests)))]:
        worker.result()
    return [replies[at] for at in range(len(requests))]


def in_background(work: Callable[[], Any]) -> concurrent.futures.Future[Any]:
    """Begin work in a thread for which the program does not wait at its end: Ctrl-C must not last as long as a silent server."""
    future: concurrent.futures.Future[Any] = concurrent.futures.Future()

    def begin() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
            future.set_exception(error)

    threading.Thread(target=begin, daemon=True).start()
    return future


def _nothing() -> dict[str, Any]:
    reply: dict[str, Any] = {"status": 0, "content_type": "", "body": "", "data": "", "headers": {}, "error": ""}
    return {**reply, "first_seconds": None}


def _json(request: dict[str, Any]) -> tuple[str, bytes | None]:
    if request["method"] == "GET":
        return "application/json", None
    return "application/json", json.dumps(request["body"], ensure_ascii=False).encode()


def _form(request: dict[str, Any]) -> tuple[str, bytes]:
    """Content type and body of a form with a file (RFC 7578)."""
    boundary = secrets.token_hex(16)
    upload = request["upload"]
    pieces = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"\r\n\r\n{_text(value)}\r\n'.encode()
        for name, value in request["body"].items()
    ]
    place = f'form-data; name="{_quoted(upload["field"])}"; filename="{_quoted(upload["name"])}"'
    head = f"--{boundary}\r\nContent-Disposition: {place}\r\nContent-Type: {upload['content_type']}\r\n\r\n"
    pieces += [head.encode(), base64.b64decode(upload["data"]), f"\r\n--{boundary}--\r\n".encode()]
    return f"multipart/form-data; boundary={boundary}", b"".join(pieces)


def _quoted(name: str) -> str:
    """A name between quotes, escaped as browsers do."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _take(reply: dict[str, Any], answer: Any, began: float, timeout_seconds: float) -> None:
    """Read an answer piece by piece: a server that drips must not hold us for ever."""
    reply["status"] = answer.status
    reply["content_type"] = answer.headers.get("Content-Type", "")
    told = [(name.lower(), value) for name, value in answer.headers.items()]
    reply["headers"] = {name: value for name, value in told if name.startswith(_TOLD_HEADERS)}
    pieces: list[bytes] = []
    size = 0
    streams = reply["content_type"].startswith("text/event-stream")
    while size < LARGEST_REPLY_BYTES:
        piece = answer.read1(65536)
        if not piece:
            break
        pieces.append(piece)
        size += len(piece)
        if streams and reply["first_seconds"] is None and b"data:" in piece:
            reply["first_seconds"] = round(time.monotonic() - began, 3)
        if time.monotonic() - began > timeout_seconds:
            raise TimeoutError
    content = b"".join(pieces)
    if _is_text(reply["content_type"], content):
        reply["body"] = content.decode(errors="replace")
    else:
        reply["data"] = base64.b64encode(content).decode()


def _is_text(content_type: str, content: bytes) -> bool:
    """An error under the content type of a recording is still a text, which people want to read."""
    return not content_type.lower().startswith(_NO_TEXT) or content.lstrip()[:1] in {b"{", b"[", b"<"}


def _take_refusal(reply: dict[str, Any], error: Any, began: float, timeout_seconds: float) -> None:
    """The body of a refusal is worth reading, but its status is what counts."""
    try:
        _take(reply, error, began, timeout_seconds)
    except (OSError, ValueError, http.client.HTTPException):
        reply["status"] = error.status


def main() -> None:
    """The program that runs inside a container."""
    job = json.load(sys.stdin)
    json.dump(call_all(job["requests"], job["timeout_seconds"]), sys.stdout)


if __name__ == "__main__":
    main()
