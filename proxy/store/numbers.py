"""Numbers of types that channels were made with, where what is kept of a channel does not tell.

Other gateways number their types, and several numbers may be one adapter of ours: see admin/aiproxy/types.py.
"""

from __future__ import annotations

from .database import Database


class Numbers:
    """Type numbers by channel."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> dict[int, int]:
        """Return the numbers that are kept, by channel."""
        rows = await self._database.all("SELECT channel_id, type_number FROM channel_numbers")
        return {int(row["channel_id"]): int(row["type_number"]) for row in rows}

    async def put(self, channel_id: int, number: int | None) -> None:
        """Keep a channel's number, or with None forget it."""
        async with self._database.transaction() as transaction:
            if number is None:
                sql = "DELETE FROM channel_numbers WHERE channel_id = :channel_id"
                await transaction.run(sql, {"channel_id": channel_id})
            else:
                sql = self._database.dialect.upsert("channel_numbers", ["channel_id"], ["type_number"])
                await transaction.run(sql, {"channel_id": channel_id, "type_number": number})
