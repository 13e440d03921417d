"""The limits that are set."""

from __future__ import annotations

import msgspec

from ..billing.limits import Limit
from .changes import Missing, bump
from .database import Database

_FIELDS = list(Limit.__struct_fields__)


class LimitRows:
    """What is set in a database, by subject: see proxy/billing/limits.py."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> dict[str, Limit]:
        """Return all limits."""
        rows = await self._database.all("SELECT * FROM limits ORDER BY subject")
        return {row["subject"]: Limit(**{name: int(row[name]) for name in _FIELDS}) for row in rows}

    async def set(self, subject: str, limit: Limit) -> None:
        """Set a subject's limit."""
        statement = self._database.dialect.upsert("limits", ["subject"], replace=_FIELDS)
        async with self._database.transaction() as transaction:
            await bump(transaction)
            await transaction.run(statement, {"subject": subject, **msgspec.structs.asdict(limit)})

    async def unset(self, subject: str) -> None:
        """Take a subject's limit away."""
        async with self._database.transaction() as transaction:
            await bump(transaction)
            if not await transaction.run("DELETE FROM limits WHERE subject = :subject", {"subject": subject}):
                raise Missing(f"no limit is set for {subject!r}")
