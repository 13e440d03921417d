"""What a running gateway is told from outside, and how it comes to end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable

from .handover import Successor


class Signals:
    """Of SIGTERM and SIGINT the first says to end, the second at once, and a third kills. SIGUSR2: `replace`.

    What `end` brings is the gateway that goes on in our place, or None. `limit` is called with the seconds
    that what runs still has.
    """

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._stops = 0
        self._loop = asyncio.get_running_loop()
        self.end: asyncio.Future[Successor | None] = self._loop.create_future()
        self.limit: Callable[[float], None] = _nothing
        self.replace: Callable[[], None] = _nothing
        with contextlib.suppress(NotImplementedError):  # Windows: asyncio itself ends us at SIGINT
            for number in (signal.SIGTERM, signal.SIGINT):
                self._loop.add_signal_handler(number, self._stop)
            if sys.platform != "win32":
                self._loop.add_signal_handler(signal.SIGUSR2, lambda: self.replace())

    def replaced(self, successor: Successor) -> None:
        """Somebody else serves from now on."""
        if not self.end.done():
            self.end.set_result(successor)

    def _stop(self) -> None:
        self._stops += 1
        if self._stops > 1:
            self.limit(0.0)
            for number in (signal.SIGTERM, signal.SIGINT):
                self._loop.remove_signal_handler(number)
            return
        self.limit(self._grace_s)
        if not self.end.done():
            self.end.set_result(None)


def _nothing(*_: object) -> None:
    """Nobody to tell yet."""
