"""The heads of a connection's requests: what one says, and whether the next one says the same.

A client that asks again sends the same bytes again, but for the length of its body. What llhttp and the lane
have found in a head holds for such a repetition, so it is compared and not parsed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from ..wire.endpoints import Route

_LENGTH = "content-length"
_MOST_DIGITS = 15
_length_in = re.compile(rb"(?i)\r\ncontent-length:[ \t]*([0-9]{1,15})\r\n").search


class Head(msgspec.Struct, frozen=True):
    """A request's head that the fast lane serves. `length` is that of the body, 0 where there is none."""

    route: Route
    method: str
    path: str
    fields: Mapping[str, str]
    keep_alive: bool

    @property
    def length(self) -> int:
        """Bytes of the body; 0 where the head announces none."""
        return int(self.fields.get(_LENGTH, "0"))


class KnownHead:
    """A head as it was received, to know it again."""

    __slots__ = ("_before", "_behind", "_digits", "head")

    def __init__(self, received: bytes, head: Head) -> None:
        self.head = head
        length = _length_in(received)
        self._digits = length[1] if length is not None else b""
        start, end = length.span(1) if length is not None else (len(received), len(received))
        self._before, self._behind = received[:start], received[end:]

    def end_in(self, data: bytes) -> int:
        """Return where the head ends that these bytes begin with, and know its length; 0 for another one."""
        start = len(self._before)
        if not data.startswith(self._before):
            return 0
        end = start + len(self._digits)
        if not data.startswith(self._digits, start) or not data.startswith(self._behind, end):
            end = data.find(b"\r", start, start + _MOST_DIGITS + 1)
            digits = data[start:end] if end > 0 else b""
            if not self._digits or not digits.isdigit() or not data.startswith(self._behind, end):
                return 0
            self._digits = digits
            fields = {**self.head.fields, _LENGTH: digits.decode()}
            self.head = msgspec.structs.replace(self.head, fields=fields)
        return end + len(self._behind)
