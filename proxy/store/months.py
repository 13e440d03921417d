"""The tables of the call log, one for each month (UTC): made as they are needed, dropped as a whole.

A month is a text like `202611`, its table `requests_202611`. Tables are made outside of any other
transaction, since MySQL commits what is open before it makes one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache

from .database import AlreadyThere, Database, Dialect
from .request_rows import MAY_BE_NULL, NUMBERS, TEXTS

_PREFIX = "requests_"
_DAY_MS = 86_400_000
_LAST_DAY = 2_932_896
"""The last day that has a month here, in the year 9999; an id somebody made up may be later."""

INDEXES = {
    "failed": "failed", "token": "token_id", "user": "user_id", "channel": "channel_id", "model": "model",
}  # fmt: skip
"""Indexes by the end of their name, each of a column and the key: a filtered list walks along one. The first
are those that leave least."""


def month_of(at_ms: int) -> str:
    """Return the month of a time."""
    return _month_of_day(min(at_ms // _DAY_MS, _LAST_DAY))


@lru_cache(maxsize=64)
def _month_of_day(day: int) -> str:
    return f"{datetime.fromtimestamp(day * 86400, UTC):%Y%m}"


def after(month: str) -> str:
    """Return the next month."""
    year, number = int(month[:4]), int(month[4:])
    return f"{year + number // 12:04d}{number % 12 + 1:02d}"


def start_of(month: str) -> int:
    """Return when a month begins, in unix seconds."""
    return int(datetime(int(month[:4]), int(month[4:]), 1, tzinfo=UTC).timestamp())


def table_of(month: str) -> str:
    """Return the name of a month's table."""
    return f"{_PREFIX}{month}"


class Months:
    """The tables there are. What this process has made or found it remembers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: set[str] = set()

    async def make(self, months: Iterable[str]) -> None:
        """Make what tables of these are missing. Other gateways may do the same at the same time."""
        for month in sorted(set(months) - self._known):
            await self._make(month)
            self._known.add(month)

    def forget(self) -> None:
        """Look again: a table that was here may be gone."""
        self._known.clear()

    async def all(self) -> list[str]:
        """Return the months there is a table of, newest first."""
        names = (row["name"] for row in await self._database.all(self._database.dialect.tables))
        months = (name.removeprefix(_PREFIX) for name in names if name.startswith(_PREFIX))
        return sorted((month for month in months if len(month) == 6 and month.isdigit()), reverse=True)

    async def drop_before(self, first: str) -> list[str]:
        """Drop the tables of months before this one, and return the months."""
        old = [month for month in await self.all() if month < first]
        for month in old:
            self._known.discard(month)
            async with self._database.alone() as transaction:
                await transaction.run(f"DROP TABLE IF EXISTS {table_of(month)}")
        return old

    async def _make(self, month: str) -> None:
        async with self._database.alone() as transaction:
            for statement in statements(month, self._database.dialect):
                try:
                    await transaction.run(statement)
                except AlreadyThere:  # MySQL has no CREATE INDEX IF NOT EXISTS
                    continue


def statements(month: str, dialect: Dialect) -> list[str]:
    """Return what makes the table of a month, where it is not there."""
    table, text = table_of(month), dialect.types()["text"]
    columns = [f"{name} BIGINT{'' if name in MAY_BE_NULL else ' NOT NULL'}" for name in NUMBERS]
    columns += [f"{name} VARCHAR({most}) NOT NULL" for name, most in TEXTS.items()]
    columns += [f"details {text} NOT NULL", "PRIMARY KEY (at_ms, tail)"]
    options = " WITHOUT ROWID" if dialect.name == "sqlite" else dialect.table_options
    made = [f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(columns)}){options}"]
    unless_there = "" if dialect.name == "mysql" else "IF NOT EXISTS "
    for name, column in INDEXES.items():
        # Few requests fail: an index of these alone costs next to nothing. MySQL has none of the kind.
        some = " WHERE failed = 1" if column == "failed" and dialect.name != "mysql" else ""
        made.append(f"CREATE INDEX {unless_there}{table}_{name} ON {table} ({column}, at_ms, tail){some}")
    return made
