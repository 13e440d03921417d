"""What a picture in a prompt is in tokens, by OpenAI's rule of tiles.

The size comes from the first bytes of a `data:` URL. Nothing is decoded and nothing is fetched: a picture
elsewhere, or of a kind not known, counts as one of 1024 by 1024. Rule: OpenAI, "Images and vision",
"Calculating costs".
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error
from struct import unpack_from

_LOOKED_AT = 64 * 1024
"""Characters of base64 looked at. A JPEG states its size behind whatever its camera wrote."""

_UNKNOWN = (1024, 1024)
_BASE, _TILE = 85, 170
_MINI = 100 / 3
"""gpt-4o-mini takes 2833 and 5667 tokens where others take 85 and 170."""

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG markers of a frame, which states the size: all from C0 on but tables and extensions."""

_DATA_URL = re.compile(r"data:[^,;]{0,100}(?:;[^,;]{0,100})*;base64,", re.IGNORECASE).match


def picture_tokens(url: str, detail: str, model: str = "") -> int:
    """Return the tokens of one picture. `detail` is OpenAI's word: low, high or auto."""
    scale = _MINI if "gpt-4o-mini" in model else 1
    if detail == "low":
        return round(_BASE * scale)
    return round((_BASE + _TILE * _tiles(*(picture_size(url) or _UNKNOWN))) * scale)


def picture_size(url: str) -> tuple[int, int] | None:
    """Return width and height of a PNG, JPEG, GIF or WebP in a `data:` URL; None where it is none."""
    head = _DATA_URL(url)
    if head is None:
        return None
    end = head.end() + min(_LOOKED_AT, (len(url) - head.end()) // 4 * 4)
    try:
        data = b64decode(url[head.end() : end])
    except (Error, ValueError):
        return None
    for read in (_png, _gif, _webp, _jpeg):
        size = read(data)
        if size is not None and min(size) > 0:
            return size
    return None


def _tiles(width: int, height: int) -> int:
    """Tiles of 512 after the picture was shrunk into 2048 by 2048 and its short side to 768."""
    factor = min(1.0, 2048 / max(width, height))
    factor = min(factor, 768 / min(width, height))
    across, down = max(1, int(width * factor)), max(1, int(height * factor))
    return -(-across // 512) * -(-down // 512)


def _png(data: bytes) -> tuple[int, int] | None:
    if len(data) < 24 or not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return None
    width, height = unpack_from(">II", data, 16)
    return width, height


def _gif(data: bytes) -> tuple[int, int] | None:
    if len(data) < 10 or not data.startswith((b"GIF87a", b"GIF89a")):
        return None
    width, height = unpack_from("<HH", data, 6)
    return width, height


def _webp(data: bytes) -> tuple[int, int] | None:
    if len(data) < 30 or data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return None
    kind = data[12:16]
    if kind == b"VP8 ":
        width, height = unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        bits = unpack_from("<I", data, 21)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
        return width, height
    return None


def _jpeg(data: bytes) -> tuple[int, int] | None:
    if not data.startswith(b"\xff\xd8"):
        return None
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        if data[at + 1] in _FRAMES:
            height, width = unpack_from(">HH", data, at + 5)
            return width, height
        at += 2 + unpack_from(">H", data, at + 2)[0] if data[at + 1] != 0xFF else 1
    return None
