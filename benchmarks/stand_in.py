"""Plays a server that takes its time: says nothing for READY_AFTER_SECONDS, then serves and logs the second in which it did."""

from __future__ import annotations

import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 8000


class Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: the log holds the ready line alone."""


if __name__ == "__main__":
    time.sleep(float(os.environ["READY_AFTER_SECONDS"]))
    server = ThreadingHTTPServer(("0.0.0.0", PORT), Server)
    print(f"ready {time.time():.3f}", flush=True)
    server.serve_forever()
