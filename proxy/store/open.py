"""Open the store: on the SQLite file of the data directory, or on the database that is configured."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ..errors import ConfigError
from ..vault import Vault
from .database import Database, DatabaseError
from .migrate import migrate
from .sqlite import open_sqlite
from .store import Store

DATABASE_FILE = "canalgate.db"


@asynccontextmanager
async def open_store(url: str, data_dir: Path, vault: Vault) -> AsyncIterator[Store]:
    """Open the store, bring its schema up to date, close it in the end."""
    async with open_database(url, data_dir) as database:
        yield Store(database, vault)


@asynccontextmanager
async def open_database(url: str, data_dir: Path) -> AsyncIterator[Database]:
    """Open a database with its schema up to date; an empty `url` is the file in the data directory."""
    path = data_dir / DATABASE_FILE
    try:
        async with open_sqlite(path) as database:
            await _migrate(database, str(path))
            yield database
    except DatabaseError as exc:
        raise ConfigError(f"{path}: {exc}; check that it is a canalgate database and can be written") from exc


async def _migrate(database: Database, name: str) -> None:
    try:
        await migrate(database)
    except ConfigError as exc:
        raise ConfigError(f"{name}: {exc}") from exc
