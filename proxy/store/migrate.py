"""Bring a database's schema up to date: numbered files of statements, run in their order, each once."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from importlib.resources import files

from ..errors import ConfigError
from .database import AlreadyThere, Database, Dialect, Transaction


async def migrate(database: Database) -> None:
    """Run the migrations this database has not seen. Several gateways may start at once.

    Raises ConfigError for a database of a newer program or of another one.
    """
    async with database.alone() as transaction:
        done = await _done(transaction, database.dialect)
        scripts = _scripts()
        if max(done, default=0) > max(scripts):
            raise ConfigError("written by a newer canalgate; update the program")
        for number, script in sorted(scripts.items()):
            if number not in done:
                await _run(transaction, script, database.dialect)
                await transaction.run("INSERT INTO migrations (number) VALUES (:number)", {"number": number})


async def _done(transaction: Transaction, dialect: Dialect) -> set[int]:
    tables = {row["name"] for row in await transaction.all(dialect.tables)}
    if "migrations" not in tables:
        if tables:
            raise ConfigError("holds tables of another program; canalgate needs a database of its own")
        await _run(transaction, "CREATE TABLE migrations (number BIGINT NOT NULL PRIMARY KEY);", dialect)
    return {row["number"] for row in await transaction.all("SELECT number FROM migrations")}


async def _run(transaction: Transaction, script: str, dialect: Dialect) -> None:
    for statement in statements(script, dialect):
        try:
            await transaction.run(statement)
        except AlreadyThere:
            # Only MySQL says so: it commits each of these by itself, and a gateway that died in a migration
            # leaves some. A table of another program has been refused before.
            continue


def _scripts() -> dict[int, str]:
    folder = files("canalgate.proxy.store") / "migrations"
    return {
        int(item.name.partition("_")[0]): item.read_text("utf-8")
        for item in folder.iterdir()
        if item.name.endswith(".sql")
    }


def statements(script: str, dialect: Dialect) -> Iterator[str]:
    """Split a migration into its statements, in a database's own words."""
    words = dialect.types()
    current = ""
    for line in script.splitlines(keepends=True):
        if line.lstrip().startswith("--"):
            continue
        current += re.sub(r"\{(\w+)\}", lambda found: words[found[1]], line)
        if sqlite3.complete_statement(current):
            statement = current.strip().removesuffix(";")
            yield statement + dialect.table_options if statement.startswith("CREATE TABLE") else statement
            current = ""
