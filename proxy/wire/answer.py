"""Write one HTTP answer to a client's transport: head, framing, end. Knows no framework.

The head is kept until the first bytes of the body, so that both leave in one write.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from email.utils import formatdate
from functools import cache
from http import HTTPStatus

import orjson

from ..errors import GatewayError
from .headers import Fields, serialize

EVENT_STREAM = "text/event-stream"
STREAM_FIELDS = [("cache-control", "no-cache"), ("x-accel-buffering", "no")]
"""Fields of the head of every event stream: nothing on the way may keep it, or keep it back."""

_JOIN_LIMIT = 2048
"""Below this, copying a chunk into its frame is cheaper than a vectored write."""

_COMMENT = b": keep-alive\n\n"
"""What an event stream may have between two events, and its readers do not see."""


class Answer:
    """The answer to one request. Exactly one of `finish` and `cut` ends it.

    `keep_alive` says whether the connection may serve another request afterwards. `started` says that the
    answer is decided. Before that an event stream may be promised: its head and comments have been sent, and
    whatever the answer comes to is said inside the stream. `cors` are lines of its head: see cors.py.
    """

    __slots__ = (
        "_cors", "_head", "_http11", "_is_head", "_transport",
        "bytes_sent", "chunked", "ended", "is_promised", "keep_alive", "notes", "request_id", "started",
        "status",
    )  # fmt: skip

    def __init__(
        self,
        transport: asyncio.Transport,
        request_id: str,
        *,
        http11: bool = True,
        keep_alive: bool = True,
        is_head: bool = False,
        cors: bytes = b"",
    ) -> None:
        self._transport = transport
        self._http11 = http11
        self._is_head = is_head
        self._cors = cors
        self.chunked = False
        self._head = b""
        self.request_id = request_id
        self.keep_alive = keep_alive and http11
        self.started = False
        self.is_promised = False
        self.ended = False
        self.status = 0
        self.bytes_sent = 0
        self.notes = b""
        """Lines of the head that are ours: what has been charged, what limits there are."""

    def start(self, status: int, fields: Fields, length: int | None = None) -> None:
        """Begin. A `length` of None means that only the end will tell."""
        if self.is_promised:
            self.started = True
            return
        head = [serialize(_status_line(status), fields)]
        ours = self.request_id.encode(), _date(), self._cors, self.notes
        head.append(b"x-request-id: %b\r\ndate: %b\r\n%b%b" % ours)
        if length is not None:
            head.append(b"content-length: %d\r\n" % length)
        elif self._http11:
            self.chunked = True
            head.append(b"transfer-encoding: chunked\r\n")
        else:
            self.keep_alive = False
        head.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        self._head = b"".join(head)
        self.status = status
        self.started = True

    def write(self, data: bytes) -> None:
        """Send a piece of the body."""
        if not data or self._is_head:
            return
        self.bytes_sent += len(data)
        head, self._head = self._head, b""
        if not self.chunked:
            self._transport.write(head + data if head else data)
        elif len(data) < _JOIN_LIMIT:
            self._transport.write(b"%b%x\r\n%b\r\n" % (head, len(data), data))
        else:
            self._transport.writelines((b"%b%x\r\n" % (head, len(data)), data, b"\r\n"))

    def write_framed(self, framed: bytes, size: int) -> None:
        """Send a piece that is framed as chunks already and has `size` bytes without.

        Only for an answer that is `chunked` and whose first piece was sent by `write`.
        """
        self.bytes_sent += size
        self._transport.write(framed)

    def frame_writer(self) -> Callable[[bytes], None]:
        """Return what sends pieces as `write_framed` does, and leaves the counting to its caller."""
        return self._transport.write

    @property
    def is_waiting(self) -> bool:
        """Whether something waits until the client takes it, or nobody is there to take it."""
        return self._transport.is_closing() or self._transport.get_write_buffer_size() > 0

    def promise(self) -> None:
        """Say that an event stream will come, before anything of it is known."""
        kept = [line for line in self.notes.splitlines(True) if not line.startswith(b"x-canalgate-channel")]
        self.notes = b"".join(kept)  # another channel may yet be the one that answers
        self.start(200, [("content-type", EVENT_STREAM), *STREAM_FIELDS])
        self.started = False
        self.is_promised = True

    def comment(self) -> None:
        """Send a comment between two events. It is not part of what `bytes_sent` counts."""
        self.write(_COMMENT)
        self.bytes_sent -= len(_COMMENT)

    def finish(self) -> None:
        """End it properly."""
        self.ended = True
        end = b"0\r\n\r\n" if self.chunked and not self._is_head else b""
        if self._head or end:
            self._transport.write(self._head + end)
            self._head = b""

    def cut(self) -> None:
        """End it so that the client sees that it is not whole: the connection closes without an end."""
        self.ended = True
        self.keep_alive = False
        self._transport.close()

    def abort(self) -> None:
        """Give the client up, with what still waits for it."""
        self.ended = True
        self.keep_alive = False
        self._transport.abort()

    def send(self, status: int, body: bytes, fields: Fields) -> None:
        """Send a whole answer. In a promised stream, one that is no stream is an event."""
        if self.is_promised and not dict(fields).get("content-type", "").startswith(EVENT_STREAM):
            body = _as_event(body)
        self.start(status, fields, len(body))
        self.write(body)
        self.finish()

    def send_json(self, value: object, status: int = 200) -> None:
        """Send a whole answer made of this value."""
        self.send(status, orjson.dumps(value), [("content-type", "application/json")])

    def send_error(self, error: GatewayError) -> None:
        """Send an error in OpenAI's shape. In a promised stream it is the last event, and no proper end."""
        if self.is_promised:
            self.start(200, ())
            self.write(_as_event(error.body()))
            self.cut()
            return
        self.send(error.status, error.body(), [("content-type", "application/json"), *error.headers.items()])


def _as_event(body: bytes) -> bytes:
    return b"".join([b"data: %b\n" % line for line in body.splitlines()]) + b"\n"


@cache
def _status_line(status: int) -> str:
    reasons = {known.value: known.phrase for known in HTTPStatus}
    return f"HTTP/1.1 {status} {reasons.get(status, 'Unknown')}"


_date_cache = (0, b"")


def _date() -> bytes:
    global _date_cache
    now = int(time.time())
    if _date_cache[0] != now:
        _date_cache = (now, formatdate(now, usegmt=True).encode())
    return _date_cache[1]
