"""Find the small fields of a multipart form without collecting the form.

Wire: RFC 7578, RFC 2046 section 5.1. The form is read until the fields wanted are known, usually within
the first bytes; what was read is sent on ahead of the rest, so a file is streamed and never held.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ..plugins import BodyError

_MAX_FIELD_BYTES = 1024
_MAX_PART_HEAD = 16 * 1024
_NAME = re.compile(rb'(?:^|[;\s])name="([^"]*)"|(?:^|[;\s])name=([^;\s"]+)', re.IGNORECASE)
_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,70})"|([^;\s"]{1,70}))', re.IGNORECASE)


def boundary_of(content_type: str) -> bytes:
    """Return a form's boundary. Raises BodyError if the type is not multipart/form-data with one."""
    match = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/form-data") or match is None:
        raise BodyError("this endpoint takes multipart/form-data with a boundary")
    return (match[1] or match[2]).encode("latin-1")


@dataclass
class FormScanner:
    """Looks for one field in a form that arrives piece by piece.

    After each `feed`, `value` is the field's text once it has been seen; `span` is where it stands in
    `seen`. `at_end` says that the form is over.
    """

    boundary: bytes
    wanted: bytes
    seen: bytearray = field(default_factory=bytearray)
    value: str | None = None
    span: tuple[int, int] = (0, 0)
    at_end: bool = False
    _at: int = 0

    def feed(self, data: bytes) -> None:
        """Take another piece. Raises BodyError if this is no form, or the field is too long."""
        self.seen += data
        while self.value is None and not self.at_end and self._part():
            pass

    def replaced(self, value: str) -> bytes:
        """Return what was seen with another text in the field."""
        start, end = self.span
        return bytes(self.seen[:start]) + value.encode() + bytes(self.seen[end:])

    def _part(self) -> bool:
        """Look at the part that begins at the delimiter at `_at`; False if more bytes are needed."""
        delimiter = b"--" + self.boundary
        begin = self.seen.find(delimiter, self._at)
        if begin < 0:
            if len(self.seen) > _MAX_PART_HEAD and self._at == 0:
                raise BodyError("the form does not begin with its boundary")
            self._at = max(self._at, len(self.seen) - len(delimiter) - 4)
            return False
        after = begin + len(delimiter)
        if self.seen[after : after + 2] == b"--":
            self.at_end = True
            return False
        head_end = self.seen.find(b"\r\n\r\n", after)
        if head_end < 0:
            if len(self.seen) - after > _MAX_PART_HEAD:
                raise BodyError("a part of the form has no end of its head")
            return False
        start = head_end + 4
        name = _NAME.search(self.seen, after, head_end)
        if name is None or (name[1] or name[2]) != self.wanted:
            self._at = start
            return True
        end = self.seen.find(b"\r\n" + delimiter, start)
        if end < 0:
            if len(self.seen) - start > _MAX_FIELD_BYTES:
                raise BodyError(f"the field {self.wanted.decode()!r} is too long", self.wanted.decode())
            return False
        try:
            self.value = self.seen[start:end].decode()
        except UnicodeDecodeError as exc:
            raise BodyError(f"the field {self.wanted.decode()!r} is not UTF-8", self.wanted.decode()) from exc
        self.span = (start, end)
        return False
