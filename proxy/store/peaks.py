"""Sums of the call log itself: what the roll-ups do not keep, such as the busiest minute of a span.

Every request of the time asked for is read, so callers look first how many there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from .database import Database, Row
from .request_rows import TEXTS, storable

_MINUTE_MS = 60_000
_SUMS = {
    "requests": "COUNT(*)",
    "failures": "SUM(failed)",
    "prompt_tokens": "SUM(prompt_tokens)",
    "completion_tokens": "SUM(completion_tokens)",
    "cached_tokens": "SUM(cached_tokens)",
    "cost": "SUM(cost)",
    "cache_hits": "SUM(CASE WHEN cached_tokens > 0 THEN 1 ELSE 0 END)",
    "good_ms": "SUM(CASE WHEN failed = 0 THEN total_ms ELSE 0 END)",
    "good_first_byte_ms": "SUM(CASE WHEN failed = 0 THEN COALESCE(first_byte_ms, 0) ELSE 0 END)",
}
"""What is summed for each minute, channel and model."""


class Peak(msgspec.Struct, frozen=True):
    """What a channel did for a model in a span that begins at `starts_at` (unix seconds).

    `good_ms` and `good_first_byte_ms` are sums over the requests that did not fail. `most_requests` and
    `most_tokens` are those of the span's busiest minutes.
    """

    starts_at: int
    channel_id: int
    model: str
    requests: int
    failures: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cost: int
    cache_hits: int
    good_ms: int
    good_first_byte_ms: int
    most_requests: int
    most_tokens: int


async def peaks(
    database: Database, table: str, from_ms: int, to_ms: int, step_s: int, only: Mapping[str, int | str]
) -> list[Peak]:
    """Return what channels were asked from `from_ms` on and before `to_ms`, in spans of `step_s`.

    These are whole minutes. `table` is a month's. Requests that no channel was asked for are not in it.
    """
    step_ms = 1000 * step_s
    where = ["at_ms >= :from_ms", "at_ms < :to_ms", "channel_id IS NOT NULL", *(f"{k} = :{k}" for k in only)]
    inner = ", ".join(f"{sql} AS {name}" for name, sql in _SUMS.items())
    outer = ", ".join(f"SUM({name}) AS {name}" for name in _SUMS)
    at_minute, starts = f"at_ms - at_ms % {_MINUTE_MS}", f"at_minute - at_minute % {step_ms}"
    given: dict[str, object] = {"from_ms": from_ms, "to_ms": to_ms, **only}
    if "model" in only:
        given["model"] = storable(str(only["model"]), TEXTS["model"])
    rows = await database.all(
        f"SELECT {starts} AS starts_ms, channel_id, model, {outer},"
        " MAX(requests) AS most_requests, MAX(prompt_tokens + completion_tokens) AS most_tokens"
        f" FROM (SELECT {at_minute} AS at_minute, channel_id, model, {inner} FROM {table}"
        f" WHERE {' AND '.join(where)} GROUP BY {at_minute}, channel_id, model) AS minutes"
        f" GROUP BY {starts}, channel_id, model",
        given,
    )
    return [_peak(row) for row in rows]


def _peak(row: Row) -> Peak:
    # A database may say a sum as a Decimal.
    values: dict[str, Any] = {k: value if k == "model" else int(value) for k, value in row.items()}
    return Peak(starts_at=values.pop("starts_ms") // 1000, **values)
