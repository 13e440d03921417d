"""One transaction in which many things that administrators set are added, changed and removed.

What comes from elsewhere as a whole, another gateway's database or a file, is written here: all or nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import orjson

from ..billing.limits import Limit
from ..billing.pricing import Price
from ..records import ChannelRow, ModelRoute, Token, User
from .database import Database, Transaction, Values
from .upsert import insert, update

ChannelValues = Callable[[ChannelRow], dict[str, Any]]
"""Seals a channel's secrets into its columns."""

_GONE_WITH = {
    "channels": tuple(
        f"DELETE FROM {table} WHERE channel_id = :id" for table in ("key_faults", "channel_numbers")
    ),
    "users": tuple(
        f"DELETE FROM {table} WHERE user_id = :id" for table in ("tokens", "sessions", "access_tokens")
    ),
}
"""What belongs to a row and goes with it. Accounts stay, for what was spent."""

_END_SESSIONS = (
    "DELETE FROM sessions WHERE user_id = :id"
    " AND EXISTS (SELECT 1 FROM users WHERE id = :id AND password_hash <> :password_hash)"
)


class Writing:
    """The transaction. Its caller has moved the generation; `finish` is called in the end."""

    def __init__(self, database: Database, transaction: Transaction, channel_values: ChannelValues) -> None:
        self._dialect = database.dialect
        self.transaction = transaction
        self._channel_values = channel_values
        self._accounts: list[dict[str, object]] = []

    # Rows with a number: 0 is replaced by a new one.

    async def user(self, user: User, balance: int | None, used: int = 0) -> int:
        """Add a user."""
        values = {**_user_values(user), "name": user.name, "created_at": user.created_at}
        new = await self._insert("users", user.id, values)
        self._account(f"user:{new}", balance, used)
        return new

    async def token(self, token: Token, balance: int | None, used: int = 0) -> int:
        """Add a token."""
        values = {
            **_token_values(token), "user_id": token.user_id, "name": token.name,
            "created_at": token.created_at,
        }  # fmt: skip
        new = await self._insert("tokens", token.id, values)
        self._account(f"token:{new}", balance, used)
        return new

    async def channel(self, channel: ChannelRow) -> int:
        """Add a channel."""
        return await self._insert("channels", channel.id, self._channel_values(channel))

    async def change_user(self, user: User) -> None:
        """Save a user's role, group, status and password; another password ends their sessions."""
        hashed = {"id": user.id, "password_hash": user.password_hash}
        await self.transaction.run(_END_SESSIONS, hashed)
        await self._update("users", user.id, _user_values(user))

    async def change_token(self, token: Token) -> None:
        """Save a token but for whose it is, its name and its time."""
        await self._update("tokens", token.id, _token_values(token))

    async def change_channel(self, channel: ChannelRow) -> None:
        """Save every field of a channel."""
        await self._update("channels", channel.id, self._channel_values(channel))

    async def remove(self, table: str, number: int) -> None:
        """Delete a row of `users`, `tokens` or `channels`, with what belongs to it."""
        for sql in (*_GONE_WITH.get(table, ()), f"DELETE FROM {table} WHERE id = :id"):
            await self.transaction.run(sql, {"id": number})

    # What is set for a name; None takes it away.

    async def set_price(self, model: str, price: Price | None) -> None:
        """Set a model's price."""
        row = {"price": msgspec.json.encode(price).decode()} if price else None
        await self._set("model_prices", "model", model, row)

    async def set_group_ratio(self, name: str, ratio: int | None) -> None:
        """Set what a group's prices are multiplied by, in millionths."""
        await self._set("user_groups", "name", name, None if ratio is None else {"ratio": ratio})

    async def set_route(self, model: str, route: ModelRoute | None) -> None:
        """Set how a model is served."""
        fallbacks = orjson.dumps(route.fallbacks).decode() if route else ""
        row = {"mode": route.mode, "fallbacks": fallbacks} if route else None
        await self._set("model_routes", "model", model, row)

    async def set_limit(self, subject: str, limit: Limit | None) -> None:
        """Set a subject's limit."""
        await self._set("limits", "subject", subject, msgspec.structs.asdict(limit) if limit else None)

    async def finish(self) -> None:
        """Write what was collected."""
        if self._accounts:
            await self.transaction.many(insert("accounts", self._accounts[0]), self._accounts)

    async def _set(self, table: str, column: str, name: str, values: Values | None) -> None:
        key = {column: name}
        if values is not None:
            sql = self._dialect.upsert(table, [column], replace=list(values))
            await self.transaction.run(sql, {**key, **values})
        else:
            await self.transaction.run(f"DELETE FROM {table} WHERE {column} = :{column}", key)

    async def _insert(self, table: str, number: int, values: Values) -> int:
        if not number:
            return await self.transaction.insert(insert(table, values), values)
        row = {"id": number, **values}
        await self.transaction.run(insert(table, row), row)
        return number

    async def _update(self, table: str, number: int, values: Values) -> None:
        await self.transaction.run(update(table, values), {"id": number, **values})

    def _account(self, name: str, balance: int | None, used: int) -> None:
        credited = 0 if balance is None else balance + used
        self._accounts.append({"name": name, "balance": balance, "credited": credited, "used": used})


def _user_values(user: User) -> dict[str, object]:
    return {
        "role": user.role, "user_group": user.group, "status": user.status,
        "password_hash": user.password_hash,
    }  # fmt: skip


def _token_values(token: Token) -> dict[str, object]:
    return {
        "key_hash": token.key_hash, "hint": token.hint, "status": token.status,
        "expires_at": token.expires_at, "models": orjson.dumps(token.models).decode(),
        "subnets": orjson.dumps(token.subnets).decode(),
    }  # fmt: skip
