"""Administrative changes: each moves the generation, by which running gateways learn of it."""

from __future__ import annotations

from .database import Clash, Database, Transaction, Values


class StoreError(Exception):
    """A change cannot be made; the message says why, for the person who asked."""


async def bump(transaction: Transaction) -> None:
    """Say that this transaction changes what gateways have loaded."""
    await transaction.run("UPDATE state SET generation = generation + 1 WHERE id = 1")


async def insert(database: Database, sql: str, values: Values, clash: str) -> int:
    """Insert a row as a change and return its id. Raises StoreError saying `clash` if it breaks a key."""
    async with database.transaction() as transaction:
        await bump(transaction)
        try:
            return await transaction.insert(sql, values)
        except Clash as exc:
            raise StoreError(clash) from exc


async def change(database: Database, sql: str, values: Values, missing: str) -> None:
    """Run a statement as a change. Raises StoreError saying `missing` if it found no row."""
    async with database.transaction() as transaction:
        await bump(transaction)
        if not await transaction.run(sql, values):
            raise StoreError(missing)
