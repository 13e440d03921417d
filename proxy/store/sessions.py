"""Who is logged in, and by which access tokens programs act for users. Only keyed hashes are kept."""

from __future__ import annotations

from dataclasses import dataclass, field

from .database import Database, Transaction


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is logged in; times are unix seconds."""

    session_hash: bytes = field(repr=False)
    created_at: int
    expires_at: int


class Sessions:
    """The sessions and access tokens of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, session_hash: bytes, user_id: int, now: int, expires_at: int) -> None:
        """A user has logged in."""
        async with self._database.transaction() as transaction:
            await transaction.run(
                "INSERT INTO sessions (session_hash, user_id, created_at, expires_at)"
                " VALUES (:session_hash, :user_id, :now, :expires_at)",
                {"session_hash": session_hash, "user_id": user_id, "now": now, "expires_at": expires_at},
            )

    async def user_id(self, session_hash: bytes, now: int) -> int | None:
        """Return whose session this is; None if there is none, or it has ended."""
        row = await self._database.one(
            "SELECT user_id FROM sessions WHERE session_hash = :session_hash AND expires_at > :now",
            {"session_hash": session_hash, "now": now},
        )
        return int(row["user_id"]) if row else None

    async def close(self, session_hash: bytes) -> None:
        """End a session, if there is one."""
        async with self._database.transaction() as transaction:
            await transaction.run(
                "DELETE FROM sessions WHERE session_hash = :session_hash", {"session_hash": session_hash}
            )

    async def of(self, user_id: int, now: int) -> list[Session]:
        """Return a user's sessions, newest first."""
        rows = await self._database.all(
            "SELECT session_hash, created_at, expires_at FROM sessions"
            " WHERE user_id = :user_id AND expires_at > :now ORDER BY created_at DESC, session_hash",
            {"user_id": user_id, "now": now},
        )
        return [Session(bytes(row["session_hash"]), row["created_at"], row["expires_at"]) for row in rows]

    async def close_all(self, user_id: int, but: bytes = b"") -> None:
        """End all sessions of a user but this one."""
        async with self._database.transaction() as transaction:
            await close_all(transaction, user_id, but)

    async def forget_old(self, now: int) -> None:
        """Delete the sessions that have ended."""
        async with self._database.transaction() as transaction:
            await transaction.run("DELETE FROM sessions WHERE expires_at <= :now", {"now": now})

    async def set_access_token(self, user_id: int, token_hash: bytes, now: int) -> None:
        """Give a user an access token; the one before works no longer. Raises Clash if it is another's."""
        sql = self._database.dialect.upsert(
            "access_tokens", ["user_id"], replace=["token_hash", "created_at"]
        )
        async with self._database.transaction() as transaction:
            await transaction.run(sql, {"user_id": user_id, "token_hash": token_hash, "created_at": now})

    async def unset_access_token(self, user_id: int) -> None:
        """Take a user's access token away, if there is one."""
        async with self._database.transaction() as transaction:
            await transaction.run("DELETE FROM access_tokens WHERE user_id = :id", {"id": user_id})

    async def holder(self, token_hash: bytes) -> int | None:
        """Return for whom an access token acts; None if it is none."""
        row = await self._database.one(
            "SELECT user_id FROM access_tokens WHERE token_hash = :token_hash", {"token_hash": token_hash}
        )
        return int(row["user_id"]) if row else None


async def close_all(transaction: Transaction, user_id: int, but: bytes = b"") -> None:
    """End all sessions of a user but this one as part of a transaction."""
    await transaction.run(
        "DELETE FROM sessions WHERE user_id = :user_id AND session_hash <> :but",
        {"user_id": user_id, "but": but},
    )
