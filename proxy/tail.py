"""The end of a stream that is passing by: as much of it as may matter once it is over.

That is what comes after the last `"usage"` key, and enough to see how the stream ended. Kept small,
because every open stream has one.
"""

from __future__ import annotations

MOST_BYTES = 8192
"""Kept behind a usage key; a usage object with what follows it is smaller."""

LEAST_BYTES = 512
_TRIM_BYTES = 2048
_KEY = b'"usage"'


class Tail:
    """Takes pieces, gives the end of what they make together. Looks at them now and then, not at each."""

    __slots__ = ("_limit", "_pieces", "_size")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._limit = _TRIM_BYTES

    def add(self, piece: bytes) -> None:
        """Take the next piece."""
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > self._limit:
            self._trim()

    def end(self) -> bytes:
        """Return the last bytes."""
        return b"".join(self._pieces)[-MOST_BYTES:]

    def _trim(self) -> None:
        joined = self.end()
        at = joined.rfind(_KEY)
        kept = joined[max(0, min(at, len(joined) - LEAST_BYTES)) :] if at >= 0 else joined[-LEAST_BYTES:]
        self._pieces = [kept]
        self._size = len(kept)
        self._limit = self._size + _TRIM_BYTES
