"""Stand-ins for engines, asked through their door alone or over a socket."""

from __future__ import annotations

import base64
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from stackgen.modalities import Reply
from stackgen.resources import shipped
from stackgen.simulators import infinity, vllm
from stackgen.simulators.door import Door, Request
from stackgen.simulators.faults import Fault
from stackgen.simulators.listening import serve

ENGINES = {"vllm": (vllm, "0.32.0"), "infinity": (infinity, "0.0.77")}


@dataclass(frozen=True)
class Got:
    """What was answered."""

    status: int
    headers: Mapping[str, str]
    """Names in small letters."""
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()

    def json(self) -> Any:
        return json.loads(self.content)

    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.content.splitlines()]

    def events(self) -> list[Any]:
        """The events of a stream but for the mark of its end, which must be there."""
        *events, end, nothing = self.text.split("\n\n")
        assert (end, nothing) == ("data: [DONE]", "")
        return [json.loads(event.removeprefix("data: ")) for event in events]

    def reply(self) -> Reply:
        """As probes judge it."""
        kind = self.headers["content-type"]
        if kind.startswith("audio/"):
            return Reply(status=self.status, content_type=kind, data=base64.b64encode(self.content).decode())
        return Reply(status=self.status, content_type=kind, body=self.text)


def stand_in(engine: str, *words: str, version: str = "", **environment: str) -> Door:
    """The door of an engine that is started with these words; SystemExit where it refuses them."""
    module, recorded = ENGINES[engine]
    return module.door(words, environment, version or recorded)


def refusal_of(capsys: Any, *start: str, **environment: str) -> tuple[int, str]:
    """Exit code and last line of a start that is refused."""
    try:
        stand_in(*start, **environment)
    except SystemExit as end:
        lines = capsys.readouterr().err.strip().splitlines()
        frameless = [line.strip("│╭╰─╮╯ ") for line in lines]
        return int(str(end.code)), [line for line in frameless if line][-1]
    raise AssertionError("the command line was taken")


def ask(door: Door, route: str, body: Any = None, *, key: str = "", raw: bytes | None = None) -> Got:
    """What a door answers to `METHOD /path`, without a network."""
    method, _, path = route.partition(" ")
    headers = {"content-type": "application/json"}
    if key:
        headers["authorization"] = f"Bearer {key}"
    content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
    answer = door.answer(Request(method=method, path=path, headers=headers, content=content))
    told = {"content-type": answer.content_type, **{name.lower(): value for name, value in answer.headers.items()}}
    return Got(answer.status, told, answer.body if answer.pieces is None else b"".join(answer.pieces))


@contextmanager
def served(door: Door, fault: str = "") -> Iterator[str]:
    """The URL of a stand-in on a free port."""
    server = serve(door, Fault.of(fault).strike, "127.0.0.1")
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def send(method: str, url: str, body: Any = None, **headers: str) -> Got:
    """One request over a socket; a body that is not bytes goes as JSON."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.netloc, timeout=30)
    content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    path = url.partition(place.netloc)[2] or "/"
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        if content is not None:
            connection.putheader("Content-Length", str(len(content)))
        connection.endheaders(content)
        answer = connection.getresponse()
        return Got(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def fetch(engine: str, url: str, *models: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What the job that fetches models does at a stand-in, in haste."""
    haste = {"FETCH_ATTEMPTS": "3", "FETCH_FIRST_PAUSE_SECONDS": "0.05", "FETCH_PROGRESS_SECONDS": "0"}
    return subprocess.run(
        [sys.executable, str(shipped("templates") / "fetch.py"), engine, url, *models],
        env={**os.environ, **haste, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def form(**fields: str | tuple[str, str, bytes]) -> tuple[bytes, str]:
    """A form as browsers send it, and its content type; a file is name, content type and content."""
    parts = []
    for name, value in fields.items():
        if isinstance(value, str):
            parts.append(f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode())
        else:
            file, kind, content = value
            head = f'Content-Disposition: form-data; name="{name}"; filename="{file}"\r\nContent-Type: {kind}\r\n\r\n'
            parts.append(head.encode() + content)
    body = b"".join(b"--border\r\n" + part + b"\r\n" for part in parts) + b"--border--\r\n"
    return body, "multipart/form-data; boundary=border"


def user(text: Any, **fields: Any) -> dict[str, Any]:
    """The body of a chat with one message."""
    return {"messages": [{"role": "user", "content": text}], **fields}


def refused(got: Got) -> tuple[int, str]:
    """Status and message of a refusal in the form of OpenAI."""
    error = got.json()["error"]
    assert error["code"] == got.status
    return got.status, error["message"]
