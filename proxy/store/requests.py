"""The call log: every request once, in a table of its month, and the sums of them.

`write` is part of the transaction that books the requests (ledger/importer.py), so a row is there exactly if
it is booked. Lists are keyset walks, newest first; a cursor is the id of the last request shown. A request
that ends late stands where it began, so a walk that has passed that place does not show it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from itertools import groupby

import msgspec

from ..ledger.entry import Entry
from . import rollups
from .database import Database, DatabaseError, Dialect, Transaction, Unavailable
from .minutes import minutes
from .months import INDEXES, Months, after, month_of, start_of, table_of
from .peaks import Peak, peaks
from .request_rows import COLUMNS, TEXTS, entry, of_short_number, split_id, storable, values
from .rollups import By, Span, Total
from .upsert import insert

_DAY_S = 86400
_HOUR_S = 3600
_LAST = 2**48
"""Milliseconds after all that an id can say."""


class Filters(msgspec.Struct, frozen=True):
    """Which requests a list shows; None: whatever it is. `from_ms` is within, `to_ms` is not."""

    user_id: int | None = None
    token_id: int | None = None
    channel_id: int | None = None
    model: str | None = None
    failed: bool | None = None
    status: int | None = None
    from_ms: int | None = None
    to_ms: int | None = None


class Requests:
    """The log of a database. `keep_days` is how long requests are kept, 0 for ever."""

    def __init__(self, database: Database, keep_days: int = 0) -> None:
        self._database = database
        self._months = Months(database)
        self.keep_days = keep_days

    # Writing.

    async def prepare(self, entries: Iterable[Entry]) -> None:
        """Make the tables that `write` of these needs. Must not be called inside a transaction."""
        await self._months.make({month_of(one.at_ms) for one in entries})

    async def write(self, transaction: Transaction, entries: Sequence[Entry]) -> None:
        """Write requests as part of a transaction; `prepare` comes first. A row that is there stays as it is.

        The sums count every entry given: that none is given twice is the importer's promise. Where this
        raises, `prepare` before the next try looks at the tables anew.
        """
        try:
            for month, rows in groupby(map(values, entries), lambda row: month_of(row[0])):
                await transaction.many(_insert(month, self._database.dialect), list(rows))
            await rollups.add(transaction, entries)
        except DatabaseError:
            self._months.forget()
            raise

    async def tend(self, now: float) -> list[str]:
        """Make this month's table and the next, drop what is older than is kept and return those months.

        To be called at the start and every hour or so.
        """
        month = month_of(int(now * 1000))
        await self._months.make((month, after(month)))
        await self.fold()
        if not self.keep_days:
            return []
        oldest = month_of((int(now) - self.keep_days * _DAY_S) * 1000)
        await rollups.drop_hours_before(self._database, start_of(oldest))
        return await self._months.drop_before(oldest)

    async def fold(self) -> None:
        """Bring the sums up to date. To be called every few seconds; `totals` does it too."""
        await rollups.fold(self._database)

    # Reading.

    async def one(self, request_id: str) -> Entry | None:
        """Return a request, None if it is not there."""
        key = split_id(request_id)
        month = month_of(key[0]) if key else ""
        if key is None or month not in await self._months.all():
            return None
        row = await self._database.one(
            f"SELECT * FROM {table_of(month)} WHERE at_ms = :at_ms AND tail = :tail",
            {"at_ms": key[0], "tail": key[1]},
        )
        return entry(row) if row else None

    async def numbered(self, number: int) -> Entry | None:
        """Return the request of a short number, None if there is none: see request_rows.short_number."""
        at_ms, least, most = of_short_number(number)
        month = month_of(at_ms)
        if month not in await self._months.all():
            return None
        row = await self._database.one(
            f"SELECT * FROM {table_of(month)} WHERE at_ms = :at_ms AND tail >= :least AND tail <= :most"
            " ORDER BY tail DESC LIMIT 1",
            {"at_ms": at_ms, "least": least, "most": most},
        )
        return entry(row) if row else None

    async def stretch(self, filters: Filters, skip: int, limit: int, most: int) -> tuple[list[Entry], int]:
        """Return up to `limit` requests after the newest `skip`, and how many there are, up to `most`.

        For lists with numbered pages; `page` is cheaper by far where there are many.
        """
        since = filters.from_ms or 0
        until = filters.to_ms if filters.to_ms is not None else _LAST
        conditions, given = _where(filters)
        where = " AND ".join([*conditions, "at_ms >= :since", "at_ms < :until"])
        given |= {"since": since, "until": until}
        found, total = list[Entry](), 0
        for month in await self._months.all():
            if total >= most or not month_of(since) <= month <= month_of(until):
                continue
            rows = f"FROM {table_of(month)}{self._hint(month, filters)} WHERE {where}"
            counted = await self._database.one(
                f"SELECT COUNT(*) AS found FROM (SELECT at_ms {rows} LIMIT :most) AS counted",
                {**given, "most": most - total},
            )
            there = int(counted["found"]) if counted else 0
            if total + there > skip and len(found) < limit:
                window = {"skip": max(0, skip - total), "most": limit - len(found)}
                sql = f"SELECT * {rows} ORDER BY at_ms DESC, tail DESC LIMIT :most OFFSET :skip"
                found += [entry(row) for row in await self._database.all(sql, {**given, **window})]
            total += there
        return found, total

    async def peaks(self, from_ms: int, to_ms: int, step_s: int, only: Mapping[By, int | str]) -> list[Peak]:
        """Return sums of the log itself, with what its busiest minutes had: see peaks.peaks."""
        months = [m for m in await self._months.all() if month_of(from_ms) <= m <= month_of(to_ms)]
        named = {str(name): value for name, value in only.items()}
        return [
            peak
            for month in months
            for peak in await peaks(self._database, table_of(month), from_ms, to_ms, step_s, named)
        ]

    async def minutes(
        self, from_s: int, to_s: int, only: Mapping[By, int | str], group_by: Sequence[By]
    ) -> list[Total]:
        """Return sums of minutes, of the log itself: see minutes.minutes."""
        from_ms, to_ms = from_s * 1000, to_s * 1000
        months = [m for m in await self._months.all() if month_of(from_ms) <= m <= month_of(to_ms)]
        return [
            total
            for month in reversed(months)
            for total in await minutes(self._database, table_of(month), from_ms, to_ms, only, group_by)
        ]

    async def page(self, filters: Filters, before: str | None, limit: int) -> tuple[list[Entry], str | None]:
        """Return up to `limit` requests older than the cursor, newest first, and the next cursor if any.

        Raises ValueError for a cursor that is none.
        """
        key = split_id(before) if before is not None else (_LAST, 0)
        if key is None:
            raise ValueError("not a cursor of this list")
        until_ms = min(key[0] + 1, filters.to_ms if filters.to_ms is not None else _LAST)
        months, found = await self._months.all(), list[Entry]()
        async for since, until in self._spans(filters, until_ms, limit):
            for month in months:
                if len(found) <= limit and month_of(since) <= month <= month_of(until):
                    span = (since, until)
                    found += await self._walk(month, filters, key, span, limit + 1 - len(found))
            if len(found) > limit:
                return found[:limit], found[limit - 1].request_id
        return found, None

    async def totals(
        self,
        span: Span,
        from_s: int,
        to_s: int,
        *,
        only: dict[By, int | str] | None = None,
        group_by: Sequence[By] = (),
        over_time: bool = True,
    ) -> list[Total]:
        """Return sums: see rollups.totals."""
        return await rollups.totals(
            self._database, span, from_s, to_s, only=only or {}, group_by=group_by, over_time=over_time
        )

    async def _spans(self, filters: Filters, until_ms: int, limit: int) -> AsyncIterator[tuple[int, int]]:
        """Yield the times in which to look, latest first.

        Where there are several filters no index finds what passes all of them. The sums know the hours in
        which there was any, and an hour is soon searched.
        """
        since_ms = filters.from_ms or 0
        only = _summed(filters)
        if not only:
            yield since_ms, until_ms
            return
        try:
            await self.fold()
        except Unavailable:  # then the sums do not know all
            yield since_ms, until_ms
            return
        until_s, failed = -(-until_ms // 1000), _failed(filters)
        while hours := await rollups.busy_hours(self._database, only, failed, until_s, limit + 2):
            for until_s in hours:
                if (until_s + _HOUR_S) * 1000 <= since_ms:
                    return
                yield max(since_ms, until_s * 1000), min(until_ms, (until_s + _HOUR_S) * 1000)

    async def _walk(
        self, month: str, filters: Filters, key: tuple[int, int], span: tuple[int, int], limit: int
    ) -> list[Entry]:
        conditions, given = _where(filters)
        table = table_of(month) + self._hint(month, filters)
        conditions += ["at_ms >= :since", "at_ms < :until", "(at_ms < :last_ms OR tail < :last_tail)"]
        try:
            rows = await self._database.all(
                f"SELECT * FROM {table} WHERE {' AND '.join(conditions)}"
                " ORDER BY at_ms DESC, tail DESC LIMIT :most",
                {
                    **given, "since": span[0], "until": span[1], "last_ms": key[0], "last_tail": key[1],
                    "most": limit,
                },
            )  # fmt: skip
        except DatabaseError:
            if month in await self._months.all():
                raise
            return []  # dropped since we looked
        return [entry(row) for row in rows]

    def _hint(self, month: str, filters: Filters) -> str:
        """Say which index to walk along.

        SQLite does not know that few requests fail, and MariaDB would begin at the index's end and not at the
        cursor. PostgreSQL needs no hint and takes none.
        """
        hints = {"sqlite": " INDEXED BY {}", "mysql": " FORCE INDEX ({})"}
        given = {*_given(filters), *(["failed"] if _failed(filters) else [])}
        name = next((name for name, column in INDEXES.items() if column in given), None)
        hint = hints.get(self._database.dialect.name, "")
        return hint.format(f"{table_of(month)}_{name}") if name else ""


_COLUMNS: tuple[By, ...] = ("user_id", "token_id", "channel_id", "model")
"""Columns that have an index in the log and a place in the sums."""


def _where(filters: Filters) -> tuple[list[str], dict[str, object]]:
    """Return the conditions of filters and their values. Times are `_walk`'s."""
    given: dict[str, object] = {str(name): value for name, value in _given(filters).items()}
    if filters.status is not None:
        given["status"] = filters.status
    failed = _failed(filters)
    conditions = [f"{name} = :{name}" for name in given]
    if failed is not None:
        # Written out and not a parameter, so that the index of those that failed can be used.
        conditions.append(f"failed = {int(failed)}")
    return conditions, given


def _given(filters: Filters) -> dict[By, int | str]:
    given = {name: value for name in _COLUMNS if (value := getattr(filters, name)) is not None}
    if filters.model is not None:
        given["model"] = storable(filters.model, TEXTS["model"])
    return given


def _failed(filters: Filters) -> bool | None:
    return True if filters.failed is None and (filters.status or 0) >= 400 else filters.failed


def _summed(filters: Filters) -> dict[By, int | str]:
    """Return what to ask the sums for; nothing where there is one filter, whose index is enough."""
    given = _given(filters)
    if len(given) + (_failed(filters) is not None) < 2:
        return {}
    if "user_id" in given or "token_id" in given:  # there are no sums of these by channel
        given.pop("channel_id", None)
    return given


def _insert(month: str, dialect: Dialect) -> str:
    there = "DUPLICATE KEY UPDATE tail = tail" if dialect.name == "mysql" else "CONFLICT DO NOTHING"
    return f"{insert(table_of(month), COLUMNS)} ON {there}"
