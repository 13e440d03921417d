"""Requests as they end, for whoever watches: a bounded queue for each, and nothing where nobody does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

from .errors import GatewayError

T = TypeVar("T")

MOST_WAITING = 1000
"""Requests that wait for one who watches; more are only counted."""

MOST_WATCHERS = 32


class Watcher(Generic[T]):
    """One who watches."""

    def __init__(self) -> None:
        self._records: list[T] = []
        self._missed = 0
        self._arrived = asyncio.Event()

    def take(self, records: Sequence[T]) -> None:
        """Requests have ended."""
        room = MOST_WAITING - len(self._records)
        self._records += records[:room]
        self._missed += max(0, len(records) - room)
        self._arrived.set()

    async def wait(self, most_s: float) -> tuple[list[T], int]:
        """Return what has ended and how many were missed, as soon as there is any; none after `most_s`."""
        try:
            async with asyncio.timeout(most_s):
                await self._arrived.wait()
        except TimeoutError:
            return [], 0
        found, self._records = (self._records, self._missed), []
        self._missed = 0
        self._arrived.clear()
        return found


class Watchers(Generic[T]):
    """All who watch."""

    def __init__(self) -> None:
        self._all: set[Watcher[T]] = set()

    def tell(self, records: Sequence[T]) -> None:
        """Requests have ended."""
        for watcher in self._all:
            watcher.take(records)

    @contextmanager
    def one(self) -> Iterator[Watcher[T]]:
        """Watch. Raises GatewayError 429 where many do already."""
        if len(self._all) >= MOST_WATCHERS:
            raise GatewayError(429, f"{MOST_WATCHERS} watch already", code="too_many_watchers")
        watcher = Watcher[T]()
        self._all.add(watcher)
        try:
            yield watcher
        finally:
            self._all.discard(watcher)
