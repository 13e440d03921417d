"""A request's body as the fast lane collects it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from ..errors import GatewayError
from ..wire.inbound import BodyReader


class CollectedBody(BodyReader):
    """A body of known length. Its reader is a request's step, its feeder the connection."""

    __slots__ = ("_error", "_missing", "_pieces", "_waiter")

    def __init__(self, length: int, max_bytes: int) -> None:
        super().__init__(length, max_bytes)
        self._missing = length
        self._pieces: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self._error: GatewayError | None = None

    @property
    def at_end(self) -> bool:
        return self._missing == 0

    def feed(self, data: bytes) -> bytes:
        """Take what belongs to the body and return the rest."""
        mine = data if len(data) <= self._missing else data[: self._missing]
        self._missing -= len(mine)
        self._pieces.append(mine)
        if self._missing == 0:
            self._wake()
        return data[len(mine) :] if len(mine) < len(data) else b""

    def discard(self, size: int) -> None:
        """Count bytes that nobody will read."""
        self._missing = max(0, self._missing - size)

    def fail(self, error: GatewayError) -> None:
        """The rest will not come."""
        self._error = error
        self._wake()

    async def whole(self) -> bytes:
        while self._missing and self._error is None:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self._error is not None:
            raise self._error
        pieces, self._pieces = self._pieces, []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def pieces(self) -> AsyncIterator[bytes]:
        yield await self.whole()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
