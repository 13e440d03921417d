"""The audit trail: who changed what, when and from where. Rows are only ever added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from .database import Database

_MOST = 191


@dataclass(frozen=True, slots=True)
class Deed:
    """One change. `at` is unix seconds, `subject` what was changed: `channel:3`. `detail` holds no secret."""

    id: int
    at: int
    actor: str
    act: str
    subject: str
    address: str
    detail: Mapping[str, Any]


class Trail:
    """The audit trail of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, deed: Deed) -> None:
        """Add a row; its id is given by the database."""
        async with self._database.transaction() as transaction:
            await transaction.insert(
                "INSERT INTO audit (at, actor, act, subject, address, detail)"
                " VALUES (:at, :actor, :act, :subject, :address, :detail)",
                {
                    "at": deed.at, "actor": deed.actor[:_MOST], "act": deed.act,
                    "subject": deed.subject[:_MOST], "address": deed.address[:_MOST],
                    "detail": orjson.dumps(dict(deed.detail)).decode(),
                },
            )  # fmt: skip

    async def page(
        self, before: int, limit: int, actor: str | None = None, subject: str | None = None
    ) -> list[Deed]:
        """Return up to `limit` rows older than the row `before`, newest first."""
        given = {name: text for name, text in (("actor", actor), ("subject", subject)) if text is not None}
        conditions = " AND ".join(["id < :before", *(f"{name} = :{name}" for name in given)])
        rows = await self._database.all(
            f"SELECT * FROM audit WHERE {conditions} ORDER BY id DESC LIMIT :most",
            {"before": before, "most": limit, **given},
        )
        return [Deed(**{**row, "detail": orjson.loads(row["detail"])}) for row in rows]
