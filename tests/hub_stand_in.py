"""A hub of this machine: what `facts add` asks of huggingface.co, from files in memory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from threading import Thread

from support import Listener

REVISION = "0123456789abcdef0123456789abcdef01234567"
_INFO = re.compile(r"/api/models/([^?]+)")
_FILE = re.compile(r"/([^/]+/[^/]+)/resolve/([0-9a-f]+)/(.+)")
_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


@dataclass
class Repository:
    """A model at the hub."""

    files: dict[str, bytes]
    pipeline: str = ""
    gated: str | bool = False
    token: str = ""
    """Without it its files are not shown."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Of files that are not here."""
    parameters: dict[str, int] = field(default_factory=dict)
    tags: tuple[str, ...] = ()

    def info(self, name: str) -> dict:
        sizes = {file: len(content) for file, content in self.files.items()} | self.sizes
        return {
            "id": name,
            "modelId": name,
            "sha": REVISION,
            "pipeline_tag": self.pipeline or None,
            "gated": self.gated,
            "private": False,
            "tags": ["safetensors", *self.tags],
            **({"safetensors": {"parameters": self.parameters, "total": 1}} if self.parameters else {}),
            "downloads": 0,
            "likes": 0,
            "siblings": [{"rfilename": file, "size": size} for file, size in sorted(sizes.items())],
        }


@dataclass
class StandIn:
    """The hub: what it has, and what was asked."""

    repositories: dict[str, Repository]
    address: str = ""
    asked: list[str] = field(default_factory=list)
    sent_bytes: int = 0


@contextmanager
def hub(repositories: dict[str, Repository]) -> Iterator[StandIn]:
    """A hub on a free port, until the end of the block."""
    found = StandIn(repositories)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            found.asked.append(self.path)
            file = _FILE.fullmatch(self.path)
            info = _INFO.match(self.path)
            name = file[1] if file else info[1] if info else ""
            repository = repositories.get(name)
            if repository is None:
                return self.answer(401, b"Invalid username or password.", {"X-Error-Code": "RepoNotFound"})
            if info:
                return self.answer(200, json.dumps(repository.info(name)).encode())
            if repository.token and self.headers.get("Authorization") != f"Bearer {repository.token}":
                return self.answer(403, b"restricted", {"X-Error-Code": "GatedRepo"})
            content = repository.files.get(file[3])
            if content is None:
                return self.answer(404, b"no such file", {"X-Error-Code": "EntryNotFound"})
            part = _RANGE.fullmatch(self.headers.get("Range", ""))
            if part:
                return self.answer(206, content[int(part[1]) : int(part[2]) + 1])
            return self.answer(200, content)

        def answer(self, status, body, headers=()):
            self.send_response(status)
            for key, value in dict(headers).items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            found.sent_bytes += len(body)

        def log_message(self, *_):
            """Nothing."""

    server = Listener(("127.0.0.1", 0), Handler)
    found.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
