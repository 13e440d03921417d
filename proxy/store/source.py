"""The database of another program, opened to read: never written to, and its schema is found, not assumed.

Columns come and go between versions of a program, so a table's columns are asked for first, and what is not
there is None in every row.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

from ..errors import ConfigError
from .address import parse
from .changes import StoreError
from .database import Database, DatabaseError, Row
from .sqlite import open_sqlite_to_read

_COLUMNS = {
    "sqlite": "SELECT name FROM pragma_table_info(:table)",
    "mysql": "SELECT column_name AS name FROM information_schema.columns"
    " WHERE table_schema = DATABASE() AND table_name = :table",
    "postgres": "SELECT column_name AS name FROM information_schema.columns"
    " WHERE table_schema = current_schema() AND table_name = :table",
}
_AT_ONCE = 1000

_GO = re.compile(r"(?P<who>.*)@(?P<protocol>\w*)(\((?P<place>[^()]*)\))?/(?P<rest>[^/]*)", re.DOTALL)
_EXPECTED = (
    "expected the path of an SQLite file, USER:PASSWORD@tcp(HOST:PORT)/NAME for MySQL,"
    " or postgres://USER:PASSWORD@HOST:PORT/NAME with special characters as %XX"
)


class SourceError(StoreError):
    """What is to be read is not there, cannot be reached, or is something else. Has no password in it."""


class Source:
    """A database to read from. `place` says where it is, without user and password."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.place = database.place

    async def columns(self, table: str) -> frozenset[str]:
        """Return a table's columns; none where there is no such table."""
        sql = _COLUMNS[self._database.dialect.name]
        return frozenset(str(row["name"]) for row in await self._all(sql, {"table": table}))

    async def count(self, table: str, after: int = 0) -> int:
        """Return how many rows a table has with an `id` above this."""
        sql = f'SELECT COUNT(*) AS rows_there FROM "{table}" WHERE "id" > :after'
        return int((await self._all(sql, {"after": after}))[0]["rows_there"])

    async def rows(self, table: str, wanted: Sequence[str]) -> list[Row]:
        """Return every row; a wanted column that is not there is None. None at all where no table is."""
        present = await self.columns(table)
        if not present:
            return []
        if "id" in present and "id" in wanted and await self._counts(table):
            return [row async for some in self.pages(table, wanted) for row in some]
        return _whole(await self._all(f'SELECT {_listed(wanted, present)} FROM "{table}"', {}), wanted)

    async def pages(
        self, table: str, wanted: Sequence[str], after: int = 0, at_once: int = _AT_ONCE
    ) -> AsyncIterator[list[Row]]:
        """Yield the rows with an `id` above this, lowest first, so many at once."""
        columns = _listed(wanted, await self.columns(table))
        sql = f'SELECT {columns} FROM "{table}" WHERE "id" > :after ORDER BY "id" LIMIT :most'
        while found := await self._all(sql, {"after": after, "most": at_once}):
            yield _whole(found, wanted)
            after = int(found[-1]["id"])

    async def _counts(self, table: str) -> bool:
        """Whether the ids of a table are numbers above 0, so that one can walk along them."""
        first = await self._all(f'SELECT MIN("id") AS first_id FROM "{table}"', {})
        return isinstance(first[0]["first_id"], int) and first[0]["first_id"] > 0

    async def _all(self, sql: str, values: dict[str, object]) -> list[Row]:
        try:
            return await self._database.all(sql, values)
        except DatabaseError as exc:
            raise SourceError(f"{self.place}: {exc}") from exc


@asynccontextmanager
async def open_source(text: str, *, allow_files: bool = True) -> AsyncIterator[Source]:
    """Open a database by an address as Go programs write them, or by the path of an SQLite file.

    Raises SourceError. `allow_files` is False where a stranger names the place.
    """
    async with AsyncExitStack() as stack:
        try:
            source = Source(await stack.enter_async_context(_opening(text.strip(), allow_files)))
            await source.columns("users")  # the first statement is what connects
        except ConfigError:
            raise SourceError(_EXPECTED) from None  # what it says is about our own settings
        except ImportError as exc:
            raise SourceError(f"{exc}; install the driver of this kind of database") from exc
        except DatabaseError as exc:
            raise SourceError(f"cannot open it: {exc}") from exc
        yield source


def _opening(text: str, allow_files: bool) -> AbstractAsyncContextManager[Database]:
    go = _GO.fullmatch(text) if "://" not in text else None
    if go is None and not re.match(r"(mysql|mariadb|postgres|postgresql)://", text):
        return _file(text, allow_files)
    address = parse(_plain(text) if go is None else _spelled(go))
    if address.kind == "mysql":
        from .mysql import open_mysql

        return open_mysql(address, to_read=True)
    from .postgres import open_postgres

    return open_postgres(address, to_read=True)


def _file(text: str, allow_files: bool) -> AbstractAsyncContextManager[Database]:
    """An SQLite file; One API's SQLITE_PATH may carry options for a driver in Go behind it."""
    if "://" in text and not text.startswith(("sqlite://", "file://")):
        raise SourceError(_EXPECTED)
    path = Path(re.sub(r"^(sqlite|file)://", "", text).partition("?")[0])
    if not allow_files:
        raise SourceError("only a database on a MySQL or PostgreSQL server may be named here")
    if not text or not path.is_file():
        raise SourceError(f"there is no file {str(path)!r}; {_EXPECTED}" if text else _EXPECTED)
    return open_sqlite_to_read(path.absolute())


def _plain(text: str) -> str:
    """A URL without the options that mean something to a driver in Go alone."""
    base, mark, options = text.partition("?")
    kept = [option for option in options.split("&") if re.match(r"(sslmode|ssl|tls)=", option)]
    return base + (mark + kept[0] if kept else "")


def _spelled(go: re.Match[str]) -> str:
    """Go's form with what may be left out of it: `USER@/NAME` is a server on this machine."""
    if go["protocol"] not in ("", "tcp"):
        raise SourceError("a server behind a Unix socket cannot be reached: name its host and port")
    return f"{go['who']}@tcp({go['place'] or '127.0.0.1'})/{go['rest']}"


def _listed(wanted: Sequence[str], present: frozenset[str]) -> str:
    return ", ".join(f'"{name}"' for name in wanted if name in present) or "1 AS nothing"


def _whole(rows: Sequence[Row], wanted: Sequence[str]) -> list[Row]:
    return [{name: row.get(name) for name in wanted} for row in rows]
