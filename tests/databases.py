"""Empty databases on a server, and an administrator's connection, for what a gateway never does."""

import secrets
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncmy
import asyncpg
import services


@asynccontextmanager
async def administrator(url):
    """A function that runs a statement and returns the rows."""
    parts = urlsplit(url)
    where = {"host": parts.hostname, "port": parts.port, "user": parts.username, "password": parts.password}
    name = parts.path.removeprefix("/")
    if parts.scheme == "postgresql":
        connection = await asyncpg.connect(**where, database=name)
        try:
            yield connection.fetch
        finally:
            await connection.close()
        return
    connection = await asyncmy.connect(**where, database=name, autocommit=True)

    async def run(sql):
        async with connection.cursor() as cursor:
            await cursor.execute(sql)
            return await cursor.fetchall()

    try:
        yield run
    finally:
        await connection.ensure_closed()


@asynccontextmanager
async def empty(url_of):
    """The URL of a database that is made and dropped again. `url_of` is what `services.shared` gives."""
    name = f"t{secrets.token_hex(6)}"
    is_mysql = url_of("").startswith("mysql")
    async with administrator(
        url_of(services.Mariadb.database if is_mysql else services.Postgres.database)
    ) as run:
        await run(f"CREATE DATABASE {name}")
        try:
            yield url_of(name)
        finally:
            await run(f"DROP DATABASE {name}" + ("" if is_mysql else " WITH (FORCE)"))
