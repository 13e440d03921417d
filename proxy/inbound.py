"""A client's request as the steps of a relay see it, whatever server read it."""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from .errors import GatewayError

_random = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Inbound:
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

    def __init__(self, length: int | None, max_bytes: int) -> None:
        self.length = length
        self.max_bytes = max_bytes

    def check_length(self) -> None:
        """Raise GatewayError 413 if the length announced is too much, before anything is read."""
        if self.length is not None and self.length > self.max_bytes:
            raise self.too_large()

    def too_large(self) -> GatewayError:
        """The error for a body over the limit."""
        return GatewayError(413, f"the body has more than {self.max_bytes} bytes", code="body_too_large")

    @abstractmethod
    def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives. Raises GatewayError 408 for a stalled one, 413 for one too long."""

    async def whole(self) -> bytes:
        """Return the body."""
        parts = [piece async for piece in self.pieces()]
        return parts[0] if len(parts) == 1 else b"".join(parts)


def new_request_id() -> str:
    """Return 24 characters that sort by time and that nobody can guess."""
    return f"{int(time.time() * 1000):012x}{_random.getrandbits(48):012x}"
