"""Find the small fields of a multipart form without collecting the form.

Wire: RFC 7578, RFC 2046 section 5.1. The form is read until the fields wanted are known, usually within
the first bytes; what was read is sent on ahead of the rest, so a file is streamed and never held.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ...plugins import BodyError

_MAX_FIELD_BYTES = 1024
_MAX_PART_HEAD = 16 * 1024
_DELIMITER_EXTRA = 24
"""Longest delimiter without its boundary: line breaks, dashes, padding."""

_DISPOSITION = re.compile(rb"\r\ncontent-disposition:((?:[^\r\n]|\r\n[ \t])*)", re.IGNORECASE)
_PARAMETER = re.compile(rb';\s*([^=;\s"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s"]*))')
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
    _begun: bool = False

    def __post_init__(self) -> None:
        # Only a whole line is a delimiter: a file may hold the same characters elsewhere.
        self._delimiter = re.compile(rb"(?:\A|\r\n)--" + re.escape(self.boundary) + rb"(--|[ \t]{0,16}\r\n)")

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
        delimiter = self._delimiter.search(self.seen, self._at)
        if delimiter is None:
            if len(self.seen) > _MAX_PART_HEAD and not self._begun:
                raise BodyError("the form does not begin with its boundary")
            self._at = max(self._at, len(self.seen) - len(self.boundary) - _DELIMITER_EXTRA)
            return False
        self._begun = True
        if delimiter[1] == b"--":
            self.at_end = True
            return False
        self._at = delimiter.start()
        after = delimiter.end() - 2  # its line break is where the part's head begins
        head_end = self.seen.find(b"\r\n\r\n", after)
        if head_end < 0:
            if len(self.seen) - after > _MAX_PART_HEAD:
                raise BodyError("a part of the form has no end of its head")
            return False
        start = head_end + 4
        if _name_in(bytes(self.seen[after:head_end])) != self.wanted:
            self._at = start
            return True
        next_one = self._delimiter.search(self.seen, start)
        end = next_one.start() if next_one else len(self.seen)
        if end - start > _MAX_FIELD_BYTES:
            raise BodyError(f"the field {self.wanted.decode()!r} is too long", self.wanted.decode())
        if next_one is None:
            return False
        try:
            self.value = self.seen[start:end].decode()
        except UnicodeDecodeError as exc:
            raise BodyError(f"the field {self.wanted.decode()!r} is not UTF-8", self.wanted.decode()) from exc
        self.span = (start, end)
        return False


def _name_in(head: bytes) -> bytes | None:
    """The field name in a part's head. Text in quotes, such as a file's name, is no parameter."""
    disposition = _DISPOSITION.search(head)
    for key, quoted, plain in _PARAMETER.findall(disposition[1]) if disposition else ():
        if key.lower() == b"name":
            name: bytes = quoted or plain
            return name
    return None
