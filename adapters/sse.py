"""Event streams: an incremental decoder, and the few bytes we write ourselves.

Wire: html.spec.whatwg.org, "Server-sent events", 9.2.5 and 9.2.6. Lines end in LF, CR or CRLF, and a
segment may end anywhere, also between CR and LF or inside a UTF-8 character.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

DONE = b"data: [DONE]\n\n"
"""The last event of OpenAI's chat and completion streams."""

_BOM = b"\xef\xbb\xbf"


def encode(payload: Any) -> bytes:
    """Return one event whose data is this JSON."""
    return b"data: " + orjson.dumps(payload) + b"\n\n"


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `name` is empty where the stream gave none; several data lines are joined by LF."""

    data: bytes
    name: bytes = b""


class SSEDecoder:
    """Cuts a stream into events. Comments and fields other than `data` and `event` are skipped."""

    __slots__ = ("_after_cr", "_data", "_name", "_rest", "_started")

    def __init__(self) -> None:
        self._rest = b""
        self._after_cr = False
        self._started = False
        self._data: list[bytes] = []
        self._name = b""

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes in any split, return the events that are complete now."""
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        data = self._rest + data
        if not self._started:
            if len(data) < len(_BOM) and _BOM.startswith(data):
                self._rest = data
                return []
            self._started = True
            data = data.removeprefix(_BOM)
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, self._rest = data.split(b"\n")
        return [event for line in lines if (event := self._line(line))]

    def flush(self) -> list[Event]:
        """The stream ended: return an event that lacks its blank line, if there is one."""
        lines = [self._rest, b""]
        self._rest = b""
        return [event for line in lines if (event := self._line(line))]

    def _line(self, line: bytes) -> Event | None:
        if not line:
            data, self._data = self._data, []
            name, self._name = self._name, b""
            return Event(b"\n".join(data), name) if data else None
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
        elif field == b"event":
            self._name = value
        return None
