"""The thin layer under every statement: what a database must do for us, and how dialects differ.

A statement is written once, with named parameters (`:name`) and, where the three databases differ, through
one of the Dialect's words. No correctness rests on an isolation level: what must not happen twice is one
conditional statement, and its count of rows says whether it happened.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

Values = Mapping[str, Any]
Rows = Sequence[Values | tuple[Any, ...]]
"""Values of several runs of a statement; a tuple has them in the order of the statement's parameters."""

Row = Mapping[str, Any]
"""A row's values by column."""

NO_VALUES: Values = {}


class DatabaseError(Exception):
    """The database did not do what was asked."""


class Unavailable(DatabaseError):
    """It cannot be reached, is full, read-only or locked: later the same may work."""


class Clash(DatabaseError):
    """What was to be written breaks a unique or foreign key."""


class AlreadyThere(DatabaseError):
    """A table, column or index that was to be made is there: MySQL keeps these of a migration cut short."""


class Dialect(ABC):
    """The few statements and types that the three databases spell differently."""

    name: str
    tables: str
    """A query of the names of all tables, in a column `name`."""
    clock: str
    """A query of the server's time, unix seconds, in a column `seconds`."""
    table_options = ""
    """What follows the columns in a CREATE TABLE; migrations need not write it."""

    @abstractmethod
    def types(self) -> Mapping[str, str]:
        """Words that migrations use in braces.

        `{id}` (a row's own number), `{blob}`, `{hash}` (at most 64 bytes, may be a key), `{text}`.
        """

    @abstractmethod
    def upsert(
        self, table: str, keys: Sequence[str], replace: Sequence[str] = (), add: Sequence[str] = ()
    ) -> str:
        """Return an INSERT that, where `keys` are there already, replaces or adds to the other columns.

        Without either, a row that is there stays as it is, and `Transaction.run` returns 0 for it, else 1.
        """

    def after_ids(self, table: str) -> str:
        """Return the query to make after rows came with an `{id}` of their own, so that none clashes.

        Empty where the database sees to it.
        """
        return ""


class Transaction(ABC):
    """Statements that happen together or not at all. After one that fails, leave the block."""

    @abstractmethod
    async def run(self, sql: str, values: Values = NO_VALUES) -> int:
        """Run a statement; returns how many rows it found (changed or already so)."""

    @abstractmethod
    async def many(self, sql: str, rows: Rows) -> None:
        """Run a statement once for each of these, in one go."""

    @abstractmethod
    async def insert(self, sql: str, values: Values) -> int:
        """Insert a row into a table with an `{id}` and return the number it got."""

    @abstractmethod
    async def all(self, sql: str, values: Values = NO_VALUES) -> list[Row]:
        """Return the rows of a query."""

    async def one(self, sql: str, values: Values = NO_VALUES) -> Row | None:
        """Return the first row of a query."""
        rows = await self.all(sql, values)
        return rows[0] if rows else None


class Database(ABC):
    """A database that is open. Every method raises Unavailable, Clash or DatabaseError."""

    dialect: Dialect
    place: str
    """Where it is, for people; without user and password."""

    @abstractmethod
    async def all(self, sql: str, values: Values = NO_VALUES) -> list[Row]:
        """Return the rows of a query outside any transaction."""

    async def one(self, sql: str, values: Values = NO_VALUES) -> Row | None:
        """Return the first row of a query outside any transaction."""
        rows = await self.all(sql, values)
        return rows[0] if rows else None

    async def clock(self) -> int:
        """Return the server's time, in unix seconds."""
        rows = await self.all(self.dialect.clock)
        return int(rows[0]["seconds"])

    @abstractmethod
    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction: committed at the end of the block, rolled back by any exception."""

    @abstractmethod
    def alone(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction while no other gateway is in one of these on this database."""
