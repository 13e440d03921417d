"""How much a subject may use at once, in a minute, in a day and in a month.

Pure, for one process: the clock comes in. A subject is a text like `token:7`, `user:1`, `group:vip`,
`model:gpt-4o`, `channel:3`. One without a limit of its own has that of `token:*`, `user:*` and so on, each
for itself. Money of a day or month is only named here; the ledger keeps it as an account.

A minute is a ring of seconds, the running one and the sixty before it, with its sum at hand. So no sixty
seconds ever see more than the limit, which neither a GCRA (a burst and its refill: twice the limit) nor two
weighted buckets (an estimate) can promise, and the price is that a minute lasts up to 61 seconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

import msgspec

from ..errors import GatewayError

_SPAN_S = 61
_LONG_AGO = -(1 << 62)
AGAIN_S = 1.0
"""When a place among the concurrent requests may be free: nobody knows."""
_DAY_S = 86_400
_SWEEP_AT = 4096

MOST_SUBJECT = 178
"""Longest subject, in characters: with period and date it is an account's name, of 191."""

_WHOSE = {
    "token": "this API key",
    "user": "this account",
    "group": "your group",
    "model": "this model",
    "channel": "this channel",
}
_OWN = ("token:", "user:", "group:")
"""Subjects whose numbers the caller may see; what is left of a model tells of other callers."""


class Limit(msgspec.Struct, frozen=True):
    """What a subject may use, 0 for no limit. Budgets are quota, a day and a month are UTC's."""

    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    concurrent: int = 0
    day_budget: int = 0
    month_budget: int = 0


class _Minute:
    """What was used in the running second and the sixty before it."""

    __slots__ = ("ring", "second", "total")

    def __init__(self) -> None:
        self.ring: list[int] = []
        self.second = _LONG_AGO
        self.total = 0

    def advance(self, now: float) -> None:
        """Forget what is old. A clock set back by minutes starts anew, one by seconds stands still."""
        second = math.floor(now)
        passed = second - self.second
        if abs(passed) >= _SPAN_S:
            self.ring = [0] * _SPAN_S
            self.total = 0
            self.second = second
        elif passed > 0:
            for old in range(self.second + 1, second + 1):
                self.total -= self.ring[old % _SPAN_S]
                self.ring[old % _SPAN_S] = 0
            self.second = second

    def add(self, amount: int) -> None:
        self.ring[self.second % _SPAN_S] += amount
        self.total += amount

    def take_back(self, second: int, amount: int) -> None:
        """Take back what was added in a second, as far as it still counts."""
        if 0 <= self.second - second < _SPAN_S:
            amount = min(amount, self.ring[second % _SPAN_S])
            self.ring[second % _SPAN_S] -= amount
            self.total -= amount

    def wait(self, amount: int, limit: int, now: float) -> float:
        """Return the seconds until an amount fits, 0 where it does, infinity where it never will."""
        self.advance(now)
        excess = self.total + amount - limit
        if excess <= 0:
            return 0.0
        for second in range(self.second + 1 - _SPAN_S, self.second + 1):
            excess -= self.ring[second % _SPAN_S]
            if excess <= 0:
                return second + _SPAN_S - now
        return math.inf

    def reset(self, now: float) -> float:
        """Return the seconds until nothing counts any more."""
        for back in range(_SPAN_S):
            if self.ring[(self.second - back) % _SPAN_S]:
                return self.second - back + _SPAN_S - max(now, self.second)
        return 0.0


class _Use:
    """What one subject uses."""

    __slots__ = ("requests", "running", "tokens")

    def __init__(self) -> None:
        self.requests = _Minute()
        self.tokens = _Minute()
        self.running = 0

    def is_idle(self, now: float) -> bool:
        self.requests.advance(now)
        self.tokens.advance(now)
        return not (self.running or self.requests.total or self.tokens.total)

    def take(self, limit: Limit, tokens: int) -> None:
        self.running += 1
        if limit.requests_per_minute:
            self.requests.add(1)
        if limit.tokens_per_minute:
            self.tokens.add(tokens)


class _Held(NamedTuple):
    subject: str
    limit: Limit
    use: _Use


class _Refusal(NamedTuple):
    """`wait_s` is infinite for a request that alone is over the limit."""

    wait_s: float
    subject: str
    rule: str
    held: Sequence[_Held]


class Ticket:
    """What one request has taken of the limits of its subjects."""

    __slots__ = ("_held", "_now", "_tokens")

    def __init__(self, held: Sequence[_Held], tokens: int, now: float) -> None:
        self._held = held
        self._tokens = tokens
        self._now = now

    def headers(self) -> list[tuple[str, str]]:
        """Return what a good answer says of the caller's limits, to be asked for before `close`."""
        return _headers(self._held, self._now)

    def close(self, tokens: int, now: float) -> None:
        """The request has ended and used so many tokens. Only the first call does something."""
        held, self._held = self._held, ()
        for _, limit, use in held:
            use.running -= 1
            if limit.tokens_per_minute:
                use.tokens.advance(now)
                if tokens > self._tokens:
                    use.tokens.add(tokens - self._tokens)
                else:
                    use.tokens.take_back(math.floor(self._now), self._tokens - max(0, tokens))


NOTHING = Ticket((), 0, 0.0)
"""The ticket of whoever has no limits."""


class Limits:
    """What every subject has used in the last minute and uses now; idle ones are forgotten."""

    def __init__(self) -> None:
        self._uses: dict[str, _Use] = {}
        self._sweep_at = _SWEEP_AT

    def admit(self, limits: Mapping[str, Limit], subjects: Sequence[str], tokens: int, now: float) -> Ticket:
        """Count a request of about so many tokens on every subject, or on none: GatewayError 429.

        `now` is in seconds. Subjects are different ones.
        """
        if not limits:
            return NOTHING
        taken = self._take(limits, subjects, tokens, now)
        if isinstance(taken, _Refusal):
            raise _error(taken, tokens, now)
        return taken

    def may_use(
        self, limits: Mapping[str, Limit], channel_id: int, tokens: int, now: float
    ) -> Ticket | float:
        """Count a request on a channel, or return the seconds until it may fit, infinity for never."""
        if not limits:
            return NOTHING
        taken = self._take(limits, (f"channel:{channel_id}",), tokens, now)
        return taken.wait_s if isinstance(taken, _Refusal) else taken

    def _take(
        self, limits: Mapping[str, Limit], subjects: Sequence[str], tokens: int, now: float
    ) -> Ticket | _Refusal:
        if len(self._uses) >= self._sweep_at:
            self._forget_idle(now)
        held = []
        for subject in subjects:
            limit = _limit(limits, subject)
            if limit and (limit.requests_per_minute or limit.tokens_per_minute or limit.concurrent):
                held.append(_Held(subject, limit, self._use(subject)))
        if not held:
            return NOTHING
        worst = max((_wait(one, tokens, now) for one in held), key=lambda found: found[0])
        if worst[0] > 0:
            return _Refusal(*worst, held)
        for _, limit, use in held:
            use.take(limit, tokens)
        return Ticket(held, tokens, now)

    def _use(self, subject: str) -> _Use:
        found = self._uses.get(subject)
        if found is None:
            found = self._uses[subject] = _Use()
        return found

    def _forget_idle(self, now: float) -> None:
        """Never between two subjects of one request: the first would be forgotten before it is counted."""
        self._uses = {name: use for name, use in self._uses.items() if not use.is_idle(now)}
        self._sweep_at = max(_SWEEP_AT, 2 * len(self._uses))


def budget_accounts(limits: Mapping[str, Limit], subjects: Sequence[str], now: float) -> dict[str, int]:
    """Return the accounts of the running day and month that these subjects spend from, with their quota.

    `now` is unix time. A name is like `day:token:7:20261124` or `month:group:vip:202611`. Subjects of more
    than MOST_SUBJECT characters, which only `model:*` and `group:*` limit, share one if they begin alike.
    """
    accounts: dict[str, int] = {}
    if not limits:
        return accounts
    for subject in subjects:
        limit = _limit(limits, subject)
        if limit and (limit.day_budget or limit.month_budget):
            day, name = _date(int(now // _DAY_S)), subject[:MOST_SUBJECT]
            if limit.day_budget:
                accounts[f"day:{name}:{day}"] = limit.day_budget
            if limit.month_budget:
                accounts[f"month:{name}:{day[:6]}"] = limit.month_budget
    return accounts


def budget_ends(name: str) -> float:
    """Return the unix time at which a budget's account is over. ValueError for other accounts."""
    period, date = name.partition(":")[0], name.rpartition(":")[2]
    if period == "day":
        return (datetime.strptime(date, "%Y%m%d").replace(tzinfo=UTC) + timedelta(days=1)).timestamp()
    if period == "month":
        first = datetime.strptime(date, "%Y%m").replace(tzinfo=UTC)
        return (first + timedelta(days=31)).replace(day=1).timestamp()
    raise ValueError(f"{name!r} is no account of a budget")


@lru_cache(maxsize=4)
def _date(day: int) -> str:
    return datetime.fromtimestamp(day * _DAY_S, UTC).strftime("%Y%m%d")


def _limit(limits: Mapping[str, Limit], subject: str) -> Limit | None:
    own = limits.get(subject)
    return own if own is not None else limits.get(_each(subject))


@lru_cache(maxsize=4096)
def _each(subject: str) -> str:
    return f"{subject.partition(':')[0]}:*"


def _wait(held: _Held, tokens: int, now: float) -> tuple[float, str, str]:
    """Return the longest that one of a subject's limits lets a request wait, and which it is."""
    subject, limit, use = held
    longest, rule = 0.0, ""
    if limit.concurrent and use.running >= limit.concurrent:
        longest, rule = AGAIN_S, f"{limit.concurrent} concurrent requests"
    if limit.requests_per_minute:
        wait_s = use.requests.wait(1, limit.requests_per_minute, now)
        if wait_s > longest:
            longest, rule = wait_s, f"{limit.requests_per_minute} requests per minute"
    if limit.tokens_per_minute:
        wait_s = use.tokens.wait(tokens, limit.tokens_per_minute, now)
        if tokens > limit.tokens_per_minute:
            wait_s = math.inf
        if wait_s > longest:
            longest, rule = wait_s, f"{limit.tokens_per_minute} tokens per minute"
    return longest, subject, rule


def _error(refusal: _Refusal, tokens: int, now: float) -> GatewayError:
    wait_s, subject, rule, held = refusal
    kind = subject.partition(":")[0]
    allowed = f"{_WHOSE.get(kind, f'this {kind}')} may use {rule}"
    headers = dict(_headers(held, now))
    if math.isinf(wait_s):
        message = f"the request is too large: it may need {tokens} tokens, and {allowed}"
        headers["x-should-retry"] = "false"  # OpenAI's SDKs repeat any other 429
    else:
        after = max(1, math.ceil(wait_s))
        message = f"rate limit reached: {allowed}; try again in {after} s"
        headers["retry-after"] = str(after)
    return GatewayError(429, message, type="rate_limit_error", code="rate_limit_exceeded", headers=headers)


def _headers(held: Sequence[_Held], now: float) -> list[tuple[str, str]]:
    own = [(limit, use) for subject, limit, use in held if subject.startswith(_OWN)]
    requests = [(limit.requests_per_minute, use.requests) for limit, use in own]
    tokens = [(limit.tokens_per_minute, use.tokens) for limit, use in own]
    return [*_tightest("requests", requests, now), *_tightest("tokens", tokens, now)]


def _tightest(unit: str, minutes: Sequence[tuple[int, _Minute]], now: float) -> list[tuple[str, str]]:
    limited = [(limit - minute.total, limit, minute) for limit, minute in minutes if limit]
    if not limited:
        return []
    left, limit, minute = min(limited, key=lambda one: one[:2])
    return [
        (f"x-ratelimit-limit-{unit}", str(limit)),
        (f"x-ratelimit-remaining-{unit}", str(max(0, left))),
        (f"x-ratelimit-reset-{unit}", _duration(minute.reset(now))),
    ]


def _duration(seconds: float) -> str:
    """Write a time as OpenAI does: 6ms, 1s, 6m0s."""
    if 0 < seconds < 0.999:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
