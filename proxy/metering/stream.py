"""What passes by of a stream, for the case that its provider does not say what it used.

Both take pieces of a few kilobytes that begin and end anywhere.
"""

from __future__ import annotations

import re

import orjson

_NAMES = rb"content|reasoning_content|reasoning|refusal|text|arguments|partial_json|delta"
_FILLED = re.compile(rb'"(?:%b)"\s*:\s*"[^"]' % _NAMES)
_TEXT = re.compile(rb'"(?:%b)"\s*:\s*("(?:[^"\\]|\\.)+")' % _NAMES)
_CARRIED_BYTES = 32
_MOST_CARRIED = 256 * 1024


class EventCount:
    """Counts the events that bring something: for a provider that says what it used when its stream ends.

    Models send a token an event, most of them; asked for only where the stream is broken off.
    """

    __slots__ = ("_carried", "events")
    needs_body = False

    def __init__(self) -> None:
        self.events = 0
        self._carried = b""

    def add(self, data: bytes) -> None:
        """Take what comes next."""
        data = self._carried + data
        last = 0
        for match in _FILLED.finditer(data):
            self.events += 1
            last = match.end()
        self._carried = data[max(last, len(data) - _CARRIED_BYTES) :]


class TextCount:
    """Keeps an answer's text, to be counted at its end: for a provider that may not say what it used."""

    __slots__ = ("_line", "events", "texts")
    needs_body = True

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.events = 0
        self._line = b""

    def add(self, data: bytes) -> None:
        """Take what comes next."""
        data = self._line + data
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        self._line = data[end:] if len(data) - end < _MOST_CARRIED else b""
        self._read(data[:end])

    def close(self) -> str:
        """Return the text; nothing more comes."""
        self._read(self._line)
        self._line = b""
        return "".join(self.texts)

    def _read(self, lines: bytes) -> None:
        for match in _TEXT.finditer(lines):
            try:
                self.texts.append(orjson.loads(match[1]))
            except orjson.JSONDecodeError:
                continue
            self.events += 1
