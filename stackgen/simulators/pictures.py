"""What a model would see on a picture: PNG is read as the format's paper has it, and its main colour is named."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Bytes of a pixel by kind of colour: grey, red-green-blue, palette, grey and opacity, red-green-blue and opacity."""
_PALETTE = 3
_MOST_BYTES = 64 * 2**20
_COLOURS = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "red": (255, 0, 0),
    "green": (0, 160, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "orange": (255, 150, 0),
    "purple": (140, 0, 140),
    "pink": (255, 150, 190),
    "brown": (130, 70, 20),
    "cyan": (0, 255, 255),
}


def colour(png: bytes) -> str:
    """The name of the colour that most pixels of a picture have.

    Raises:
        ValueError: it is no PNG, is damaged, or is of a rare form: less than 8 or more than 8 bits a channel, interlaced.
    """
    chunks = _chunks(png)
    try:
        width, height, bits, kind, *form = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
        channels = _CHANNELS[kind]
    except (KeyError, struct.error) as error:
        raise ValueError("the picture has no head") from error
    if bits != 8 or any(form) or not width or not height or height * (1 + width * channels) > _MOST_BYTES:  # noqa: PLR2004 - bits a sample
        raise ValueError("not a plain picture of eight bits a channel")
    pixels = _pixels(chunks.get(b"IDAT", b""), width * channels, height, channels)
    value, _ = Counter(pixels).most_common(1)[0]
    if kind == _PALETTE:
        value = chunks.get(b"PLTE", b"")[3 * value[0] : 3 * value[0] + 3]
    red, green, blue = value[:3] if len(value) >= 3 else value[:1] * 3  # noqa: PLR2004 - three colours or a grey
    return min(
        _COLOURS, key=lambda name: sum((a - b) ** 2 for a, b in zip(_COLOURS[name], (red, green, blue), strict=True))
    )


def _chunks(png: bytes) -> dict[bytes, bytes]:
    """The chunks by kind; those of one kind are joined."""
    if not png.startswith(_SIGNATURE):
        raise ValueError("not a PNG file")
    chunks: dict[bytes, bytes] = {}
    at = len(_SIGNATURE)
    while at < len(png):
        size = int.from_bytes(png[at : at + 4], "big")
        kind, content = png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        if int.from_bytes(png[at + 8 + size : at + 12 + size], "big") != zlib.crc32(kind + content):
            raise ValueError("the picture is damaged")
        chunks[kind] = chunks.get(kind, b"") + content
        at += 12 + size
    if b"IEND" not in chunks:
        raise ValueError("the picture is damaged")
    return chunks


def _pixels(packed: bytes, row_bytes: int, height: int, channels: int) -> Iterator[bytes]:
    try:
        rows = zlib.decompress(packed)
    except zlib.error as error:
        raise ValueError("the picture is damaged") from error
    if len(rows) != height * (row_bytes + 1):
        raise ValueError("the picture has more or fewer rows than its head says")
    above = bytes(row_bytes)
    for start in range(0, len(rows), row_bytes + 1):
        above = _unfiltered(rows[start], rows[start + 1 : start + 1 + row_bytes], above, channels)
        yield from (above[at : at + channels] for at in range(0, row_bytes, channels))


def _unfiltered(kind: int, row: bytes, above: bytes, channels: int) -> bytes:
    """A row without its filter: none, left, above, mean of both, or the nearest of three (Paeth)."""
    if kind == 0:
        return row
    if kind > 4:  # noqa: PLR2004 - the format has five filters
        raise ValueError("the picture is damaged")
    plain = bytearray()
    for at, value in enumerate(row):
        left, corner = (plain[at - channels], above[at - channels]) if at >= channels else (0, 0)
        guesses = (0, left, above[at], (left + above[at]) // 2, _nearest(left, above[at], corner))
        plain.append((value + guesses[kind]) % 256)
    return bytes(plain)


def _nearest(left: int, above: int, corner: int) -> int:
    aim = left + above - corner
    return min((left, above, corner), key=lambda value: abs(aim - value))
