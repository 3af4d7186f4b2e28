"""Recordings of stand-ins: tones that last as long as the words would, and carry their text as a comment.

A recording of one's own is understood to the letter. Of any other WAV the bursts of sound are counted aloud: that is what a
recording of someone who counts should give, and it is always the same.
"""

from __future__ import annotations

import array
import hashlib
import math
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

_CHARACTER_SECONDS = 0.07
_SHORTEST_SECONDS = 0.5
_LOUDNESS = 0.3
_LOWEST_HERTZ, _STEP_HERTZ, _TONES = 180, 23, 16
_COMMENT = b"ICMT"
_FRAME_SECONDS = 0.02
_HEARD_SHARE = 0.15
"""Of the loudest frame: what is below it is a pause."""
_SILENCE = 100.0
"""Of 32768: a recording whose loudest frame is below it is silent."""
_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_UNHEARD = "Speech that a stand-in cannot hear."
_SMALLEST_BYTES = 32
"""No recording of any format is smaller."""
_FLAC_BLOCK = 4096
_MP3_RATES = {22050: 0, 24000: 1, 16000: 2}
_MP3_KILOBITS, _MP3_INDEX = 32, 4
_MP3_SAMPLES = 576


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What is in a recording."""

    text: str
    seconds: float


def samples(text: str, rate: int, speed: float = 1.0) -> bytes:
    """The sound of a text, 16 bits, one channel, lowest byte first: a tone for each character, a pause for each blank.

    Args:
        text: what is spoken.
        rate: samples a second.
        speed: 2.0 is twice as fast.
    """
    count = max(1, round(rate * _CHARACTER_SECONDS / speed))
    sound = b"".join(
        bytes(2 * count) if character.isspace() else _tone(ord(character) % _TONES, rate, count) for character in text
    )
    shortest = 2 * round(rate * _SHORTEST_SECONDS / speed)
    while len(sound) < shortest:
        sound += _tone(0, rate, count)
    return sound


@cache
def _tone(number: int, rate: int, count: int) -> bytes:
    """A tone that swells and fades."""
    hertz = _LOWEST_HERTZ + _STEP_HERTZ * number
    numbers = array.array(
        "h",
        (
            round(32767 * _LOUDNESS * math.sin(math.pi * at / count) * math.sin(2 * math.pi * hertz * at / rate))
            for at in range(count)
        ),
    )
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def wav(text: str, sound: bytes, rate: int) -> bytes:
    """A WAV file with its text as a comment."""
    form = struct.pack("<HHIIHH", 1, 1, rate, 2 * rate, 2, 16)
    chunks = b"WAVE" + _chunk(b"fmt ", form) + commented(text) + _chunk(b"data", sound)
    return _chunk(b"RIFF", chunks)


def commented(text: str) -> bytes:
    """The chunk of a WAV file that holds a comment; every reader skips it."""
    return _chunk(b"LIST", b"INFO" + _chunk(_COMMENT, text.encode() + b"\0"))


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def mp3(text: str, sound: bytes, rate: int) -> bytes:
    """Silent frames of the same length, after a tag with the text."""
    comment = b"\x03eng\0" + text.encode()
    frame = b"COMM" + _synchsafe(len(comment)) + b"\0\0" + comment
    head = bytes((0xFF, 0xF3, _MP3_INDEX << 4 | _MP3_RATES[rate] << 2, 0xC0))  # MPEG 2, layer III, no sum; one channel
    silent = head.ljust(72 * _MP3_KILOBITS * 1000 // rate, b"\0")
    count = -(-len(sound) // (2 * _MP3_SAMPLES))
    return b"ID3\x04\0\0" + _synchsafe(len(frame)) + frame + silent * count


def _synchsafe(size: int) -> bytes:
    """A size in four times seven bits."""
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def flac(text: str, sound: bytes, rate: int) -> bytes:
    """A FLAC file without compression, with its text as a comment."""
    numbers = array.array("h", sound)
    if sys.byteorder == "little":
        numbers.byteswap()
    big, count = numbers.tobytes(), len(sound) // 2
    place = rate << 44 | 15 << 36 | count  # one channel less one, sixteen bits less one
    info = struct.pack(">HH6xQ", _FLAC_BLOCK, _FLAC_BLOCK, place) + hashlib.md5(sound, usedforsecurity=False).digest()
    entry = b"COMMENT=" + text.encode()
    comment = struct.pack("<I8sII", 8, b"stand-in", 1, len(entry)) + entry
    blocks = b"\0" + len(info).to_bytes(3, "big") + info + b"\x84" + len(comment).to_bytes(3, "big") + comment
    size = 2 * _FLAC_BLOCK
    frames = (_flac_frame(number, big[at : at + size]) for number, at in enumerate(range(0, len(big), size)))
    return b"fLaC" + blocks + b"".join(frames)


def _flac_frame(number: int, content: bytes) -> bytes:
    """A block of samples as they are: the size of the block follows its number, the rate stands in the file's head."""
    head = (
        b"\xff\xf8\x70\x08" + chr(number).encode("utf-8", "surrogatepass") + (len(content) // 2 - 1).to_bytes(2, "big")
    )
    head += bytes((_sum(head, 8, 0x07),))
    frame = head + b"\x02" + content
    return frame + _sum(frame, 16, 0x8005).to_bytes(2, "big")


@cache
def _sums(bits: int, polynomial: int) -> list[int]:
    mask, table = (1 << bits) - 1, []
    for value in range(256):
        rest = value << (bits - 8)
        for _ in range(8):
            rest = (rest << 1 ^ (polynomial if rest >> (bits - 1) else 0)) & mask
        table.append(rest)
    return table


def _sum(content: bytes, bits: int, polynomial: int) -> int:
    """The check sum (CRC) of a frame."""
    table, mask, rest = _sums(bits, polynomial), (1 << bits) - 1, 0
    for byte in content:
        rest = (rest << 8 & mask) ^ table[rest >> (bits - 8) ^ byte]
    return rest


def hear(content: bytes) -> Heard:
    """What is said in a recording.

    Raises:
        ValueError: nothing can decode it.
    """
    if len(content) < _SMALLEST_BYTES:
        raise ValueError("too short for a recording")
    if content[:4] == b"RIFF" and content[8:12] == b"WAVE":
        return _hear_wav(dict(_chunks(content)))
    if content.startswith(b"ID3\x04"):
        return Heard(text=_mp3_text(content), seconds=len(content) * 8 / (_MP3_KILOBITS * 1000))
    if content.startswith(b"fLaC"):
        return _hear_flac(content)
    is_frame = content[0] == 0xFF and content[1] & 0xE0 == 0xE0  # noqa: PLR2004 - eleven set bits
    if is_frame or content.startswith((b"ID3", b"OggS", b"\x1a\x45\xdf\xa3")) or content[4:8] == b"ftyp":
        return Heard(text=_UNHEARD, seconds=1.0)
    raise ValueError("not a recording")


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and contents; a list's name has that of its kind behind it. Who streams knows no size: the rest is meant."""
    at = 12
    while at + 8 <= len(content):
        name, size = struct.unpack("<4sI", content[at : at + 8])
        if name == b"data" and (size == 0 or at + 8 + size > len(content)):
            size = len(content) - at - 8
        start = at + 8
        kind, skipped = (content[start : start + 4], 4) if name == b"LIST" else (b"", 0)
        yield name + kind, content[start + skipped : start + size]
        at += 8 + size + size % 2


def _hear_wav(chunks: dict[bytes, bytes]) -> Heard:
    form, data = chunks.get(b"fmt ", b""), chunks.get(b"data", b"")
    if len(form) < 16 or not data:  # noqa: PLR2004 - what the format demands
        raise ValueError("the WAV file has no format or no samples")
    kind, channels, rate, a_second, _, bits = struct.unpack("<HHIIHH", form[:16])
    if not (channels and rate and a_second):
        raise ValueError("the WAV file has a wrong format")
    seconds = len(data) / a_second
    comment = chunks.get(b"LISTINFO", b"")
    if comment[:4] == _COMMENT:
        size = int.from_bytes(comment[4:8], "little")
        return Heard(text=comment[8 : 8 + size].rstrip(b"\0").decode(errors="replace"), seconds=seconds)
    plain = kind in {1, 0xFFFE} and bits == 16  # noqa: PLR2004 - samples of two bytes
    return Heard(text=_counted(data, channels * round(rate * _FRAME_SECONDS)) if plain else _UNHEARD, seconds=seconds)


def _counted(data: bytes, frame: int) -> str:
    """A number's word for each burst of sound; nothing where it is silent."""
    numbers = array.array("h", data[: len(data) // 2 * 2])
    if sys.byteorder == "big":
        numbers.byteswap()
    loudness = [
        math.sqrt(sum(number * number for number in numbers[at : at + frame]) / frame)
        for at in range(0, max(1, len(numbers) - frame), frame)
    ]
    loudest = max(loudness, default=0.0)
    if loudest < _SILENCE:
        return ""
    loud = [False, *(each > loudest * _HEARD_SHARE for each in loudness)]
    bursts = sum(now and not before for before, now in pairwise(loud))
    return " ".join(_NUMBERS[at % len(_NUMBERS)] for at in range(bursts))


def _mp3_text(content: bytes) -> str:
    size = int.from_bytes(content[6:7], "big") << 21 | content[7] << 14 | content[8] << 7 | content[9]
    tag = content[10 : 10 + size]
    return tag[15:].decode(errors="replace") if tag[:4] == b"COMM" else _UNHEARD


def _hear_flac(content: bytes) -> Heard:
    at, seconds, text = 4, 1.0, _UNHEARD
    while at + 4 <= len(content):
        kind, size = content[at], int.from_bytes(content[at + 1 : at + 4], "big")
        block = content[at + 4 : at + 4 + size]
        if kind & 0x7F == 0 and size >= 18:  # noqa: PLR2004 - its head
            place = int.from_bytes(block[10:18], "big")
            seconds = (place & (1 << 36) - 1) / ((place >> 44) or 1)
        comment = block.partition(b"COMMENT=")[2]
        if kind & 0x7F == 4 and comment:  # noqa: PLR2004 - comments
            text = comment.decode(errors="replace")
        at += 4 + size
        if kind & 0x80:
            return Heard(text=text, seconds=seconds)
    raise ValueError("the FLAC file has no end of its head")
