"""Which channel is asked next, after which failure, and when no more is tried.

Pure: the clock comes in. One object for each request; what they share is the budget of retries.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import NamedTuple

from ...plugins import ErrorKind, UpstreamError
from ..billing.bill import ChannelFull
from ..config import Routing
from ..routing.health import Health
from ..routing.snapshot import UsableChannel
from ..upstream import StaleConnection

_ALWAYS = 10.0
_MOST_SAVED = 50.0
_OF_A_KEY = frozenset({ErrorKind.CREDENTIAL, ErrorKind.BALANCE, ErrorKind.RATE})


class RetryBudget:
    """How many retries there may be, for all requests together: a share of these, and a few in any case."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._left = _ALWAYS
        self._at = 0.0

    def earn(self) -> None:
        """A request has come."""
        self._left = min(_MOST_SAVED, self._left + self._share)

    def take(self, now: float) -> bool:
        """Take a retry; says whether there was one. One in ten seconds is always there."""
        if self._left < 1 and now - self._at < 10:
            return False
        self._left = max(0.0, self._left - 1)
        self._at = now
        return True


class Again(NamedTuple):
    """How to go on: after so long, with a new connection, with a new credential."""

    pause_s: float = 0.0
    fresh: bool = False
    renew: bool = False


class Attempts:
    """The channels of one request and where it stands among them."""

    __slots__ = (
        "_at", "_budget", "_candidates", "_failures", "_health", "_model", "_renewed",
        "_settings", "_shortest_s", "_tried", "deadline",
        "member",
    )  # fmt: skip

    def __init__(
        self,
        candidates: Sequence[UsableChannel],
        model: str,
        health: Health,
        budget: RetryBudget,
        settings: Routing,
        now: float,
    ) -> None:
        self._candidates = candidates
        self._model = model
        self._health = health
        self._budget = budget
        self._settings = settings
        self.deadline = now + settings.deadline_s
        """Until when the first byte of an answer is waited for, whatever is tried."""
        self._at = 0
        self._failures: list[UpstreamError] = []
        self._tried: list[str] = []
        self._renewed = False
        self._shortest_s = math.inf
        self.member = self._keyed(candidates[0], now)
        """The channel to ask, with the key to ask it with."""

    def _keyed(self, member: UsableChannel, now: float) -> UsableChannel:
        return self._health.keyed(member, member.model or self._model, now, self._tried)

    def after(self, error: UpstreamError, now: float, rng: random.Random) -> Again:
        """Choose what to try after a failure. Raises the error to answer if nothing is left, or should be."""
        if isinstance(error, StaleConnection):
            return Again(fresh=True)
        if error.kind is ErrorKind.EXPIRED and not self._renewed:
            self._renewed = True
            return Again(renew=True)
        if isinstance(error, ChannelFull):
            self._shortest_s = min(self._shortest_s, error.retry_after or 0.0)
            return self._on(error, now)
        self._failures.append(error)
        if error.kind is ErrorKind.REQUEST:
            raise error
        if len(self._failures) >= self._settings.attempts or now >= self.deadline:
            raise self._told()
        self._tried.append(self.member.channel.key)
        same = self._may_ask_again(error, now)
        if not same and self._at + 1 >= len(self._candidates):
            raise self._told()
        if not self._budget.take(now):
            raise self._told()
        if not same:
            return self._on(error, now)
        self.member = self._keyed(self._candidates[self._at], now)
        if error.kind in _OF_A_KEY:
            return Again()
        pause_s = self._settings.retry_pause_s * 2.0 ** (len(self._failures) - 1)
        return Again(pause_s * rng.uniform(0.5, 1.5), fresh=True)

    def room_in(self) -> float:
        """Seconds until a channel may have room, if not one was asked since all are full; else 0."""
        is_full = len(self._failures) == 1 and isinstance(self._failures[0], ChannelFull)
        return self._shortest_s if is_full else 0.0

    def others_first(self) -> list[UsableChannel]:
        """Return all channels, the one that is being asked behind all others."""
        at = self._at
        return [*self._candidates[at + 1 :], *self._candidates[:at], self._candidates[at]]

    def beside(self, now: float) -> UsableChannel | None:
        """Return the channel to ask beside the one that is being asked, if there is one and it may be."""
        at = self._at + 1
        if at >= len(self._candidates) or len(self._failures) + 1 >= self._settings.attempts:
            return None
        member = self._candidates[at]
        if self._health.wait(member, member.model or self._model, now) or not self._budget.take(now):
            return None
        self._at = at
        return self._keyed(member, now)

    def _on(self, error: UpstreamError, now: float) -> Again:
        """Go on to the next channel."""
        if self._at + 1 >= len(self._candidates):
            self._failures.append(error)
            raise self._told()
        self._at += 1
        self._tried.clear()
        self._renewed = False
        self.member = self._keyed(self._candidates[self._at], now)
        return Again()

    def _may_ask_again(self, error: UpstreamError, now: float) -> bool:
        """Whether the same channel is asked again: with another of its keys, or since it is the only one."""
        member = self._candidates[self._at]
        model = member.model or self._model
        if error.kind in _OF_A_KEY:
            return self._health.has_other_key(member, model, now, self._tried)
        is_transient = error.kind in (ErrorKind.BUSY, ErrorKind.FAULT) and error.status != 504
        return (
            is_transient
            and len(self._candidates) == 1
            and not self._health.wait(member, model, now, last_resort=True)
        )

    def _told(self) -> UpstreamError:
        """Return the failure that is answered: the last one, or how long to wait if all are limited."""
        last = self._failures[-1]
        waits = [error.retry_after for error in self._failures if error.kind is ErrorKind.RATE]
        known = [wait_s for wait_s in waits if wait_s is not None]
        if len(waits) == len(self._failures) and known:
            last.retry_after = min(known)
        return last
