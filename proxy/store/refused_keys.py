"""Keys of channels that their providers have refused, as far as lists of channels show them."""

from __future__ import annotations

from .database import Database


async def counts(database: Database) -> dict[int, int]:
    """Return how many keys of each channel were refused."""
    rows = await database.all(
        "SELECT channel_id, COUNT(*) AS keys_refused FROM key_faults GROUP BY channel_id"
    )
    return {int(row["channel_id"]): int(row["keys_refused"]) for row in rows}


async def forget(database: Database, channel_id: int) -> None:
    """Let all keys of a channel be tried again."""
    async with database.transaction() as transaction:
        sql = "DELETE FROM key_faults WHERE channel_id = :channel_id"
        await transaction.run(sql, {"channel_id": channel_id})
