"""Ask a provider for a whole answer: what is not relayed to a client (credentials, tests, model lists)."""

from __future__ import annotations

import asyncio

from ...plugins import ErrorKind, UpstreamError, UpstreamRequest, UpstreamResponse
from ..wire.headers import to_upstream
from .pool import Upstream
from .reach import Policy

MAX_BYTES = 8 * 1024 * 1024


async def ask(
    upstream: Upstream,
    request: UpstreamRequest,
    proxy: str = "",
    max_bytes: int = MAX_BYTES,
    policy: Policy | None = None,
) -> UpstreamResponse:
    """Send a request on a fresh connection and collect its answer, whatever its status.

    `policy` is reach.CONTENT where a client has named the address. Raises UpstreamError if no answer comes or
    it is larger than `max_bytes`.
    """
    collected = _Collected(max_bytes)
    connection = await upstream.send(
        request, to_upstream({}, request.headers), collected, proxy=proxy, fresh=True, policy=policy
    )
    try:
        return await collected.done
    finally:
        upstream.release(connection)


class _Collected:
    """A receiver that collects."""

    passing = None

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.done: asyncio.Future[UpstreamResponse] = asyncio.get_running_loop().create_future()
        self._head = UpstreamResponse(0, {})
        self._parts: list[bytes] = []
        self._size = 0

    def on_head(self, response: UpstreamResponse) -> None:
        self._head = response

    def on_body(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._max_bytes:
            self.on_error(UpstreamError(ErrorKind.FAULT, "the provider's answer is too long"))
        else:
            self._parts.append(data)

    def on_chunks(self, framed: bytes, data: bytes) -> None:
        self.on_body(data)

    def on_end(self, framed: bool) -> None:
        if not self.done.done():
            head = self._head
            self.done.set_result(UpstreamResponse(head.status, head.headers, b"".join(self._parts)))

    def on_error(self, error: UpstreamError) -> None:
        if not self.done.done():
            self.done.set_exception(error)
