"""SQLite: one connection that writes, in transactions, and one that reads."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from itertools import chain
from pathlib import Path

import aiosqlite

from .database import (
    NO_VALUES,
    Clash,
    Database,
    DatabaseError,
    Dialect,
    Row,
    Rows,
    Transaction,
    Unavailable,
    Values,
)
from .named import in_order, questioned, several
from .upsert import on_conflict

_BUSY_MS = 5000
_TOGETHER = 100
"""Rows of one INSERT; SQLite takes 32,766 values."""
_BUSY_TURN_MS = 50
_WITH_WAL = b"\2\2"
"""Versions in the header of a file that has a write-ahead log. Source: sqlite.org, "Database File Format"."""

_LATER = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN,
}  # fmt: skip
_CLASHES = {
    sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
    sqlite3.SQLITE_CONSTRAINT_ROWID, sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY,
}  # fmt: skip


class SqliteDialect(Dialect):
    """SQLite's words."""

    name = "sqlite"
    tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    clock = "SELECT CAST(strftime('%s', 'now') AS INTEGER) AS seconds"

    def types(self) -> Mapping[str, str]:
        return {"id": "INTEGER PRIMARY KEY AUTOINCREMENT", "blob": "BLOB", "hash": "BLOB", "text": "TEXT"}

    def upsert(
        self, table: str, keys: Sequence[str], replace: Sequence[str] = (), add: Sequence[str] = ()
    ) -> str:
        return on_conflict(table, keys, replace, add)


class SqliteTransaction(Transaction):
    """Statements on the connection that writes."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    async def run(self, sql: str, values: Values = NO_VALUES) -> int:
        return max(0, (await self._execute(sql, values)).rowcount)

    async def many(self, sql: str, rows: Rows) -> None:
        # The driver lets other threads run at each statement, and then waits for its turn. Where the loop
        # is busy, that costs more than the row, so many rows are one statement.
        one, names = questioned(sql)
        with _mapped():
            for at in range(0, len(rows), _TOGETHER):
                some = rows[at : at + _TOGETHER]
                text = several(one, len(some))
                if text is None:
                    await self._connection.executemany(one, [in_order(names, row) for row in some])
                else:
                    values = chain.from_iterable(in_order(names, row) for row in some)
                    await self._connection.execute(text, tuple(values))

    async def insert(self, sql: str, values: Values) -> int:
        return (await self._execute(sql, values)).lastrowid or 0

    async def all(self, sql: str, values: Values = NO_VALUES) -> list[Row]:
        return await _rows(self._connection, sql, values)

    async def _execute(self, sql: str, values: Values) -> aiosqlite.Cursor:
        with _mapped():
            return await self._connection.execute(sql, values)


class SqliteDatabase(Database):
    """A database file that is open."""

    dialect = SqliteDialect()

    def __init__(self, place: str, writer: aiosqlite.Connection, reader: aiosqlite.Connection) -> None:
        self.place = place
        self._writer = writer
        self._reader = reader
        self._lock = asyncio.Lock()

    async def all(self, sql: str, values: Values = NO_VALUES) -> list[Row]:
        return await _rows(self._reader, sql, values)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        async with self._lock:
            try:
                with _mapped():
                    await self._writer.execute("BEGIN IMMEDIATE")
                yield SqliteTransaction(self._writer)
                with _mapped():
                    await self._writer.execute("COMMIT")
            except BaseException:
                # A cancelled statement still runs in the connection's thread, this one after it; it does
                # nothing where no transaction is open.
                with suppress(sqlite3.Error):
                    await self._writer.rollback()
                raise

    def alone(self) -> AbstractAsyncContextManager[Transaction]:
        return self.transaction()


@asynccontextmanager
async def open_sqlite(path: Path) -> AsyncIterator[SqliteDatabase]:
    """Open a database file, which is made if it is not there."""
    async with _connected(path) as writer, _connected(path) as reader:
        yield SqliteDatabase(str(path), writer, reader)


@asynccontextmanager
async def open_sqlite_to_read(path: Path) -> AsyncIterator[SqliteDatabase]:
    """Open another program's file by its whole path, to read; broken text in it is mended."""
    with _mapped():
        options = await asyncio.to_thread(_reading, path)
        connection = await aiosqlite.connect(f"{path.as_uri()}?{options}", uri=True, isolation_level=None)
    try:
        connection.row_factory = sqlite3.Row
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        with _mapped():
            await connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        yield SqliteDatabase(str(path), connection, connection)
    finally:
        await connection.close()


def _reading(path: Path) -> str:
    """How to open a file and leave nothing beside it.

    A write-ahead log that is not there would be made, with who reads as its owner; that it is not there says
    that nobody has the file open.
    """
    with suppress(OSError), path.open("rb") as file:
        if file.read(20)[18:20] == _WITH_WAL and not path.with_name(f"{path.name}-wal").exists():
            return "immutable=1"
    return "mode=ro"


@asynccontextmanager
async def _connected(path: Path) -> AsyncIterator[aiosqlite.Connection]:
    connection = aiosqlite.connect(path, isolation_level=None)
    with _mapped():
        await connection
    try:
        connection.row_factory = sqlite3.Row
        with _mapped():
            await _set_journal(connection)
            for pragma in ("synchronous = FULL", f"busy_timeout = {_BUSY_MS}", "foreign_keys = ON"):
                await connection.execute(f"PRAGMA {pragma}")
        yield connection
    finally:
        await connection.close()


async def _set_journal(connection: aiosqlite.Connection) -> None:
    """Keep a write-ahead log. SQLite does not wait for another gateway that is starting, so this does."""
    for left_ms in range(_BUSY_MS, -1, -_BUSY_TURN_MS):
        try:
            await connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or not left_ms:
                raise
        await asyncio.sleep(_BUSY_TURN_MS / 1000)


async def _rows(connection: aiosqlite.Connection, sql: str, values: Values) -> list[Row]:
    with _mapped():
        return [dict(row) for row in await connection.execute_fetchall(sql, values)]


@contextmanager
def _mapped() -> Iterator[None]:
    """Turn the driver's errors into ours."""
    try:
        yield
    except (sqlite3.Error, OverflowError) as exc:
        code = getattr(exc, "sqlite_errorcode", 0)
        kind = Clash if code in _CLASHES else Unavailable if code & 0xFF in _LATER else DatabaseError
        raise kind(str(exc)) from exc
