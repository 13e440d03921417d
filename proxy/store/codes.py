"""Redemption codes: who has one may add its quota to an account, once. Only hashes of codes are kept."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import asdict, dataclass

from ..records import DISABLED, ENABLED
from .accounts import MOST, credit
from .changes import Missing, StoreError
from .database import Database, Transaction
from .idempotency import once

USED = "used"
MOST_CODES = 10_000
_MOST_NAME = 191


@dataclass(frozen=True, slots=True)
class Code:
    """A code without itself. Times are unix seconds; `redeemed_by` is a user's id."""

    id: int
    name: str
    quota: int
    status: str
    created_at: int
    expires_at: int | None
    redeemed_at: int | None
    redeemed_by: int | None


_COLUMNS = ", ".join(Code.__slots__)


class Codes:
    """The redemption codes of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, name: str, quota: int, count: int, expires_at: int | None, now: int) -> list[str]:
        """Make codes worth so much each, and return them: they are nowhere to be found later."""
        if not 0 < quota < MOST:
            raise StoreError("a code is worth more than nothing")
        if not 0 < count <= MOST_CODES:
            raise StoreError(f"1 to {MOST_CODES} codes can be made at once")
        if len(name) > _MOST_NAME or "\0" in name:
            raise StoreError(f"the name of codes has at most {_MOST_NAME} characters")
        if expires_at is not None and expires_at <= now:
            raise StoreError("the codes would have expired already")
        codes = [secrets.token_hex(16) for _ in range(count)]
        row = {"name": name, "quota": quota, "status": ENABLED, "created_at": now, "expires_at": expires_at}
        async with self._database.transaction() as transaction:
            await transaction.many(
                "INSERT INTO codes (code_hash, name, quota, status, created_at, expires_at)"
                " VALUES (:code_hash, :name, :quota, :status, :created_at, :expires_at)",
                [{**row, "code_hash": code_hash(code)} for code in codes],
            )
        return codes

    async def page(self, after: int, limit: int, status: str | None = None) -> list[Code]:
        """Return up to `limit` codes made after the one with the id `after`, oldest first."""
        only = " AND status = :status" if status is not None else ""
        rows = await self._database.all(
            f"SELECT {_COLUMNS} FROM codes WHERE id > :after{only} ORDER BY id LIMIT :most",
            {"after": after, "most": limit, **({"status": status} if status is not None else {})},
        )
        return [Code(**row) for row in rows]

    async def list(self) -> list[Code]:
        """Every code, oldest first."""
        return [Code(**row) for row in await self._database.all(f"SELECT {_COLUMNS} FROM codes ORDER BY id")]

    async def one(self, code_id: int) -> Code | None:
        """Find a code by its id."""
        row = await self._database.one(f"SELECT {_COLUMNS} FROM codes WHERE id = :id", {"id": code_id})
        return Code(**row) if row else None

    async def disable(self, code_id: int) -> None:
        """Let a code be worth nothing. Raises StoreError if there is none, or it was used."""
        async with self._database.transaction() as transaction:
            done = await transaction.run(
                "UPDATE codes SET status = :disabled WHERE id = :id AND status <> :used",
                {"disabled": DISABLED, "id": code_id, "used": USED},
            )
            if not done:
                row = await transaction.one("SELECT status FROM codes WHERE id = :id", {"id": code_id})
                if row is None:
                    raise Missing(f"there is no code {code_id}")
                raise StoreError(f"code {code_id} was used")

    async def change(self, code: Code) -> None:
        """Save a code's name, quota and status. Raises StoreError if there is none, or it was used."""
        if not 0 < code.quota < MOST:
            raise StoreError("a code is worth more than nothing")
        if len(code.name) > _MOST_NAME or "\0" in code.name:
            raise StoreError(f"the name of codes has at most {_MOST_NAME} characters")
        async with self._database.transaction() as transaction:
            done = await transaction.run(
                "UPDATE codes SET name = :name, quota = :quota, status = :status"
                " WHERE id = :id AND status <> :used",
                {"id": code.id, "name": code.name, "quota": code.quota, "status": code.status, "used": USED},
            )
            if not done:
                raise StoreError(f"code {code.id} was used, or is gone")

    async def remove(self, code_id: int) -> None:
        """Delete a code. Raises StoreError if there is none."""
        async with self._database.transaction() as transaction:
            if not await transaction.run("DELETE FROM codes WHERE id = :id", {"id": code_id}):
                raise StoreError(f"there is no code {code_id}")

    async def redeem(self, code: str, user_id: int, now: int, idem: str = "") -> int:
        """Add a code's quota to a user's balance, and return it. Raises StoreError saying why it cannot be.

        `idem` is an idempotency key: with it, the same user and code again is no error and adds nothing.
        """
        hashed = code_hash(code)

        async def work(transaction: Transaction) -> str:
            return str(await _redeem(transaction, hashed, user_id, now))

        scope = f"redeem:{user_id}"
        return int(await once(self._database, scope, idem, hashed.hex(), now, work))


async def _redeem(transaction: Transaction, hashed: bytes, user_id: int, now: int) -> int:
    taken = await transaction.run(
        "UPDATE codes SET status = :used, redeemed_at = :now, redeemed_by = :user_id"
        " WHERE code_hash = :code_hash AND status = :enabled AND (expires_at IS NULL OR expires_at > :now)",
        {"used": USED, "now": now, "user_id": user_id, "code_hash": hashed, "enabled": ENABLED},
    )
    row = await transaction.one(
        "SELECT id, name, quota, status FROM codes WHERE code_hash = :code_hash", {"code_hash": hashed}
    )
    if row is None:
        raise StoreError("there is no such code")
    if not taken:
        why = {USED: "was used already", DISABLED: "is disabled"}.get(row["status"], "has expired")
        raise StoreError(f"this code {why}")
    quota = int(row["quota"])
    await credit(
        transaction, f"user:{user_id}", quota, "code", row["name"], f"code {row['id']}", now
    )  # an error takes the code's use back
    return quota


def columns(code: Code, text: str) -> dict[str, object]:
    """Return what is kept of a code whose text is known, without its number."""
    row = asdict(code)
    del row["id"]
    return {"code_hash": code_hash(text), **row}


def code_hash(code: str) -> bytes:
    """Return what is kept of a code."""
    # Codes are random and long, so a hash without a key tells nothing.
    return hashlib.sha256(code.strip().encode(errors="replace")).digest()
