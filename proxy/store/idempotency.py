"""Do what must not happen twice once, whatever is asked for again: the first result is kept for a day.

The row of a key is written in the transaction of the work, so that neither is there without the other. Its
primary key lets one of several transactions win.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress

import orjson

from .changes import StoreError
from .database import Clash, Database, Row, Transaction

KEEP_S = 86_400
_MOST_KEY = 191
_TRIES = 4
_KEEP = "UPDATE idempotency SET result = :result WHERE scope = :scope AND idem = :idem"
_READ = "SELECT body_hash, result, at FROM idempotency WHERE scope = :scope AND idem = :idem"

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
    row = {"scope": scope, "idem": _sound(key), "body_hash": _hash(body), "at": now}
    for _ in range(_TRIES):
        known = await database.one(_READ, _key(row))
        if known is not None and int(known["at"]) > now - KEEP_S:
            if known["body_hash"] != row["body_hash"]:
                raise StoreError(f"the idempotency key {key!r} was used for something else")
            return str(known["result"])
        with suppress(_Taken):
            async with database.transaction() as transaction:
                return await _first(transaction, row, known, work)
    raise StoreError("the idempotency key is being used by another request; try again")


async def recall(database: Database, scope: str, key: str, body: object, now: int) -> str | None:
    """Return the result this key had; None for a new key. Raises StoreError as `once` does."""
    row = {"scope": scope, "idem": _sound(key), "body_hash": _hash(body)}
    known = await database.one(_READ, _key(row))
    if known is None or int(known["at"]) <= now - KEEP_S:
        return None
    if known["body_hash"] != row["body_hash"]:
        raise StoreError(f"the idempotency key {key!r} was used for something else")
    return str(known["result"])


async def claim(database: Database, scope: str, key: str, body: object, now: int) -> str | None:
    """Take a key for work of several transactions; None if it is free, else the result of the first time.

    After the work call `keep`, or `release` if nothing was done. Raises StoreError as `once` does, and as
    long as nobody has said how the first time ended: then it is not known whether it was done.
    """
    row = {"scope": scope, "idem": _sound(key), "body_hash": _hash(body), "at": now}
    for _ in range(_TRIES):
        known = await database.one(_READ, _key(row))
        if known is not None and int(known["at"]) > now - KEEP_S:
            if known["body_hash"] != row["body_hash"]:
                raise StoreError(f"the idempotency key {key!r} was used for something else")
            if not known["result"]:
                raise StoreError("the request with this idempotency key is under way, or broke off")
            return str(known["result"])
        with suppress(_Taken):
            async with database.transaction() as transaction:
                await _take(transaction, row, known)
            return None
    raise StoreError("the idempotency key is being used by another request; try again")


async def keep(database: Database, scope: str, key: str, result: str) -> None:
    """Say what a claimed key's work had for a result, which is not empty."""
    async with database.transaction() as transaction:
        await transaction.run(_KEEP, {"scope": scope, "idem": key, "result": result})


async def release(database: Database, scope: str, key: str) -> None:
    """Free a claimed key whose work was not done."""
    async with database.transaction() as transaction:
        await transaction.run(
            "DELETE FROM idempotency WHERE scope = :scope AND idem = :idem AND result = ''",
            {"scope": scope, "idem": key},
        )


async def forget_old(database: Database, now: int) -> None:
    """Delete what is kept longer than a day."""
    async with database.transaction() as transaction:
        await transaction.run("DELETE FROM idempotency WHERE at <= :old", {"old": now - KEEP_S})


async def _first(transaction: Transaction, row: Row, expired: Row | None, work: Work) -> str:
    """Take the key, do the work and keep its result. Raises _Taken if another was faster."""
    await _take(transaction, row, expired)
    result = await work(transaction)
    await transaction.run(_KEEP, {**_key(row), "result": result})
    return result


async def _take(transaction: Transaction, row: Row, expired: Row | None) -> None:
    if expired is not None:
        taken = await transaction.run(
            "UPDATE idempotency SET body_hash = :body_hash, result = '', at = :at"
            " WHERE scope = :scope AND idem = :idem AND at = :was",
            {**row, "was": expired["at"]},
        )
        if not taken:
            raise _Taken
    else:
        try:
            await transaction.run(
                "INSERT INTO idempotency (scope, idem, body_hash, result, at)"
                " VALUES (:scope, :idem, :body_hash, '', :at)",
                row,
            )
        except Clash as exc:
            raise _Taken from exc


def _sound(key: str) -> str:
    if not 0 < len(key) <= _MOST_KEY or not key.isprintable() or key != key.strip():
        raise StoreError(f"an idempotency key is 1 to {_MOST_KEY} printable characters")
    return key


def _key(row: Row) -> dict[str, object]:
    return {name: row[name] for name in ("scope", "idem")}


def _hash(body: object) -> str:
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()
