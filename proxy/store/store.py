"""What is kept of users, tokens and channels, and which gateways run.

Statements stand beside the method that runs them. Every administrative change adds one to the
generation in its own transaction, which is how running gateways learn of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import orjson

from ..keys.vault import Vault, token_hash
from ..records import NO_TIMES, ChannelRow, Times, Token, User
from .accounts import Accounts, open_account
from .balances import Balances
from .bodies import Bodies
from .changes import Missing, StoreError, bump, change
from .codes import Codes
from .database import Clash, Database, Row, Transaction, Values
from .events import Events
from .faults import Faults
from .gifts import Invitation, give
from .hash_keys import HashKeys
from .imports import Imports
from .limits import LimitRows
from .numbers import Numbers
from .prices import Prices
from .requests import Requests
from .routes import Routes
from .rows import as_json, texts, token_account, token_of, user_account, user_of
from .sealed import CHANNEL_KEY, Sealed
from .search import Search
from .sessions import Sessions, close_all
from .settings import SettingRows
from .trail import Trail
from .writing import Writing

_ADD_CHANNEL = (
    "INSERT INTO channels"
    " (type, name, base_url, models, mapping, priority, weight, channel_groups, status, created_at,"
    " ratio, times, secrets) VALUES (:type, :name, :base_url, :models, :mapping, :priority, :weight,"
    " :channel_groups, :status, :created_at, :ratio, :times, :secrets)"
)
_ALIVE_S = 15

Then = Callable[[Transaction, int], Awaitable[None]]


class Store:
    """What is kept. Methods that change something raise StoreError if it clashes with what is there."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self.database = database
        self.accounts = Accounts(database)
        self.balances = Balances(database)
        self.codes = Codes(database)
        self.requests = Requests(database)
        self.prices = Prices(database)
        self.limits = LimitRows(database)
        self.bodies = Bodies(database, vault)
        self.numbers = Numbers(database)
        self.routes = Routes(database)
        self.faults = Faults(database)
        self.events = Events(database)
        self.sealed = Sealed(database, vault)
        self.hash_keys = HashKeys(database, vault)
        self.search = Search(database, self.accounts)
        self.sessions = Sessions(database)
        self.settings = SettingRows(database)
        self.trail = Trail(database)
        self._vault = vault
        self.imports = Imports(database, self._channel_values, self.requests)

    # Generation and instances.

    async def generation(self) -> int:
        """Number of the latest administrative change."""
        row = await self.database.one("SELECT generation FROM state WHERE id = 1")
        return int(row["generation"]) if row else 0

    @asynccontextmanager
    async def writing(self, generation: int) -> AsyncIterator[Writing]:
        """Open the transaction of many changes to what was read at a generation.

        Raises Moved if anything was changed since, or StoreError on a clash; then nothing is written.
        """
        async with self.database.transaction() as transaction:
            await bump(transaction, generation)
            writing = Writing(self.database, transaction, self._channel_values)
            try:
                yield writing
                await writing.finish()
            except Clash as exc:
                raise StoreError(f"this clashes with what is there; nothing was written: {exc}") from exc

    async def report_instance(self, name: str, generation: int, now: int, health: str = "[]") -> None:
        """Say that a gateway runs, which generation it has loaded and how its channels fare (JSON).

        Forgets those that have long been silent.
        """
        report = self.database.dialect.upsert(
            "instances", ["id"], replace=["generation", "seen_at", "health"]
        )
        row = {"id": name, "generation": generation, "seen_at": now, "health": health}
        async with self.database.transaction() as transaction:
            await transaction.run(report, row)
            await transaction.run(
                "DELETE FROM instances WHERE seen_at < :silent", {"silent": now - 10 * _ALIVE_S}
            )

    async def forget_instance(self, name: str) -> None:
        """A gateway stops."""
        async with self.database.transaction() as transaction:
            await transaction.run("DELETE FROM instances WHERE id = :id", {"id": name})

    async def instances(self, now: int) -> list[tuple[str, int, int]]:
        """Return name, generation loaded and last word (unix seconds) of the running gateways."""
        rows = await self.database.all(
            "SELECT id, generation, seen_at FROM instances WHERE seen_at >= :alive ORDER BY id",
            {"alive": now - _ALIVE_S},
        )
        return [(row["id"], int(row["generation"]), int(row["seen_at"])) for row in rows]

    async def instance_generations(self, now: int) -> list[int]:
        """Generations that the running gateways have loaded."""
        return [generation for _, generation, _ in await self.instances(now)]

    async def instance_healths(self, now: int) -> list[str]:
        """How channels fare, as the running gateways have said last."""
        rows = await self.database.all(
            "SELECT health FROM instances WHERE seen_at >= :alive", {"alive": now - _ALIVE_S}
        )
        return [row["health"] for row in rows]

    # Users.

    async def users(self) -> list[User]:
        """Every user, oldest first."""
        rows = await self.database.all("SELECT * FROM users ORDER BY id")
        states = await self.accounts.states()
        return [user_of(row, states) for row in rows]

    async def user(self, name: str) -> User | None:
        """Find a user by name."""
        row = await self.database.one("SELECT * FROM users WHERE name = :name", {"name": name})
        return user_of(row, await self.accounts.states([user_account(row["id"])])) if row else None

    async def user_by_id(self, user_id: int) -> User | None:
        """Find a user by id."""
        row = await self.database.one("SELECT * FROM users WHERE id = :id", {"id": user_id})
        return user_of(row, await self.accounts.states([user_account(user_id)])) if row else None

    async def add_user(
        self, user: User, quota: int | None = None, invitation: Invitation | None = None
    ) -> User:
        """Add a user who may spend so much, None for without limit; the id is given by the store."""
        values = {
            "name": user.name, "role": user.role, "user_group": user.group, "status": user.status,
            "created_at": user.created_at, "password_hash": user.password_hash,
        }  # fmt: skip
        new = await self._insert(
            "user",
            quota,
            "INSERT INTO users (name, role, user_group, status, created_at, password_hash)"
            " VALUES (:name, :role, :user_group, :status, :created_at, :password_hash)",
            values,
            f"there is a user {user.name!r} already",
            partial(give, user=user, quota=quota, invitation=invitation) if invitation else None,
        )
        return replace(user, id=new, limited=quota is not None)

    async def change_user(self, user: User, generation: int | None = None) -> None:
        """Save a user's role, group and status. Raises Moved: see changes.bump."""
        await change(
            self.database,
            "UPDATE users SET role = :role, user_group = :user_group, status = :status WHERE id = :id",
            {"id": user.id, "role": user.role, "user_group": user.group, "status": user.status},
            f"there is no user {user.name!r}",
            generation,
        )

    async def set_password(self, user: User, password_hash: str) -> bool:
        """Change a user's password and end their sessions; False if it is not the one they have any more."""
        async with self.database.transaction() as transaction:
            await bump(transaction)
            done = await transaction.run(
                "UPDATE users SET password_hash = :new WHERE id = :id AND password_hash = :was",
                {"id": user.id, "new": password_hash, "was": user.password_hash},
            )
            if done:
                await close_all(transaction, user.id)
            return bool(done)

    async def remove_user(self, user_id: int) -> None:
        """Delete a user with their tokens and sessions. Accounts stay, for what was spent."""
        async with self.database.transaction() as transaction:
            await bump(transaction)
            for table in ("tokens", "sessions", "access_tokens"):
                await transaction.run(f"DELETE FROM {table} WHERE user_id = :id", {"id": user_id})
            if not await transaction.run("DELETE FROM users WHERE id = :id", {"id": user_id}):
                raise Missing(f"there is no user {user_id}")

    # Tokens.

    async def tokens(self) -> list[Token]:
        """Every token, oldest first."""
        rows = await self.database.all("SELECT * FROM tokens ORDER BY id")
        states = await self.accounts.states()
        return [token_of(row, states) for row in rows]

    async def token_by_hash(self, key_hash: bytes) -> tuple[Token, User] | None:
        """Find a token and its user by the key's hash."""
        row = await self.database.one(
            "SELECT * FROM tokens WHERE key_hash = :key_hash", {"key_hash": key_hash}
        )
        if row is None:
            return None
        owner = await self.database.one("SELECT * FROM users WHERE id = :id", {"id": row["user_id"]})
        states = await self.accounts.states([token_account(row["id"]), user_account(row["user_id"])])
        return (token_of(row, states), user_of(owner, states)) if owner else None

    async def token_by_key(self, key: str) -> tuple[Token, User] | None:
        """Find a token and its user by the key that a client holds, whichever installation made it."""
        found = await self.token_by_hash(self._vault.token_hash(key))
        if found is None:
            for hash_key in await self.hash_keys.all():
                found = found or await self.token_by_hash(token_hash(key, hash_key))
        return found

    async def add_token(self, token: Token, quota: int | None = None) -> Token:
        """Add a token that may spend so much, None for as much as its user; the id is given by the store."""
        values = {
            "user_id": token.user_id, "name": token.name, "key_hash": token.key_hash, "hint": token.hint,
            "status": token.status, "created_at": token.created_at, "expires_at": token.expires_at,
            "models": as_json(token.models), "subnets": as_json(token.subnets),
            "priority": token.priority,
        }  # fmt: skip
        new = await self._insert(
            "token",
            quota,
            "INSERT INTO tokens"
            " (user_id, name, key_hash, hint, status, created_at, expires_at, models, subnets, priority)"
            " VALUES (:user_id, :name, :key_hash, :hint, :status, :created_at, :expires_at, :models,"
            " :subnets, :priority)",
            values,
            "this key is in use already",
        )
        return replace(token, id=new, limited=quota is not None)

    async def tokens_of(self, user_id: int) -> list[Token]:
        """Return a user's tokens, oldest first."""
        sql = "SELECT * FROM tokens WHERE user_id = :user_id ORDER BY id"
        rows = await self.database.all(sql, {"user_id": user_id})
        states = await self.accounts.states([token_account(row["id"]) for row in rows])
        return [token_of(row, states) for row in rows]

    async def token(self, token_id: int) -> Token | None:
        """Find a token by its id."""
        row = await self.database.one("SELECT * FROM tokens WHERE id = :id", {"id": token_id})
        return token_of(row, await self.accounts.states([token_account(token_id)])) if row else None

    async def change_token(self, token: Token, generation: int | None = None) -> None:
        """Save a token's name, status, end, models, networks and priority. Raises Moved: see changes.bump."""
        await change(
            self.database,
            "UPDATE tokens SET name = :name, status = :status, expires_at = :expires_at, models = :models,"
            " subnets = :subnets, priority = :priority WHERE id = :id",
            {
                "id": token.id, "name": token.name, "status": token.status, "expires_at": token.expires_at,
                "models": as_json(token.models), "subnets": as_json(token.subnets),
                "priority": token.priority,
            },
            f"there is no token {token.id}",
            generation,
        )  # fmt: skip

    async def remove_token(self, token_id: int, generation: int | None = None) -> None:
        """Delete a token. Its account stays, for what was spent. Raises Moved: see changes.bump."""
        await change(
            self.database,
            "DELETE FROM tokens WHERE id = :id",
            {"id": token_id},
            f"there is no token {token_id}",
            generation,
        )

    async def set_token_status(self, token_id: int, status: str) -> None:
        """Enable or disable a token."""
        await change(
            self.database,
            "UPDATE tokens SET status = :status WHERE id = :id",
            {"id": token_id, "status": status},
            f"there is no token {token_id}",
        )

    async def _insert(
        self, kind: str, quota: int | None, sql: str, values: Values, clash: str, then: Then | None = None
    ) -> int:
        """Add a row with an account of its own, and what belongs to it."""
        async with self.database.transaction() as transaction:
            await bump(transaction)
            try:
                new = await transaction.insert(sql, values)
            except Clash as exc:
                raise StoreError(clash) from exc
            await open_account(transaction, f"{kind}:{new}", quota)
            if then is not None:
                await then(transaction, new)
            return new

    # Channels.

    async def channels(self) -> list[ChannelRow]:
        """Every channel, oldest first, with its key opened."""
        return [self._channel(row) for row in await self.database.all("SELECT * FROM channels ORDER BY id")]

    async def channel(self, channel_id: int) -> ChannelRow | None:
        """Find a channel by its id."""
        row = await self.database.one("SELECT * FROM channels WHERE id = :id", {"id": channel_id})
        return self._channel(row) if row else None

    async def add_channel(self, channel: ChannelRow) -> ChannelRow:
        """Add a channel; the id is given by the store."""
        return (await self.add_channels([channel]))[0]

    async def add_channels(self, channels: Sequence[ChannelRow]) -> list[ChannelRow]:
        """Add channels, all or none; the ids are given by the store."""
        async with self.database.transaction() as transaction:
            await bump(transaction)
            ids = [await transaction.insert(_ADD_CHANNEL, self._channel_values(row)) for row in channels]
        return [replace(row, id=new) for row, new in zip(channels, ids, strict=True)]

    async def change_channel(self, channel: ChannelRow, generation: int | None = None) -> None:
        """Save every field of a channel. Raises Moved: see changes.bump."""
        await change(
            self.database,
            "UPDATE channels SET type = :type, name = :name, base_url = :base_url, models = :models,"
            " mapping = :mapping, priority = :priority, weight = :weight, channel_groups = :channel_groups,"
            " status = :status, ratio = :ratio, times = :times, secrets = :secrets WHERE id = :id",
            {"id": channel.id, **self._channel_values(channel)},
            f"there is no channel {channel.id}",
            generation,
        )

    async def remove_channel(self, channel_id: int, generation: int | None = None) -> None:
        """Delete a channel. Raises Moved: see changes.bump."""
        await self.faults.clear(channel_id)
        await self.balances.clear(channel_id)
        await change(
            self.database,
            "DELETE FROM channels WHERE id = :id",
            {"id": channel_id},
            f"there is no channel {channel_id}",
            generation,
        )

    def _channel_values(self, channel: ChannelRow) -> dict[str, Any]:
        secrets = as_json({"key": channel.key, "proxy": channel.proxy, "options": dict(channel.options)})
        return {
            "type": channel.type, "name": channel.name, "base_url": channel.base_url,
            "models": as_json(channel.models), "mapping": as_json(dict(channel.mapping)),
            "priority": channel.priority, "weight": channel.weight, "channel_groups": as_json(channel.groups),
            "status": channel.status, "created_at": channel.created_at, "ratio": channel.ratio,
            "times": as_json({name: value for name, value in asdict(channel.times).items() if value}),
            "secrets": self._vault.seal(secrets, CHANNEL_KEY),
        }  # fmt: skip

    def _channel(self, row: Row) -> ChannelRow:
        secrets = orjson.loads(self._vault.open(row["secrets"], CHANNEL_KEY))
        return ChannelRow(
            id=row["id"],
            type=row["type"],
            name=row["name"],
            base_url=row["base_url"],
            key=secrets["key"],
            models=texts(row["models"]),
            created_at=row["created_at"],
            mapping=_mapping(orjson.loads(row["mapping"])),
            priority=row["priority"],
            weight=row["weight"],
            groups=texts(row["channel_groups"]),
            status=row["status"],
            proxy=secrets["proxy"],
            options=_mapping(secrets["options"]),
            ratio=row["ratio"],
            times=_times(row["times"]),
        )


def _times(text: str) -> Times:
    return Times(**orjson.loads(text)) if text != "{}" else NO_TIMES


def _mapping(value: dict[str, str]) -> Mapping[str, str]:
    return MappingProxyType(value)
