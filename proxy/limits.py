"""Requests and tokens a minute, and requests at the same time, of whatever a limit is set for.

Pure: the time comes in. A subject is `token:7`, `user:1`, `group:vip`, `model:gpt-4o` or `channel:3`;
`token:*` stands for every token without a limit of its own, and so on. One process keeps its own count. The
last minute is kept by seconds, and the oldest second counts whole, so that no span of 60 seconds ever has
more than is allowed.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from .errors import GatewayError

MINUTE_S = 60
_MOST_IDLE = 10_000
_OWN = ("token", "user", "group")
"""Kinds of subjects whose limits a client is told."""


class Limit(msgspec.Struct, frozen=True):
    """What a subject may do; 0 is without limit. Budgets are quota, and are the ledger's to keep."""

    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    concurrent: int = 0
    day_budget: int = 0
    month_budget: int = 0


class _Second:
    __slots__ = ("at", "requests", "tokens")

    def __init__(self, at: int) -> None:
        self.at = at
        self.requests = 0
        self.tokens = 0


class _Use:
    """What a subject has done in the last minute, and does now."""

    __slots__ = ("open", "requests", "seconds", "tokens")

    def __init__(self) -> None:
        self.open = 0
        self.requests = 0
        self.tokens = 0
        self.seconds: deque[_Second] = deque()

    def forget(self, now: float) -> None:
        """Drop what is more than a minute ago."""
        seconds, oldest = self.seconds, int(now) - MINUTE_S
        while seconds and seconds[0].at < oldest:
            gone = seconds.popleft()
            self.requests -= gone.requests
            self.tokens -= gone.tokens

    def second(self, now: float) -> _Second:
        """Return the count of this second."""
        at = int(now)
        if not self.seconds or self.seconds[-1].at < at:
            self.seconds.append(_Second(at))
        return self.seconds[-1]

    def wait(self, name: str, room: int, now: float) -> float:
        """Return how long until no more than `room` of `requests` or `tokens` are of the last minute."""
        left = getattr(self, name)
        for second in self.seconds:
            if left <= room:
                break
            left -= getattr(second, name)
            until = second.at + MINUTE_S + 1 - now
        return until if getattr(self, name) > room else 0.0


class Ticket:
    """What a request holds of its subjects' limits. `close` ends it, once."""

    __slots__ = ("_held", "_tokens", "now")

    def __init__(self, held: list[tuple[str, Limit, _Use, _Second]], tokens: int, now: float) -> None:
        self._held: list[tuple[str, Limit, _Use, _Second]] | None = held
        self._tokens = tokens
        self.now = now

    def headers(self) -> list[tuple[str, str]]:
        """Return what the client is told of its own limits, by OpenAI's names: of each the tightest."""
        fields: list[tuple[str, str]] = []
        own = [one for one in self._held or () if one[0].partition(":")[0] in _OWN]
        for name in ("requests", "tokens"):
            rooms = [
                (most - getattr(use, name), most, use)
                for _, limit, use, _ in own
                if (most := getattr(limit, f"{name}_per_minute"))
            ]
            if rooms:
                room, most, use = min(rooms, key=lambda one: one[0])
                fields += _fields(name, most, max(0, room), use.wait(name, 0, self.now))
        return fields

    def close(self, tokens: int, now: float) -> None:
        """The request has ended and used so many tokens."""
        held, self._held = self._held, None
        for _, _, use, second in held or ():
            use.open -= 1
            use.forget(now)
            if use.seconds and use.seconds[0].at <= second.at:
                change = max(tokens - self._tokens, -second.tokens)
                second.tokens += change
                use.tokens += change


NOTHING = Ticket([], 0, 0.0)
"""The ticket of a request without any limit."""


class Limits:
    """What all subjects have done lately."""

    def __init__(self) -> None:
        self._uses: dict[str, _Use] = {}

    def admit(self, limits: Mapping[str, Limit], subjects: Sequence[str], tokens: int, now: float) -> Ticket:
        """Let a request of about so many tokens in. Raises GatewayError 429, and nothing is taken then."""
        if not limits:
            return NOTHING
        held = self._held(limits, subjects, now)
        for subject, limit, use in held:
            refused = _refused(limit, use, tokens, now)
            if refused is not None:
                what, wait_s, fields = refused
                raise _too_many(subject.partition(":")[0], what, wait_s, fields)
        return self._take(held, tokens, now)

    def may_use(
        self, limits: Mapping[str, Limit], channel_id: int, tokens: int, now: float
    ) -> Ticket | float:
        """Let a request on a channel; else return how long until it may be."""
        held = self._held(limits, (f"channel:{channel_id}",), now)
        for _, limit, use in held:
            refused = _refused(limit, use, tokens, now)
            if refused is not None:
                return max(refused[1], 0.001)
        return self._take(held, tokens, now)

    def _held(
        self, limits: Mapping[str, Limit], subjects: Sequence[str], now: float
    ) -> list[tuple[str, Limit, _Use]]:
        held = []
        for subject in subjects:
            limit = limit_of(limits, subject)
            if limit is not None:
                use = self._uses.get(subject)
                if use is None:
                    use = self._new(subject, now)
                use.forget(now)
                held.append((subject, limit, use))
        return held

    def _new(self, subject: str, now: float) -> _Use:
        if len(self._uses) >= _MOST_IDLE:
            for use in self._uses.values():
                use.forget(now)
            self._uses = {name: use for name, use in self._uses.items() if use.open or use.requests}
        use = self._uses[subject] = _Use()
        return use

    @staticmethod
    def _take(held: list[tuple[str, Limit, _Use]], tokens: int, now: float) -> Ticket:
        if not held:
            return NOTHING
        taken = []
        for subject, limit, use in held:
            second = use.second(now)
            second.requests += 1
            second.tokens += tokens
            use.requests += 1
            use.tokens += tokens
            use.open += 1
            taken.append((subject, limit, use, second))
        return Ticket(taken, tokens, now)


def limit_of(limits: Mapping[str, Limit], subject: str) -> Limit | None:
    """Return the limit of a subject: its own, or that of all of its kind."""
    return limits.get(subject) or limits.get(f"{subject.partition(':')[0]}:*")


def budgets_of(limits: Mapping[str, Limit], subjects: Sequence[str], now: float) -> dict[str, int]:
    """Return the budgets of subjects this day and month (UTC): accounts, and what they begin with."""
    budgets: dict[str, int] = {}
    for subject in subjects if limits else ():
        limit = limit_of(limits, subject)
        if limit is not None and limit.day_budget:
            budgets[time.strftime(f"day:{subject}:%Y%m%d", time.gmtime(now))] = limit.day_budget
        if limit is not None and limit.month_budget:
            budgets[time.strftime(f"month:{subject}:%Y%m", time.gmtime(now))] = limit.month_budget
    return budgets


def budget_ends(account: str) -> float:
    """Return the unix time at which the period of a budget's account is over."""
    period, _, rest = account.partition(":")
    date = rest.rpartition(":")[2]
    if period == "day":
        return datetime.strptime(date, "%Y%m%d").replace(tzinfo=UTC).timestamp() + 86_400
    year, month = int(date[:4]), int(date[4:])
    return datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp()


def _refused(
    limit: Limit, use: _Use, tokens: int, now: float
) -> tuple[str, float, list[tuple[str, str]]] | None:
    """Why a request does not fit, how long until it may, and what the client is told."""
    if limit.concurrent and use.open >= limit.concurrent:
        return f"{limit.concurrent} requests at the same time", 1.0, []
    for name, new, most in (
        ("requests", 1, limit.requests_per_minute),
        ("tokens", tokens, limit.tokens_per_minute),
    ):
        used = getattr(use, name)
        if most and used + new > most:
            wait = use.wait(name, max(0, most - new), now) or float(MINUTE_S)
            return f"{most} {name} per minute", wait, _fields(name, most, max(0, most - used), wait)
    return None


def _too_many(kind: str, what: str, wait_s: float, fields: list[tuple[str, str]]) -> GatewayError:
    whose = {"token": "this API key", "user": "this account", "group": "this group"}.get(kind, f"this {kind}")
    return GatewayError(
        429,
        f"rate limit reached: {whose} may use {what}",
        type="rate_limit_error",
        code="rate_limit_exceeded",
        headers={"retry-after": str(max(1, math.ceil(wait_s))), **dict(fields)},
    )


def _fields(name: str, most: int, room: int, wait_s: float) -> list[tuple[str, str]]:
    return [
        (f"x-ratelimit-limit-{name}", str(most)),
        (f"x-ratelimit-remaining-{name}", str(room)),
        (f"x-ratelimit-reset-{name}", _span(wait_s)),
    ]


def _span(seconds: float) -> str:
    """A span as OpenAI writes it: `6ms`, `1s`, `6m0s`."""
    if seconds < 1:
        return f"{max(0, math.ceil(seconds * 1000))}ms"
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
