"""AWS event streams: binary frames, decoded as they arrive and checked before anything is believed.

Wire: docs.aws.amazon.com, Amazon Transcribe Developer Guide, "Event stream encoding". A frame is its
length, the length of its headers, a CRC of these two, the headers, the payload, and a CRC of all before.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

from ...plugins import ErrorKind, UpstreamError

MAX_FRAME_BYTES = 24 * 1024 * 1024
"""More than AWS allows for a payload (16 MiB) with its headers: a longer frame is nonsense."""

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_FRAME_OVERHEAD = _PRELUDE.size + _CRC.size

_FIXED_SIZES: Mapping[int, int] = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of a header's value by its type: true, false, byte, short, int, long, time stamp, UUID."""

_WITH_LENGTH = frozenset({6, 7})
"""Types of header values that begin with their length in two bytes: bytes, text."""

_TEXT = 7


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. Of its headers only those that hold text are kept, which all names that matter do."""

    headers: Mapping[str, str]
    payload: bytes


class FrameDecoder:
    """Cuts a stream into frames. Raises UpstreamError(FAULT) for what is no frame."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take bytes in any split, yield the frames that are complete now."""
        self._buffer += data
        while len(self._buffer) >= _PRELUDE.size:
            length, headers_length = _lengths(self._buffer)
            if len(self._buffer) < length:
                return
            frame = bytes(self._buffer[:length])
            del self._buffer[:length]
            yield _frame(frame, headers_length)

    def flush(self) -> Iterator[Frame]:
        """The stream ended. There is never a frame left; raises UpstreamError if half a one is."""
        if self._buffer:
            raise _fault("the stream ended inside a frame")
        return iter(())


def _lengths(buffer: bytearray) -> tuple[int, int]:
    """The length of the next frame and of its headers; checked, as they say how much to wait for."""
    length, headers_length, crc = _PRELUDE.unpack_from(buffer)
    if crc32(buffer[:8]) != crc:
        raise _fault("a frame's prelude does not have its checksum")
    if length > MAX_FRAME_BYTES or headers_length > length - _FRAME_OVERHEAD:
        raise _fault(f"a frame of {length} bytes with {headers_length} bytes of headers")
    return length, headers_length


def _frame(frame: bytes, headers_length: int) -> Frame:
    (crc,) = _CRC.unpack_from(frame, len(frame) - _CRC.size)
    if crc32(frame[: -_CRC.size]) != crc:
        raise _fault("a frame does not have its checksum")
    end = _PRELUDE.size + headers_length
    return Frame(_headers(frame[_PRELUDE.size : end]), frame[end : -_CRC.size])


@lru_cache(maxsize=64)  # a stream's frames have three or four different ones; taking them apart costs most
def _headers(data: bytes) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    at = 0
    try:
        while at < len(data):
            name, kind, at = _name(data, at)
            if kind in _WITH_LENGTH:
                (size,) = struct.unpack_from(">H", data, at)
                at += 2
            else:
                size = _FIXED_SIZES[kind]
            if at + size > len(data):
                raise _fault("a frame's header is longer than its headers")
            if kind == _TEXT:
                headers[name] = data[at : at + size].decode()
            at += size
    except (IndexError, KeyError, struct.error, UnicodeDecodeError) as exc:
        raise _fault("a frame's headers cannot be read") from exc
    return headers


def _name(data: bytes, at: int) -> tuple[str, int, int]:
    """A header's name, the type of its value, and where the value begins."""
    end = at + 1 + data[at]
    return data[at + 1 : end].decode(), data[end], end + 1


def _fault(message: str) -> UpstreamError:
    return UpstreamError(ErrorKind.FAULT, message)
