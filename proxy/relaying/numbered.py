"""The events of a stream, numbered from 1 by an `id:` line each, and the last of them kept.

Pure. An event is what ends with an empty line and has data; comments go by without a number and are not
kept. Wire: html.spec.whatwg.org, "Server-sent events", 9.2.5 and 9.2.6.
"""

from __future__ import annotations

import re
from collections import deque
from itertools import islice

_END = re.compile(rb"\n\r?\n|\r\r")
_HAS_DATA = re.compile(rb"(?:\A|[\r\n])data[:\r\n]").search
_OWN_ID = re.compile(rb"(?:\A|(?<=[\r\n]))id(?::[^\r\n]*)?(?:\r\n|\r|\n)")
"""A line by which a provider numbers its events; ours must be the only one."""

_BOM = b"\xef\xbb\xbf"
_LONGEST_END = 3
_OVERHEAD_BYTES = 64
"""What an event takes in memory besides its bytes."""


class Numbered:
    """Takes a stream in any split. `size` is what is kept of it, in bytes, and at most `most_bytes`."""

    __slots__ = ("_events", "_first", "_is_open", "_most_bytes", "_rest", "last", "size")

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._events: deque[bytes] = deque()
        self._first = 1
        self._rest = b""
        self._is_open = False  # an event too long to be held is passing by
        self.last = 0
        self.size = 0

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes; return what may be sent: the events that are whole now, and comments."""
        data = self._rest + data
        sent, at = [], 0
        for end in _END.finditer(data):
            sent.append(self._block(data[at : end.end()]))
            at = end.end()
        self._rest = data[at:]
        if len(self._rest) > self._most_bytes:
            sent.append(self._part())
        return b"".join(sent)

    def flush(self) -> bytes:
        """The stream has ended: return its last event if that lacks the empty line."""
        rest, self._rest = self._rest.strip(), b""
        return self._block(rest + b"\n\n") if rest or self._is_open else b""

    def after(self, last: int) -> bytes | None:
        """Return all events after this one; None if one of them is no longer kept."""
        if last + 1 < self._first:
            return None
        return b"".join(islice(self._events, last + 1 - self._first, None))

    def clear(self) -> int:
        """Keep nothing of what has been; returns what it took."""
        freed, self.size = self.size, 0
        self._events.clear()
        self._first = self.last + 1
        return freed

    def _block(self, block: bytes) -> bytes:
        if self._is_open:
            self._is_open = False
            return block
        block = block.lstrip(b"\r\n") if self.last else block.removeprefix(_BOM).lstrip(b"\r\n")
        if not _HAS_DATA(block):
            return block
        self.last += 1
        event = b"id: %d\n%b" % (self.last, _OWN_ID.sub(b"", block))
        self._events.append(event)
        self.size += len(event) + _OVERHEAD_BYTES
        while self.size > self._most_bytes:
            self.size -= len(self._events.popleft()) + _OVERHEAD_BYTES
            self._first += 1
        return event

    def _part(self) -> bytes:
        """Return the beginning of an event that is too long to be held, and so will not be kept."""
        part, self._rest = self._rest[:-_LONGEST_END], self._rest[-_LONGEST_END:]
        if not self._is_open:
            self._is_open = True
            self.last += 1
            self.clear()
            part = b"id: %d\n%b" % (self.last, part)
        return part
