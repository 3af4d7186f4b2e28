"""Plays an Ollama that has one model, cannot fetch any other, and says so inside HTTP 200. Runs in an image of its own."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PRESENT = "there:latest"


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/api/tags":
            self.answer({"models": [{"name": PRESENT, "model": PRESENT}]})
        elif self.path in {"/", "/api/version"}:
            self.answer({"version": "0.32.15"})
        else:
            self.answer({"error": "not found"}, 404)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = body.get("model") in {PRESENT, PRESENT.removesuffix(":latest")}
        if self.path == "/api/pull":
            self.answer({"status": "pulling manifest"}, more={"error": "pull model manifest: file does not exist"})
        elif self.path in {"/api/chat", "/v1/chat/completions"} and not known:
            self.answer({"error": f"model '{body.get('model')}' not found"}, 404)
        elif self.path == "/api/chat":
            self.chat(body)
        elif self.path == "/v1/chat/completions":
            self.completions(body)
        else:
            self.answer({"error": "not found"}, 404)

    def chat(self, body):
        piece = {"model": body["model"], "created_at": "2026-11-21T00:00:00Z"}
        said = {**piece, "message": {"role": "assistant", "content": "Paris."}, "done": False}
        last = {**piece, "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}
        counts = {"prompt_eval_count": 5, "eval_count": 2}
        if body.get("stream", True):
            self.answer(said, more={**last, **counts})
        else:
            self.answer({**last, "message": said["message"], **counts})

    def completions(self, body):
        if body.get("stream"):
            chunk = {"choices": [{"index": 0, "delta": {"content": "Paris."}}]}
            self.send(f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode(), 200, "text/event-stream")
        else:
            message = {"role": "assistant", "content": "Paris."}
            self.answer({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})

    def answer(self, data, status=200, more=None):
        lines = [json.dumps(item) for item in (data, more) if item is not None]
        self.send("\n".join(lines).encode(), status, "application/x-ndjson" if more else "application/json")

    def send(self, body, status, kind):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", 11434), Server).serve_forever()
