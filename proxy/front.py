"""The HTTP server: aiohttp reads requests, our own Answer writes what goes back.

Adds what aiohttp leaves open: a limit for a slow head and for a stalled body, error pages that quote
nothing, doubled fields refused, `100 Continue` only once a request is welcome, and no second request
after a chunked one (a length that two servers may read differently).
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from . import pages
from .answer import Answer
from .auth import client_address
from .config import Config
from .endpoints import Route, match
from .errors import GatewayError, internal
from .inbound import BodyReader, Inbound, new_request_id
from .live import Live
from .relay import Client, Record, Relay

log = logging.getLogger(__name__)
requests_log = logging.getLogger("canalgate.request")

_SINGLE = ("authorization", "x-api-key", "api-key", "content-length", "content-type", "host")
_LINGER_S = 2.0


class Front:
    """The listening side. `start` opens the port, `stop` drains it."""

    def __init__(self, config: Config, live: Live, relay: Relay) -> None:
        self._config = config
        self._live = live
        self._relay = relay
        self._draining = False
        settings = config.server
        self._server = _Server(
            self._handle,
            head_timeout_s=settings.head_timeout_s,
            handler_cancellation=True,
            keepalive_timeout=settings.keepalive_s,
            access_log=None,
            auto_decompress=False,
            lingering_time=_LINGER_S,
            logger=logging.getLogger("canalgate.http"),
        )
        self._listener: asyncio.Server | None = None

    async def start(self, sock: socket.socket) -> None:
        """Accept connections on a bound socket."""
        self._listener = await asyncio.get_running_loop().create_server(self._server, sock=sock, backlog=1024)

    async def stop(self, grace_s: float) -> None:
        """Accept nothing more, let running requests finish for `grace_s`, then cut them."""
        self._draining = True
        if self._listener is not None:
            self._listener.close()
        self._server.pre_shutdown()
        await self._server.shutdown(grace_s)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        transport = request.transport
        if transport is None:  # the client has left already
            raise ConnectionResetError
        if isinstance(request.protocol, _Connection):
            request.protocol.head_arrived()
        received_at = time.monotonic()
        answer = Answer(
            transport,
            new_request_id(),
            http11=request.version >= (1, 1),
            keep_alive=request.keep_alive
            and not self._draining
            and "transfer-encoding" not in request.headers,
            is_head=request.method == "HEAD",
        )
        record = Record(answer.request_id, request.path)
        try:
            await self._answer(request, answer, record, received_at)
        except GatewayError as error:
            record.problem = record.problem or error.message
            if not answer.started:
                if not request.content.is_eof():
                    answer.keep_alive = False
                answer.send_error(error)
        except asyncio.CancelledError:
            record.problem = "the client left"
            raise
        except TimeoutError:
            record.problem = "the client took nothing for too long"
            answer.abort()
        except Exception:
            log.exception("request failed request_id=%s", answer.request_id)
            record.problem = "internal error"
            if answer.started:
                answer.cut()
            else:
                answer.keep_alive = False
                answer.send_error(internal())
        finally:
            _log(record, answer, received_at)
        return _Sent(answer)

    async def _answer(
        self, request: web.BaseRequest, answer: Answer, record: Record, received_at: float
    ) -> None:
        if request.version < (1, 0):
            raise GatewayError(400, "this is not a valid HTTP request", code="bad_http")
        fields = _fields(request)
        route = match(request.method, request.path)
        address = client_address(
            request.remote or "", fields.get("x-forwarded-for", ""), self._config.server.trusted_proxies
        )
        inbound = Inbound(answer.request_id, request.method, request.path, fields, address, received_at)
        if route.page is not None:
            answer.send_json(await self._page(route, inbound))
            return
        settings = self._config.server
        record.endpoint = route.endpoint or record.endpoint
        reader = _Reader(request, settings.max_body_bytes, settings.body_idle_s)
        client = Client(inbound, reader, answer, request.writer.drain, settings.send_idle_s, record)
        await self._relay.relay(route, client)

    async def _page(self, route: Route, inbound: Inbound) -> object:
        if route.page == "live":
            return {"status": "live"}
        if route.page == "ready":
            return pages.ready(lambda: self._draining)
        if route.page == "status":
            return pages.status()
        principal = await self._relay.principal(inbound)
        await self._live.catch_up()
        if route.page == "model":
            return pages.model(self._live.snapshot, principal, route.model)
        return pages.models(self._live.snapshot, principal)


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
                raise GatewayError(408, "the body did not arrive in time", code="body_timeout") from None
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
        self._options = {name: value for name, value in options.items() if name != "handler_cancellation"}

    def __call__(self) -> RequestHandler:
        loop = asyncio.get_running_loop()
        return _Connection(self, loop=loop, head_timeout_s=self._head_timeout_s, **self._options)


class _Connection(RequestHandler):
    """A client's connection whose request heads must come in time, and whose errors are ours."""

    __slots__ = ("_head_timeout_s", "_head_timer")

    def __init__(self, manager: web.Server, *, head_timeout_s: float, **options: Any) -> None:
        super().__init__(manager, **options)
        self._head_timeout_s = head_timeout_s
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.head_arrived()
        super().connection_lost(exc)

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


def _log(record: Record, answer: Answer, received_at: float) -> None:
    """Write the request's one line. Nothing of what was said, and no key, is in it."""
    level = logging.WARNING if answer.status >= 500 else logging.INFO
    if not requests_log.isEnabledFor(level):
        return
    values = {
        "request_id": record.request_id,
        "endpoint": record.endpoint,
        "token": record.token,
        "channel": record.channel,
        "model": record.model,
        "status": answer.status or 499,
        "first_byte_ms": record.first_byte_ms,
        "total_ms": round((time.monotonic() - received_at) * 1000),
        "bytes": answer.bytes_sent,
        "prompt_tokens": record.usage.prompt_tokens if record.usage else None,
        "completion_tokens": record.usage.completion_tokens if record.usage else None,
        "problem": record.problem or None,
    }
    shown = {name: value for name, value in values.items() if value is not None and value != ""}
    text = " ".join(f"{name}={_shown(value)}" for name, value in shown.items())
    requests_log.log(level, "request %s", text, extra=shown)


def _shown(value: object) -> str:
    text = str(value)
    return repr(text) if " " in text or "\n" in text or "\r" in text else text
