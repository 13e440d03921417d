"""One connection to a provider: sends a request, hands the parsed answer to a receiver as it arrives.

llhttp parses. What it lets through and we do not: a second answer or bytes after the end of one (never
forwarded, never reused), an upgrade, an endless head. A closed connection is the end of a body only where
HTTP says so.
"""

from __future__ import annotations

import asyncio
import time
from math import inf
from typing import NamedTuple, Protocol, cast

import httptools

from ...plugins import ErrorKind, UpstreamError, UpstreamResponse
from ..records import NO_TIMES
from ..wire.frames import CRLF, PREFIX, Passing, frame_at, known_frames
from ..wire.headers import field_name

MAX_HEAD_BYTES = 64 * 1024
_LINE_END = b"\n" + CRLF
"""How a read ends that ends with a chunk, and that chunk with a line."""

_LENGTH = frozenset({"content-length", "transfer-encoding"})


class Origin(NamedTuple):
    """Where a connection leads; `proxy` is the address of an HTTP or SOCKS proxy on the way, or empty."""

    scheme: str = ""
    host: str = ""
    port: int = 0
    proxy: str = ""


class Receiver(Protocol):
    """Who gets an answer. Called from the transport's callback: no method may wait or raise."""

    @property
    def passing(self) -> Passing | None:
        """Who may take what comes next in the frame it has; None for nobody."""

    def on_head(self, response: UpstreamResponse) -> None:
        """The status and header fields are known."""

    def on_body(self, data: bytes) -> None:
        """A piece of the body, without any transfer coding."""

    def on_chunks(self, framed: bytes, data: bytes) -> None:
        """A piece of the body that came as whole chunks; `framed` is what came."""

    def on_end(self, framed: bool) -> None:
        """The body is whole; `framed` is false where only the closed connection says so."""

    def on_error(self, error: UpstreamError) -> None:
        """The answer will not come, or not to its end."""


class StaleConnection(UpstreamError):
    """A kept-alive connection turned out to be closed before a byte came: the request may be sent again."""

    def __init__(self) -> None:
        super().__init__(ErrorKind.FAULT, "the provider closed a kept-alive connection")


class Connection(asyncio.Protocol):
    """Serves one exchange at a time. `reusable` tells whether another may follow."""

    __slots__ = (
        "_at_boundary", "_bare_bytes", "_complete", "_drained", "_fields", "_has_length", "_head_done",
        "_head_told", "_parser", "_pass_on", "_pieces", "_receiver", "_status", "_transport", "_write_paused",
        "active_at", "began_at", "deadline", "got_body", "got_bytes", "heard", "is_ending", "origin",
        "paused", "reusable", "times", "used",
    )  # fmt: skip

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._receiver: Receiver | None = None
        self._pass_on: Passing | None = None
        self._drained: asyncio.Future[None] | None = None
        self._write_paused = False
        self._reset()
        self.origin = Origin()
        self.reusable = True
        self.used = False
        self.paused = False
        self.times = NO_TIMES
        self.deadline = inf
        self.active_at = self.began_at = time.monotonic()

    def _reset(self) -> None:
        self._fields: dict[str, str] = {}
        self._bare_bytes = 0  # since the request or the last piece of a body: head, size lines, trailers
        self._head_done = False
        self._head_told = False
        self._status = 0
        self._has_length = False
        self._pieces: list[bytes] = []
        self._complete = False
        self._at_boundary = False
        self.heard = False
        self.got_bytes = False
        self.got_body = False
        self.is_ending = False

    @property
    def is_busy(self) -> bool:
        """Whether an exchange is under way."""
        return self._receiver is not None

    @property
    def is_open(self) -> bool:
        """Whether the connection still stands, as far as we know."""
        return self._transport is not None and not self._transport.is_closing()

    # What the relay does.

    def send(self, data: bytes, body: bytes, receiver: Receiver) -> None:
        """Start an exchange with a request's head and as much of its body as there is."""
        assert self._transport is not None
        self._reset()
        self._receiver = receiver
        self.active_at = self.began_at = time.monotonic()
        if len(body) < 16 * 1024:
            self._transport.write(data + body)
        else:
            self._transport.writelines((data, body))

    async def write(self, data: bytes) -> None:
        """Send another piece of a request's body; waits while the provider does not take it."""
        if self._transport is None:
            return
        self.active_at = time.monotonic()
        self._transport.write(data)
        if self._write_paused:
            if self._drained is None:
                self._drained = asyncio.get_running_loop().create_future()
            await self._drained

    def pause(self) -> None:
        """Stop reading: the client is slower than the provider."""
        self.paused = True
        if self.is_open and self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on, if reading was stopped."""
        if not self.paused:
            return
        self.paused = False
        self.active_at = time.monotonic()
        if self.is_open and self._transport is not None:
            self._transport.resume_reading()

    def expect_end(self) -> None:
        """All that matters of the answer has come: wait for its formal end, but not for long."""
        self.is_ending = True

    def abort(self) -> None:
        """Give the exchange up and close at once. The receiver hears nothing more."""
        self._receiver = self._pass_on = None
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    def fail(self, error: UpstreamError) -> None:
        """Give the exchange up and tell the receiver why."""
        receiver, self._receiver = self._receiver, None
        self.abort()
        if receiver is not None:
            receiver.on_error(error)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # create_connection makes no other kind

    def data_received(self, data: bytes) -> None:
        pass_on = self._pass_on
        if pass_on is not None and pass_on(data):
            self.heard = True
            return
        if self._receiver is None:
            self.abort()  # bytes nobody asked for: whatever they are, they must not answer the next request
        else:
            self.heard = True
            self._take(self._receiver, data)

    def _take(self, receiver: Receiver, data: bytes) -> None:
        """Hand a read over by its pieces, and see who may take the next one as it is.

        llhttp stays before a chunk that it need not see.
        """
        rest = self._pass_chunks(receiver, data) if self._at_boundary else data
        if rest and self._receiver is receiver:
            self._parse(receiver, rest)
        if self._receiver is receiver:
            passing = receiver.passing if self._at_boundary else None
            self._pass_on = passing if passing is not None and data.endswith(_LINE_END) else None

    def _pass_chunks(self, receiver: Receiver, data: bytes) -> bytes:
        """Hand over the whole chunks that a read begins with, and return what follows them."""
        start, size = known_frames.get(data[:PREFIX]) or frame_at(data)
        if size == len(data) and data.endswith(CRLF):
            receiver.on_chunks(data, data[start:-2])
            return b""
        bodies, at = [], 0
        while True:
            start, size = known_frames.get(data[at : at + PREFIX]) or frame_at(data, at)
            end = at + size
            if not size or data[end - 2 : end] != CRLF:
                break
            bodies.append(data[at + start : end - 2])
            at = end
        if bodies:
            receiver.on_chunks(data[:at], b"".join(bodies))
        return data[at:]

    def _parse(self, receiver: Receiver, data: bytes) -> None:
        self.got_bytes = True
        self._bare_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.fail(UpstreamError(ErrorKind.FAULT, "the provider switched protocols"))
            return
        except httptools.HttpParserError as exc:
            self.reusable = False
            if not self._complete:
                self._deliver(receiver)
                self.fail(UpstreamError(ErrorKind.FAULT, f"the provider's answer is not HTTP: {exc}"))
                return
        if self._pieces:
            self._bare_bytes = 0
        elif self._bare_bytes > MAX_HEAD_BYTES and not self._complete:
            self.fail(UpstreamError(ErrorKind.FAULT, "the provider's head or trailer is too long"))
            return
        self._at_boundary = self._at_boundary and data.endswith(CRLF)
        self._deliver(receiver)
        if self._complete and self._receiver is receiver:
            self._end(receiver, framed=True)

    def eof_received(self) -> bool:
        return False  # the transport closes itself; connection_lost tells the receiver

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.reusable = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        receiver, self._pass_on = self._receiver, None
        if receiver is None:
            return
        if self._head_done and not self._has_length and exc is None:
            self._end(receiver, framed=False)
            return
        self._receiver = None
        if self.used and not self.got_bytes:
            receiver.on_error(StaleConnection())
        else:
            receiver.on_error(
                UpstreamError(ErrorKind.FAULT, "the provider closed the connection in mid-answer")
            )

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self._complete:  # a second answer behind the first
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_done:  # trailers
            return
        self._fields[field_name(name)] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._complete:
            return
        status = self._parser.get_status_code()
        if status < 200:  # 100 Continue, 103 Early Hints: the answer comes after
            return
        self._status = status
        self._head_done = True
        self._has_length = not _LENGTH.isdisjoint(self._fields)
        self.reusable = self.reusable and self._parser.should_keep_alive() and self._ends_by_itself()

    def on_body(self, data: bytes) -> None:
        if not self._complete:
            self._pieces.append(data)

    def on_chunk_header(self) -> None:
        self._at_boundary = False

    def on_chunk_complete(self) -> None:
        self._at_boundary = not self._complete

    def on_message_complete(self) -> None:
        self._at_boundary = False
        if self._head_done:
            self._complete = True
        else:
            self._fields.clear()

    def _ends_by_itself(self) -> bool:
        return self._has_length or self._status in (204, 304)

    def _deliver(self, receiver: Receiver) -> None:
        """Hand over what the last bytes brought, once per read however many chunks it had."""
        if self._head_done and not self._head_told:
            self._head_told = True
            receiver.on_head(UpstreamResponse(self._status, self._fields))
        if self._pieces and self._receiver is receiver:
            data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces.clear()
            self.got_body = True
            receiver.on_body(data)

    def _end(self, receiver: Receiver, *, framed: bool) -> None:
        self._receiver = self._pass_on = None
        if not self.reusable and self._transport is not None:
            self._transport.close()
        self.used = True
        self.active_at = time.monotonic()
        receiver.on_end(framed)
