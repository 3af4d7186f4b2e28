"""The program `ollama`: its server, and the commands that ask one."""

from __future__ import annotations

import http.client
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

_PORT = 11434
_NO_SERVER = "could not connect to ollama server, run 'ollama serve' to start it"
_USAGE = "Usage:\n  ollama [flags]\n  ollama [command]\n\nAvailable Commands:\n  serve, show, pull, rm, list, ps, help"
_FIRST_ERROR = 400
_SPANS = ((60, "second"), (60, "minute"), (24, "hour"), (7, "day"), (4, "week"), (12, "month"))


class CommandError(Exception):
    """What the program says before it ends with 1."""


def main(arguments: Sequence[str]) -> int:
    """Run one command; without one the usage is shown."""
    command, *rest = arguments or ("help",)
    names = [word for word in rest if not word.startswith("-")]
    try:
        _COMMANDS.get(command, _unknown(command))(names)
    except CommandError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


def _unknown(command: str) -> Callable[[Sequence[str]], None]:
    def refuse(_: Sequence[str]) -> None:
        raise CommandError(f'unknown command "{command}" for "ollama"')

    return refuse


def _serve(_: Sequence[str]) -> None:
    from .. import start  # noqa: PLC0415 - health checks must not pay for the server

    start.main(["serve"])


def _list(names: Sequence[str]) -> None:
    """All models, or those whose names begin so."""
    begin = names[0].lower() if names else ""
    rows = [
        (model["name"], model["digest"][:12], _size(model["size"]), f"{_span(model['modified_at'])} ago")
        for model in _json("GET", "/api/tags")["models"]
        if model["name"].lower().startswith(begin)
    ]
    _table(("NAME", "ID", "SIZE", "MODIFIED"), rows)


def _running(_: Sequence[str]) -> None:
    rows = [
        (model["name"], model["digest"][:12], _size(model["size"]), "100% GPU", str(model["context_length"]),
         f"{_span(model['expires_at'])} from now")
        for model in _json("GET", "/api/ps")["models"]
    ]  # fmt: skip
    _table(("NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"), rows)


def _pull(names: Sequence[str]) -> None:
    """Tell every step once, on stderr."""
    told = ""
    for event in _lines("/api/pull", {"model": _one(names)}):
        if "error" in event:
            raise CommandError(str(event["error"]))
        if event.get("status", "") != told:
            told = str(event["status"])
            print(told, file=sys.stderr, flush=True)


def _show(names: Sequence[str]) -> None:
    shown = _json("POST", "/api/show", {"model": _one(names)})
    details = shown["details"]
    rows = {"architecture": details["family"], "parameters": details["parameter_size"]}
    rows |= {key.partition(".")[2].replace("_", " "): value for key, value in shown["model_info"].items() if "_" in key}
    rows["quantization"] = details["quantization_level"]
    print("  Model")
    for name, value in rows.items():
        print(f"    {name:<19} {value}")
    print("\n  Capabilities")
    for capability in shown["capabilities"]:
        print(f"    {capability}")


def _remove(names: Sequence[str]) -> None:
    for name in names:
        _json("DELETE", "/api/delete", {"model": name})
        print(f"deleted '{name}'")


def _version(_: Sequence[str]) -> None:
    own = os.environ.get("STAND_IN_VERSION", "")
    try:
        print(f"ollama version is {_json('GET', '/api/version')['version']}")
    except CommandError:
        print("Warning: could not connect to a running Ollama instance")
        print(f"Warning: client version is {own}")


def _help(_: Sequence[str]) -> None:
    print(_USAGE)


_COMMANDS: Mapping[str, Callable[[Sequence[str]], None]] = {
    "serve": _serve,
    "start": _serve,
    "list": _list,
    "ls": _list,
    "ps": _running,
    "pull": _pull,
    "show": _show,
    "rm": _remove,
    "--version": _version,
    "-v": _version,
    "help": _help,
    "--help": _help,
    "-h": _help,
}


def _one(names: Sequence[str]) -> str:
    if len(names) != 1:
        raise CommandError(f"accepts 1 arg(s), received {len(names)}")
    return names[0]


def _connection() -> http.client.HTTPConnection:
    """To the server of OLLAMA_HOST; this machine's own where it names every address."""
    address = os.environ.get("OLLAMA_HOST", "").rpartition("://")[2].partition("/")[0]
    host, _, port = address.partition(":")
    return http.client.HTTPConnection(
        "127.0.0.1" if host in {"", "0.0.0.0"} else host,  # noqa: S104 - the address of a server
        int(port or _PORT),
    )


def _ask(method: str, path: str, body: Mapping[str, Any] | None) -> http.client.HTTPResponse:
    connection = _connection()
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None)
        answer = connection.getresponse()
    except (OSError, http.client.HTTPException):
        raise CommandError(_NO_SERVER) from None
    if answer.status >= _FIRST_ERROR:
        text = answer.read().decode(errors="replace")
        found = re.match(r'\{"error":(".*")\}', text)
        raise CommandError(json.loads(found[1]) if found else text.strip())
    return answer


def _json(method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    text = _ask(method, path, body).read()
    return json.loads(text) if text else None


def _lines(path: str, body: Mapping[str, Any]) -> Iterator[Any]:
    return (json.loads(line) for line in _ask("POST", path, body) if line.strip())


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest text, four blanks between them, as the program writes them."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        print("    ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + "    ")


def _size(count_bytes: float) -> str:
    for unit in ("B", "KB", "MB"):
        if count_bytes < 1000:  # noqa: PLR2004 - decimal units
            return f"{count_bytes:.0f} {unit}"
        count_bytes /= 1000
    return f"{count_bytes:.1f} GB"


def _span(moment: str) -> str:
    """How far a moment is from now, in one word of time."""
    then = datetime.fromisoformat(f"{moment[:19]}+00:00")
    count = abs((datetime.now(UTC) - then).total_seconds())
    for length, unit in _SPANS:
        if count < length:
            return f"{count:.0f} {unit}{'' if round(count) == 1 else 's'}"
        count /= length
    return f"{count:.0f} years"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
