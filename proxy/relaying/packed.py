"""Bodies that a provider compressed although it was asked not to: unpacked, with bounds.

Clients are not asked what they take, a packed answer cannot be measured nor looked at for an error, and one
that is broken would be broken in the client's hands.
"""

from __future__ import annotations

import zlib

from ...plugins import ErrorKind, UpstreamError

CODINGS = frozenset({"gzip", "x-gzip", "deflate"})
_ANY_HEADER = zlib.MAX_WBITS | 32
"""gzip or zlib, whichever it is."""


class Unpacker:
    """Takes the pieces of a packed body and gives those of the plain one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._zlib = zlib.decompressobj(_ANY_HEADER)

    def feed(self, data: bytes) -> bytes:
        """Return what this piece holds. Raises UpstreamError if it is not packed, or a bomb."""
        try:
            plain = self._zlib.decompress(data, self._most)
        except zlib.error as exc:
            raise UpstreamError(ErrorKind.FAULT, f"the provider's answer cannot be unpacked: {exc}") from exc
        if self._zlib.unconsumed_tail:
            raise UpstreamError(ErrorKind.FAULT, f"the provider's answer unpacks to over {self._most} bytes")
        return plain

    def close(self) -> None:
        """Raise UpstreamError if the body is not whole."""
        if not self._zlib.eof:
            raise UpstreamError(ErrorKind.FAULT, "the provider's packed answer breaks off")


def unpacked(body: bytes, most: int) -> bytes:
    """Return an error's body unpacked, as much of it as `most`; empty if it is not packed."""
    try:
        return zlib.decompressobj(_ANY_HEADER).decompress(body, most)
    except zlib.error:
        return b""
