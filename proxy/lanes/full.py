"""The full lane: aiohttp reads requests in every form that HTTP allows; our own Answer writes what goes back.

Serves what the fast lane hands over, with the bytes it has read. Adds what aiohttp leaves open: a limit
for a slow head and for a stalled body, error pages that quote nothing, doubled fields refused, `100
Continue` only once a request is welcome, and no second request after a chunked one (a length that two
servers may read differently).
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from ...plugins import Host
from ..access_log import Record
from ..auth import client_address
from ..config import Config
from ..errors import GatewayError, internal
from ..relaying.exchange import Exchange
from ..relaying.rejoin import Rejoin
from ..relaying.relay import Relay
from ..wire import cors
from ..wire.answer import Answer
from ..wire.endpoints import is_ours, is_page_of_admins, match
from ..wire.inbound import BodyReader, Inbound, new_request_id, stalled

log = logging.getLogger(__name__)

_SINGLE = ("authorization", "x-api-key", "api-key", "content-length", "content-type", "host")
_LINGER_S = 2.0
_CUT_S = 0.01


class FullLane:
    """Makes the protocol of a connection that aiohttp serves, and stops them all."""

    def __init__(
        self, config: Config, relay: Relay, host: Host, make_site: Callable[[], web.Application]
    ) -> None:
        self._config = config
        self._make_site = make_site
        self._site: web.Application | None = None
        self._making = asyncio.Lock()
        self._pages = web.Application()
        relay.hooks.register_routes(self._pages.router, host)
        _warn_of_hidden(self._pages)
        self._relay = relay
        settings = config.server
        self._server = _Server(
            self._handle,
            head_timeout_s=settings.head_timeout_s,
            request_factory=self._request,
            handler_cancellation=True,
            keepalive_timeout=settings.keepalive_s,
            access_log=None,
            auto_decompress=False,
            lingering_time=_LINGER_S,
            logger=logging.getLogger("canalgate.http"),
        )

    def __call__(self) -> asyncio.Protocol:
        return self._server()

    async def start(self) -> None:
        """Make the pages of plugins ready."""
        self._pages.freeze()
        await self._pages.startup()

    async def drain(self) -> None:
        """Close connections as they become idle, until none is left."""
        self._server.pre_shutdown()
        await self._server.shutdown(None)

    async def close(self) -> None:
        """Cut what is left."""
        await self._server.shutdown(_CUT_S)
        for pages in (self._site, self._pages):
            if pages is not None:
                await pages.cleanup()

    def _request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        loop, most = asyncio.get_running_loop(), self._config.server.max_body_bytes
        return web.Request(message, payload, protocol, writer, task, loop, client_max_size=most)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        transport, connection = request.transport, request.protocol
        if transport is None:  # the client has left already
            raise ConnectionResetError
        assert isinstance(connection, _Connection)
        connection.head_arrived()
        received_at = time.monotonic()
        if isinstance(request, web.Request) and request.version >= (1, 0):
            pages = await self._pages_of(request)
            if pages is not None:
                return await pages._handle(_cleaned(request))
        answer = Answer(
            transport,
            new_request_id(),
            http11=request.version >= (1, 1),
            keep_alive=request.keep_alive
            and not self._relay.draining
            and "transfer-encoding" not in request.headers,
            is_head=request.method == "HEAD",
            cors=cors.lines(request.headers, self._config.server.cors_origins),
        )
        try:
            exchange, ended = self._exchange(request, answer, received_at)
        except GatewayError as error:
            answer.keep_alive = answer.keep_alive and request.content.is_eof()
            answer.send_error(error)
            record = Record(answer.request_id, request.path, received_at)
            record.status = error.status
            record.failed(error.code or str(error.status), error.message)
            self._relay.access_log.add(record)
            return _Sent(answer)
        connection.exchange = exchange
        try:
            await exchange.begin()
            await ended
        except asyncio.CancelledError:
            exchange.leave()
            raise
        finally:
            connection.exchange = None
        return _Sent(answer)

    async def _pages_of(self, request: web.Request) -> web.Application | None:
        """Return the application that serves this path: ours, or a plugin's; None for an endpoint's."""
        if is_page_of_admins(request.path):
            return self._site or await self._made_site()
        if not self._pages.router.resources() or is_ours(request.path):
            return None
        found = await self._pages.router.resolve(request)
        return self._pages if found.http_exception is None else None

    async def _made_site(self) -> web.Application:
        """Return the pages of administrators, made off the event loop when somebody first asks for one."""
        async with self._making:
            if self._site is None:
                site = await asyncio.to_thread(self._make_site)
                site.freeze()
                await site.startup()
                self._site = site
            return self._site

    def _exchange(
        self, request: web.BaseRequest, answer: Answer, received_at: float
    ) -> tuple[Exchange | Rejoin, asyncio.Future[None]]:
        if request.version < (1, 0):
            raise GatewayError(400, "this is not a valid HTTP request", code="bad_http")
        fields = _fields(request)
        route = match(request.method, request.path)
        settings = self._config.server
        address = client_address(
            request.remote or "", fields.get("x-forwarded-for", ""), settings.trusted_proxies
        )
        inbound = Inbound(answer.request_id, request.method, request.path, fields, address, received_at)
        reader = _Reader(request, settings.max_body_bytes, settings.body_idle_s)
        ended = asyncio.get_running_loop().create_future()

        def on_ended() -> None:
            if not ended.done():
                ended.set_result(None)

        serve = Rejoin if route.page == "stream" else Exchange
        return serve(self._relay, route, inbound, reader, answer, on_ended), ended


def _cleaned(request: web.Request) -> web.Request:
    """Return the request with single slashes in its path: addresses are joined carelessly."""
    path = request.rel_url.raw_path
    if "//" not in path:
        return request
    url = request.rel_url.with_path(re.sub("/{2,}", "/", path), encoded=True, keep_query=True)
    return request.clone(rel_url=url)


def _warn_of_hidden(pages: web.Application) -> None:
    for resource in pages.router.resources():
        if is_ours(resource.canonical):
            log.warning("page of a plugin is hidden by the gateway's own path=%s", resource.canonical)


def _fields(request: web.BaseRequest) -> dict[str, str]:
    """The header fields, names in lower case. Raises GatewayError for a doubled one that must stand once."""
    fields: dict[str, str] = {}
    for name, value in request.headers.items():
        lower = name.lower()
        if lower in fields and lower in _SINGLE:
            raise GatewayError(400, f"the header {lower} stands there twice", code="duplicate_header")
        fields[lower] = f"{fields[lower]}, {value}" if lower in fields else value
    return fields


class _Reader(BodyReader):
    """A request's body as aiohttp delivers it."""

    def __init__(self, request: web.BaseRequest, max_bytes: int, idle_s: float) -> None:
        super().__init__(request.content_length, max_bytes)
        self._request = request
        self._idle_s = idle_s

    @property
    def at_end(self) -> bool:
        return self._request.content.is_eof()

    async def whole(self) -> bytes:
        parts = [piece async for piece in self.pieces()]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def pieces(self) -> AsyncIterator[bytes]:
        if self._request.headers.get("expect", "").lower() == "100-continue":
            await self._request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        content = self._request.content
        size = 0
        while not content.at_eof():
            try:
                piece = content.read_nowait()
                if not piece:
                    async with asyncio.timeout(self._idle_s):
                        piece = await content.readany()
            except TimeoutError:
                raise stalled() from None
            except (web.RequestPayloadError, ConnectionError):
                raise GatewayError(400, "the body broke off or is badly framed", code="bad_body") from None
            size += len(piece)
            if size > self.max_bytes:
                raise self.too_large()
            yield piece


class _Sent(web.StreamResponse):
    """Tells aiohttp that an answer has been written already, and whether the connection goes on."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(status=answer.status or 499)
        if not answer.keep_alive:
            self.force_close()

    @property
    def keep_alive(self) -> bool | None:
        return self._keep_alive is not False

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing is left to write."""

    async def write_eof(self, data: bytes | bytearray | memoryview = b"") -> None:
        """Nothing is left to write."""


class _Server(web.Server):
    """Makes our kind of connection handler."""

    def __init__(self, handler: Any, *, head_timeout_s: float, **options: Any) -> None:
        super().__init__(handler, **options)
        self._head_timeout_s = head_timeout_s
        servers_own = ("handler_cancellation", "request_factory")
        self._options = {name: value for name, value in options.items() if name not in servers_own}

    def __call__(self) -> RequestHandler:
        loop = asyncio.get_running_loop()
        return _Connection(self, loop=loop, head_timeout_s=self._head_timeout_s, **self._options)


class _Connection(RequestHandler):
    """A client's connection whose request heads must come in time, and whose errors are ours."""

    __slots__ = ("_head_timeout_s", "_head_timer", "exchange")

    def __init__(self, manager: web.Server, *, head_timeout_s: float, **options: Any) -> None:
        super().__init__(manager, **options)
        self._head_timeout_s = head_timeout_s
        self._head_timer: asyncio.TimerHandle | None = None
        self.exchange: Exchange | Rejoin | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.head_arrived()
        if self.exchange is not None:
            # The handler is cancelled in a later turn, and uvloop refuses what is written until then.
            self.exchange.leave()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.exchange is not None:
            self.exchange.pause()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.exchange is not None:
            self.exchange.resume()

    def _await_head(self) -> None:
        self._head_timer = asyncio.get_running_loop().call_later(self._head_timeout_s, self.force_close)

    def head_arrived(self) -> None:
        """A head is complete."""
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # aiohttp queues a framing error as if it were the next request; the body being read must fail now.
        request = self._current_request
        if request is None and not self._messages and self._head_timer is None:
            self._await_head()  # these bytes begin another head
        if request is None or not self._messages or not isinstance(self._messages[-1][0], _ErrInfo):
            return
        if not request.content.is_eof() and request.content.exception() is None:
            request.content.set_exception(web.RequestPayloadError("bad framing"))
            request.content.feed_eof()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP request without quoting any of it."""
        answer = Answer(self.transport, new_request_id(), keep_alive=False) if self.transport else None
        if answer is None:
            raise ConnectionResetError
        if status < 500:
            answer.send_error(GatewayError(status, "this is not a valid HTTP request", code="bad_http"))
        else:
            log.error("request failed request_id=%s", answer.request_id, exc_info=exc)
            answer.send_error(internal())
        return _Sent(answer)
