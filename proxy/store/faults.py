"""Keys of channels that their providers have refused."""

from __future__ import annotations

from dataclasses import asdict

from ..records import KeyFault
from .changes import bump
from .database import Clash, Database
from .upsert import insert

_MOST_REASON = 500


class Faults:
    """What was refused and is not asked with any more."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[KeyFault]:
        """Return every fault, oldest first."""
        rows = await self._database.all("SELECT * FROM key_faults ORDER BY at, channel_id, key_hash")
        return [
            KeyFault(row["channel_id"], row["key_hash"], row["kind"], row["reason"], row["at"])
            for row in rows
        ]

    async def add(self, fault: KeyFault) -> bool:
        """Keep a fault; says whether it is new. The first one of a key stays."""
        row = {**asdict(fault), "reason": fault.reason[:_MOST_REASON]}
        try:
            async with self._database.transaction() as transaction:
                await bump(transaction)
                await transaction.run(insert("key_faults", row), row)
        except Clash:
            return False
        return True

    async def clear(self, channel_id: int, key_hash: str = "") -> bool:
        """Forget the fault of a key, or of all keys of a channel; says whether there was one."""
        only = " AND key_hash = :key_hash" if key_hash else ""
        async with self._database.transaction() as transaction:
            found = await transaction.run(
                f"DELETE FROM key_faults WHERE channel_id = :channel_id{only}",
                {"channel_id": channel_id, **({"key_hash": key_hash} if key_hash else {})},
            )
            if found:
                await bump(transaction)
            return found > 0
