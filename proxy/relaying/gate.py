"""How many requests run at a time, who waits for a turn, and who is sent away at once.

Beyond `overload.running` requests wait, those of tokens with a higher priority first; beyond
`overload.waiting` the least important and latest is refused, which may be the one that has just come. A
request whose channels are all at limits of their own waits in the same way, until one of these is free.
"""

from __future__ import annotations

import asyncio
from bisect import insort
from collections.abc import Collection

from ..config import Overload
from ..errors import overloaded


class _Waiter:
    """One that waits. Its future holds whether its turn came."""

    __slots__ = ("channels", "order", "turn")

    def __init__(self, priority: int, number: int, channels: Collection[int]) -> None:
        self.order = -priority, number
        """The most important first, of equals the first that came."""
        self.channels = channels
        self.turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def end(self, has_turn: bool) -> bool:
        """Tell it what came of its waiting; says whether it still waited."""
        if self.turn.done():
            return False
        self.turn.set_result(has_turn)
        return True

    @property
    def has_turn(self) -> bool:
        """Whether it was given its turn, also if it is gone by now."""
        return self.turn.done() and not self.turn.cancelled() and self.turn.result()


class _Queue:
    """Those who wait for the same kind of thing, the most important first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._number = 0
        self.waiters: list[_Waiter] = []

    def join(self, priority: int, channels: Collection[int] = ()) -> _Waiter:
        """Wait for a turn. Raises GatewayError 503 where too many wait that are no less important."""
        if len(self.waiters) >= self._most:
            if not self.waiters or self.waiters[-1].order[0] <= -priority:
                raise overloaded()
            self.waiters.pop().end(False)
        self._number += 1
        waiter = _Waiter(priority, self._number, channels)
        insort(self.waiters, waiter, key=lambda one: one.order)
        return waiter

    async def wait(self, waiter: _Waiter, seconds: float) -> bool:
        """Return whether the turn came in time. What waits no longer is no longer in the queue."""
        timer = asyncio.get_running_loop().call_later(seconds, waiter.end, False)
        try:
            return await waiter.turn
        finally:
            timer.cancel()
            if waiter in self.waiters:
                self.waiters.remove(waiter)

    def next(self) -> bool:
        """Give the first one its turn; says whether there was one."""
        while self.waiters:
            if self.waiters.pop(0).end(True):
                return True
        return False


class Gate:
    """The turns of all requests. Every turn that was taken is given back with `leave`."""

    def __init__(self, settings: Overload) -> None:
        self._most_running = settings.running
        self.wait_s = settings.wait_s
        self._turns = _Queue(settings.waiting)
        self._channels = _Queue(settings.waiting)
        self.running = 0

    @property
    def waiting(self) -> int:
        """How many wait, for a turn or for a channel."""
        return len(self._turns.waiters) + len(self._channels.waiters)

    def enter_now(self) -> bool:
        """Take a turn if one is free."""
        if self.running >= self._most_running:
            return False
        self.running += 1
        return True

    async def enter(self, priority: int) -> None:
        """Take a turn, waiting for it. Raises GatewayError 503 where too many wait, or it does not come."""
        waiter = self._turns.join(priority)
        try:
            has_turn = await self._turns.wait(waiter, self.wait_s)
        except asyncio.CancelledError:
            if waiter.has_turn:  # it came in the very moment in which nobody wanted it any more
                self.leave()
            raise
        if not has_turn:
            raise overloaded()

    def leave(self) -> None:
        """Give a turn back: whoever waits has it next."""
        if not self._turns.next():
            self.running -= 1

    async def until_free(self, channels: Collection[int], priority: int, seconds: float) -> None:
        """Wait until one of these channels serves one request less, or for so long.

        Raises GatewayError 503 where too many wait.
        """
        await self._channels.wait(self._channels.join(priority, channels), seconds)

    def freed(self, channel_id: int) -> None:
        """A channel serves one request less."""
        for waiter in self._channels.waiters:
            if channel_id in waiter.channels and waiter.end(True):
                return
