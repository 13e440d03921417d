"""What MySQL and PostgreSQL have in common: a few connections to a server that may go away.

A read whose connection was lost is tried once more on a new one, and so is the beginning of a transaction,
as nothing has happened yet. What was lost later is Unavailable, and may or may not have happened.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress

from .database import NO_VALUES, Database, Row, Transaction, Unavailable, Values

CONNECT_S = 5.0
STATEMENT_S = 20.0
ALONE_S = 600.0
_CLOSE_S = 2.0
_CONNECTIONS = 8


def number(text: str) -> int | float:
    """Read a decimal number, which is what both call the sum of whole ones."""
    return float(text) if "." in text else int(text)


class Link(Transaction):
    """A connection. Its statements are outside a transaction until `begin`."""

    deadline_s = STATEMENT_S

    @property
    @abstractmethod
    def is_open(self) -> bool:
        """Whether the connection can be used."""

    @abstractmethod
    def abort(self) -> None:
        """Close the connection at once; what runs on it fails."""

    @abstractmethod
    async def close(self) -> None:
        """Say good-bye and close."""

    @abstractmethod
    async def begin(self, *, alone: bool) -> None:
        """Begin a transaction, `alone` once no other is in one of that sort."""

    @abstractmethod
    async def commit(self) -> None:
        """Make it happen."""

    @abstractmethod
    async def rollback(self) -> None:
        """Make it not have happened."""

    @contextmanager
    def deadline(self) -> Iterator[None]:
        """Abort the connection if what is inside takes too long.

        A timer, as a request's work has no task of its own before its first wait, and `asyncio.timeout`
        needs one.
        """
        timer = asyncio.get_running_loop().call_later(self.deadline_s, self.abort)
        try:
            yield
        finally:
            timer.cancel()


class ServerDatabase(Database):
    """A database on a server. `connect` raises Unavailable, whatever the reason."""

    def __init__(self, place: str, connect: Callable[[], Awaitable[Link]]) -> None:
        self.place = place
        self._connect = connect
        self._places = asyncio.Semaphore(_CONNECTIONS)
        self._idle: list[Link] = []

    async def all(self, sql: str, values: Values = NO_VALUES) -> list[Row]:
        while True:
            link, reused = await self._take()
            try:
                return await link.all(sql, values)
            except Unavailable:
                if link.is_open or not reused:
                    raise
                self._forget()
            except BaseException as exc:
                _abort_if_cancelled(link, exc)
                raise
            finally:
                self._give(link)

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        return self._transaction(alone=False)

    def alone(self) -> AbstractAsyncContextManager[Transaction]:
        return self._transaction(alone=True)

    async def close(self) -> None:
        """Close the connections, of which none is in use any more."""
        links, self._idle = self._idle, []
        for link in links:
            with suppress(Exception):  # it is over either way
                async with asyncio.timeout(_CLOSE_S):
                    await link.close()
            link.abort()

    @asynccontextmanager
    async def _transaction(self, *, alone: bool) -> AsyncIterator[Transaction]:
        link = await self._begun(alone)
        try:
            yield link
            await link.commit()
        except BaseException as exc:
            _abort_if_cancelled(link, exc)
            if link.is_open:
                await _rolled_back(link)
            raise
        finally:
            self._give(link)

    async def _begun(self, alone: bool) -> Link:
        while True:
            link, reused = await self._take()
            try:
                await link.begin(alone=alone)
                return link
            except BaseException as exc:
                lost = isinstance(exc, Unavailable) and not link.is_open
                link.abort()
                self._give(link)
                if not (lost and reused):
                    raise
                self._forget()

    async def _take(self) -> tuple[Link, bool]:
        """Return a connection, and whether it has lain idle, so that the server may have closed it."""
        await self._places.acquire()
        while self._idle:
            link = self._idle.pop()
            if link.is_open:
                return link, True
            link.abort()
        try:
            await asyncio.sleep(0)  # a time limit needs a task, see Link.deadline
            async with asyncio.timeout(CONNECT_S):
                return await self._connect(), False
        except BaseException as exc:
            self._places.release()
            if isinstance(exc, TimeoutError):
                raise Unavailable("no answer in time") from exc
            raise

    def _give(self, link: Link) -> None:
        link.deadline_s = STATEMENT_S
        if link.is_open:
            self._idle.append(link)
        else:
            link.abort()
        self._places.release()

    def _forget(self) -> None:
        """One connection was lost: those that lie idle are as old, so all are opened anew."""
        links, self._idle = self._idle, []
        for link in links:
            link.abort()


def _abort_if_cancelled(link: Link, exc: BaseException) -> None:
    """A statement may still be running: nothing else may use its connection."""
    if not isinstance(exc, Exception):
        link.abort()


async def _rolled_back(link: Link) -> None:
    try:
        await link.rollback()
    except BaseException as exc:
        link.abort()
        if not isinstance(exc, Exception):
            raise
