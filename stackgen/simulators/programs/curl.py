"""curl, as far as health checks need it: its options, exit codes and messages.

One request after the other, HTTP alone, no proxy, no progress meter; `--retry` is taken and nothing is tried again.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin, urlsplit

from .curl_options import Options, UsageError, read

_AGENT = "curl/8.5.0"
_VERSION = "curl 8.5.0 (stand-in) libcurl/8.5.0\nProtocols: http"
_HELP = "Usage: curl [options...] <url>"
_UNKNOWN_SCHEME, _USAGE, _WRONG_URL, _NO_HOST, _REFUSED = 1, 2, 3, 6, 7
_CUT, _HTTP_ERROR, _NOT_WRITTEN, _TIMEOUT, _TLS = 18, 22, 23, 28, 35
_REDIRECTS, _EMPTY, _RESET = 47, 52, 56
_FIRST_ERROR = 400
_MOST_REDIRECTS = 50
_MOVED, _KEPT = frozenset({301, 302, 303}), frozenset({307, 308})
_PIECE_BYTES = 65_536
_JSON: Mapping[str, str] = {"Content-Type": "application/json", "Accept": "application/json"}


class CurlError(Exception):
    """Why a transfer failed, and the exit code that says it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(kw_only=True)
class Transfer:
    """One URL: what is asked, and what came of it."""

    options: Options
    url: str
    method: str
    body: bytes | None
    headers: dict[str, str]
    status: int = 0
    size: int = 0
    content_type: str = ""
    began: float = 0.0

    def left(self) -> float | None:
        """Seconds until it must be over; None: any number."""
        most = self.options.seconds("max-time")
        if most is None:
            return None
        left = self.began + most - time.monotonic()
        if left <= 0:
            raise self.late()
        return left

    def late(self) -> CurlError:
        """It took too long."""
        spent = round((time.monotonic() - self.began) * 1000)
        return CurlError(_TIMEOUT, f"Operation timed out after {spent} milliseconds with {self.size} bytes received")


def main(arguments: Sequence[str]) -> int:
    """Transfer every URL; the exit code is that of the last one."""
    try:
        options = read(arguments)
    except UsageError as error:
        print(error, file=sys.stderr)
        return _USAGE
    if options.switches & {"version", "help"}:
        print(_VERSION if options.has("version") else _HELP)
        return 0
    code = 0
    outputs = options.values.get("output", [])
    for number, url in enumerate(options.urls):
        code = _transfer(options, url, outputs[number] if number < len(outputs) else "-")
    return code


def _transfer(options: Options, url: str, output: str) -> int:
    body = _body_of(options)
    method = options.last("request") or ("HEAD" if options.has("head") else "GET" if body is None else "POST")
    transfer = Transfer(options=options, url=url, method=method, body=body, headers=_headers_of(options))
    transfer.began = time.monotonic()
    code = 0
    try:
        _follow(transfer, output)
    except CurlError as error:
        code = error.code
        if not options.has("silent") or options.has("show-error"):
            print(f"curl: ({code}) {error}", file=sys.stderr)
    if options.last("write-out"):
        sys.stdout.write(_written_out(transfer, options.last("write-out")))
        sys.stdout.flush()
    return code


def _body_of(options: Options) -> bytes | None:
    """What `-d` and `--json` send; `@file` is the content of a file, of `-d` without ends of lines."""
    if not options.data:
        return None
    pieces = []
    for name, text in options.data:
        content = text.encode()
        if text.startswith("@") and name != "data-raw":
            content = sys.stdin.buffer.read() if text == "@-" else Path(text[1:]).read_bytes()
        pieces.append(content.replace(b"\r", b"").replace(b"\n", b"") if name == "data" else content)
    return (b"" if _sends_json(options) else b"&").join(pieces)


def _sends_json(options: Options) -> bool:
    return any(name == "json" for name, _ in options.data)


def _headers_of(options: Options) -> dict[str, str]:
    """Its own headers, and those of the command line over them; `Name:` takes one away."""
    kind = {"Content-Type": "application/x-www-form-urlencoded"} if options.data else {}
    headers = {"User-Agent": _AGENT, "Accept": "*/*", **(_JSON if _sends_json(options) else kind)}
    for line in options.values.get("header", []):
        name, _, value = line.partition(":")
        for known in [known for known in headers if known.lower() == name.strip().lower()]:
            del headers[known]
        if value.strip():
            headers[name.strip()] = value.strip()
    return headers


def _follow(transfer: Transfer, output: str) -> None:
    """Ask, and where `-L` is given ask again where it leads."""
    options = transfer.options
    for _ in range(_MOST_REDIRECTS + 1):
        with _connected(transfer) as connection:
            open_socket = connection.sock
            answer = _asked(transfer, connection)
            place = answer.headers.get("Location")
            if not (options.has("location") and place and answer.status in _MOVED | _KEPT):
                _receive(transfer, answer, open_socket, output)
                return
            transfer.url = urljoin(transfer.url, place)
            if answer.status in _MOVED and transfer.body is not None:
                transfer.body, transfer.method = None, options.last("request") or "GET"
                transfer.headers.pop("Content-Type", None)
    raise CurlError(_REDIRECTS, f"Maximum ({_MOST_REDIRECTS}) redirects followed")


@contextlib.contextmanager
def _connected(transfer: Transfer) -> Iterator[http.client.HTTPConnection]:
    if "://" not in transfer.url:
        transfer.url = f"http://{transfer.url}"
    scheme = transfer.url.partition("://")[0].lower()
    if scheme not in {"http", "https"}:
        raise CurlError(_UNKNOWN_SCHEME, f'Protocol "{scheme}" not supported or disabled in libcurl')
    try:
        place = urlsplit(transfer.url)
        host, port = place.hostname or "", place.port or (443 if scheme == "https" else 80)
    except ValueError:
        message = "URL using bad/illegal format or missing URL"
        raise CurlError(_WRONG_URL, message) from None
    if not host or any(character.isspace() or ord(character) < ord(" ") for character in transfer.url):
        raise CurlError(_WRONG_URL, "URL using bad/illegal format or missing URL")
    connection = http.client.HTTPConnection(host, port)
    try:
        connection.sock = _socket(transfer, host, port)
        if scheme == "https":
            raise CurlError(_TLS, "TLS connect error: error:0A0000C6:SSL routines::packet length too long")
        yield connection
    finally:
        connection.close()


def _socket(transfer: Transfer, host: str, port: int) -> socket.socket:
    times = [seconds for seconds in (transfer.left(), transfer.options.seconds("connect-timeout")) if seconds]
    try:
        return socket.create_connection((host, port), min(times, default=None))
    except socket.gaierror:
        raise CurlError(_NO_HOST, f"Could not resolve host: {host}") from None
    except TimeoutError:
        raise transfer.late() from None
    except OSError:
        spent = round((time.monotonic() - transfer.began) * 1000)
        message = f"Failed to connect to {host} port {port} after {spent} ms: Couldn't connect to server"
        raise CurlError(_REFUSED, message) from None


def _asked(transfer: Transfer, connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
    place = urlsplit(transfer.url)
    target = (place.path or "/") + (f"?{place.query}" if place.query else "")
    try:
        connection.putrequest(transfer.method, target, skip_accept_encoding=True)
        for name, value in transfer.headers.items():
            connection.putheader(name, value)
        if transfer.body is not None:
            connection.putheader("Content-Length", str(len(transfer.body)))
        connection.endheaders(transfer.body)
        connection.sock.settimeout(transfer.left())
        answer = connection.getresponse()
    except TimeoutError:
        raise transfer.late() from None
    except http.client.RemoteDisconnected:
        raise CurlError(_EMPTY, "Empty reply from server") from None
    except http.client.BadStatusLine:
        raise CurlError(_UNKNOWN_SCHEME, "Received HTTP/0.9 when not allowed") from None
    except OSError:
        raise CurlError(_RESET, "Recv failure: Connection reset by peer") from None
    transfer.status, transfer.content_type = answer.status, answer.headers.get("Content-Type", "")
    return answer


def _receive(transfer: Transfer, answer: http.client.HTTPResponse, open_socket: socket.socket, output: str) -> None:
    """Write the answer; with `-f` an error is told instead, with `--fail-with-body` too."""
    options, failed = transfer.options, answer.status >= _FIRST_ERROR
    error = CurlError(_HTTP_ERROR, f"The requested URL returned error: {answer.status}")
    if failed and options.has("fail"):
        raise error
    with _opened(output) as file:
        if options.has("head") or options.has("include"):
            lines = [
                f"HTTP/1.1 {answer.status} {answer.reason}",
                *(f"{name}: {value}" for name, value in answer.getheaders()),
            ]
            file.write("".join(f"{line}\r\n" for line in (*lines, "")).encode())
        for piece in _pieces(transfer, answer, open_socket):
            file.write(piece)
        file.flush()
    if failed and options.has("fail-with-body"):
        raise error


def _pieces(transfer: Transfer, answer: http.client.HTTPResponse, open_socket: socket.socket) -> Iterator[bytes]:
    try:
        while not answer.isclosed():
            open_socket.settimeout(transfer.left())
            piece = answer.read1(_PIECE_BYTES)
            if not piece:
                break
            transfer.size += len(piece)
            yield piece
        if answer.length:
            raise CurlError(_CUT, f"transfer closed with {answer.length} bytes remaining to read")
    except TimeoutError:
        raise transfer.late() from None
    except http.client.IncompleteRead:
        raise CurlError(_CUT, "transfer closed with outstanding read data remaining") from None
    except OSError:
        raise CurlError(_RESET, "Recv failure: Connection reset by peer") from None


@contextlib.contextmanager
def _opened(output: str) -> Iterator[BinaryIO]:
    try:
        if output == "-":
            yield sys.stdout.buffer
        else:
            with Path(output).open("wb") as file:
                yield file
    except OSError as error:
        raise CurlError(_NOT_WRITTEN, f"Failure writing output to destination: {error.strerror}") from None


def _written_out(transfer: Transfer, form: str) -> str:
    """`-w`: variables in braces, and the escapes of a text."""
    values = {
        "http_code": f"{transfer.status:03d}",
        "response_code": f"{transfer.status:03d}",
        "size_download": str(transfer.size),
        "content_type": transfer.content_type,
        "url_effective": transfer.url,
        "time_total": f"{time.monotonic() - transfer.began:.6f}",
    }
    for name, value in values.items():
        form = form.replace(f"%{{{name}}}", value)
    for escape, character in (("\\n", "\n"), ("\\t", "\t"), ("\\r", "\r"), ("%%", "%")):
        form = form.replace(escape, character)
    return form


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
