"""What goes into a command inside a container and comes out of it, within a time."""

from __future__ import annotations

import socket
import struct
import time

_HEAD = struct.Struct(">BxxxL")
"""Before each piece: which output it is of, and its size in bytes."""
_OUTPUT, _ERRORS = 1, 2
_PIECE_BYTES = 65_536


def exchanged(connection: socket.socket, stdin: bytes, timeout_seconds: float) -> tuple[bytes, bytes]:
    """Send the whole input, then read output and error output to their end.

    Docker's library has a reader too, but that one waits for ever, whatever timeout the connection has.

    Args:
        connection: of a command that was started; it stays open.
        stdin: the whole input.
        timeout_seconds: longest time in all.

    Raises:
        TimeoutError: the command goes on after that time.
        OSError: the connection broke.
    """
    end = time.monotonic() + timeout_seconds
    connection.settimeout(timeout_seconds)
    connection.sendall(stdin)
    connection.shutdown(socket.SHUT_WR)  # the program inside sees the end of its input
    outputs: dict[int, list[bytes]] = {_OUTPUT: [], _ERRORS: []}
    while len(head := _read(connection, _HEAD.size, end)) == _HEAD.size:
        stream, size = _HEAD.unpack(head)
        outputs.setdefault(stream, []).append(_read(connection, size, end))
    return b"".join(outputs[_OUTPUT]), b"".join(outputs[_ERRORS])


def _read(connection: socket.socket, size: int, end: float) -> bytes:
    """So many bytes; fewer where the other side has ended."""
    pieces: list[bytes] = []
    missing = size
    while missing:
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        piece = connection.recv(min(missing, _PIECE_BYTES))
        if not piece:
            break
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)
