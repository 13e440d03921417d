"""Sums of what was used, per hour and per day: what charts and reports are made of.

The transaction that writes requests writes one row of what they used (`usage_pending`); `fold` adds many such
rows to the sums in a transaction of its own. Nothing is counted twice or lost, and a request costs a fifth of
what it costs to add to the sums at once. One table of sums is by channel and model, the other by user, token
and model: together they are far smaller than one by all four, and no chart asks for a channel and a user at
once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

import msgspec

from ..ledger.entry import Entry
from .database import Database, Row, Transaction, Unavailable
from .request_rows import TEXTS, has_failed, storable

Span = Literal["hour", "day"]
By = Literal["user_id", "token_id", "channel_id", "model"]

SPANS: Mapping[Span, int] = {"hour": 3600, "day": 86400}
"""Seconds of a span."""

SUMS = (
    "requests", "failures", "prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens",
    "reasoning_tokens", "cost", "charged", "first_bytes", "first_byte_ms", "total_ms",
)  # fmt: skip

_TABLES: Mapping[str, tuple[By, ...]] = {
    "usage_by_channel": ("channel_id", "model"),
    "usage_by_token": ("user_id", "token_id", "model"),
}

_AT_ONCE = 200

Key = tuple[Any, ...]
Used = defaultdict[Key, list[Sequence[int]]]
"""What was used, request by request or sum by sum, by what it is added up for."""


class Total(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was used in a span, or in all of the time asked for, by whom or what was asked for.

    `starts_at` is unix seconds; `channel_id` is 0 where no channel was asked. `cost` and `charged` are quota.
    `first_byte_ms` and `total_ms` are sums, of `first_bytes` and of `requests` requests.
    """

    starts_at: int | None = None
    user_id: int | None = None
    token_id: int | None = None
    channel_id: int | None = None
    model: str | None = None
    requests: int = 0
    failures: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost: int = 0
    charged: int = 0
    first_bytes: int = 0
    first_byte_ms: int = 0
    total_ms: int = 0


async def add(transaction: Transaction, entries: Iterable[Entry]) -> None:
    """Put what these requests used beside the sums, as part of a transaction; `fold` adds it to them."""
    sums = [(*key, *used) for key, used in summed(entries).items()]
    sql = "INSERT INTO usage_pending (sums) VALUES (:sums)"
    await transaction.insert(sql, {"sums": msgspec.json.encode(sums).decode()})


def summed(entries: Iterable[Entry]) -> dict[Key, list[int]]:
    """Return what was used, by hour, user, token, channel and model."""
    used: Used = defaultdict(list)
    for entry in entries:
        hour = entry.at_ms // 3_600_000 * 3600
        model = storable(entry.model, TEXTS["model"])
        used[hour, entry.user_id, entry.token_id, entry.channel_id or 0, model].append(_used(entry))
    return _sums(used)


def _used(entry: Entry) -> Sequence[int]:
    counts, first = entry.counts, entry.first_byte_ms
    return (
        1, has_failed(entry), counts.prompt_tokens, counts.completion_tokens, counts.cached_tokens,
        counts.cache_write_tokens, counts.reasoning_tokens, entry.cost, entry.charged,
        first is not None, first or 0, entry.total_ms,
    )  # fmt: skip


def _sums(used: Used) -> dict[Key, list[int]]:
    return {key: list(map(sum, zip(*values, strict=True))) for key, values in used.items()}


async def fold(database: Database) -> None:
    """Add what is beside the sums to them: a transaction for many, since each touches many rows.

    Several gateways may do so at once: what is added is what a transaction has taken away.
    """
    while await _fold_some(database) == _AT_ONCE:
        pass


async def _fold_some(database: Database) -> int:
    if not await database.one("SELECT id FROM usage_pending LIMIT 1"):
        return 0
    query = f"SELECT id, sums FROM usage_pending ORDER BY id LIMIT {_AT_ONCE}"
    async with database.transaction() as transaction:
        found = await transaction.all(query)
        sql = "DELETE FROM usage_pending WHERE id = :id"
        taken = [row["sums"] for row in found if await transaction.run(sql, {"id": row["id"]})]
        for table, sums in _by_table(taken).items():
            keys = ("span", "starts_at", *_TABLES[table])
            # In one order, so that two gateways never wait for each other in a circle.
            rows = [(*key, *sums[key]) for key in sorted(sums)]
            await transaction.many(database.dialect.upsert(table, keys, add=SUMS), rows)
    return len(found)


def pending(sums: str) -> Iterator[tuple[int, int]]:
    """Yield users' ids and what they were charged of a row that is not folded yet."""
    charged = SUMS.index("charged")
    for _, user_id, _, _, _, *used in msgspec.json.decode(sums):
        yield user_id, used[charged]


def _by_table(taken: Iterable[str]) -> dict[str, dict[Key, list[int]]]:
    hours: Used = defaultdict(list)
    for text in taken:
        for start, user, token, channel, model, *used in msgspec.json.decode(text):
            hours[start, user, token, channel, model].append(used)
    by_channel: Used = defaultdict(list)
    by_token: Used = defaultdict(list)
    for (start, user, token, channel, model), sums in _sums(hours).items():
        for span in SPANS.values():
            at = (span, start - start % span)
            by_channel[*at, channel, model].append(sums)
            by_token[*at, user, token, model].append(sums)
    return {"usage_by_channel": _sums(by_channel), "usage_by_token": _sums(by_token)}


async def totals(
    database: Database,
    span: Span,
    from_s: int,
    to_s: int,
    *,
    only: Mapping[By, int | str],
    group_by: Sequence[By] = (),
    over_time: bool = True,
) -> list[Total]:
    """Return sums of the spans that begin at `from_s` or later and before `to_s` (unix seconds).

    `only` are values that columns must have. One Total for each group, and for each span if `over_time`, in
    their order. Raises ValueError for a channel together with a user or token.
    """
    table = _table({*only, *group_by})
    columns = (*(("starts_at",) if over_time else ()), *group_by)
    where = ["span = :span", "starts_at >= :from_s", "starts_at < :to_s", *(f"{k} = :{k}" for k in only)]
    sums = ", ".join(f"SUM({name}) AS {name}" for name in SUMS)
    grouped = f" GROUP BY {', '.join(columns)} ORDER BY {', '.join(columns)}" if columns else ""
    with suppress(Unavailable):  # a database that takes nothing can still be asked
        await fold(database)
    given: dict[str, object] = {"span": SPANS[span], "from_s": from_s, "to_s": to_s}
    rows = await database.all(
        f"SELECT {', '.join((*columns, sums))} FROM {table} WHERE {' AND '.join(where)}{grouped}",
        {**given, **{str(name): value for name, value in only.items()}},
    )
    return [total_of(row) for row in rows if row["requests"] is not None]  # None: the sum of nothing


def total_of(row: Row) -> Total:
    """Return a row of sums as a Total."""
    # A database may say a sum as a Decimal.
    values: dict[str, Any] = {k: value if k == "model" else int(value) for k, value in row.items()}
    return Total(**values)


async def busy_hours(
    database: Database, only: Mapping[By, int | str], failed: bool | None, until_s: int, most: int
) -> list[int]:
    """Return when hours before `until_s` began in which there were such requests, latest first, up to `most`.

    `failed`: only those that failed, or that did not. What is not folded yet is not known. Raises ValueError
    as `totals` does.
    """
    counted = {None: "requests", True: "failures", False: "requests - failures"}[failed]
    where = ["span = :span", "starts_at < :until_s", f"{counted} > 0", *(f"{k} = :{k}" for k in only)]
    given: dict[str, object] = {"span": SPANS["hour"], "until_s": until_s, "most": most}
    rows = await database.all(
        f"SELECT DISTINCT starts_at FROM {_table({*only})} WHERE {' AND '.join(where)}"
        " ORDER BY starts_at DESC LIMIT :most",
        {**given, **{str(name): value for name, value in only.items()}},
    )
    return [int(row["starts_at"]) for row in rows]


def _table(columns: set[By]) -> str:
    for table, keys in _TABLES.items():
        if columns <= set(keys):
            return table
    raise ValueError(f"no sums by {' and '.join(sorted(columns))} together")


async def drop_hours_before(database: Database, at_s: int) -> None:
    """Forget the sums of hours before a time (unix seconds). Days are few and stay."""
    async with database.transaction() as transaction:
        for table in _TABLES:
            await transaction.run(
                f"DELETE FROM {table} WHERE span = :span AND starts_at < :at_s",
                {"span": SPANS["hour"], "at_s": at_s},
            )
