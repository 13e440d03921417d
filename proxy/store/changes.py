"""Administrative changes: each moves the generation, by which running gateways learn of it."""

from __future__ import annotations

from .database import Clash, Database, Transaction, Values


class StoreError(Exception):
    """A change cannot be made; the message says why, for the person who asked."""


class Missing(StoreError):
    """What was to be changed is not there."""


class Moved(StoreError):
    """Something has been changed since the generation that this change was made for."""


async def bump(transaction: Transaction, generation: int | None = None) -> None:
    """Say that this transaction changes what gateways have loaded.

    With a generation: Raises Moved if it is not the latest any more, so that what was read at it still holds.
    """
    if generation is None:
        await transaction.run("UPDATE state SET generation = generation + 1 WHERE id = 1")
    elif not await transaction.run(
        "UPDATE state SET generation = generation + 1 WHERE id = 1 AND generation = :at", {"at": generation}
    ):
        raise Moved("this has just been changed by somebody else; try again")


async def insert(database: Database, sql: str, values: Values, clash: str) -> int:
    """Insert a row as a change and return its id. Raises StoreError saying `clash` if it breaks a key."""
    async with database.transaction() as transaction:
        await bump(transaction)
        try:
            return await transaction.insert(sql, values)
        except Clash as exc:
            raise StoreError(clash) from exc


async def change(
    database: Database, sql: str, values: Values, missing: str, generation: int | None = None
) -> None:
    """Run a statement as a change. Raises Missing saying `missing` if it found no row, or Moved as `bump`."""
    async with database.transaction() as transaction:
        await bump(transaction, generation)
        if not await transaction.run(sql, values):
            raise Missing(missing)
