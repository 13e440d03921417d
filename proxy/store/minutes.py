"""What was used minute by minute: sums of the call log itself, as the roll-ups know hours and days alone.

Every request of the time asked for is read, so callers look first how many there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from .database import Database
from .request_rows import TEXTS, storable
from .rollups import By, Total, total_of

_MINUTE_MS = 60_000
_SUMS = {
    "requests": "COUNT(*)",
    "failures": "SUM(failed)",
    "prompt_tokens": "SUM(prompt_tokens)",
    "completion_tokens": "SUM(completion_tokens)",
    "cached_tokens": "SUM(cached_tokens)",
    "cost": "SUM(cost)",
    "charged": "SUM(charged)",
    "first_bytes": "COUNT(first_byte_ms)",
    "first_byte_ms": "SUM(COALESCE(first_byte_ms, 0))",
    "total_ms": "SUM(total_ms)",
}


async def minutes(
    database: Database,
    table: str,
    from_ms: int,
    to_ms: int,
    only: Mapping[By, int | str],
    group_by: Sequence[By],
) -> list[Total]:
    """Return sums of the minutes that begin at `from_ms` or later and before `to_ms`, in their order.

    `table` is a month's, `only` are values that columns must have. Cache writes and reasoning are not in it.
    """
    starts = f"at_ms - at_ms % {_MINUTE_MS}"
    columns: dict[str, str] = {
        name: "COALESCE(channel_id, 0)" if name == "channel_id" else name for name in group_by
    }
    named = [f"{sql} AS {name}" for name, sql in {**columns, **_SUMS}.items()]
    where = ["at_ms >= :from_ms", "at_ms < :to_ms", *(f"{name} = :{name}" for name in only)]
    groups = ", ".join((starts, *columns.values()))
    given: dict[str, object] = {"from_ms": from_ms, "to_ms": to_ms, **{str(k): v for k, v in only.items()}}
    if "model" in only:
        given["model"] = storable(str(only["model"]), TEXTS["model"])
    rows = await database.all(
        f"SELECT {starts} AS starts_at, {', '.join(named)} FROM {table}"
        f" WHERE {' AND '.join(where)} GROUP BY {groups} ORDER BY {groups}",
        given,
    )
    found = map(total_of, rows)
    return [msgspec.structs.replace(one, starts_at=(one.starts_at or 0) // 1000) for one in found]
