"""The port: accepts connections, and drains them when the gateway stops."""

from __future__ import annotations

import asyncio
import socket

from aiohttp import web

from ..plugins import Host
from .config import Config
from .lanes import FastLane, FullLane
from .relay import Relay


class Front:
    """The listening side. `start` opens the port, `stop` drains it."""

    def __init__(self, config: Config, relay: Relay, host: Host, site: web.Application) -> None:
        self._relay = relay
        self._full = FullLane(config, relay, host, site)
        self._fast = FastLane(config, relay, self._full)
        self._factory = self._fast if config.server.fast_lane else self._full
        self._listener: asyncio.Server | None = None

    async def start(self, sock: socket.socket) -> None:
        """Accept connections on a bound socket."""
        await self._full.start()
        self._fast.start()
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._factory, sock=sock, backlog=1024)

    async def stop(self, grace_s: float) -> None:
        """Accept nothing more, let running requests finish for `grace_s`, then cut them."""
        self._relay.draining = True
        if self._listener is not None:
            self._listener.close()
        await asyncio.gather(self._fast.stop(grace_s), self._full.stop(grace_s))
