"""The end of a stream that is passing by: as much of it as may matter once it is over.

That is what comes after the last `"usage"` key, and enough to see how the stream ended. Kept small,
because every open stream has one.
"""

from __future__ import annotations

MOST_BYTES = 8192
"""Kept behind a usage key; a usage object with what follows it is smaller."""

LEAST_BYTES = 512
_KEY = b'"usage"'
_SEAM = len(_KEY) - 1


class Tail:
    """Takes pieces, gives the end of what they make together."""

    __slots__ = ("_has_key", "_pieces", "_size")

    def __init__(self) -> None:
        self._pieces: list[bytes] = [b""]
        self._size = 0
        self._has_key = False

    def add(self, piece: bytes) -> None:
        """Take the next piece."""
        pieces = self._pieces
        if _KEY in piece:
            self._pieces = [piece]
            self._size = len(piece)
            self._has_key = True
            return
        last = pieces[-1]
        pieces.append(piece)
        self._size += len(piece)
        if len(last) < _SEAM or len(piece) < _SEAM:
            self._has_key = self._has_key or _KEY in self.end(_SEAM + len(piece))
        elif _KEY in last[-_SEAM:] + piece[:_SEAM]:
            self._has_key = True
        if self._size > (2 * MOST_BYTES if self._has_key else 2 * LEAST_BYTES):
            self._trim()

    def end(self, size: int = MOST_BYTES) -> bytes:
        """Return the last bytes, `size` at the most."""
        return b"".join(self._pieces)[-size:]

    def _trim(self) -> None:
        kept = self.end(MOST_BYTES if self._has_key else LEAST_BYTES)
        self._has_key = self._has_key and _KEY in kept
        self._pieces = [kept]
        self._size = len(kept)
