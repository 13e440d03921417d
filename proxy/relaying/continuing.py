"""Streams that another channel goes on with when a provider breaks off, for clients that have asked for it.

What has been said so far becomes the beginning of an assistant's message, behind which a provider that can
do so goes on. Both are paid for. A comment in the stream marks the seam.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec
import orjson

from ...plugins import Json, JsonBody
from ..config import Routing
from ..routing.snapshot import UsableChannel
from ..wire.answer import EVENT_STREAM, Answer
from ..wire.asked import Asked
from ..wire.headers import Fields

HEADER = "x-canalgate-continue"

_SEAM = b": canalgate: another channel goes on\n\n"
_END = re.compile(rb"\n\r?\n|\r\r")
_DATA = re.compile(rb"(?m)^data: ?([^\r\n]*)")
_MOST_BYTES = 16 * 1024 * 1024
"""A longer stream is not continued."""


def is_wanted(asked: Asked, headers: Mapping[str, str], settings: Routing) -> bool:
    """Whether a request's stream is to be continued: it asks for it, may, and is a chat with one answer."""
    if not settings.continuation or headers.get(HEADER) != "1" or not asked.stream or asked.body is None:
        return False
    return asked.endpoint == "chat/completions" and asked.body.get("n", int) in (None, 1)


def can_continue(asked: Asked, member: UsableChannel, text: str) -> bool:
    """Whether a channel can go on behind a text."""
    return bool(text) and _edits(asked, member, text) is not None


def continued(asked: Asked, member: UsableChannel, text: str) -> Asked:
    """Return the request that has a channel go on behind a text. Raises ValueError if it cannot."""
    edits = _edits(asked, member, text)
    if edits is None or asked.body is None:
        raise ValueError("the channel cannot go on with an answer")
    return msgspec.structs.replace(asked, body=JsonBody(asked.body.spliced(edits)))


def _edits(asked: Asked, member: UsableChannel, text: str) -> Json | None:
    if asked.body is None:
        return None
    return member.adapter.continued(member.channel, asked.body.tree, text)


class Continuing(Answer):
    """An answer that can be gone on with: whole events are sent, and remembered."""

    __slots__ = ("_client", "_events", "_is_stream", "_rest", "_size")

    def __init__(self, client: Answer) -> None:
        super().__init__(client._transport, client.request_id, keep_alive=client.keep_alive)
        self._client = client
        self._events: list[bytes] = []
        self._rest = b""
        self._size = 0
        self._is_stream = False

    def go_on(self) -> None:
        """What comes now is another channel's; what the first one left unfinished is not sent."""
        self._rest = b""
        self._client.write(_SEAM)

    def text(self) -> str:
        """Return what has been said; empty if it cannot be gone on with: a tool call, an end, nothing."""
        if not self._is_stream or self._size > _MOST_BYTES:
            return ""
        said = []
        for data in _DATA.findall(b"".join(self._events)):
            try:
                chunk = orjson.loads(data)
                choices = chunk.get("choices") or []
            except (orjson.JSONDecodeError, AttributeError):
                return ""
            for choice in choices:
                delta = choice.get("delta") or {}
                if choice.get("finish_reason") or choice.get("index") or delta.get("tool_calls"):
                    return ""
                said.append(delta.get("content") or "")
        return "".join(said)

    # What the request writes.

    def start(self, status: int, fields: Fields, length: int | None = None) -> None:
        if self.started:
            return  # the channel that goes on begins an answer that has begun
        fields = list(fields)
        self._is_stream = length is None and dict(fields).get("content-type", "").startswith(EVENT_STREAM)
        self._client.notes, self._client.keep_alive = self.notes, self.keep_alive
        self._client.start(status, fields, length)
        self.status, self.started = self._client.status, True

    def write(self, data: bytes) -> None:
        if not self._is_stream:
            self._client.write(data)
        else:
            data = self._rest + data
            ends = [end.end() for end in _END.finditer(data)]
            whole = ends[-1] if ends else 0
            self._rest = data[whole:]
            if whole:
                self._client.write(data[:whole])
                self._remember(data[:whole])
        self.bytes_sent = self._client.bytes_sent

    def _remember(self, events: bytes) -> None:
        self._size += len(events)
        if self._size <= _MOST_BYTES:
            self._events.append(events)
        else:
            self._events.clear()

    def finish(self) -> None:
        self._flush()
        self.ended = True
        self._client.finish()

    def cut(self) -> None:
        self._flush()
        self.ended, self.keep_alive = True, False
        self._client.cut()

    def _flush(self) -> None:
        rest, self._rest = self._rest, b""
        if rest:
            self._client.write(rest)
            self.bytes_sent = self._client.bytes_sent

    def abort(self) -> None:
        self.ended, self.keep_alive = True, False
        self._client.abort()

    def promise(self) -> None:
        self._client.notes, self._client.keep_alive = self.notes, self.keep_alive
        self._client.promise()
        self.status, self.is_promised, self._is_stream = self._client.status, True, True

    def comment(self) -> None:
        self._client.comment()

    @property
    def is_waiting(self) -> bool:
        return self._client.is_waiting
