"""Reads the little pictures that probes send, to see what a model would see."""

from __future__ import annotations

import struct
import zlib


def square(png: bytes) -> tuple[int, int, set[bytes]]:
    """Width, height and colours of a PNG file without filters; ValueError where it is damaged."""
    if not png.startswith(b"\x89PNG\r\n\x1a\n"):
        raise ValueError("not a PNG file")
    chunks, at = {}, 8
    while at < len(png):
        size = int.from_bytes(png[at : at + 4], "big")
        kind, content = png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        if int.from_bytes(png[at + 8 + size : at + 12 + size], "big") != zlib.crc32(kind + content):
            raise ValueError(f"the sum of chunk {kind!r} is wrong")
        chunks[kind] = content
        at += 12 + size
    if list(chunks) != [b"IHDR", b"IDAT", b"IEND"]:
        raise ValueError(f"unexpected chunks {list(chunks)}")
    width, height, *form = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    row = 1 + 3 * width
    lines = zlib.decompress(chunks[b"IDAT"])
    if form != [8, 2, 0, 0, 0] or len(lines) != height * row or set(lines[::row]) != {0}:
        raise ValueError("not plain rows of eight bits a channel")
    pixels = b"".join(lines[at + 1 : at + row] for at in range(0, len(lines), row))
    return width, height, {pixels[at : at + 3] for at in range(0, len(pixels), 3)}
