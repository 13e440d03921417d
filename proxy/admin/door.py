"""What slows down who guesses passwords: a wait that grows with the failures, and few checks at a time.

Counted by address and by name, in this process. Memory is bounded: what was longest without a failure goes.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from ..errors import GatewayError
from ..keys.vault import check_password, hash_password, is_hash

P = ParamSpec("P")
T = TypeVar("T")

_FREE = 5
"""Failures that cost no wait."""
_LONGEST_S = 60.0
_FORGET_S = 900.0
_MOST_KNOWN = 10_000
_AT_ONCE, _MOST_WAITING = 2, 50
_NOBODY = "scrypt$AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
"""A hash of the usual cost that no password has."""


@dataclass(slots=True)
class _Failures:
    count: int
    last_at: float

    @property
    def ends_at(self) -> float:
        """When the next attempt may come."""
        late = self.count - _FREE
        return self.last_at + min(_LONGEST_S, 2.0**late) if late >= 0 else 0.0


class Door:
    """Counts attempts and checks passwords off the event loop."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, _Failures] = OrderedDict()
        self._checks = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    def knock(self, address: str, name: str, now: float) -> None:
        """Count an attempt, as a failure until `welcome` is called. `now` is monotonic seconds.

        Raises GatewayError 429 if it comes too early; then it is not counted.
        """
        keys = _keys(address, name)
        wait_s = max((self._known[key].ends_at - now for key in keys if key in self._known), default=0.0)
        if wait_s > 0:
            raise _too_many(wait_s)
        for key in keys:
            known = self._known.pop(key, None)
            count = known.count if known is not None and known.last_at > now - _FORGET_S else 0
            self._known[key] = _Failures(count + 1, now)
        while len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)

    def welcome(self, address: str, name: str) -> None:
        """An attempt was no failure: forget those before it."""
        for key in _keys(address, name):
            self._known.pop(key, None)

    async def is_password(self, password: str, stored: str) -> bool:
        """Check a password; as slow where nothing is stored. Raises GatewayError 429 if too many wait."""
        return await self._checked(check_password, password, stored if is_hash(stored) else _NOBODY)

    async def hashed(self, password: str) -> str:
        """Return a password's hash."""
        return await self._checked(hash_password, password)

    async def _checked(self, work: Callable[P, T], *arguments: P.args, **more: P.kwargs) -> T:
        if self._waiting >= _MOST_WAITING:
            raise _too_many(1.0)
        self._waiting += 1
        try:
            async with self._checks:
                return await asyncio.to_thread(work, *arguments, **more)
        finally:
            self._waiting -= 1


def _keys(address: str, name: str) -> tuple[str, str]:
    return f"address {_network(address)}", f"name {name[:200]}"


def _network(address: str) -> str:
    """An IPv6 client has a whole /64 to come from."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network(f"{ip}/64", strict=False)) if ip.version == 6 else address


def _too_many(wait_s: float) -> GatewayError:
    return GatewayError(
        429,
        "too many attempts to log in; wait a little",
        type="rate_limit_error",
        code="too_many_attempts",
        headers={"retry-after": str(max(1, math.ceil(wait_s)))},
    )
