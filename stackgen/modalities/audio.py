"""Whether bytes are a recording in which something can be heard."""

from __future__ import annotations

import array
import struct
import sys
from collections.abc import Iterator

from stackgen.records import dataclass

SHORTEST_SECONDS = 0.2
_SMALLEST_BYTES = 1024
"""Less than 0.2 s of any compressed format that a gateway may answer."""
_SILENCE = 0.005
"""Share of full scale that no sample of a silent recording passes."""
_RIFF_HEAD_BYTES = 12
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE


def complaint(content: bytes) -> str | None:
    """What is wrong with a recording: WAV is heard, of other formats only the kind and the size are known."""
    if content[:4] == b"RIFF" and content[8:12] == b"WAVE":
        return _wav_complaint(content)
    if not _is_compressed(content):
        return f"the reply is no recording: it begins with {content[:8].hex(' ') or 'nothing'}"
    if len(content) < _SMALLEST_BYTES:
        return f"the recording is too short: {len(content)} bytes"
    return None


def seconds(content: bytes) -> float | None:
    """How long a recording is; None where it is no WAV."""
    chunks = dict(_chunks(content)) if content[:4] == b"RIFF" else {}
    head, samples = chunks.get(b"fmt ", b""), chunks.get(b"data", b"")
    bytes_per_second = int.from_bytes(head[8:12], "little")
    return len(samples) / bytes_per_second if bytes_per_second else None


def _is_compressed(content: bytes) -> bool:
    """FLAC, Ogg (Opus, Vorbis), MP3 with tags, or the first frame of MP3 or AAC."""
    is_frame = len(content) > 1 and content[0] == 0xFF and content[1] & 0xE0 == 0xE0  # noqa: PLR2004 - eleven set bits
    return content.startswith((b"fLaC", b"OggS", b"ID3")) or is_frame


@dataclass(frozen=True, kw_only=True)
class _Format:
    kind: int
    bytes_per_second: int
    sample_bits: int


def _wav_complaint(content: bytes) -> str | None:
    chunks = dict(_chunks(content))
    head, samples = chunks.get(b"fmt ", b""), chunks.get(b"data", b"")
    if len(head) < 16:  # noqa: PLR2004 - what the format demands
        return "the WAV file has no format"
    kind, _, _, bytes_per_second, _, sample_bits = struct.unpack("<HHIIHH", head[:16])
    if kind == _EXTENSIBLE and len(head) >= 26:  # noqa: PLR2004 - where the true kind stands
        kind = int.from_bytes(head[24:26], "little")
    seconds = len(samples) / bytes_per_second if bytes_per_second else 0.0
    if seconds <= SHORTEST_SECONDS:
        return f"the recording is too short: {seconds:.2f} s"
    loudest = _loudest(_Format(kind=kind, bytes_per_second=bytes_per_second, sample_bits=sample_bits), samples)
    return None if loudest > _SILENCE else "the recording is silent"


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and contents. Who streams does not know the size yet and writes 0 or the largest: the rest is meant."""
    at = _RIFF_HEAD_BYTES
    while at + 8 <= len(content):
        name, size = struct.unpack("<4sI", content[at : at + 8])
        if name == b"data" and (size == 0 or at + 8 + size > len(content)):
            size = len(content) - at - 8
        yield name, content[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _loudest(form: _Format, samples: bytes) -> float:
    """The largest sample as a share of full scale."""
    codes = {(_PCM, 16): ("h", 2**15), (_PCM, 32): ("i", 2**31), (_FLOAT, 32): ("f", 1.0), (_FLOAT, 64): ("d", 1.0)}
    if (form.kind, form.sample_bits) not in codes:
        # 8 and 24 bits and the telephone's codes: silence repeats one value
        return float(len(set(samples)) > 2)  # noqa: PLR2004 - a value and its neighbour
    code, full_scale = codes[form.kind, form.sample_bits]
    numbers = array.array(code, samples[: len(samples) - len(samples) % (form.sample_bits // 8)])
    if sys.byteorder == "big":
        numbers.byteswap()
    return max(abs(number) for number in numbers) / full_scale
