"""The store on SQLite: one connection that writes in transactions, one that reads.

Statements stand beside the method that runs them. Every administrative change adds one to the
generation in its own transaction, which is how running gateways learn of it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiosqlite
import orjson

from ..errors import ConfigError
from ..records import ChannelRow, Token, User
from ..vault import Vault

DATABASE_FILE = "canalgate.db"
_SEALED_CHANNEL = "channel key"
_ALIVE_S = 15


class StoreError(Exception):
    """A change cannot be made; the message says why, for the person who asked."""


@asynccontextmanager
async def open_store(data_dir: Path, vault: Vault) -> AsyncIterator[Store]:
    """Open the database of a data directory, bring its schema up to date, close it in the end."""
    path = data_dir / DATABASE_FILE
    try:
        async with _connect(path) as writer, _connect(path) as reader:
            store = Store(writer, reader, vault)
            await _migrate(writer, path)
            yield store
    except sqlite3.DatabaseError as exc:
        raise ConfigError(f"{path}: {exc}; check that it is a canalgate database and can be written") from exc


class Store:
    """What is kept. Methods that change something raise StoreError if it clashes with what is there."""

    def __init__(self, writer: aiosqlite.Connection, reader: aiosqlite.Connection, vault: Vault) -> None:
        self._writer = writer
        self._reader = reader
        self._vault = vault
        self._lock = asyncio.Lock()

    # Generation and instances.

    async def generation(self) -> int:
        """Number of the latest administrative change."""
        row = await self._one("SELECT generation FROM state WHERE id = 1")
        return int(row["generation"]) if row else 0

    async def report_instance(self, name: str, generation: int, now: int) -> None:
        """Say that a gateway runs and which generation it has loaded; forget those long silent."""
        async with self._transaction():
            await self._writer.execute(
                "INSERT INTO instances (id, generation, seen_at) VALUES (:id, :generation, :now)"
                " ON CONFLICT (id) DO UPDATE SET generation = :generation, seen_at = :now",
                {"id": name, "generation": generation, "now": now},
            )
            await self._writer.execute("DELETE FROM instances WHERE seen_at < ?", (now - 10 * _ALIVE_S,))

    async def forget_instance(self, name: str) -> None:
        """A gateway stops."""
        async with self._transaction():
            await self._writer.execute("DELETE FROM instances WHERE id = ?", (name,))

    async def instance_generations(self, now: int) -> list[int]:
        """Generations that the running gateways have loaded."""
        rows = await self._all("SELECT generation FROM instances WHERE seen_at >= ?", (now - _ALIVE_S,))
        return [int(row["generation"]) for row in rows]

    # Users.

    async def users(self) -> list[User]:
        """Every user, oldest first."""
        return [_user(row) for row in await self._all("SELECT * FROM users ORDER BY id")]

    async def user(self, name: str) -> User | None:
        """Find a user by name."""
        row = await self._one("SELECT * FROM users WHERE name = ?", (name,))
        return _user(row) if row else None

    async def add_user(self, user: User) -> User:
        """Add a user; the id is given by the store."""
        values = {
            "name": user.name, "role": user.role, "group": user.group, "status": user.status,
            "created_at": user.created_at, "password_hash": user.password_hash,
        }  # fmt: skip
        new = await self._insert(
            'INSERT INTO users (name, role, "group", status, created_at, password_hash)'
            " VALUES (:name, :role, :group, :status, :created_at, :password_hash)",
            values,
            f"there is a user {user.name!r} already",
        )
        return replace(user, id=new)

    async def change_user(self, user: User) -> None:
        """Save a user's role, group, status and password."""
        await self._change(
            'UPDATE users SET role = :role, "group" = :group, status = :status,'
            " password_hash = :password_hash WHERE id = :id",
            {
                "id": user.id, "role": user.role, "group": user.group, "status": user.status,
                "password_hash": user.password_hash,
            },
            f"there is no user {user.name!r}",
        )  # fmt: skip

    # Tokens.

    async def tokens(self) -> list[Token]:
        """Every token, oldest first."""
        return [_token(row) for row in await self._all("SELECT * FROM tokens ORDER BY id")]

    async def token_by_hash(self, key_hash: bytes) -> tuple[Token, User] | None:
        """Find a token and its user by the key's hash."""
        row = await self._one("SELECT * FROM tokens WHERE key_hash = ?", (key_hash,))
        if row is None:
            return None
        owner = await self._one("SELECT * FROM users WHERE id = ?", (row["user_id"],))
        return (_token(row), _user(owner)) if owner else None

    async def add_token(self, token: Token) -> Token:
        """Add a token; the id is given by the store."""
        values = {
            "user_id": token.user_id, "name": token.name, "key_hash": token.key_hash, "hint": token.hint,
            "status": token.status, "created_at": token.created_at, "expires_at": token.expires_at,
            "models": _json(token.models), "subnets": _json(token.subnets),
        }  # fmt: skip
        new = await self._insert(
            "INSERT INTO tokens"
            " (user_id, name, key_hash, hint, status, created_at, expires_at, models, subnets) VALUES"
            " (:user_id, :name, :key_hash, :hint, :status, :created_at, :expires_at, :models, :subnets)",
            values,
            "this key is in use already",
        )
        return replace(token, id=new)

    async def set_token_status(self, token_id: int, status: str) -> None:
        """Enable or disable a token."""
        await self._change(
            "UPDATE tokens SET status = :status WHERE id = :id",
            {"id": token_id, "status": status},
            f"there is no token {token_id}",
        )

    # Channels.

    async def channels(self) -> list[ChannelRow]:
        """Every channel, oldest first, with its key opened."""
        return [self._channel(row) for row in await self._all("SELECT * FROM channels ORDER BY id")]

    async def channel(self, channel_id: int) -> ChannelRow | None:
        """Find a channel by its id."""
        row = await self._one("SELECT * FROM channels WHERE id = ?", (channel_id,))
        return self._channel(row) if row else None

    async def add_channel(self, channel: ChannelRow) -> ChannelRow:
        """Add a channel; the id is given by the store."""
        new = await self._insert(
            "INSERT INTO channels"
            " (type, name, base_url, models, mapping, priority, weight, groups, status, created_at, secrets)"
            " VALUES (:type, :name, :base_url, :models, :mapping, :priority, :weight, :groups, :status,"
            " :created_at, :secrets)",
            self._channel_values(channel),
            "this channel clashes with another",
        )
        return replace(channel, id=new)

    async def change_channel(self, channel: ChannelRow) -> None:
        """Save every field of a channel."""
        await self._change(
            "UPDATE channels SET type = :type, name = :name, base_url = :base_url, models = :models,"
            " mapping = :mapping, priority = :priority, weight = :weight, groups = :groups,"
            " status = :status, secrets = :secrets WHERE id = :id",
            {"id": channel.id, **self._channel_values(channel)},
            f"there is no channel {channel.id}",
        )

    async def remove_channel(self, channel_id: int) -> None:
        """Delete a channel."""
        await self._change(
            "DELETE FROM channels WHERE id = :id", {"id": channel_id}, f"there is no channel {channel_id}"
        )

    def _channel_values(self, channel: ChannelRow) -> dict[str, Any]:
        secrets = _json({"key": channel.key, "proxy": channel.proxy, "options": dict(channel.options)})
        return {
            "type": channel.type, "name": channel.name, "base_url": channel.base_url,
            "models": _json(channel.models), "mapping": _json(dict(channel.mapping)),
            "priority": channel.priority, "weight": channel.weight, "groups": _json(channel.groups),
            "status": channel.status, "created_at": channel.created_at,
            "secrets": self._vault.seal(secrets, _SEALED_CHANNEL),
        }  # fmt: skip

    def _channel(self, row: sqlite3.Row) -> ChannelRow:
        secrets = orjson.loads(self._vault.open(row["secrets"], _SEALED_CHANNEL))
        return ChannelRow(
            id=row["id"],
            type=row["type"],
            name=row["name"],
            base_url=row["base_url"],
            key=secrets["key"],
            models=_texts(row["models"]),
            created_at=row["created_at"],
            mapping=_mapping(orjson.loads(row["mapping"])),
            priority=row["priority"],
            weight=row["weight"],
            groups=_texts(row["groups"]),
            status=row["status"],
            proxy=secrets["proxy"],
            options=_mapping(secrets["options"]),
        )

    # How statements are run.

    async def _one(self, sql: str, values: Iterable[Any] = ()) -> sqlite3.Row | None:
        async with self._reader.execute(sql, values) as cursor:
            return await cursor.fetchone()

    async def _all(self, sql: str, values: Iterable[Any] = ()) -> list[sqlite3.Row]:
        return list(await self._reader.execute_fetchall(sql, values))

    async def _insert(self, sql: str, values: Mapping[str, Any], clash: str) -> int:
        async with self._transaction(bump=True):
            try:
                cursor = await self._writer.execute(sql, values)
            except sqlite3.IntegrityError as exc:
                raise StoreError(clash) from exc
            return int(cursor.lastrowid or 0)

    async def _change(self, sql: str, values: Mapping[str, Any], missing: str) -> None:
        async with self._transaction(bump=True):
            cursor = await self._writer.execute(sql, values)
            if cursor.rowcount == 0:
                raise StoreError(missing)

    @asynccontextmanager
    async def _transaction(self, *, bump: bool = False) -> AsyncIterator[None]:
        async with self._lock:
            try:
                await self._writer.execute("BEGIN IMMEDIATE")
                yield
                if bump:
                    await self._writer.execute("UPDATE state SET generation = generation + 1 WHERE id = 1")
                await self._writer.execute("COMMIT")
            except BaseException:
                # A cancelled statement still runs in the connection's thread, this one after it; it does
                # nothing where no transaction is open.
                await self._writer.rollback()
                raise


@asynccontextmanager
async def _connect(path: Path) -> AsyncIterator[aiosqlite.Connection]:
    async with aiosqlite.connect(path, isolation_level=None) as connection:
        connection.row_factory = sqlite3.Row
        for pragma in (
            "journal_mode = WAL",
            "synchronous = NORMAL",
            "busy_timeout = 5000",
            "foreign_keys = ON",
        ):
            await connection.execute(f"PRAGMA {pragma}")
        yield connection


async def _migrate(writer: aiosqlite.Connection, path: Path) -> None:
    """Run the migrations this database has not seen, each in a transaction, in order of their numbers."""
    folder = files("canalgate.proxy.store") / "migrations"
    scripts = sorted(
        (item for item in folder.iterdir() if item.name.endswith(".sql")), key=lambda item: item.name
    )
    for script in scripts:
        number = int(script.name.partition("_")[0])
        await writer.execute("BEGIN IMMEDIATE")
        async with writer.execute("PRAGMA user_version") as cursor:
            row = await cursor.fetchone()
        done = int(row[0]) if row else 0
        if done > len(scripts):
            await writer.execute("ROLLBACK")
            raise ConfigError(f"{path}: written by a newer canalgate; update the program")
        if number <= done:
            await writer.execute("ROLLBACK")
            continue
        try:
            for statement in _statements(script.read_text("utf-8")):
                await writer.execute(statement)
            await writer.execute(f"PRAGMA user_version = {number}")
        except BaseException:
            await writer.execute("ROLLBACK")
            raise
        await writer.execute("COMMIT")


def _statements(script: str) -> list[str]:
    statements, current = [], ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    return statements


def _user(row: sqlite3.Row) -> User:
    return User(
        row["id"],
        row["name"],
        row["role"],
        row["group"],
        row["status"],
        row["created_at"],
        row["password_hash"],
    )


def _token(row: sqlite3.Row) -> Token:
    return Token(
        id=row["id"],
        user_id=row["user_id"],
        name=row["name"],
        key_hash=row["key_hash"],
        hint=row["hint"],
        status=row["status"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        models=_texts(row["models"]),
        subnets=_texts(row["subnets"]),
    )


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _texts(text: str) -> tuple[str, ...]:
    return tuple(orjson.loads(text))


def _mapping(value: dict[str, str]) -> Mapping[str, str]:
    return MappingProxyType(value)
