"""Open the store: on the SQLite file of the data directory, or on the database that is configured."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

from ..errors import ConfigError
from ..keys.vault import Vault
from .address import Address, parse
from .database import Database, DatabaseError
from .migrate import migrate
from .sqlite import open_sqlite
from .store import Store

DATABASE_FILE = "canalgate.db"


@asynccontextmanager
async def open_store(url: str, data_dir: Path, vault: Vault) -> AsyncIterator[Store]:
    """Open the store with its schema up to date, close it in the end."""
    async with open_database(url, data_dir) as database:
        yield Store(database, vault)


@asynccontextmanager
async def open_database(url: str, data_dir: Path) -> AsyncIterator[Database]:
    """Open a database with its schema up to date; an empty `url` is the file in the data directory.

    Raises ConfigError if that cannot be done; the message holds no password.
    """
    place, opening, remedy = _choice(url, data_dir)
    async with AsyncExitStack() as stack:
        try:
            database = await stack.enter_async_context(opening)
            await migrate(database)
        except ConfigError as exc:
            raise ConfigError(f"{place}: {exc}") from exc
        except DatabaseError as exc:
            raise ConfigError(f"{place}: {exc}; {remedy}") from exc
        yield database


def _choice(url: str, data_dir: Path) -> tuple[str, AbstractAsyncContextManager[Database], str]:
    """Return where the database is, how it is opened, and what to do where that fails."""
    if not url:
        path = data_dir / DATABASE_FILE
        return str(path), open_sqlite(path), "check that it is a canalgate database and can be written"
    address = parse(url)
    return str(address), _on_server(address), "check data.database, and that the server can be reached"


def _on_server(address: Address) -> AbstractAsyncContextManager[Database]:
    try:
        if address.kind == "mysql":
            from .mysql import open_mysql

            return open_mysql(address)
        from .postgres import open_postgres

        return open_postgres(address)
    except ImportError as exc:
        raise ConfigError(f"data.database: {exc}; try pip install 'canalgate[{address.kind}]'") from exc
