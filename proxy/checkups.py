"""Test every channel now and then, so that one whose key is good again comes back by itself."""

from __future__ import annotations

import asyncio
import logging

from .probe import Result, check, ways
from .records import ENABLED
from .relay import Relay
from .snapshot import DEMO_CHANNEL_ID, UsableChannel
from .tasks import Owner

log = logging.getLogger(__name__)

_AT_ONCE = 4


class Checkups:
    """Tests the first model of each enabled channel. An async context manager; `every_s` is 0 for never."""

    def __init__(self, relay: Relay, every_s: float) -> None:
        self._relay = relay
        self._every_s = every_s
        self._owner = Owner()

    async def __aenter__(self) -> Checkups:
        if self._every_s:
            self._owner.repeat(self._all, self._every_s, "channel tests")
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._owner.close()

    async def _all(self) -> None:
        usable = self._relay.live.snapshot.usable.values()
        for result in await check_all(self._relay, [one for one in usable if one.row.status == ENABLED]):
            if result.error:
                log.warning(
                    "channel test failed channel=%d model=%s problem=%s",
                    result.channel_id, result.model, result.error,
                )  # fmt: skip


async def check_all(relay: Relay, channels: list[UsableChannel], model: str = "") -> list[Result]:
    """Test the channels, a few side by side: this model, or the first of each, on each of its keys."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(way: UsableChannel) -> Result:
        async with turns:
            return await check(relay, way, model or way.row.models[0])

    every = [way for channel in channels if channel.row.id != DEMO_CHANNEL_ID for way in ways(channel)]
    return list(await asyncio.gather(*(one(way) for way in every)))
