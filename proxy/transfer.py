"""Carry one attempt's answer from the upstream to the client.

Runs in the upstream connection's callbacks: a piece of a stream goes from one transport to the other
without a task switch. What an answer is decides how it travels:

- an error status is collected and classified;
- JSON is collected, checked for an error inside a 200, and sent whole;
- an event stream is held until its first event, then passed on, through a translator if there is one;
- anything else (audio, images) is passed on from its first byte.

Until something was sent to the client, a failure is raised to whoever waits and another answer is still
possible. After that it ends the client's stream with an error event and without a proper end.
"""

from __future__ import annotations

import asyncio
import re
import time
import zlib
from collections.abc import Awaitable, Callable
from typing import Protocol

from ..plugins import Adapter, Call, ErrorKind, StreamTranslator, UpstreamError, UpstreamResponse, Usage
from .answer import Answer
from .errors import from_upstream
from .headers import to_client

TAIL_BYTES = 8192
MAX_ERROR_BYTES = 1024 * 1024
_HELD_BYTES = 64 * 1024
_LINE_END = re.compile(rb"[\r\n]")
_STREAM_FIELDS = [("cache-control", "no-cache"), ("x-accel-buffering", "no")]


class Source(Protocol):
    """What pieces come from, as far as flow control goes."""

    def pause(self) -> None:
        """Send nothing for now."""

    def resume(self) -> None:
        """Go on."""

    def abort(self) -> None:
        """Send nothing more."""


class Transfer:
    """The receiver of one attempt. `wait` returns when the client's answer has ended."""

    def __init__(self, adapter: Adapter, call: Call, answer: Answer, max_reply_bytes: int) -> None:
        self._adapter = adapter
        self._call = call
        self._answer = answer
        self._max_reply_bytes = max_reply_bytes
        self._response = UpstreamResponse(0, {})
        self._take: Callable[[Transfer, bytes], None] = Transfer._collect
        self._parts: list[bytes] = []
        self._size = 0
        self._limit = MAX_ERROR_BYTES
        self._translator: StreamTranslator | None = None
        self._is_stream = False
        self._is_paused = False
        self._ended = False
        self._error: UpstreamError | None = None
        self._wake: asyncio.Future[None] | None = None
        self.source: Source | None = None
        self.first_byte_at: float | None = None
        self.usage: Usage | None = None
        self.cut: UpstreamError | None = None
        """Why the client's stream ended early, if it did."""

    async def wait(self, drain: Callable[[], Awaitable[None]], idle_s: float) -> None:
        """Wait for the end. `drain` waits until the client has taken enough of what was written.

        Raises UpstreamError if the attempt failed before anything was sent, TimeoutError if the client
        takes nothing for `idle_s`.
        """
        while not self._ended:
            if self._is_paused:
                async with asyncio.timeout(idle_s):
                    await drain()
                self._is_paused = False
                if self.source is not None:
                    self.source.resume()
            else:
                self._wake = asyncio.get_running_loop().create_future()
                await self._wake
        if self._error is not None:
            raise self._error

    # The receiver's side.

    def on_head(self, response: UpstreamResponse) -> None:
        self._response = response
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not 200 <= response.status < 300:
            return
        if kind == "text/event-stream":
            self._is_stream = True
            self._take = Transfer._hold
            if self._is_plain():
                self._translator = self._adapter.stream(self._call, response)
        elif kind.endswith("json") or not kind or (kind.startswith("text/") and self._call.body is not None):
            self._limit = self._max_reply_bytes
        else:
            self._take = Transfer._open

    def on_body(self, data: bytes) -> None:
        if self._ended:
            return
        if self.first_byte_at is None:
            self.first_byte_at = time.monotonic()
        try:
            self._take(self, data)
        except UpstreamError as error:
            self._fail(error)

    def on_end(self, framed: bool) -> None:
        if self._ended:
            return
        try:
            self._finish(framed)
        except UpstreamError as error:
            self._fail(error)

    def on_error(self, error: UpstreamError) -> None:
        if not self._ended:
            self._fail(error)

    # How pieces are taken.

    def _collect(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            raise UpstreamError(ErrorKind.FAULT, f"the provider's answer has more than {self._limit} bytes")
        self._parts.append(data)

    def _hold(self, data: bytes) -> None:
        """Keep the beginning of a stream until it is known not to be an error."""
        self._parts.append(data)
        self._size += len(data)
        if self._size < _HELD_BYTES and self._is_plain() and not _LINE_END.search(data):
            return
        held = b"".join(self._parts)
        if self._is_plain():
            event = first_event(held)
            if event is None and len(held) < _HELD_BYTES:
                return
            if event:
                self._adapter.check_first_event(self._call, event)
        self._open(held)

    def _open(self, data: bytes) -> None:
        """Send the head and go over to passing on."""
        self._parts.clear()
        self._size = 0
        if self._translator is not None:
            data = self._translator.feed(data)
            if not data:
                self._take = Transfer._open  # nothing to show yet, so the status is still open
                return
        self._start()
        self._send(data)

    def _start(self) -> None:
        fields = to_client(self._response.headers)
        length = self._response.headers.get("content-length")
        if self._is_stream:
            fields += _STREAM_FIELDS
            length = None  # whatever the provider announced: an error event may follow its bytes
        self._answer.start(self._response.status, fields, int(length) if length else None)
        self._take = Transfer._pass

    def _pass(self, data: bytes) -> None:
        if self._translator is not None:
            data = self._translator.feed(data)
            if not data:
                return
        self._send(data)

    def _send(self, data: bytes) -> None:
        self._answer.write(data)
        self._parts.append(data)
        self._size += len(data)
        if self._size > 4 * TAIL_BYTES:
            self._parts = [self._tail()]
            self._size = len(self._parts[0])
        if self._answer.congested and self.source is not None:
            self._is_paused = True
            self.source.pause()
            self._wake_up()

    # How it ends.

    def _finish(self, framed: bool) -> None:
        if not 200 <= self._response.status < 300:
            raise self._adapter.error(self._call, self._whole())
        if self._take is Transfer._collect:
            self._reply()
        else:
            if self._take is Transfer._hold:
                self._open_at_end()
            if not self._answer.started:
                self._start()
            self._close_stream(framed)
        self._done()

    def _reply(self) -> None:
        response = self._whole()
        fields = to_client(response.headers)
        if not self._is_plain():
            self._answer.send(response.status, response.body, fields)
            return
        reply = self._adapter.reply(self._call, response)
        self.usage = reply.usage
        others = [(name, value) for name, value in fields if name != "content-type"]
        self._answer.send(response.status, reply.body, [("content-type", reply.content_type), *others])

    def _open_at_end(self) -> None:
        """The stream ended inside its first event, or without one."""
        held = b"".join(self._parts)
        if not held.strip():
            raise UpstreamError(ErrorKind.FAULT, "the provider ended its stream without an event")
        if event := first_event(held + b"\n"):
            self._adapter.check_first_event(self._call, event)
        self._open(held)

    def _close_stream(self, framed: bool) -> None:
        if self._translator is not None:
            rest = self._translator.close()
            if rest:
                self._answer.write(rest)
            self.usage = self._translator.usage
        if self.usage is None and self._is_stream and self._is_plain():
            self.usage = self._adapter.usage(self._call, self._tail())
        if self._is_stream and not framed and not self._adapter.is_complete(self._call, self._tail()):
            raise UpstreamError(ErrorKind.FAULT, "the provider closed the connection in mid-stream")
        self._answer.finish()

    def _fail(self, error: UpstreamError) -> None:
        if self._answer.started:
            self.cut = error
            if self.usage is None and self._is_stream:
                self.usage = self._translator.usage if self._translator else None
            if self._is_stream and self._is_plain():
                self._answer.write(error_event(error, self._call.model, self._tail()))
            self._answer.cut()
        else:
            self._error = error
        if self.source is not None:
            self.source.abort()
        self._done()

    def _done(self) -> None:
        self._ended = True
        self._wake_up()

    def _wake_up(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    # What was received.

    def _tail(self) -> bytes:
        return b"".join(self._parts)[-TAIL_BYTES:]

    def _is_plain(self) -> bool:
        """Whether the body is readable: we ask for no compression, and some hosts compress all the same."""
        return self._response.headers.get("content-encoding", "identity") in ("identity", "")

    def _whole(self) -> UpstreamResponse:
        body = b"".join(self._parts)
        if self._response.status >= 300 and not self._is_plain():
            body = _unzipped(body)
        return UpstreamResponse(self._response.status, self._response.headers, body)


def first_event(held: bytes) -> bytes | None:
    """Return the first event's data; empty if a comment comes first, None if it is not known yet."""
    text = held.removeprefix(b"\xef\xbb\xbf").replace(b"\r", b"\n")
    *lines, _ = text.split(b"\n")
    for line in lines:
        if line.startswith(b"data:"):
            return line[5:].strip()
        if line.startswith(b":"):
            return b""
    return None


def error_event(error: UpstreamError, model: str, before: bytes) -> bytes:
    """Return the event that tells a client why its stream ends here. `before` are the bytes ahead of it."""
    gap = b"" if before.endswith((b"\n\n", b"\r\n\r\n", b"\r\r")) or not before else b"\n\n"
    shown = from_upstream(error, model)
    return gap + b"data: " + shown.body() + b"\n\n"


def _unzipped(body: bytes) -> bytes:
    """An error's body without its gzip or deflate; empty if it is neither, or a bomb."""
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, MAX_ERROR_BYTES)
    except zlib.error:
        return b""


__all__ = ["Source", "Transfer", "error_event", "first_event"]
