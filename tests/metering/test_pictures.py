"""Tokens of a picture, from the size in its first bytes."""

import base64
import struct

import pytest
from canalgate.proxy.metering.pictures import picture_size, picture_tokens


def png(width, height):
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + bytes(5)


def gif(width, height):
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(3)


def jpeg(width, height, before=b""):
    frame = struct.pack(">HHBHHB", 0xFFC2, 17, 8, height, width, 3) + bytes(9)
    return b"\xff\xd8" + before + frame


def segment(marker, size):
    return struct.pack(">HH", marker, size + 2) + b"\xff\xc0" * (size // 2)


def webp(kind, rest):
    return b"RIFF" + struct.pack("<I", 99) + b"WEBP" + kind + struct.pack("<I", 9) + rest + bytes(16)


def url(data, kind="image/png"):
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (png(640, 480), (640, 480)),
        (gif(31, 7), (31, 7)),
        (jpeg(800, 600), (800, 600)),
        (jpeg(800, 600, segment(0xFFE1, 3000)), (800, 600)),
        (jpeg(800, 600, b"\xff" + segment(0xFFDB, 30)), (800, 600)),
        (webp(b"VP8 ", bytes(6) + struct.pack("<HH", 0x4000 | 320, 200)), (320, 200)),
        (webp(b"VP8L", b"\x2f" + struct.pack("<I", 319 | 199 << 14)), (320, 200)),
        (webp(b"VP8X", bytes(4) + (319).to_bytes(3, "little") + (199).to_bytes(3, "little")), (320, 200)),
        (webp(b"VP9 ", b""), None),
        (png(0, 480), None),
        (png(640, 480)[:20], None),
        (jpeg(800, 600)[:6], None),
        (jpeg(800, 600, segment(0xFFE1, 60_000)), None),
        (b"\xff\xd8" + b"\x00" * 50, None),
        (b"\xff\xd8" + b"\xff" * 5000, None),
        (b"<svg/>", None),
        (b"", None),
    ],
)
def test_the_size_is_read_from_the_head(data, size):
    assert picture_size(url(data)) == size


@pytest.mark.parametrize(
    "address",
    [
        "",
        "https://example.com/cat.png",
        "data:image/png,plain",
        "data:image/png;base64",
        "data:image/png;base64,",
        "data:image/png;base64,@@@@",
        "data:image/png;base64,é" + "A" * 40,
        "data:" + "x" * 100_000,
    ],
)
def test_an_address_without_a_readable_picture_has_no_size(address):
    assert picture_size(address) is None


def test_more_than_the_head_is_not_decoded():
    assert picture_size(url(png(640, 480)) + "é" * 70_000) is None
    assert picture_size(url(png(640, 480) + bytes(200_001))) == (640, 480)


@pytest.mark.parametrize(
    ("width", "height", "tokens"),
    [
        (1, 1, 255),
        (512, 512, 255),
        (513, 512, 425),
        (1024, 1024, 765),
        (2048, 4096, 1105),
        (4096, 512, 765),
        (100_000, 1, 765),
    ],
)
def test_a_tile_costs_170_after_shrinking(width, height, tokens):
    assert picture_tokens(url(png(width, height)), "high") == tokens


@pytest.mark.parametrize(
    ("address", "detail", "model", "tokens"),
    [
        ("https://example.com/cat.png", "low", "gpt-4o", 85),
        ("https://example.com/cat.png", "auto", "gpt-4o", 765),
        ("https://example.com/cat.png", "None", "gpt-4o", 765),
        (url(png(2048, 4096)), "low", "gpt-4o", 85),
        ("https://example.com/cat.png", "low", "gpt-4o-mini", 2833),
        (url(png(512, 512)), "high", "openai/gpt-4o-mini-2024-07-18", 8500),
    ],
)
def test_detail_and_model_decide_too(address, detail, model, tokens):
    assert picture_tokens(address, detail, model) == tokens
