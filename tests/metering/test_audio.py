"""The length of a recording from its head and its size."""

import struct

import pytest
from canalgate.proxy.metering.audio import file_in_form, milliseconds


def wav(rate=32_000, data=64_000, stated=None, chunks=b""):
    fmt = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, rate // 2, rate, 2, 16)
    return (
        b"RIFF" + struct.pack("<I", 0) + b"WAVE" + fmt + chunks + b"data" + struct.pack("<I", stated or data)
    )


def flac(rate, samples):
    info = (rate << 44 | 1 << 41 | 15 << 36 | samples).to_bytes(8, "big")
    return b"fLaC" + bytes(14) + info + bytes(16)


def mp3(second, third, tag=b"", before=b""):
    return before + bytes([0xFF, second, third, 0]) + bytes(32) + tag


def xing(frames, flags=1):
    return b"Xing" + struct.pack(">II", flags, frames)


def m4a(scale, length, version=0):
    times = (
        struct.pack(">QQIQ", 0, 0, scale, length) if version else struct.pack(">IIII", 0, 0, scale, length)
    )
    return (
        struct.pack(">I", 24)
        + b"ftypM4A "
        + bytes(12)
        + b"....mvhd"
        + bytes([version, 0, 0, 0])
        + times
        + bytes(80)
    )


ID3 = b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(128)


@pytest.mark.parametrize(
    ("head", "size", "length"),
    [
        (wav(), 64_044, 2000),
        (wav(chunks=b"LIST" + struct.pack("<I", 3) + b"abc\0"), 64_056, 2000),
        (wav(stated=0xFFFFFFFF), 64_044, 2000),
        (wav(data=64_001), 64_045, 2001),
        (flac(44_100, 441_000), 500_000, 10_000),
        (mp3(0xFB, 0x90), 160_000, 10_000),
        (mp3(0xF3, 0x80), 80_000, 10_000),
        (mp3(0xFB, 0x90, before=ID3), 160_138, 10_000),
        (mp3(0xFB, 0x90, xing(1000)), 900_000, 26_123),
        (mp3(0xF3, 0x84, xing(1000)), 90_000, 24_000),
        (mp3(0xFB, 0x90, xing(1000, flags=0)), 160_000, 10_000),
        (m4a(1000, 9001), 100_000, 9001),
        (m4a(48_000, 48_000 * 60, version=1), 500_000, 60_000),
        (b"OggS\x00\x02", 80_000, 10_000),
        (b"", 80_000, 10_000),
        (b"", 1, 1),
        (b"", 0, 0),
        (b"", -5, 0),
    ],
)
def test_a_recording_has_the_length_its_head_states(head, size, length):
    assert milliseconds(head, size) == length


@pytest.mark.parametrize(
    "head",
    [
        wav(rate=0),
        wav()[:30],
        flac(0, 100),
        flac(44_100, 0),
        flac(44_100, 1)[:20],
        mp3(0xFB, 0xF0),
        mp3(0xFB, 0x9C),
        mp3(0xEB, 0x90),
        mp3(0xFB, 0x90)[:3],
        ID3,
        ID3[:8],
        m4a(0, 100),
        m4a(1000, 0),
        m4a(1, 2**60, version=1),
        m4a(1000, 10)[:40],
    ],
    ids=range(15),
)
def test_a_head_that_makes_no_sense_leaves_the_usual_bit_rate(head):
    assert milliseconds(head, 80_000) == 10_000


@pytest.mark.parametrize("head", [wav(rate=2**31), flac(96_000, 1), mp3(0xFB, 0x90, xing(1)), m4a(1000, 1)])
def test_no_head_makes_a_large_recording_free(head):
    assert milliseconds(head, 16_000_000) >= 10_000


def test_the_usual_bit_rate_can_be_another():
    assert milliseconds(b"", 96_000, 48_000) == 2000


FORM = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--b\r\n'


@pytest.mark.parametrize(
    ("form", "file"),
    [
        (
            FORM + b'Content-Disposition: form-data; name="file"; filename="a.wav"\r\nX: y\r\n\r\nRIFF',
            b"RIFF",
        ),
        (FORM + b"content-disposition: form-data; name=file; filename*=UTF-8''a\r\n\r\nRIFF", b"RIFF"),
        (FORM + b'Content-Disposition: form-data; name="file"; filename="a.wav"\r\n', b""),
        (FORM, b""),
        (b"", b""),
    ],
)
def test_the_file_is_found_in_the_beginning_of_a_form(form, file):
    assert file_in_form(form) == file
