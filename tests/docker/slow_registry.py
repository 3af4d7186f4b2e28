"""A registry of this test alone: one image of two random layers, given slowly; its program is not in it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_LAYER_BYTES = 6 << 20
_PIECE_BYTES, _PAUSE_SECONDS = 1 << 18, 0.25
_DOCKER = "application/vnd.docker"


class Content(dict):
    """Blobs by their digest, and the image's manifest."""

    def put(self, blob):
        digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
        self[digest] = blob
        return digest

    def fill(self):
        layers, differences = [], []
        for number in range(2):
            file = io.BytesIO()
            with tarfile.open(fileobj=file, mode="w") as archive:
                entry = tarfile.TarInfo(f"file{number}")
                entry.size = _LAYER_BYTES
                archive.addfile(entry, io.BytesIO(os.urandom(_LAYER_BYTES)))
            packed = gzip.compress(file.getvalue(), 1)
            differences.append(f"sha256:{hashlib.sha256(file.getvalue()).hexdigest()}")
            kind = f"{_DOCKER}.image.rootfs.diff.tar.gzip"
            layers.append({"mediaType": kind, "size": len(packed), "digest": self.put(packed)})
        machine = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/nothing"]}}
        config = json.dumps(machine | {"rootfs": {"type": "layers", "diff_ids": differences}}).encode()
        about = {"mediaType": f"{_DOCKER}.container.image.v1+json", "size": len(config), "digest": self.put(config)}
        head = {"schemaVersion": 2, "mediaType": f"{_DOCKER}.distribution.manifest.v2+json"}
        self["1"] = json.dumps(head | {"config": about, "layers": layers}).encode()
        self.put(self["1"])
        return self


@contextmanager
def slow_registry():
    """Name of an image that takes about six seconds to fetch."""
    content = Content().fill()

    class Server(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            """Nothing."""

        def do_GET(self):
            blob = content.get(self.path.rpartition("/")[2], b"{}")
            kind = (
                f"{_DOCKER}.distribution.manifest.v2+json" if "/manifests/" in self.path else "application/octet-stream"
            )
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Docker-Content-Digest", f"sha256:{hashlib.sha256(blob).hexdigest()}")
            self.send_header("Content-Length", str(len(blob)))
            self.end_headers()
            if self.command == "HEAD":
                return
            for start in range(0, len(blob), _PIECE_BYTES):
                self.wfile.write(blob[start : start + _PIECE_BYTES])
                time.sleep(_PAUSE_SECONDS if len(blob) > _PIECE_BYTES else 0)

        do_HEAD = do_GET  # noqa: N815 - the name that the server looks for

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}/thing:1"
    finally:
        server.shutdown()
        server.server_close()
