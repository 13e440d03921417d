"""Where sealed values are, and how they are sealed anew when the secret key is rotated.

Each value is replaced only if it is still the one that was read, so gateways and other commands may go on.
"""

from __future__ import annotations

from typing import NamedTuple

from ..errors import ConfigError
from ..keys.vault import Vault
from .changes import bump
from .database import Database, Row

CHANNEL_KEY = "channel key"
HASH_KEY = "hash key"


class Place(NamedTuple):
    """A column of sealed values, and the purpose that opens them. Its rows have a number `id`."""

    table: str
    column: str
    purpose: str


PLACES = (Place("channels", "secrets", CHANNEL_KEY), Place("hash_keys", "sealed", HASH_KEY))
"""What must last. Sealed values that are soon forgotten need not be here: older keys stay in the ring."""

_AT_ONCE = 100


class Sealed:
    """The sealed values of a database."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def old(self) -> int:
        """Count the values that are sealed with another key than the current one."""
        return sum([len(await self._old(place)) for place in PLACES])

    async def reseal(self) -> int:
        """Seal those with the current key, and return how many they were. Running gateways learn of it.

        Raises ConfigError for a value that no key opens; those before it are done.
        """
        done = 0
        for place in PLACES:
            while rows := await self._old(place):
                done += await self._reseal(place, rows[:_AT_ONCE])
        return done

    async def _old(self, place: Place) -> list[Row]:
        rows = await self._database.all(f"SELECT id, {place.column} AS sealed FROM {place.table} ORDER BY id")
        return [row for row in rows if not self._vault.is_current(bytes(row["sealed"]))]

    async def _reseal(self, place: Place, rows: list[Row]) -> int:
        changes = [{"id": row["id"], "was": row["sealed"], "new": self._again(place, row)} for row in rows]
        sql = f"UPDATE {place.table} SET {place.column} = :new WHERE id = :id AND {place.column} = :was"
        async with self._database.transaction() as transaction:
            await bump(transaction)
            return sum([await transaction.run(sql, change) for change in changes])

    def _again(self, place: Place, row: Row) -> bytes:
        try:
            return self._vault.seal(self._vault.open(bytes(row["sealed"]), place.purpose), place.purpose)
        except ConfigError as exc:
            raise ConfigError(f"{place.table} {row['id']}: {exc}") from exc
