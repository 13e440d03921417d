"""The end of a stream that is passing by: as much of it as may matter once it is over.

That is what comes after the last `"usage"` key, and enough to see how the stream ended. Kept small,
because every open stream has one. What goes out of it is given to whoever wants to see all of the stream.
"""

from __future__ import annotations

from collections.abc import Callable

MOST_BYTES = 8192
"""Kept behind a usage key; a usage object with what follows it is smaller."""

LEAST_BYTES = 512
_TRIM_BYTES = 3072
_KEY = b'"usage"'
_DONES = (b"\ndata: [DONE]", b"\ndata:[DONE]", b"\rdata: [DONE]", b"\rdata:[DONE]")


class Tail:
    """Takes pieces, gives the end of what they make together. Looks at them now and then, not at each."""

    __slots__ = ("_limit", "_pieces", "_seen", "_shown", "_size")

    def __init__(self, seen: Callable[[bytes], None]) -> None:
        self._seen = seen
        self._pieces: list[bytes] = []
        self._size = 0
        self._shown = 0  # bytes at the beginning of the pieces that have been shown already
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

    def is_done(self) -> bool:
        """Whether the stream has come to its `[DONE]`."""
        line = self.end()[-LEAST_BYTES:].rstrip()
        return line.endswith(_DONES)

    def flush(self) -> None:
        """Show what has not been shown: nothing more comes, or nothing more matters."""
        self._show(b"".join(self._pieces))

    def _trim(self) -> None:
        whole = b"".join(self._pieces)
        self._seen(whole[self._shown :] if self._shown else whole)
        joined = whole[-MOST_BYTES:] if len(whole) > MOST_BYTES else whole
        at = joined.rfind(_KEY)
        kept = joined[max(0, min(at, len(joined) - LEAST_BYTES)) :] if at >= 0 else joined[-LEAST_BYTES:]
        self._pieces = [kept]
        self._shown = self._size = len(kept)
        self._limit = self._size + _TRIM_BYTES

    def _show(self, whole: bytes) -> None:
        if len(whole) > self._shown:
            self._seen(whole[self._shown :])
            self._shown = len(whole)
