"""The fast lane: requests in the form that clients send them, served straight on the transport.

llhttp parses each head. What is not plain HTTP/1.1 with a length, or is for no endpoint or page of ours,
goes to the full lane with every byte that was read, and the connection stays there; so nothing is
tolerated here and every refusal is worded in one place.

A client that closes its sending side is taken to have left, as by most servers: a full close looks alike.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from enum import Enum
from math import inf
from typing import cast

import httptools

from ..auth import client_address
from ..config import Config
from ..errors import GatewayError
from ..process.handover import MOST_AT_ONCE
from ..relaying.exchange import Exchange
from ..relaying.rejoin import Rejoin
from ..relaying.relay import Relay
from ..tasks import Owner
from ..wire import cors
from ..wire.answer import Answer
from ..wire.asked import is_form
from ..wire.endpoints import FORMS, match
from ..wire.headers import field_name
from ..wire.inbound import Inbound, new_request_id, stalled
from .body import CollectedBody
from .head import Head, KnownHead

MAX_HEAD_BYTES = 8190
"""A longer head may hold a line over aiohttp's limit, so the full lane judges it."""

_MAX_AHEAD_BYTES = 64 * 1024
"""What a client may send ahead of its next turn before it is no longer read from."""

_SWEEP_S = 0.1
_LINGER_S = 2.0
_END_OF_HEAD = b"\r\n\r\n"
_UNUSUAL = frozenset({"transfer-encoding", "expect", "upgrade", "content-encoding", "trailer", "te"})


class FastLane:
    """Makes the protocol of a connection, and keeps the time limits of all of them by one sweep."""

    def __init__(self, config: Config, relay: Relay, full: Callable[[], asyncio.Protocol]) -> None:
        self.settings = config.server
        self.relay = relay
        self.full = full
        self.connections: set[FastConnection] = set()
        self._owner = Owner()
        self._empty = asyncio.Event()

    def __call__(self) -> asyncio.Protocol:
        return FastConnection(self)

    def start(self) -> None:
        """Begin to keep the time limits."""
        self._owner.repeat(self._sweep, _SWEEP_S, "client sweep")

    def idle(self) -> asyncio.Protocol:
        """Make the protocol of a connection that has been served before."""
        return FastConnection(self, self.settings.keepalive_s)

    async def drain(self) -> None:
        """Close connections as they become idle, until none is left."""
        for connection in list(self.connections):
            connection.drain()
        while self.connections:
            self._empty.clear()
            await self._empty.wait()

    async def hand_on(self, give: Callable[[Sequence[int]], bool]) -> None:
        """Give connections away as they become idle, until none is left."""
        while self.connections:
            idle = [one for one in self.connections if one.is_idle]
            for some in (idle[at : at + MOST_AT_ONCE] for at in range(0, len(idle), MOST_AT_ONCE)):
                if give([one.number for one in some]):
                    for one in some:
                        one.let_go()
            await asyncio.sleep(_SWEEP_S)

    async def close(self) -> None:
        """Cut what is left."""
        for connection in list(self.connections):
            connection.abort()
        await self._owner.close()

    def forget(self, connection: FastConnection) -> None:
        """A connection is no longer this lane's."""
        self.connections.discard(connection)
        if not self.connections:
            self._empty.set()

    async def _sweep(self) -> None:
        now = time.monotonic()
        for connection in [one for one in self.connections if one.deadline < now]:
            connection.time_out()


class _State(Enum):
    HEAD = "waits for a head, or reads one"
    BUSY = "a request is being served"
    LINGER = "was answered before its body had come; what comes now is thrown away"


class FastConnection(asyncio.Protocol):
    """One client's connection. Serves one request at a time, the next ones wait their turn."""

    __slots__ = (
        "_ahead", "_exchange", "_fields", "_first_wait_s", "_is_doubled", "_keep_alive", "_known", "_lane",
        "_parser", "_peer", "_reader", "_state", "_target", "_transport", "_write_paused", "deadline",
    )  # fmt: skip

    def __init__(self, lane: FastLane, first_wait_s: float | None = None) -> None:
        self._lane = lane
        self._first_wait_s = lane.settings.head_timeout_s if first_wait_s is None else first_wait_s
        self._state = _State.HEAD
        self._exchange: Exchange | Rejoin | None = None
        self._reader: CollectedBody | None = None
        self._ahead = b""
        self._write_paused = False
        self._known: KnownHead | None = None
        self._parser: httptools.HttpRequestParser | None = None
        self.deadline = inf

    def _begin_head(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self.deadline = time.monotonic() + self._lane.settings.head_timeout_s
        self._fields: dict[str, str] = {}
        self._target = b""
        self._is_doubled = False
        self._keep_alive = False

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # create_server makes no other kind
        peer = transport.get_extra_info("peername")
        self._peer = peer[0] if isinstance(peer, tuple) else ""
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lane.connections.add(self)
        self.deadline = time.monotonic() + self._first_wait_s

    def data_received(self, data: bytes) -> None:
        if self._state is _State.HEAD:
            self._read_head(data)
        elif self._state is _State.BUSY:
            if self._reader is not None:
                data = self._take_body(self._reader, data)
            if data:
                self._keep_ahead(data)
        elif self._reader is not None:
            self._reader.discard(len(data))
            if self._reader.at_end:
                self._transport.close()

    def eof_received(self) -> bool:
        return False  # the transport closes itself; connection_lost ends the exchange

    def connection_lost(self, exc: Exception | None) -> None:
        self._lane.forget(self)
        if self._exchange is not None:
            self._exchange.leave()

    def pause_writing(self) -> None:
        self._write_paused = True
        if self._exchange is not None:
            self._exchange.pause()

    def resume_writing(self) -> None:
        self._write_paused = False
        if self._exchange is not None:
            self._exchange.resume()

    # A head.

    def _read_head(self, data: bytes) -> None:
        known = self._known
        if known is not None and self._parser is None and (end := known.end_in(data)):
            self._begin_request(known.head, data, end)
            return
        before, self._ahead = self._ahead, b""
        seen = before + data if before else data
        end = seen.find(_END_OF_HEAD, max(0, len(before) - len(_END_OF_HEAD) + 1))
        end = len(seen) if end < 0 else end + len(_END_OF_HEAD)
        if self._parser is None:
            self._begin_head()
        assert self._parser is not None
        try:
            self._parser.feed_data(seen[len(before) : end] if before else seen[:end])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._hand_over(seen)
            return
        if end > MAX_HEAD_BYTES:
            self._hand_over(seen)
        elif not seen.endswith(_END_OF_HEAD, 0, end):
            self._ahead = seen
        elif (head := self._head()) is None:
            self._hand_over(seen)
        else:
            self._known = KnownHead(seen[:end], head)
            self._parser = None
            self._begin_request(head, seen, end)

    def on_url(self, url: bytes) -> None:
        """Called by the parser, with a piece of the request's target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        key, fields = field_name(name), self._fields
        if key in fields:
            self._is_doubled = True
        fields[key] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Called by the parser, which forgets a message without a body before `feed_data` returns."""
        assert self._parser is not None
        self._keep_alive = self._parser.should_keep_alive()

    def _begin_request(self, head: Head, seen: bytes, end: int) -> None:
        """A head is whole, and is one for this lane: serve its request."""
        lane, route, method, fields = self._lane, head.route, head.method, head.fields
        received_at = time.monotonic()
        request_id = new_request_id()
        keep_alive = head.keep_alive and not lane.relay.draining
        allows = cors.lines(fields, lane.settings.cors_origins) if "origin" in fields else b""
        answer = Answer(
            self._transport, request_id, keep_alive=keep_alive, is_head=method == "HEAD", cors=allows
        )
        trusted = lane.settings.trusted_proxies
        address = (
            client_address(self._peer, fields.get("x-forwarded-for", ""), trusted) if trusted else self._peer
        )
        inbound = Inbound(request_id, method, head.path, fields, address, received_at)
        reader = CollectedBody(head.length, lane.settings.max_body_bytes)
        self._state = _State.BUSY
        self._reader = reader
        rest = self._take_body(reader, seen[end:])
        if rest:
            self._keep_ahead(rest)
        serve = Rejoin if route.page == "stream" else Exchange
        self._exchange = serve(lane.relay, route, inbound, reader, answer, self._ended)
        self._exchange.start()

    def _head(self) -> Head | None:
        """Return what the head says, if this lane serves its request."""
        parser, fields, path = self._parser, self._fields, self._target.partition(b"?")[0]
        if (
            parser is None
            or self._is_doubled
            or "host" not in fields
            or parser.get_http_version() != "1.1"
            or not path.startswith(b"/")
            or b"%" in path
            or not path.isascii()
            or not _UNUSUAL.isdisjoint(fields)
        ):
            return None
        method = parser.get_method().decode()
        try:
            route = match(method, path.decode())
        except GatewayError:
            return None
        if route.endpoint in FORMS and is_form(fields.get("content-type", "")):
            return None
        if ("content-length" in fields) is (route.endpoint is None):
            return None
        return Head(route, method, path.decode(), fields, self._keep_alive)

    def _hand_over(self, seen: bytes) -> None:
        """Give the connection to the full lane, as if it had been there from the start."""
        self._lane.forget(self)
        protocol = self._lane.full()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(seen)

    # A body, and what comes behind it.

    def _take_body(self, reader: CollectedBody, data: bytes) -> bytes:
        """Give a body its bytes; returns those that are no longer its own."""
        rest = reader.feed(data)
        if reader.at_end:
            self._reader = None
            self.deadline = inf
        else:
            self.deadline = time.monotonic() + self._lane.settings.body_idle_s
        return rest

    def _keep_ahead(self, data: bytes) -> None:
        self._ahead += data
        if len(self._ahead) > _MAX_AHEAD_BYTES:
            self._transport.pause_reading()

    # How a request ends, and the connection.

    def _ended(self) -> None:
        exchange, self._exchange = self._exchange, None
        assert exchange is not None
        if self._transport.is_closing():
            return
        if not exchange.answer.keep_alive or self._reader is not None:
            self._close()
            return
        now, settings = time.monotonic(), self._lane.settings
        # A client may still be taking the end of its answer, and has as long for that as for any other part.
        self.deadline = now + (settings.send_idle_s if self._write_paused else settings.keepalive_s)
        if self._ahead:
            # In the next turn: answers that need no provider would otherwise nest in each other. Until then
            # the connection stays busy, so that what arrives meanwhile stands behind what is there.
            asyncio.get_running_loop().call_soon(self._read_on)
        else:
            self._state = _State.HEAD

    def _read_on(self) -> None:
        if self._transport.is_closing():
            return
        self._state = _State.HEAD
        data, self._ahead = self._ahead, b""
        self._transport.resume_reading()
        self._read_head(data)

    def _close(self) -> None:
        """Close once all is sent. A body still on its way is read first, or the answer may be lost."""
        if self._reader is None:
            self._transport.close()
            return
        self._state = _State.LINGER
        self._ahead = b""
        self._transport.write_eof()  # all is said; what the client still sends is only thrown away
        self._transport.resume_reading()
        self.deadline = time.monotonic() + _LINGER_S

    def time_out(self) -> None:
        """The deadline is over."""
        self.deadline = inf
        if self._reader is not None and self._exchange is not None:
            self._reader.fail(stalled())
        else:
            self._transport.abort()

    def drain(self) -> None:
        """Close as soon as no request is being served."""
        if self._exchange is not None:
            self._exchange.answer.keep_alive = False
        elif self._state is not _State.BUSY:  # or the next request is there already, and is the last
            self._transport.close()

    @property
    def is_idle(self) -> bool:
        """Whether nothing was begun and all is sent, so that another process can go on with it."""
        transport, is_between = self._transport, self._state is _State.HEAD and self._parser is None
        return is_between and not transport.is_closing() and not transport.get_write_buffer_size()

    @property
    def number(self) -> int:
        """The file descriptor."""
        return int(self._transport.get_extra_info("socket").fileno())

    def let_go(self) -> None:
        """Another process has the connection: close our hold of it."""
        self._lane.forget(self)
        self._transport.abort()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()
