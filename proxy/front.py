"""The port: accepts connections, and drains them when the gateway stops or has a successor."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from aiohttp import web

from ..plugins import Host
from .config import Config
from .lanes import FastLane, FullLane
from .relaying.relay import Relay
from .tasks import Owner

log = logging.getLogger(__name__)


class Front:
    """The listening side. `start` opens the port; `stop` or `hand_over` ends it."""

    def __init__(self, config: Config, relay: Relay, host: Host, site: web.Application) -> None:
        self._relay = relay
        self._full = FullLane(config, relay, host, site)
        self._fast = FastLane(config, relay, self._full)
        self._factory = self._fast if config.server.fast_lane else self._full
        self._listener: asyncio.Server | None = None
        self._limit: asyncio.Timeout | None = None
        self._owner = Owner()

    async def start(self, sock: socket.socket) -> None:
        """Accept connections on a bound socket."""
        await self._full.start()
        self._fast.start()
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._factory, sock=sock, backlog=1024)

    def adopt(self, connection: socket.socket) -> None:
        """Serve a connection that was accepted by our predecessor and is idle."""
        factory = self._fast.idle if self._factory is self._fast else self._factory
        loop = asyncio.get_running_loop()
        self._owner.start(loop.connect_accepted_socket(factory, connection), "adopt")

    async def stop(self, grace_s: float, notice_s: float = 0.0) -> None:
        """End within `grace_s`.

        For `notice_s` requests are still taken, so that a load balancer can see at `/health/ready` that they
        soon will not be. Then those that run may finish, and are cut when the time is over.
        """
        self._relay.stopping = True
        async with self._ending(grace_s):
            await asyncio.sleep(notice_s)
            self._accept_no_more()
            await asyncio.gather(self._fast.drain(), self._full.drain())

    async def hand_over(self, give: Callable[[Sequence[int]], bool]) -> None:
        """Leave new connections to a successor, give it those that are idle, and end with the last request.

        That may take as long as a stream does, unless `limit` says otherwise.
        """
        self._accept_no_more()
        async with self._ending(None):
            await self._fast.hand_on(give)
            # Afterwards: as long as the fast lane has connections, some may still go to the other.
            await self._full.drain()

    def limit(self, seconds: float) -> None:
        """Cut what still runs so many seconds from now; nothing happens if we are not ending."""
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time() + seconds)

    @asynccontextmanager
    async def _ending(self, grace_s: float | None) -> AsyncIterator[None]:
        self._relay.draining = True
        try:
            async with asyncio.timeout(grace_s) as self._limit:
                yield
        except TimeoutError:
            log.warning("requests that were still running are cut")
        finally:
            self._limit = None
            self._accept_no_more()
            await self._owner.close()
            await asyncio.gather(self._fast.close(), self._full.close())

    def _accept_no_more(self) -> None:
        if self._listener is not None:
            self._listener.close()
