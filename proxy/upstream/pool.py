"""Connections to providers, kept alive and taken again last in, first out.

Time limits are kept by one sweep a second over the connections in use, so no timer is set per request
or per chunk.
"""

from __future__ import annotations

import asyncio
import math
import socket
import ssl
import time
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from ...plugins import ErrorKind, UpstreamError, UpstreamRequest
from ..config import Upstream as Settings
from ..records import NO_TIMES, Times
from ..tasks import Owner
from ..wire import headers
from .connection import Connection, Origin, Receiver
from .reach import Policy, for_channels, reachable

_SWEEP_S = 0.5
_END_S = 2.0
"""Longest wait for the end of a body behind `[DONE]`. Some clients read on until it comes."""


@dataclass(frozen=True, slots=True)
class Target:
    """An address taken apart: the origin without a proxy, the Host field, and path with query."""

    origin: Origin
    host_field: str
    path: str


class Upstream:
    """The pool. An async context manager; leaving it closes every connection."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._idle: dict[Origin, list[Connection]] = {}
        self._busy: set[Connection] = set()
        self._owner = Owner()
        self._tls: ssl.SSLContext | None = None
        self._policy = for_channels(settings.private, settings.allow)

    async def __aenter__(self) -> Upstream:
        self._owner.repeat(self._sweep, _SWEEP_S, "upstream sweep")
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._owner.close()
        for connection in [*self._busy, *(c for idle in self._idle.values() for c in idle)]:
            connection.abort()
        self._busy.clear()
        self._idle.clear()

    async def send(
        self,
        request: UpstreamRequest,
        fields: dict[str, str],
        receiver: Receiver,
        *,
        proxy: str = "",
        fresh: bool = False,
        length: int | None = None,
        times: Times = NO_TIMES,
        policy: Policy | None = None,
        deadline: float = math.inf,
    ) -> Connection:
        """Send a request; the receiver gets the answer, the connection is returned for flow control.

        For a body that follows in pieces (`request.body` is None), `length` is its size, None if unknown:
        then the pieces are to be framed as chunks. `fresh` forbids a kept-alive connection, and so does a
        `policy` in place of the one for channels. `times` go before the pool's own; without a byte of the
        answer's body at the `deadline` it is given up. Call `release` when the exchange is over. Raises
        UpstreamError if no connection can be made.
        """
        target = parse_url(request.url)
        origin = target.origin._replace(proxy=proxy) if proxy else target.origin
        body = request.body or b""
        size = len(body) if request.body is not None else length
        head = headers.request_head(
            f"{request.method} {target.path} HTTP/1.1", (("host", target.host_field), *fields.items())
        )
        framing = b"transfer-encoding: chunked" if size is None else b"content-length: %d" % size
        connection = None if fresh or policy is not None else self._take(origin)
        connection = connection or await self._open(origin, times.connect_s, policy or self._policy)
        connection.origin = origin
        connection.times, connection.deadline = times, deadline
        self._busy.add(connection)
        connection.send(b"%b%b\r\n\r\n" % (head, framing), body, receiver)
        return connection

    def release(self, connection: Connection) -> None:
        """Give a connection back after an exchange; one that cannot serve another is closed."""
        self._busy.discard(connection)
        if connection.is_busy or not connection.reusable or not connection.is_open:
            connection.abort()
            return
        connection.resume()
        self._idle.setdefault(connection.origin, []).append(connection)

    def _take(self, origin: Origin) -> Connection | None:
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.is_open and connection.reusable:
                return connection
        return None

    async def _open(self, origin: Origin, within_s: float | None, policy: Policy) -> Connection:
        """Connect, in a task of its own: a request may come here before it has one."""
        limit_s = within_s if within_s is not None else self._settings.connect_s
        opening = self._owner.start(self._connect(origin, limit_s, policy), "upstream connection")
        try:
            return await opening
        except asyncio.CancelledError:
            opening.cancel()
            if opening.done() and not opening.cancelled() and opening.exception() is None:
                opening.result().abort()  # made in the very moment in which nobody wanted it any more
            raise

    async def _connect(self, origin: Origin, limit_s: float, policy: Policy) -> Connection:
        tls = self._tls_context() if origin.scheme == "https" else None
        try:
            async with asyncio.timeout(limit_s):
                transport, connection = await _reached(origin, policy, tls)
        except TimeoutError as exc:
            raise UpstreamError(
                ErrorKind.FAULT, "connecting to the provider took too long", status=504
            ) from exc
        except (OSError, UnicodeError) as exc:
            reason = f"no connection to the provider: {type(exc).__name__}: {exc}"
            raise UpstreamError(ErrorKind.FAULT, reason) from exc
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _overdue(self, connection: Connection, now: float) -> str:
        """Say which time limit an exchange has passed, empty for none."""
        times, settings = connection.times, self._settings
        if times.total_s is not None and now - connection.began_at > times.total_s:
            return f"no end after {times.total_s:g} s"
        if now > connection.deadline and not connection.got_body:
            return "no byte before the deadline of the request"
        if connection.paused:
            return ""
        own, limit = times.first_byte_s, settings.first_byte_s
        if connection.got_body:
            own, limit = times.idle_s, settings.idle_s
        limit = own if own is not None else limit
        if connection.is_ending:
            limit = min(limit, _END_S)
        return f"no byte for {limit:g} s" if now - connection.active_at > limit else ""

    def _tls_context(self) -> ssl.SSLContext:
        """Made at the first use: reading the system's authorities is a third of a start."""
        if self._tls is None:
            self._tls = tls_context(self._settings.ca_file)
        return self._tls

    async def _sweep(self) -> None:
        now = time.monotonic()
        settings = self._settings
        for connection in list(self._busy):
            if connection.heard:
                connection.heard = False
                connection.active_at = now
            problem = self._overdue(connection, now) if connection.is_busy else ""
            if problem:
                connection.fail(UpstreamError(ErrorKind.FAULT, problem, status=504))
        for origin, idle in list(self._idle.items()):
            kept = []
            for connection in idle:
                if connection.is_open and now - connection.active_at < settings.keepalive_s:
                    kept.append(connection)
                else:
                    connection.abort()
            if kept:
                self._idle[origin] = kept
            else:
                del self._idle[origin]


@lru_cache(maxsize=1024)
def parse_url(url: str) -> Target:
    """Take an absolute http or https address apart. Raises ValueError for any other."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected an http or https address")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = parts.hostname.encode("idna").decode() if not parts.hostname.isascii() else parts.hostname
    shown = f"[{host}]" if ":" in host else host
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if any(ord(character) <= 0x20 or ord(character) > 0x7E for character in path):
        raise ValueError("a path is written in ASCII, with %XX for everything else")
    host_field = shown if parts.port is None else f"{shown}:{port}"
    return Target(Origin(parts.scheme, host, port), host_field, path)


async def _reached(
    origin: Origin, policy: Policy, tls: ssl.SSLContext | None
) -> tuple[asyncio.Transport, Connection]:
    """Connect to the first address of the origin, or of the proxy before it, that takes a connection."""
    host, port, proxy = origin.host, origin.port, None
    if origin.proxy:
        from . import proxied

        proxy = proxied.address_of(origin.proxy)
        host, port = proxy.host, proxy.port
    loop = asyncio.get_running_loop()
    name = origin.host if tls else None
    problem: OSError | None = None
    for address in await reachable(host, port, policy):
        try:
            if proxy is None:
                return await loop.create_connection(Connection, address, port, ssl=tls, server_hostname=name)
            sock = await proxied.through(proxy, address, origin.host, origin.port)
            return await loop.create_connection(Connection, sock=sock, ssl=tls, server_hostname=name)
        except ssl.SSLError:
            raise  # it is there, and is not who it should be
        except OSError as exc:
            problem = exc
    raise problem or OSError("the name has no address")


def tls_context(ca_file: str) -> ssl.SSLContext:
    """Return whom to trust: the system's authorities, and those of a PEM file if one is named."""
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context
