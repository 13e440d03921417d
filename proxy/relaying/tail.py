"""The end of a stream that is passing by: as much of it as may matter once it is over.

That is what comes after the last `"usage"` key, and enough to see how the stream ended. Kept small,
because every open stream has one. What goes out of it is given to whoever wants to see all of the stream.
"""

from __future__ import annotations

from typing import Protocol

from ..wire.frames import unframed

MOST_BYTES = 8192
"""Kept behind a usage key; a usage object with what follows it is smaller."""

LEAST_BYTES = 512
LOOK_BYTES = 4096
_FRAME_BYTES = 7
"""What an event's frame adds to it, at most."""

KEY = b'"usage"'
_DONES = (b"\ndata: [DONE]", b"\ndata:[DONE]", b"\rdata: [DONE]", b"\rdata:[DONE]")


class Watcher(Protocol):
    """What sees a stream pass by, in pieces of some kilobytes."""

    def add(self, data: bytes) -> None:
        """Take what comes next; it may begin and end inside an event."""

    def add_events(self, lines: bytes, events: int) -> None:
        """Take whole lines, nearly always so many events. Sizes of chunks may stand between them."""


class Tail:
    """Takes pieces, gives the end of what they make together. Looks at them now and then, not at each.

    Whole events may also be put into `frames`, as the chunks they came as; `look` is then to be called every
    LOOK_BYTES or so.
    """

    __slots__ = ("_is_searched", "_limit", "_looked_at", "_pieces", "_shown", "_size", "_watcher", "frames")

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._pieces: list[bytes] = []
        self._size = 0
        self._shown = 0  # bytes at the beginning of the pieces that have been shown already
        self._limit = LOOK_BYTES
        self._is_searched = False  # and no usage key is in the pieces, nor in the frames that were looked at
        self.frames: list[bytes] = []
        """Events behind the pieces, in their frames."""
        self._looked_at = 0  # the first of these, which have been shown already

    def add(self, piece: bytes) -> None:
        """Take the next piece."""
        if self.frames:
            self._take_out()
        self._pieces.append(piece)
        self._size += len(piece)
        self._is_searched = False
        if self._size > self._limit:
            self._trim()

    def look(self, *, has_key: bool = True) -> None:
        """Look at what is new in `frames`, for the usage key if it may be there; keep what may matter."""
        frames, old = self.frames, self._looked_at
        events = b"".join(frames[old:] if old else frames)
        if self._is_searched and not (has_key and events.find(KEY) >= 0):
            self._watcher.add_events(events, len(frames) - old)
            if first := _first_kept(frames):
                self._pieces.clear()
                self._size = self._shown = 0
                del frames[:first]
            self._looked_at = len(frames)
        else:
            self._take_out()
            self._trim()

    def end(self) -> bytes:
        """Return the last bytes."""
        if self.frames:
            self._take_out()
        return b"".join(self._pieces)[-MOST_BYTES:]

    def is_done(self) -> bool:
        """Whether the stream has come to its `[DONE]`."""
        line = self.end()[-LEAST_BYTES:].rstrip()
        return line.endswith(_DONES)

    def flush(self) -> None:
        """Show what has not been shown: nothing more comes, or nothing more matters."""
        if self.frames:
            self._take_out()
        self._show(b"".join(self._pieces))

    def _take_out(self) -> None:
        """Take the events out of their frames."""
        pieces = [unframed(one) for one in self.frames]
        self._pieces += pieces
        self._size += sum(map(len, pieces))
        # Where some of them have been shown, so has all that stood before.
        self._shown += sum(map(len, pieces[: self._looked_at]))
        self._looked_at, self._is_searched = 0, False
        self.frames.clear()

    def _trim(self) -> None:
        whole = b"".join(self._pieces)
        self._show(whole)
        joined = whole[-MOST_BYTES:] if len(whole) > MOST_BYTES else whole
        at = joined.rfind(KEY)
        kept = joined[max(0, min(at, len(joined) - LEAST_BYTES)) :] if at >= 0 else joined[-LEAST_BYTES:]
        self._is_searched = at < 0
        self._pieces = [kept]
        self._shown = self._size = len(kept)
        self._limit = self._size + LOOK_BYTES

    def _show(self, whole: bytes) -> None:
        if len(whole) > self._shown:
            self._watcher.add(whole[self._shown :] if self._shown else whole)
            self._shown = len(whole)


def _first_kept(frames: list[bytes]) -> int:
    """Return from which frame on there are the last bytes, 0 if all are needed for that."""
    at, size = len(frames), 0
    while at and size < LEAST_BYTES:
        at -= 1
        size += len(frames[at]) - _FRAME_BYTES
    return at
