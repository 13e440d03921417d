"""What was used and spent: sums of requests, as charts are made of."""

from __future__ import annotations

import time
from typing import Literal

import msgspec

from ...errors import GatewayError
from ...manage.refused import Refused
from ...store.rollups import SPANS, By, Total
from ..fields import Given, Id, Page, Seconds, Shown, Text
from ..operations import Call, Operations

operations = Operations("usage")

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
_MOST_ROWS = 20_000
_MOST_READ = 500_000
"""Requests of the log that are added up at once."""
_BY: dict[str, By] = {"model": "model", "token": "token_id", "user": "user_id", "channel": "channel_id"}


class UsageQuery(Given, frozen=True, kw_only=True):
    """What to add up, from `since` until before `until`: by what, and for each minute, hour or day (UTC).

    Without `since` it is the last seven days, by minutes the last hour. There are no sums by channel of one
    user or token, but by minutes.
    """

    by: Literal["model", "token", "user", "channel"] | None = None
    span: Literal["minute", "hour", "day"] | None = None
    since: Seconds | None = None
    until: Seconds | None = None
    user_id: Id | None = None
    token_id: Id | None = None
    channel_id: Id | None = None
    model: Text | None = None


class Sum(Shown, frozen=True, kw_only=True):
    """What was used. `first_byte_ms` is the sum over `first_bytes` requests, `total_ms` over all of them.

    What of the tokens was written to caches or thought is null by minutes.
    """

    starts_at: int | None
    user_id: int | None
    token_id: int | None
    channel_id: int | None
    model: str | None
    requests: int
    failures: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    cost: int
    charged: int
    first_bytes: int
    first_byte_ms: int
    total_ms: int


@operations.get("/usage", "user")
async def show_usage(call: Call, query: UsageQuery) -> Page[Sum]:
    """Add up what was used and spent: by oneself, for administrators by all."""
    now = int(time.time())
    if query.span == "minute":
        return Page(await _by_minutes(call, query, now))
    since = query.since if query.since is not None else now - 7 * _DAY_S
    until = query.until if query.until is not None else now + _DAY_S
    span = query.span or ("hour" if until - since <= 62 * _DAY_S else "day")
    if query.span and (until - since) // SPANS[span] > _MOST_ROWS:
        raise Refused("since", f"more than {_MOST_ROWS} {span}s: ask for a shorter time")
    try:
        found = await call.desk.store.requests.totals(
            span, since - since % SPANS[span], until, only=_only(call, query),
            group_by=(_BY[query.by],) if query.by else (), over_time=query.span is not None,
        )  # fmt: skip
    except ValueError as exc:
        raise GatewayError(400, str(exc), code="invalid_value", param="by") from None
    if len(found) > _MOST_ROWS:
        raise Refused("since", f"more than {_MOST_ROWS} rows: ask for a shorter time")
    return Page([_sum(total) for total in found])


async def _by_minutes(call: Call, query: UsageQuery, now: int) -> list[Sum]:
    """Add up the log itself, if it has not too much in this time."""
    requests, only = call.desk.store.requests, _only(call, query)
    since = query.since if query.since is not None else now - _HOUR_S
    until = query.until if query.until is not None else now + _MINUTE_S
    since -= since % _MINUTE_S
    if (until - since) // _MINUTE_S > _MOST_ROWS:
        raise Refused("since", f"more than {_MOST_ROWS} minutes: ask for a shorter time")
    apart = {"user_id", "token_id"} & only.keys()  # of these there are no sums by channel
    counted = {name: value for name, value in only.items() if not (apart and name == "channel_id")}
    there = await requests.totals("hour", since - since % _HOUR_S, until, only=counted, over_time=False)
    if sum(total.requests for total in there) > _MOST_READ:
        raise Refused("since", f"more than {_MOST_READ} requests: ask for a shorter time, or by hours")
    found = await requests.minutes(since, until, only, (_BY[query.by],) if query.by else ())
    if len(found) > _MOST_ROWS:
        raise Refused("since", f"more than {_MOST_ROWS} rows: ask for a shorter time")
    unknown = {"cache_write_tokens": None, "reasoning_tokens": None}
    return [Sum(**{**msgspec.structs.asdict(total), **unknown}) for total in found]


def _only(call: Call, query: UsageQuery) -> dict[By, int | str]:
    user_id = query.user_id if call.may("admin") else call.actor.user_id
    given: dict[By, int | str | None] = {
        "user_id": user_id, "token_id": query.token_id, "channel_id": query.channel_id, "model": query.model,
    }  # fmt: skip
    return {name: value for name, value in given.items() if value is not None}


def _sum(total: Total) -> Sum:
    return Sum(**msgspec.structs.asdict(total))
