"""MariaDB and MySQL."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncmy
from asyncmy import converters
from asyncmy.constants import CLIENT, FIELD_TYPE

from .address import Address
from .database import NO_VALUES, AlreadyThere, Clash, DatabaseError, Dialect, Row, Rows, Unavailable, Values
from .named import formatted, in_order
from .server import ALONE_S, Link, ServerDatabase, number
from .upsert import insert

_CLASHES = {1062, 1586, 1216, 1217, 1451, 1452}
_ALREADY_THERE = {1050, 1060, 1061, 1091}
# What ends a connection: the server shuts down, or has ended it; the driver's own errors begin at 2000.
_LOST = {1053, 1152, 1158, 1159, 1160, 1161, 1927, 4031}
_DRIVER = range(2000, 3000)
# Full, read-only, broken, or held by another for too long.
_LATER = {1021, 1030, 1040, 1041, 1114, 1180, 1203, 1205, 1213, 1226, 1290, 1317, 1792, 1836, 1969, 3024}

_MODE = "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,PIPES_AS_CONCAT,ANSI_QUOTES"
# Notes and warnings would cost a question each, and the driver would log them with values in them.
_SESSION = (
    f"SET SESSION sql_mode = '{_MODE}', collation_connection = utf8mb4_bin,"
    " sql_notes = 0, max_error_count = 0"
)
_ISOLATION = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"

_LOCK_NAME = "CONCAT('canalgate ', MD5(DATABASE()))"  # locks belong to the server, and have short names

_KEPT = re.compile(r" ON DUPLICATE KEY UPDATE (\w+) = \1\Z")

_CONVERSIONS = {**converters.conversions, FIELD_TYPE.DECIMAL: number, FIELD_TYPE.NEWDECIMAL: number}


class MySqlDialect(Dialect):
    """MySQL's words, which MariaDB understands too."""

    name = "mysql"
    tables = "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE()"
    clock = "SELECT UNIX_TIMESTAMP() AS seconds"
    table_options = " ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"

    def types(self) -> Mapping[str, str]:
        return {
            "id": "BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY", "blob": "LONGBLOB", "hash": "VARBINARY(64)",
            "text": "LONGTEXT",
        }  # fmt: skip

    def upsert(
        self, table: str, keys: Sequence[str], replace: Sequence[str] = (), add: Sequence[str] = ()
    ) -> str:
        changes = [f"{name} = VALUES({name})" for name in replace]
        changes += [f"{name} = {table}.{name} + VALUES({name})" for name in add]
        then = ", ".join(changes or [f"{keys[0]} = {keys[0]}"])
        return f"{insert(table, [*keys, *replace, *add])} ON DUPLICATE KEY UPDATE {then}"


class MySqlLink(Link):
    """A connection to MariaDB or MySQL."""

    def __init__(self, connection: asyncmy.Connection) -> None:
        self._connection = connection
        self._is_alone = False

    @property
    def is_open(self) -> bool:
        return bool(self._connection.connected)

    def abort(self) -> None:
        self._connection.close()

    async def close(self) -> None:
        await self._connection.ensure_closed()

    async def run(self, sql: str, values: Values = NO_VALUES) -> int:
        kept = _KEPT.sub("", sql)
        if kept == sql:
            count, _ = await self._execute(sql, values)
            # A row that replaces another is counted twice.
            return min(1, count) if " ON DUPLICATE KEY " in sql else count
        # Whether a row was kept or is new, the count is 1: only an INSERT that fails tells.
        try:
            await self._execute(kept, values)
        except Clash:
            return 0
        return 1

    async def many(self, sql: str, rows: Rows) -> None:
        text, names = formatted(sql)
        with self._asking():
            async with self._connection.cursor() as cursor:
                await cursor.executemany(text, [in_order(names, row) for row in rows])

    async def insert(self, sql: str, values: Values) -> int:
        _, new = await self._execute(sql, values)
        return new

    async def all(self, sql: str, values: Values = NO_VALUES) -> list[Row]:
        text, names = formatted(sql)
        with self._asking():
            async with self._connection.cursor() as cursor:
                await cursor.execute(text, in_order(names, values))
                columns = [column[0] for column in cursor.description or ()]
                return [dict(zip(columns, row, strict=True)) for row in await cursor.fetchall()]

    async def begin(self, *, alone: bool) -> None:
        if alone:
            self.deadline_s = ALONE_S
            await self.all(f"SELECT GET_LOCK({_LOCK_NAME}, :wait_s) AS got", {"wait_s": int(ALONE_S)})
            self._is_alone = True
        await self.run("BEGIN")

    async def commit(self) -> None:
        await self.run("COMMIT")
        await self._not_alone()

    async def rollback(self) -> None:
        await self.run("ROLLBACK")
        await self._not_alone()

    async def _not_alone(self) -> None:
        if self._is_alone:
            await self.all(f"SELECT RELEASE_LOCK({_LOCK_NAME}) AS gone")
            self._is_alone = False

    async def _execute(self, sql: str, values: Values) -> tuple[int, int]:
        """Run a statement; returns the count of its rows and the number of a new one."""
        text, names = formatted(sql)
        with self._asking():
            async with self._connection.cursor() as cursor:
                count: int = await cursor.execute(text, in_order(names, values))
                return count, int(cursor.lastrowid)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        with self.deadline():
            try:
                yield
            except (asyncmy.MySQLError, OSError) as exc:
                raise self._mapped(exc) from exc

    def _mapped(self, exc: Exception) -> DatabaseError:
        code = exc.args[0] if exc.args and isinstance(exc.args[0], int) else 0
        text = str(exc.args[-1]) if exc.args else type(exc).__name__
        if code in _CLASHES:
            return Clash(text)
        if code in _ALREADY_THERE:
            return AlreadyThere(text)
        if code in _LOST or code in _DRIVER or not code:
            # After an error of the driver's own, what comes next may be the answer to something else.
            self.abort()
        return Unavailable(text) if code in _LATER or not self.is_open else DatabaseError(text)


class MySqlDatabase(ServerDatabase):
    """A database on MariaDB or MySQL that is open."""

    dialect = MySqlDialect()


@asynccontextmanager
async def open_mysql(address: Address, *, to_read: bool = False) -> AsyncIterator[MySqlDatabase]:
    """Open a database; the first connection is made with the first statement. `to_read`: never to write."""

    async def connect() -> Link:
        try:
            return MySqlLink(await _connected(address, to_read))
        except (asyncmy.MySQLError, OSError) as exc:
            raise Unavailable(str(exc.args[-1]) if exc.args else type(exc).__name__) from exc

    database = MySqlDatabase(str(address), connect)
    try:
        yield database
    finally:
        await database.close()


async def _connected(address: Address, to_read: bool) -> asyncmy.Connection:
    options: dict[str, Any] = {"ssl": address.tls_context() or None}
    connection = await asyncmy.connect(
        host=address.host,
        port=address.port,
        user=address.user,
        password=address.password.encode(),  # a text would go as Latin-1
        database=address.name,
        charset="utf8mb4",
        autocommit=True,
        client_flag=CLIENT.FOUND_ROWS,
        init_command=_ISOLATION,
        conv=_CONVERSIONS,
        program_name="canalgate",
        **options,
    )
    try:
        async with connection.cursor() as cursor:
            await cursor.execute(_SESSION)
            if to_read:
                await cursor.execute("SET SESSION TRANSACTION READ ONLY")
    except BaseException:
        connection.close()
        raise
    return connection
