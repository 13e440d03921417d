"""Do what must not happen twice once, whatever is asked for again: the first result is kept for a day.

The row of a key is written in the transaction of the work, so that neither is there without the other. Its
primary key lets one of several transactions win.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable

import orjson

from .changes import StoreError
from .database import Clash, Database, Transaction

KEEP_S = 86_400
_MOST_KEY = 191
_TRIES = 4

Work = Callable[[Transaction], Awaitable[str]]


class _Taken(Exception):
    """The key is there already."""


async def once(database: Database, scope: str, key: str, body: object, now: int, work: Work) -> str:
    """Do the work in a transaction and return its result, or the result of the first time in a day.

    Without a `key` it is simply done. `body`, which must be JSON, is all that makes two requests the same.
    Raises StoreError for a key that was used for another body; work that fails leaves its key free.
    """
    if not key:
        async with database.transaction() as transaction:
            return await work(transaction)
    if len(key) > _MOST_KEY or not key.isprintable() or key != key.strip():
        raise StoreError(f"an idempotency key is 1 to {_MOST_KEY} printable characters")
    row = {"scope": scope, "idem": key, "body_hash": _hash(body), "at": now}
    for _ in range(_TRIES):
        try:
            async with database.transaction() as transaction:
                return await _first(transaction, row, work)
        except _Taken:
            result = await _known(database, row)
            if result is not None:
                return result
    raise StoreError("the idempotency key is being used by another request; try again")


async def forget_old(database: Database, now: int) -> None:
    """Delete what is kept longer than a day."""
    async with database.transaction() as transaction:
        await transaction.run("DELETE FROM idempotency WHERE at <= :old", {"old": now - KEEP_S})


async def _first(transaction: Transaction, row: dict[str, object], work: Work) -> str:
    try:
        await transaction.run(
            "INSERT INTO idempotency (scope, idem, body_hash, result, at)"
            " VALUES (:scope, :idem, :body_hash, '', :at)",
            row,
        )
    except Clash as exc:
        raise _Taken from exc
    result = await work(transaction)
    await transaction.run(
        "UPDATE idempotency SET result = :result WHERE scope = :scope AND idem = :idem",
        {"result": result, "scope": row["scope"], "idem": row["idem"]},
    )
    return result


async def _known(database: Database, row: dict[str, object]) -> str | None:
    """Return the first result; None where there is none any more, and the key is free."""
    found = await database.one(
        "SELECT body_hash, result, at FROM idempotency WHERE scope = :scope AND idem = :idem",
        {"scope": row["scope"], "idem": row["idem"]},
    )
    if found is None:
        return None
    if int(found["at"]) <= int(str(row["at"])) - KEEP_S:
        async with database.transaction() as transaction:
            await transaction.run(
                "DELETE FROM idempotency WHERE scope = :scope AND idem = :idem AND at = :at",
                {"scope": row["scope"], "idem": row["idem"], "at": found["at"]},
            )
        return None
    if found["body_hash"] != row["body_hash"]:
        raise StoreError(f"the idempotency key {row['idem']!r} was used for something else")
    return str(found["result"])


def _hash(body: object) -> str:
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()
