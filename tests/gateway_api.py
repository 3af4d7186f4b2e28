"""A gateway that keeps teams and keys in memory and answers in LiteLLM's shapes; strict about what it is sent."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
import time
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from support import Listener

MASTER = "sk-master-0123456789abcdef"
LIMITS = {"models", "max_budget", "budget_duration", "rpm_limit", "tpm_limit"}
FIELDS = {
    "/team/new": LIMITS | {"team_id", "team_alias"},
    "/team/update": LIMITS | {"team_id", "team_alias"},
    "/key/generate": LIMITS | {"key", "key_alias", "team_id"},
    "/key/update": LIMITS | {"key", "key_alias", "team_id"},
    "/key/delete": {"keys"},
}


def digest(key):
    return hashlib.sha256(key.encode()).hexdigest()


class RefusedError(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status, self.message = status, message


class Gateway:
    """What it has, what it was asked, and how it misbehaves."""

    def __init__(self):
        self.teams, self.keys = {}, {}
        self.requests = []
        self.replies = {}
        """Path -> (status, body) that it answers instead."""
        self.seconds = 0.0
        self.defaults = {}
        """What it gives new keys that leave it out."""

    @property
    def posts(self):
        return [(path, body) for method, path, _, body in self.requests if method == "POST"]

    def answer(self, key, method, path, query, body):
        if key != MASTER:
            raise RefusedError(401, f"Authentication Error, Invalid proxy server token passed. Received={key}")
        if method == "GET":
            return {"/team/info": self.team_info, "/key/info": self.key_info}[path](**query)
        if unknown := set(body) - FIELDS[path]:
            raise RefusedError(422, f"unknown: {unknown}")
        name = path.strip("/").replace("/", "_")
        return getattr(self, name)(body)

    def team_info(self, team_id, key_limit):
        assert int(key_limit) > 0
        if team_id not in self.teams:
            raise RefusedError(404, {"message": f"Team not found, passed team id: {team_id}."})
        return {"team_id": team_id, "team_info": self.teams[team_id], "keys": [], "team_memberships": []}

    def key_info(self, key):
        assert len(key) == 64, "a key in a URL"
        if key not in self.keys:
            raise RefusedError(404, "Key not found in database")
        return {"key": key, "info": self.keys[key]}

    def team_new(self, body):
        if body["team_id"] in self.teams:
            raise RefusedError(
                400, {"error": f"Team id = {body['team_id']} already exists. Please use a different team id."}
            )
        self.teams[body["team_id"]] = {"spend": 0.0, "blocked": False, "metadata": {}, **body}
        return self.teams[body["team_id"]]

    def team_update(self, body):
        if body["team_id"] not in self.teams:
            raise RefusedError(404, {"error": f"Team not found, passed team_id={body['team_id']}"})
        self.teams[body["team_id"]].update(body)
        return {"team_id": body["team_id"], "data": self.teams[body["team_id"]]}

    def key_generate(self, body):
        settings = dict(body)
        key = settings.pop("key")
        if not key.startswith("sk-") or len(key) < 16:
            raise RefusedError(
                400, {"error": f"Invalid key format. LiteLLM Virtual Key must start with 'sk-'. Received: {key}"}
            )
        if any(row["key_alias"] == body["key_alias"] for row in self.keys.values() if row["status"] != "deleted"):
            alias = body["key_alias"]
            raise RefusedError(
                400, f"Key with alias '{alias}' already exists. Unique key aliases across all keys are required."
            )
        given = {name: settings[name] if settings[name] is not None else self.defaults.get(name) for name in settings}
        self.keys[digest(key)] = {"spend": 0.0, "blocked": None, "expires": None, "status": "active", **given}
        return {"key": key, "token": digest(key), "key_name": f"sk-...{key[-4:]}", "expires": None}

    def key_update(self, body):
        settings = dict(body)
        key = settings.pop("key")
        if key not in self.keys or self.keys[key]["status"] == "deleted":
            raise RefusedError(404, "Key not found.")
        self.keys[key].update(settings)
        return {"key": key, **self.keys[key]}

    def key_delete(self, body):
        if missing := [key for key in body["keys"] if key not in self.keys]:
            raise RefusedError(404, f"No keys found: {missing}")
        for key in body["keys"]:
            self.keys[key]["status"] = "deleted"
        return {"deleted_keys": body["keys"]}


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.reply(None)

    def do_POST(self):
        self.reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def reply(self, body):
        gateway = self.server.gateway
        parts = urlsplit(self.path)
        query = {name: value for name, (value,) in parse_qs(parts.query).items()}
        gateway.requests.append((self.command, parts.path, query, body))
        time.sleep(gateway.seconds)
        status, text = 200, ""
        try:
            if parts.path in gateway.replies:
                status, text = gateway.replies[parts.path]
            else:
                key = self.headers.get("Authorization", "").removeprefix("Bearer ")
                text = json.dumps(gateway.answer(key, self.command, parts.path, query, body))
        except RefusedError as refused:
            status = refused.status
            error = {"message": str(refused.message), "type": "auth_error", "param": "None", "code": str(status)}
            text = json.dumps({"error": error})
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        try:
            self.wfile.write(text.encode())
        except OSError:
            assert gateway.seconds  # the client had waited enough

    def log_message(self, *_):
        pass


@contextmanager
def running():
    """The gateway and its port."""
    with Listener(("127.0.0.1", 0), _Handler) as server:
        server.gateway = Gateway()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.gateway, server.server_port
        finally:
            server.shutdown()
            thread.join()
