"""How long a recording is, from its first bytes and its size.

WAV and FLAC state their length, MP3 its bit rate or the number of its frames, M4A its length where the index
stands in front. Where nothing is known (Ogg tells only at its end) the size is divided by a usual bit rate.
"""

from __future__ import annotations

import re
from struct import unpack_from

USUAL_BYTES_PER_S = 8000
"""64 kbit/s: between speech in Opus and music in MP3."""

_FILE = re.compile(rb"\r\ncontent-disposition:[^\r\n]*;\s*filename\*?=", re.IGNORECASE)
_MOST_MS = 2**40 - 1

_MP3_KBITS = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Bit rates of layer III by version: MPEG 1, and MPEG 2 with 2.5."""

_MP3_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def milliseconds(head: bytes, size: int, bytes_per_s: int | None = None) -> int:
    """Return the length of a recording of `size` bytes that begins with `head`, rounded up; 0 for none.

    Where the head does not tell, `bytes_per_s` does, by default a usual rate.
    """
    if size <= 0:
        return 0
    for read, most_bytes_per_s in _READERS:
        found = read(head, size)
        if found is not None and 0 < found <= _MOST_MS:
            return max(found, -(-size * 1000 // most_bytes_per_s))  # a head can be made to say anything
    return -(-size * 1000 // (bytes_per_s or USUAL_BYTES_PER_S))


def file_in_form(head: bytes) -> bytes:
    """Return the first file in the beginning of a multipart form, as far as it is there."""
    found = _FILE.search(head)
    start = head.find(b"\r\n\r\n", found.end()) if found is not None else -1
    return head[start + 4 :] if start >= 0 else b""


def _wav(head: bytes, size: int) -> int | None:
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None
    at = 12
    rate = 0
    while at + 8 <= len(head):
        length = unpack_from("<I", head, at + 4)[0]
        if head[at : at + 4] == b"fmt " and at + 20 <= len(head):
            rate = unpack_from("<I", head, at + 16)[0]
        if head[at : at + 4] == b"data":
            data = min(length, size - at - 8) if length else size - at - 8  # a stream states nonsense here
            return -(-data * 1000 // rate) if rate else None
        at += 8 + length + length % 2
    return None


def _flac(head: bytes, size: int) -> int | None:
    if head[:4] != b"fLaC" or len(head) < 26:
        return None
    packed = int.from_bytes(head[18:26], "big")
    rate, samples = packed >> 44, packed & 0xFFFFFFFFF
    return -(-samples * 1000 // rate) if rate and samples else None


def _mp3(head: bytes, size: int) -> int | None:
    at = 0
    if head[:3] == b"ID3" and len(head) > 10:
        at = 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9])
    if at + 4 > len(head) or head[at] != 0xFF or head[at + 1] & 0xE6 != 0xE2:
        return None
    version, kbits, hertz = head[at + 1] >> 3 & 3, head[at + 2] >> 4, head[at + 2] >> 2 & 3
    if version == 1 or not 0 < kbits < 15 or hertz == 3:
        return None
    for mark in (b"Xing", b"Info"):
        found = head.find(mark, at, at + 64)
        if found >= 0 and found + 12 <= len(head) and head[found + 7] & 1:
            frames = int.from_bytes(head[found + 8 : found + 12], "big")
            samples = (1152 if version == 3 else 576) * frames
            return -(-samples * 1000 // _MP3_HZ[version][hertz])
    return -(-(size - at) * 8 // _MP3_KBITS[3 if version == 3 else 2][kbits])


def _m4a(head: bytes, size: int) -> int | None:
    at = head.find(b"mvhd") if head[4:8] == b"ftyp" else -1
    if at < 0 or at + 36 > len(head):
        return None
    scale: int
    length: int
    scale, length = (
        unpack_from(">IQ", head, at + 24) if head[at + 4] == 1 else unpack_from(">II", head, at + 16)
    )
    return -(-length * 1000 // scale) if scale and length < 2**50 else None


_READERS = ((_wav, 1_600_000), (_flac, 1_600_000), (_mp3, 48_000), (_m4a, 1_600_000))
"""What reads the kinds of recordings, with the most bytes a second that there are."""
