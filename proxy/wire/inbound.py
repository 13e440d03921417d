"""A client's request as the steps of a relay see it, whatever server read it."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping

import msgspec

from ..errors import GatewayError


class Inbound(msgspec.Struct, frozen=True):
    """Method, decoded path, header fields in lower case, and where the request came from."""

    request_id: str
    method: str
    path: str
    headers: Mapping[str, str]
    address: str
    received_at: float
    """time.monotonic() when the head was complete."""


class BodyReader(ABC):
    """The body of a request, read when a step asks for it and not before."""

    __slots__ = ("length", "max_bytes")

    def __init__(self, length: int | None, max_bytes: int) -> None:
        self.length = length
        self.max_bytes = max_bytes

    @property
    @abstractmethod
    def at_end(self) -> bool:
        """Whether all of it has arrived, so that the next request may follow."""

    def check_length(self) -> None:
        """Raise GatewayError 413 if the length announced is too much, before anything is read."""
        if self.length is not None and self.length > self.max_bytes:
            raise self.too_large()

    def too_large(self) -> GatewayError:
        """The error for a body over the limit."""
        return GatewayError(413, f"the body has more than {self.max_bytes} bytes", code="body_too_large")

    @abstractmethod
    async def whole(self) -> bytes:
        """Return the body. Raises GatewayError as `pieces` does."""

    @abstractmethod
    def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives. Raises GatewayError 408 for a stalled one, 413 for one too long."""


def stalled() -> GatewayError:
    """The error for a body that stopped arriving."""
    return GatewayError(408, "the body did not arrive in time", code="body_timeout")


_RANDOM_BYTES = 6
_entropy: Iterator[str] = iter(())


def new_request_id() -> str:
    """Return 24 characters that sort by time and that nobody can guess."""
    global _entropy
    random = next(_entropy, None)
    if random is None:  # one system call for many ids
        pool = os.urandom(_RANDOM_BYTES * 512).hex()
        width = 2 * _RANDOM_BYTES
        _entropy = iter([pool[at : at + width] for at in range(0, len(pool), width)])
        random = next(_entropy)
    return f"{int(time.time() * 1000):012x}{random}"
