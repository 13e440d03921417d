"""The two events of a stream that the gateway has to do with: its first, and the one that says it failed."""

from __future__ import annotations

from ...plugins import UpstreamError
from ..errors import from_upstream


def first_event(held: bytes) -> bytes | None:
    """Return the first event's data, None if it is not known yet. Comments before it are no event."""
    text = held.removeprefix(b"\xef\xbb\xbf").replace(b"\r", b"\n")
    *lines, _ = text.split(b"\n")
    for line in lines:
        if line.startswith(b"data:"):
            return line[5:].strip()
    return None


def error_event(error: UpstreamError, model: str, before: bytes) -> bytes:
    """Return the event that tells a client why its stream ends here. `before` are the bytes ahead of it."""
    gap = b"" if before.endswith((b"\n\n", b"\r\n\r\n", b"\r\r")) or not before else b"\n\n"
    shown = from_upstream(error, model)
    return gap + b"data: " + shown.body() + b"\n\n"
