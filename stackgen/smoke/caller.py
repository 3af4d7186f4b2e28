"""Sends requests and prints replies. Standard library only: it also runs inside a container, sent there as text.

Input (stdin): {"timeout_seconds": 60, "requests": [{"url", "headers", "body"}]}; output: a list of replies in the same order.
"""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import sys
import time
import urllib.error
import urllib.request
from typing import Any

LARGEST_REPLY_BYTES = 8 * 1024 * 1024
PARALLEL = 4


def call(request: dict[str, Any], timeout_seconds: float) -> dict[str, Any]:
    """One POST. A refusal with a status is a reply; no answer at all is an error in words."""
    began = time.monotonic()
    body = json.dumps(request["body"]).encode()
    headers = {"Content-Type": "application/json", **request["headers"]}
    reply: dict[str, Any] = {"status": 0, "content_type": "", "body": "", "error": ""}
    try:
        message = urllib.request.Request(request["url"], data=body, headers=headers, method="POST")  # noqa: S310 - built by the plan
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            message, timeout=timeout_seconds
        ) as answer:
            _take(reply, answer, began + timeout_seconds)
    except urllib.error.HTTPError as error:
        with error:
            _take_refusal(reply, error, began + timeout_seconds)
    except urllib.error.URLError as error:
        reply["error"] = f"no connection: {error.reason}"
    except TimeoutError:
        reply["error"] = f"no answer within {timeout_seconds:g} s"
    except (OSError, ValueError, http.client.HTTPException) as error:
        reply["error"] = f"the connection broke: {error or type(error).__name__}"
    reply["seconds"] = round(time.monotonic() - began, 3)
    return reply


def call_all(requests: list[dict[str, Any]], timeout_seconds: float) -> list[dict[str, Any]]:
    """All requests, a few at a time, replies in their order."""
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        return list(pool.map(lambda request: call(request, timeout_seconds), requests))


def _take(reply: dict[str, Any], answer: Any, deadline: float) -> None:
    """Read an answer piece by piece: a server that drips must not hold us for ever."""
    reply["status"] = answer.status
    reply["content_type"] = answer.headers.get("Content-Type", "")
    pieces: list[bytes] = []
    size = 0
    while size < LARGEST_REPLY_BYTES:
        piece = answer.read1(65536)
        if not piece:
            break
        pieces.append(piece)
        size += len(piece)
        if time.monotonic() > deadline:
            raise TimeoutError
    reply["body"] = b"".join(pieces).decode(errors="replace")


def _take_refusal(reply: dict[str, Any], error: Any, deadline: float) -> None:
    """The body of a refusal is worth reading, but its status is what counts."""
    try:
        _take(reply, error, deadline)
    except (OSError, ValueError, http.client.HTTPException):
        reply["status"] = error.status


def main() -> None:
    """The program that runs inside a container."""
    job = json.load(sys.stdin)
    json.dump(call_all(job["requests"], job["timeout_seconds"]), sys.stdout)


if __name__ == "__main__":
    main()
