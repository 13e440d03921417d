"""AWS event streams: frames in any split, and what is no frame."""

import struct
from zlib import crc32

import pytest
from canalgate.adapters.parts.eventstream import MAX_FRAME_BYTES, Frame, FrameDecoder
from canalgate.plugins import ErrorKind, UpstreamError


def text(name, value):
    value = value.encode()
    return bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value


def frame(payload=b"", headers=b"", length=None, headers_length=None):
    total = 16 + len(headers) + len(payload) if length is None else length
    prelude = struct.pack(">II", total, len(headers) if headers_length is None else headers_length)
    body = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return body + struct.pack(">I", crc32(body))


def header(kind, value, name=b"x"):
    return bytes([len(name)]) + name + bytes([kind]) + value


EVENT = text(":event-type", "messageStop") + text(":message-type", "event")
NAMED = {":event-type": "messageStop", ":message-type": "event"}
EVERY_KIND = b"".join(
    [
        header(0, b""),
        header(1, b""),
        header(2, b"\x01"),
        header(3, b"\0\1"),
        header(4, b"\0\0\0\1"),
        header(5, b"\0" * 8),
        header(6, b"\0\2ab"),
        header(8, b"\0" * 8),
        header(9, b"\0" * 16),
        text("t", "ü"),
    ]
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_frames_come_out_whatever_the_split(size):
    data = frame(b'{"a":1}', EVENT) + frame() + frame("{ü}".encode(), EVENT)
    decoder = FrameDecoder()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    found = [each for piece in pieces for each in decoder.feed(piece)]
    assert found == [Frame(NAMED, b'{"a":1}'), Frame({}, b""), Frame(NAMED, "{ü}".encode())]
    assert list(decoder.flush()) == []


def test_headers_of_every_type_are_passed_over_and_texts_kept():
    assert list(FrameDecoder().feed(frame(b"p", EVERY_KIND))) == [Frame({"t": "ü"}, b"p")]


def broken(at):
    data = bytearray(frame(b'{"a":1}', EVENT))
    data[at] ^= 1
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(broken(0), id="length"),
        pytest.param(broken(5), id="headers-length"),
        pytest.param(broken(9), id="prelude-checksum"),
        pytest.param(broken(20), id="header"),
        pytest.param(broken(-6), id="payload"),
        pytest.param(broken(-1), id="checksum"),
        pytest.param(frame(length=15), id="shorter-than-a-frame"),
        pytest.param(frame(length=0), id="no-length"),
        pytest.param(frame(length=MAX_FRAME_BYTES + 1), id="endless"),
        pytest.param(frame(b"abcd", headers_length=5), id="headers-longer-than-the-frame"),
        pytest.param(frame(b"", header(10, b"")), id="unknown-type"),
        pytest.param(frame(b"", header(7, b"\0\5ab")), id="text-too-short"),
        pytest.param(frame(b"", header(7, b"\0")), id="no-room-for-a-length"),
        pytest.param(frame(b"", header(5, b"\0")), id="number-too-short"),
        pytest.param(frame(b"", b"\x09ab"), id="name-too-short"),
        pytest.param(frame(b"", b"\x02ab"), id="no-type"),
        pytest.param(frame(b"", header(7, b"\0\1\xff")), id="no-utf-8"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", id="something-else"),
        pytest.param(b'{"message":"no"}', id="json"),
    ],
)
def test_what_is_no_frame_is_a_fault(data):
    with pytest.raises(UpstreamError) as caught:
        list(FrameDecoder().feed(data))
    assert caught.value.kind is ErrorKind.FAULT


def test_a_wrong_length_is_noticed_before_more_is_waited_for():
    with pytest.raises(UpstreamError):
        list(FrameDecoder().feed(frame(length=MAX_FRAME_BYTES + 1)[:12]))


def test_frames_before_a_broken_one_are_not_lost():
    found = FrameDecoder().feed(frame(b"1") + frame(b"2") + broken(-1))
    assert (next(found).payload, next(found).payload) == (b"1", b"2")
    with pytest.raises(UpstreamError):
        next(found)


@pytest.mark.parametrize("end", [1, 11, 12, 40, -1])
def test_a_stream_that_ends_inside_a_frame_is_a_fault(end):
    decoder = FrameDecoder()
    assert list(decoder.feed(frame(b'{"a":1}', EVENT)[:end])) == []
    with pytest.raises(UpstreamError) as caught:
        decoder.flush()
    assert caught.value.kind is ErrorKind.FAULT
