"""Line-wise JSON: an incremental decoder for streams of one value a line.

Wire: github.com/ndjson/ndjson-spec. A line ends in LF, some writers put CR before it, and a segment may
end anywhere, also inside a UTF-8 character. Lines without anything in them are skipped.
"""

from __future__ import annotations

from .sse import Event


class LineDecoder:
    """Cuts a stream into its lines, each given as an event without a name."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes in any split, return the lines that are complete now."""
        if b"\n" not in data:
            self._parts.append(data)
            return []
        first, *lines = data.split(b"\n")
        lines.insert(0, b"".join((*self._parts, first)))
        self._parts = [lines.pop()]
        return [Event(line) for raw in lines if (line := _trim(raw))]

    def flush(self) -> list[Event]:
        """The stream ended: return the line that lacks its end, if there is one."""
        line = _trim(b"".join(self._parts))
        self._parts = []
        return [Event(line)] if line else []


def _trim(line: bytes) -> bytes:
    return line.strip(b" \t\r\xef\xbb\xbf")
