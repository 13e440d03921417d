"""Keys by which other installations hashed the tokens that came from them."""

from __future__ import annotations

from ..keys.vault import Vault
from .database import Database, Transaction
from .sealed import HASH_KEY
from .upsert import insert


class HashKeys:
    """The hash keys of a database, beside the installation's own."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def all(self) -> list[bytes]:
        """Return them, oldest first."""
        rows = await self._database.all("SELECT sealed FROM hash_keys ORDER BY id")
        return [bytes.fromhex(self._vault.open(bytes(row["sealed"]), HASH_KEY)) for row in rows]

    async def add(self, transaction: Transaction, hash_key: bytes, now: int) -> None:
        """Add one as part of a transaction."""
        row = {"sealed": self._vault.seal(hash_key.hex(), HASH_KEY), "created_at": now}
        await transaction.insert(insert("hash_keys", row), row)
