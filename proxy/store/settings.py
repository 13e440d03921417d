"""Settings that are kept in the database: names, and values as JSON. What they mean is not known here."""

from __future__ import annotations

from typing import Any

import orjson

from .changes import Missing, bump
from .database import Database


class SettingRows:
    """What is set in a database, by name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> dict[str, Any]:
        """Return all that is set."""
        rows = await self._database.all("SELECT name, content FROM settings ORDER BY name")
        return {row["name"]: orjson.loads(row["content"]) for row in rows}

    async def set(self, name: str, value: object) -> None:
        """Set a setting."""
        statement = self._database.dialect.upsert("settings", ["name"], replace=["content"])
        async with self._database.transaction() as transaction:
            await bump(transaction)
            await transaction.run(statement, {"name": name, "content": orjson.dumps(value).decode()})

    async def unset(self, name: str) -> None:
        """Forget what is set here. Raises Missing."""
        async with self._database.transaction() as transaction:
            await bump(transaction)
            if not await transaction.run("DELETE FROM settings WHERE name = :name", {"name": name}):
                raise Missing(f"{name} is not set here")
