"""Test every channel now and then, so that one whose key is good again comes back by itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterable

from ...plugins import Endpoint
from ..alarms import hint
from ..records import ENABLED
from ..routing.snapshot import DEMO_CHANNEL_ID, UsableChannel
from ..tasks import Owner
from .probe import Result, check, ways
from .relay import Relay

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


async def check_all(
    relay: Relay,
    channels: list[UsableChannel],
    model: str = "",
    endpoint: Endpoint | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Result]:
    """Test the channels, a few side by side: this model, or the first of each, on each of its keys.

    `progress` is told how many tests have ended, of how many.
    """
    every = [way for channel in channels if channel.row.id != DEMO_CHANNEL_ID for way in ways(channel)]
    places = {(way.row.id, hint(way.channel.key)): place for place, way in enumerate(every)}
    asks, found = [(way, model or way.row.models[0]) for way in every], []
    async for result in check_each(relay, asks, endpoint):
        found.append(result)
        if progress is not None:
            progress(len(found), len(every))
    return sorted(found, key=lambda result: places[result.channel_id, result.key])


async def check_each(
    relay: Relay, asks: Iterable[tuple[UsableChannel, str]], endpoint: Endpoint | None = None
) -> AsyncGenerator[Result, None]:
    """Test models on channels, a few side by side, and yield what comes of each as it ends.

    What has not been tested when the caller has enough is not tested.
    """
    turns, owner = asyncio.Semaphore(_AT_ONCE), Owner()

    async def one(way: UsableChannel, model: str) -> Result:
        async with turns:
            return await check(relay, way, model, endpoint)

    try:
        tests = [owner.start(one(way, model), "channel test") for way, model in asks]
        for ended in asyncio.as_completed(tests):
            yield await ended
    finally:
        await owner.close()
