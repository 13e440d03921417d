"""Chunks of a provider's body, known by their size lines, without a parser.

Only what is framed in the plainest way is known here: size in hex, CRLF, data, CRLF. llhttp judges the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from struct import Struct

Passing = Callable[[bytes], bool]
"""Asked with a read that begins where a chunk and a line do: whether it takes it. It takes only whole chunks
that end where an event does; the others are looked at."""

CRLF = b"\r\n"
_LONGEST_EVENT = 4096
"""Events whose chunk is as long or longer are not looked for by their length."""

_EVENT_END = b"}\n\n" + CRLF
PREFIX = 5
_LONGEST_LINE = 8
_MOST_FRAMES = 10_000
_size_line = re.compile(rb"([0-9A-Fa-f]{1,6})\r\n").match
known_frames: dict[bytes, tuple[int, int]] = {}
"""By the first PREFIX bytes of a chunk what `frame_at` says of it, as far as it was asked."""

_NO_FRAME = (0, 0)

EventFrame = tuple[Callable[[bytes], tuple[bytes, ...]], tuple[bytes, ...], int]
"""What a read of one length is, if it is one chunk that ends with an event of JSON: what takes its first and
last bytes out of it, what these are then, and how many bytes of data there are.

As the length of a read and the size in it must agree, there is one possible size line.
"""

event_frames: list[EventFrame | None] = [None] * _LONGEST_EVENT
"""By the length of a read, those that were asked for. Longer reads are not looked at as one event."""


def event_frame(length: int) -> EventFrame:
    """Return the frame for reads of this length, and put it into `event_frames`, which has a place for it."""
    lines = (b"%x\r\n" % size for size in range(max(0, length - 7), length - 4))
    line = next((one for one in lines if len(one) + int(one, 16) + len(CRLF) == length), b"")
    between = length - len(line) - len(_EVENT_END)
    if line and between >= 0:
        ends = Struct(f"{len(line)}s{between}x{len(_EVENT_END)}s")
        frame: EventFrame = ends.unpack, (line, _EVENT_END), between + len(_EVENT_END) - len(CRLF)
    else:
        frame = Struct(f"{length}x").unpack, (b"none",), 0
    event_frames[length] = frame
    return frame


def unframed(framed: bytes) -> bytes:
    """Return the data of one chunk."""
    return framed[framed.index(b"\n") + 1 : -len(CRLF)]


def frame_at(data: bytes, at: int = 0) -> tuple[int, int]:
    """Return where the data of the chunk at `at` begins, and how long the chunk is, from its first line.

    Both count from `at`. Zeros for anything but a plain size. Lines of up to three digits are remembered by
    a prefix that has all of them.
    """
    line = data[at : at + _LONGEST_LINE]
    match = _size_line(line)
    if match is None or not (size := int(match[1], 16)):
        return _NO_FRAME
    frame = match.end(), match.end() + size + len(CRLF)
    if match.end() <= PREFIX:
        if len(known_frames) >= _MOST_FRAMES:
            known_frames.clear()
        known_frames[line[:PREFIX]] = frame
    return frame
